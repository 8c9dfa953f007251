# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite under SQLAlchemy Core: the engine with our own BEGIN, and SQLite's failures in our words.

Left alone, the sqlite3 driver begins a transaction only before the first change: a SAVEPOINT before that is
itself the outermost transaction, and its release commits. So every BEGIN is ours.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool, StaticPool

from foundation.errors import DatabaseBusy, DatabaseError, DatabaseFailed, DatabaseFull

IN_MEMORY: Final = ":memory:"

_FAILURES: Final = frozenset(
    {
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
    }
)


def sqlite_engine(path: Path | str, *, busy_timeout_ms: int, read_only: bool = False) -> Engine:
    """An engine whose transactions begin with BEGIN IMMEDIATE, or BEGIN for readers.

    Only the writer sets the journal mode: readers find it in the file.
    """
    in_memory = str(path) == IN_MEMORY
    engine = create_engine(
        "sqlite://" if in_memory else f"sqlite:///{path}",
        poolclass=StaticPool if in_memory else QueuePool,
        hide_parameters=True,  # parameters are personal data; errors are logged
    )

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={busy_timeout_ms}")
        connection.execute("PRAGMA foreign_keys=ON")
        if read_only:
            connection.execute("PRAGMA query_only=ON")
        else:
            connection.execute("PRAGMA journal_mode=WAL")
            # NORMAL would lose the last commits in a power failure: a customer could be dialed twice.
            connection.execute("PRAGMA synchronous=FULL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def database_error(error: BaseException) -> DatabaseError | None:
    """SQLite's own failure in our words; None when the error is the data function's own business."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, DatabaseError):
        return cause
    if not isinstance(cause, sqlite3.Error):
        return None
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DatabaseBusy(
            "Another process held the database's write lock for too long. Nothing was written. "
            "End the other program or wait until it is done."
        )
    if code == sqlite3.SQLITE_FULL:
        return DatabaseFull(
            "The disk with the database is full. Nothing was written. Free some space; work then goes on."
        )
    if code in _FAILURES:
        return DatabaseFailed(
            f"The database could not be read or written ({cause}). Nothing was written. Check the disk."
        )
    return None
