# SPDX-License-Identifier: GPL-3.0-or-later
"""Spoken messages and hold music, made at set-up as files that Asterisk plays as they are (WAV, 8 kHz, mono).

espeak-ng speaks and sox converts; without them a message is a row of beeps, and the log says so. A message is
made again only when its text changes: each file's text stands beside it.
"""

from __future__ import annotations

import math
import shutil
import struct
import subprocess
import tempfile
import wave
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import structlog

from asterisk.errors import PbxError
from asterisk.files import make_folder, write_whole

log = structlog.get_logger(__name__)

RATE_HZ = 8000
SPEAKING_TIMEOUT_S = 30

# Chords of the hold music, in Hz: soft, and nothing that sounds like a telephone's own tones.
_CHORDS_HZ = ((262, 330, 392), (220, 262, 330), (175, 220, 262), (196, 247, 294))
_CHORD_S = 2.0

BEEPS = "beeps: "
"""Before the text beside a file of beeps, so that the message is spoken once espeak-ng is there."""


def prompts(company: str) -> dict[str, str]:
    """What the PBX says on behalf of a company, by file name (without ``.wav``)."""
    return {
        "identification": f"Hello. This was a call from {company}. We are sorry that nobody can talk to you now. "
        "You need not do anything. Good bye.",
        "call_back": f"Hello. You have reached {company}. We have tried to call you. "
        "If you do not want to be called again, press nine.",
        "nobody_available": f"This is {company}. Nobody is available to talk to you now. "
        "We will call you again. Good bye.",
        "opted_out": f"Thank you. {company} will not call you again. Good bye.",
    }


def make_sounds(folder: Path, texts: Mapping[str, str]) -> None:
    """Make ``<name>.wav`` for every text, and ``hold/music.wav``; what is there already stays.

    Takes some 0.1 s for each new text: not for a busy loop.
    """
    make_folder(folder)
    make_folder(folder / "hold")
    music = folder / "hold" / "music.wav"
    if not music.exists():
        write_whole(music, _wav(_music()))
    speaker = _speaker()
    if speaker is None:
        log.warning("speech_programs_missing", mend="apt-get install espeak-ng sox", folder=str(folder))
    for name, text in sorted(texts.items()):
        sound, words = folder / f"{name}.wav", folder / f"{name}.txt"
        wanted = text if speaker else BEEPS + text
        if sound.exists() and words.exists() and words.read_text(encoding="utf-8") == wanted:
            continue
        words.unlink(missing_ok=True)
        write_whole(sound, _speak(speaker, text) if speaker else _wav(beeps(3)))
        write_whole(words, wanted.encode())


def _speaker() -> tuple[str, str] | None:
    espeak, sox = shutil.which("espeak-ng"), shutil.which("sox")
    return (espeak, sox) if espeak and sox else None


def _speak(speaker: tuple[str, str], text: str) -> bytes:
    espeak, sox = speaker
    with tempfile.TemporaryDirectory() as folder:
        raw, ready = Path(folder, "raw.wav"), Path(folder, "ready.wav")
        for command in (
            [espeak, "-v", "en", "-s", "150", "-w", str(raw), "--", text],
            [sox, str(raw), "-r", str(RATE_HZ), "-c", "1", "-b", "16", str(ready), "norm", "-6"],
        ):
            done = subprocess.run(command, capture_output=True, timeout=SPEAKING_TIMEOUT_S, check=False)
            if done.returncode:
                raise PbxError(f"{command[0]} failed: {done.stderr.decode(errors='replace').strip()}")
        return ready.read_bytes()


def beeps(count: int) -> list[float]:
    """Samples (-1 to 1) of so many beeps of 0.4 s at 440 Hz, each with 0.4 s of silence after it."""
    length = int(0.4 * RATE_HZ)
    beep = [0.3 * math.sin(2 * math.pi * 440 * n / RATE_HZ) for n in range(length)]
    return (beep + [0.0] * length) * count


def _music() -> list[float]:
    samples = []
    length = int(_CHORD_S * RATE_HZ)
    for chord in _CHORDS_HZ:
        for n in range(length):
            swell = math.sin(math.pi * n / length)
            tones = (math.sin(2 * math.pi * hz * n / RATE_HZ) for hz in chord)
            samples.append(0.15 * swell * sum(tones))
    return samples


def _wav(samples: list[float]) -> bytes:
    file = BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE_HZ)
        sound.writeframes(struct.pack(f"<{len(samples)}h", *(round(32767 * sample) for sample in samples)))
    return file.getvalue()
