# SPDX-License-Identifier: GPL-3.0-or-later
"""Hears tones in recorded audio, and makes them. Pure, apart from reading a WAV file.

``share`` is the Goertzel algorithm (G. Goertzel, American Mathematical Monthly 65, 1958): the power at one
frequency, as a part of all the power there is. A pure tone has a share of 1, the louder of two equal
voices 0.5, speech and noise hardly any at a single frequency.
"""

from __future__ import annotations

import math
import struct
import wave
from collections.abc import Sequence
from pathlib import Path

RATE_HZ = 8000
HEARD_SHARE = 0.2  #: of the power of a window, that a tone must have to be heard in a mixture
SILENCE_RMS = 50.0  #: of 32767: below this a window is silent, whatever its spectrum
WINDOW_S = 0.04


def share(samples: Sequence[int], frequency_hz: float, rate_hz: int = RATE_HZ) -> float:
    """The part, from 0 to about 1, that a frequency has in the power of ``samples``; 0 for silence."""
    energy = sum(sample * sample for sample in samples)
    if not samples or energy / len(samples) < SILENCE_RMS**2:
        return 0.0
    coefficient = 2 * math.cos(2 * math.pi * frequency_hz / rate_hz)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + coefficient * last - before
    power = last * last + before * before - coefficient * last * before
    return 2 * power / (len(samples) * energy)


def heard_s(samples: Sequence[int], frequency_hz: float, rate_hz: int = RATE_HZ) -> float:
    """For how many seconds a tone is heard, in windows of ``WINDOW_S``."""
    size = int(WINDOW_S * rate_hz)
    windows = (samples[start : start + size] for start in range(0, len(samples) - size + 1, size))
    return WINDOW_S * sum(share(window, frequency_hz, rate_hz) >= HEARD_SHARE for window in windows)


def read_wav(path: Path) -> list[int]:
    """The samples of a WAV file of 16-bit mono at ``RATE_HZ``.

    Raises:
        ValueError: it is in another form.
    """
    with wave.open(str(path), "rb") as file:
        if (file.getframerate(), file.getsampwidth(), file.getnchannels()) != (RATE_HZ, 2, 1):
            raise ValueError(f"{path} is not 16-bit mono at {RATE_HZ} Hz.")
        frames = file.readframes(file.getnframes())
    return list(struct.unpack(f"<{len(frames) // 2}h", frames))


def sine(frequency_hz: float, seconds: float, amplitude: int = 8000, rate_hz: int = RATE_HZ) -> list[int]:
    """Samples of a tone."""
    step = 2 * math.pi * frequency_hz / rate_hz
    return [round(amplitude * math.sin(step * n)) for n in range(int(seconds * rate_hz))]


def encode_ulaw(samples: Sequence[int]) -> bytes:
    """G.711 mu-law (ITU-T G.711, table 2a)."""
    return bytes(_encode_one(sample) for sample in samples)


def decode_ulaw(data: bytes) -> list[int]:
    """The samples of G.711 mu-law."""
    return [_DECODED[byte] for byte in data]


_BIAS = 0x84
_CLIP = 32635


def _encode_one(sample: int) -> int:
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), _CLIP) + _BIAS
    exponent = magnitude.bit_length() - 8
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return ~(sign | exponent << 4 | mantissa) & 0xFF


def _decode_one(byte: int) -> int:
    inverted = ~byte & 0xFF
    magnitude = (((inverted & 0x0F) << 3) + _BIAS << (inverted >> 4 & 0x07)) - _BIAS
    return -magnitude if inverted & 0x80 else magnitude


_DECODED = [_decode_one(byte) for byte in range(256)]
