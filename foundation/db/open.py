# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening the database of an installation, and the lock that keeps a second instance off it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from foundation.clock import Clock
from foundation.db.sqlite import SqliteWriter
from foundation.errors import SecondInstance


def open_database(path: Path) -> SqliteWriter:
    """Open the file, making it and its folder where they are missing. Makes no tables.

    Raises:
        DatabaseError: the file cannot be opened or is no database.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return SqliteWriter(path)


class InstanceLock:
    """Held by the one process that may write the database: a lock on ``<database>.lock``.

    The kernel releases it when the process ends in whatever way; the file stays and means nothing by itself.
    """

    def __init__(self, database: Path, clock: Clock) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._clock = clock
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock, or say who has it.

        Raises:
            SecondInstance: another process has it; its number and start are named.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 200).decode(errors="replace").strip() or "process number not known"
            os.close(file)
            raise SecondInstance(
                f"Offhook already runs on this database ({holder}); this start changed nothing. "
                "Stop it first, or give this one another state folder."
            ) from None
        os.ftruncate(file, 0)
        os.write(file, f"process {os.getpid()}, since {self._clock.now():%Y-%m-%d %H:%M:%S} UTC\n".encode())
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> InstanceLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
