# SPDX-License-Identifier: GPL-3.0-or-later
"""The one connection that writes SQLite: units under savepoints, and a COMMIT that only the seam may call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine, RootTransaction, event
from sqlalchemy.exc import DBAPIError

from foundation.db.sqlite_engine import database_error
from foundation.errors import DatabaseFailed

R = TypeVar("R")
log = structlog.get_logger(__name__)


class WriteConnection:
    """Begin, run any number of units, commit; after any ``DatabaseError``: recover."""

    def __init__(self, engine: Engine) -> None:
        """Connect.

        Raises:
            DatabaseError: the file cannot be opened for writing or is no database.
        """
        self._committing = False
        event.listen(engine, "commit", self._guard_commit)
        try:
            self._conn = engine.connect()
        except DBAPIError as error:
            raise database_error(error) or DatabaseFailed(
                f"The database cannot be opened for writing ({error.orig}). Nothing was written."
            ) from error
        self._engine = engine
        self._transaction: RootTransaction | None = None

    def begin(self) -> None:
        """Take the write lock; may wait for another process as long as the engine's busy time-out says."""
        self._transaction = self._conn.begin()

    def run(self, name: str, call: Callable[[Connection], R]) -> R:
        """Run one unit under a savepoint of its own.

        Raises:
            DatabaseError: the whole transaction is gone.
            Exception: the unit's own error; the unit is undone, the transaction goes on.
        """
        savepoint = self._conn.begin_nested()
        try:
            result = call(self._conn)
            savepoint.commit()
        except BaseException as error:
            if (broken := database_error(error)) is not None:
                raise broken from (None if broken is error else error)
            assert self._transaction is not None
            if not self._transaction.is_active or not self._in_transaction():
                raise DatabaseFailed(
                    f"{name} ended the transaction it ran in. Nothing was written. "
                    "A data function must not commit or roll back."
                ) from error
            savepoint.rollback()
            raise
        return result

    def commit(self) -> None:
        """Make the units durable."""
        assert self._transaction is not None
        self._committing = True
        try:
            self._transaction.commit()
        finally:
            self._committing = False

    def recover(self) -> None:
        """Leave no transaction open, whatever state SQLAlchemy and SQLite were left in."""
        if (transaction := self._conn.get_transaction()) is not None:
            try:
                transaction.rollback()
            except Exception as error:
                log.warning("database_rollback_failed", cause=repr(error))
        if self._in_transaction():
            self._driver().rollback()

    def look(self, call: Callable[[Connection], R]) -> R:
        """Run ``call`` in a transaction that may not write and leaves nothing."""
        with self._conn.begin() as transaction:
            # Past SQLAlchemy and after BEGIN IMMEDIATE, which is refused under query_only.
            self._driver().execute("PRAGMA query_only=ON")
            try:
                return call(self._conn)
            finally:
                self._driver().execute("PRAGMA query_only=OFF")
                transaction.rollback()

    def close(self) -> None:
        self._conn.close()
        self._engine.dispose()

    def _guard_commit(self, _conn: Connection) -> None:
        if not self._committing:
            raise DatabaseFailed("A data function called commit. Nothing was written.")

    def _in_transaction(self) -> bool:
        # On some errors SQLite itself rolls back the whole transaction; only the driver knows.
        return bool(self._driver().in_transaction)

    def _driver(self) -> Any:
        """The ``sqlite3.Connection`` underneath."""
        return self._conn.connection.dbapi_connection
