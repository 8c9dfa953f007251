# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords made once and kept in a file that only its owner reads."""

from __future__ import annotations

import json
import string
from collections.abc import Iterable
from pathlib import Path

from asterisk.errors import PbxError
from asterisk.files import FILE_MODE, make_folder, write_whole
from vocabulary.call_id import Randomness

ALPHABET = string.ascii_letters + string.digits
LENGTH = 32  # signs of 62: 190 bits


def make_password(randomness: Randomness) -> str:
    """A password of letters and digits; ``randomness`` must come from the operating system."""
    return "".join(ALPHABET[randomness.randrange(len(ALPHABET))] for _ in range(LENGTH))


def load_or_make(path: Path, names: Iterable[str], randomness: Randomness) -> dict[str, str]:
    """Name to password, as JSON in ``path``: what is missing is made and added, nothing is changed.

    Raises:
        PbxError: the file cannot be read, or others may read it.
    """
    kept: dict[str, str] = {}
    if path.exists():
        if path.stat().st_mode & 0o077:
            raise PbxError(
                f"{path} can be read by others: its passwords are not secret. Remove it to have new ones made, "
                f"or, if nobody read it, chmod {FILE_MODE:o} {path}."
            )
        try:
            kept = {str(name): str(password) for name, password in json.loads(path.read_bytes()).items()}
        except (ValueError, AttributeError) as error:
            raise PbxError(
                f"{path} is not a file of passwords ({error}): remove it to have new ones made."
            ) from error
    else:
        make_folder(path.parent)
    missing = [name for name in dict.fromkeys(names) if name not in kept]
    if missing:
        kept |= {name: make_password(randomness) for name in missing}
        write_whole(path, json.dumps(kept, indent=2).encode() + b"\n")
    return kept
