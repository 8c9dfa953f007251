# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing rendered files: whole or not at all, for the owner's eyes alone, and never over a file of another."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from asterisk.errors import NotOurs

FOLDER_MODE = 0o700
FILE_MODE = 0o600

MARK = "; Made by Offhook. Changes made here are lost: change the settings and render again."
"""First line of every file that we may replace."""


def make_folder(folder: Path) -> None:
    """The folder, with what is above it; when it is made here, nobody else may look into it."""
    folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)


def write_whole(path: Path, content: bytes) -> None:
    """Replace ``path`` in one step: a reader, or a crash, sees the old content or the new."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, FILE_MODE)
            file.write(content)
            file.flush()
            os.fsync(handle)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def is_ours(path: Path) -> bool:
    """Whether we wrote this file."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().rstrip("\n") == MARK


def write_files(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Write rendered files (name to text, ``MARK`` first) into a folder; returns the names that changed, sorted.

    Raises:
        NotOurs: the folder has a file of one of these names without our mark; nothing was written.
    """
    strangers = sorted(name for name in files if (folder / name).exists() and not is_ours(folder / name))
    if strangers:
        raise NotOurs(
            f"{folder / strangers[0]} was not made by Offhook, so it is left as it is and nothing was written: "
            "move it away, or choose another folder."
        )
    if not folder.is_dir():
        make_folder(folder)
    changed = []
    for name, text in sorted(files.items()):
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_whole(path, text.encode())
            changed.append(name)
    return changed
