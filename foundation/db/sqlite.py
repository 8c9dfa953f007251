# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite behind one writer thread: a savepoint per unit of work, one COMMIT for all that wait together.

One thread owns the only writing connection, so there is never a fight for the lock inside the process,
and twenty waiting units cost one fsync. Readers have threads and connections of their own (WAL: they
neither wait for the writer nor hold it up).
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from foundation.clock import Clock, SystemClock
from foundation.db.seam import Health, Priority
from foundation.db.sqlite_engine import database_error, sqlite_engine
from foundation.db.units import Unit, UnitQueue, resolve_all
from foundation.db.writing import WriteConnection
from foundation.errors import DatabaseClosed, DatabaseError, DatabaseFailed

P = ParamSpec("P")
R = TypeVar("R")
log = structlog.get_logger(__name__)

GROUP_BOUND: Final = 64
"""Units in one COMMIT at most: the first must not wait for a whole crowd."""
BULK_LIMIT_S: Final = 0.020
READ_LIMIT_S: Final = 2.0
PROBE_EVERY_S: Final = 1.0


class SqliteWriter:
    """The database seam on one SQLite file. Make it with ``foundation.db.open.open_database``."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock | None = None,
        busy_timeout_ms: int = 10_000,
        readers: int = 2,
    ) -> None:
        self._clock = clock or SystemClock()
        self._queue = UnitQueue()
        self._health = Health.WELL
        self._listeners: list[tuple[asyncio.AbstractEventLoop, Callable[[Health], None]]] = []
        self._closing: asyncio.Future[None] | None = None
        self._conn = WriteConnection(sqlite_engine(path, busy_timeout_ms=busy_timeout_ms))
        self._read_engine = sqlite_engine(path, busy_timeout_ms=busy_timeout_ms, read_only=True)
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="db-reader")
        self._thread = threading.Thread(target=self._serve, name="db-writer", daemon=True)
        self._thread.start()

    @property
    def health(self) -> Health:
        return self._health

    def on_health(self, callback: Callable[[Health], None]) -> None:
        self._listeners.append((asyncio.get_running_loop(), callback))

    async def write(
        self, fn: Callable[Concatenate[Connection, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        return await self._submit(Priority.CALLS, fn, *args, **kwargs)

    async def write_bulk(
        self, fn: Callable[Concatenate[Connection, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        return await self._submit(Priority.BULK, fn, *args, **kwargs)

    async def read(
        self, fn: Callable[Concatenate[Connection, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        if self._closing is not None:
            raise DatabaseClosed("The database is closed; nothing was read.")
        context = contextvars.copy_context()
        call = partial(context.run, partial(self._read, fn, args, kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._readers, call)

    async def close(self) -> None:
        """Write what waits, then end the threads. May be called again."""
        if self._closing is None:
            loop = asyncio.get_running_loop()
            self._closing = loop.create_future()
            self._queue.close()
            # Joining blocks, so a reader thread does it; it is the last job the pool is given.
            loop.run_in_executor(self._readers, self._thread.join).add_done_callback(self._closed)
        await asyncio.shield(self._closing)

    def _closed(self, _joined: asyncio.Future[None]) -> None:
        self._readers.shutdown(wait=False)
        self._read_engine.dispose()
        assert self._closing is not None
        self._closing.set_result(None)

    def _submit(
        self, priority: Priority, fn: Callable[..., R], /, *args: Any, **kwargs: Any
    ) -> asyncio.Future[R]:
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        name = getattr(fn, "__qualname__", repr(fn))
        self._queue.put(
            Unit(
                name=name,
                call=lambda conn: fn(conn, *args, **kwargs),
                priority=priority,
                future=future,
            )
        )
        return future

    # --- reader threads ---------------------------------------------------------------------------

    def _read(self, fn: Callable[..., R], args: Any, kwargs: Any) -> R:
        began = self._clock.monotonic()
        try:
            with self._read_engine.connect() as conn:
                return fn(conn, *args, **kwargs)
        except DBAPIError as error:
            raise database_error(error) or error from error
        finally:
            took_s = self._clock.monotonic() - began
            if took_s > READ_LIMIT_S:
                # A long read transaction keeps the WAL file from being cleaned up.
                log.warning("database_read_long", unit=getattr(fn, "__qualname__", "?"), took_s=took_s)

    # --- writer thread ----------------------------------------------------------------------------

    def _serve(self) -> None:
        while self._queue.wait(None if self._health is Health.WELL else PROBE_EVERY_S):
            first = self._queue.pop()
            if first is None:
                self._probe()
            else:
                self._serve_group(first)
        self._conn.close()

    def _serve_group(self, first: Unit) -> None:
        units = [first]
        began = self._clock.monotonic()
        try:
            self._conn.begin()
        except Exception as error:
            # Locked out: everybody who waits has waited behind the same lock, so all are told now.
            while (unit := self._queue.pop()) is not None:
                units.append(unit)
            self._fail(units, error)
            return
        try:
            self._run(first)
            if first.priority is Priority.CALLS:
                while len(units) < GROUP_BOUND and (unit := self._queue.pop(only=Priority.CALLS)):
                    units.append(unit)
                    self._run(unit)
            self._conn.commit()
        except Exception as error:
            self._fail(units, error)
            return
        took_s = self._clock.monotonic() - began
        if first.priority is Priority.BULK and took_s > BULK_LIMIT_S:
            log.warning("database_bulk_unit_long", unit=first.name, took_ms=round(took_s * 1000, 1))
        if self._health is Health.UNWELL:
            # These units may have found room where those of a whole call would find none.
            self._probe()
        resolve_all(units)

    def _run(self, unit: Unit) -> None:
        try:
            self._conn.run(unit.name, unit.run)
        except DatabaseError:
            raise
        except BaseException as error:
            unit.error = error

    def _fail(self, units: list[Unit], error: Exception) -> None:
        self._conn.recover()
        failure = database_error(error) or DatabaseFailed(
            f"The database failed: {error}. Nothing was written."
        )
        for unit in units:
            if unit.error is None:
                # One error each: a shared one would collect the tracebacks of all who raise it.
                unit.error = type(failure)(*failure.args)
        log.error("database_units_failed", units=len(units), error=str(failure), cause=repr(error))
        self._set_health(Health.UNWELL)
        resolve_all(units)

    def _probe(self) -> None:
        """While unwell: see whether 64 KiB can be written; only that makes it well."""
        try:
            for step in (_fill, _empty):
                self._conn.begin()
                self._conn.run("database_probe", step)
                self._conn.commit()
        except Exception:
            self._conn.recover()
        else:
            self._set_health(Health.WELL)

    def _set_health(self, health: Health) -> None:
        if health is self._health:
            return
        self._health = health
        log.warning("database_health_changed", health=health.value)
        for loop, callback in self._listeners:
            try:
                loop.call_soon_threadsafe(callback, health)
            except RuntimeError:
                continue


def _fill(conn: Connection) -> None:
    conn.exec_driver_sql("CREATE TABLE IF NOT EXISTS database_probe (filler BLOB)")
    conn.exec_driver_sql("INSERT INTO database_probe VALUES (zeroblob(65536))")


def _empty(conn: Connection) -> None:
    conn.exec_driver_sql("DROP TABLE database_probe")
