# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests' ear: it hears a tone that is there, and none that is not."""

from __future__ import annotations

import random
import wave
from pathlib import Path

import pytest

from tests.phones.tones import (
    RATE_HZ,
    decode_ulaw,
    encode_ulaw,
    heard_s,
    read_wav,
    share,
    sine,
)


@pytest.mark.parametrize("frequency_hz", [300, 440, 1000, 2600])
def test_a_pure_tone_is_nearly_all_of_the_power(frequency_hz):
    """A sine has a share of about 1 at its frequency, and hardly any elsewhere."""
    samples = sine(frequency_hz, 0.2)
    assert share(samples, frequency_hz) == pytest.approx(1, abs=0.05)
    assert share(samples, frequency_hz + 100) < 0.02


def test_two_voices_share_the_power():
    """Of two equal tones in a mixture each has about half."""
    mixed = [a + b for a, b in zip(sine(440, 0.2), sine(1000, 0.2), strict=True)]
    assert share(mixed, 440) == pytest.approx(0.5, abs=0.05)
    assert share(mixed, 1000) == pytest.approx(0.5, abs=0.05)


def test_noise_is_no_tone():
    """White noise is not heard as a tone."""
    generator = random.Random(1)
    noise = [generator.randint(-8000, 8000) for _ in range(RATE_HZ)]
    assert heard_s(noise, 440) == 0


@pytest.mark.parametrize("samples", [[], [0] * 320, [3, -3] * 160])
def test_silence_has_no_tone(samples):
    """Nothing, digital silence and a murmur below hearing have a share of 0."""
    assert share(samples, 4000 - 1) == 0
    assert share(samples, 440) == 0


def test_seconds_heard_are_counted():
    """Half a second of tone in two seconds of recording is heard for half a second."""
    recording = [0] * RATE_HZ + sine(440, 0.5) + [0] * (RATE_HZ // 2)
    assert heard_s(recording, 440) == pytest.approx(0.5, abs=0.05)


def test_mu_law_round_trip_keeps_the_tone():
    """Encoding to G.711 mu-law and back keeps every sample within its step, and the tone."""
    samples = sine(440, 0.1)
    heard = decode_ulaw(encode_ulaw(samples))
    assert max(abs(a - b) for a, b in zip(samples, heard, strict=True)) <= 256
    assert share(heard, 440) > 0.95


def test_mu_law_of_the_recommendation():
    """Silence is 0xFF, full scale 0x80 and 0x00 (G.711, table 2a)."""
    assert encode_ulaw([0, 32767, -32768]) == b"\xff\x80\x00"
    assert decode_ulaw(b"\xff\x80\x00") == [0, 32124, -32124]


def test_a_wav_file_is_read(tmp_path: Path):
    """16-bit mono at 8 kHz comes back sample by sample; anything else is refused by name."""
    path = tmp_path / "a.wav"
    for rate, refused in ((RATE_HZ, False), (16000, True)):
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(b"\x01\x00\xff\xff")
        if refused:
            with pytest.raises(ValueError, match=r"a\.wav"):
                read_wav(path)
        else:
            assert read_wav(path) == [1, -1]
