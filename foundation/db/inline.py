# SPDX-License-Identifier: GPL-3.0-or-later
"""The database seam without threads, for simulation: the same units and savepoints, on the event loop.

Threads under a virtual clock would finish at real moments and break determinism; here a unit runs to
its end inside one turn of the loop. Latency, stalls and failures come from the ``before`` hook.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from foundation.db.seam import Health
from foundation.db.sqlite_engine import IN_MEMORY, sqlite_engine
from foundation.db.writing import WriteConnection
from foundation.errors import DatabaseClosed, DatabaseError

P = ParamSpec("P")
R = TypeVar("R")

Before = Callable[[str], Awaitable[None]]
"""Awaited before each unit with ``"write:<function>"``, ``"write_bulk:…"`` or ``"read:…"``: sleep on the
virtual clock for latency; raise a ``DatabaseError`` for a failure."""


class Inline:
    """One connection, used from the event loop. ``path`` is a file or ``:memory:``."""

    def __init__(self, path: Path | str = IN_MEMORY, *, before: Before | None = None) -> None:
        self.before = before
        self._health = Health.WELL
        self._listeners: list[Callable[[Health], None]] = []
        self._conn = WriteConnection(sqlite_engine(path, busy_timeout_ms=0))
        self._delayed: set[asyncio.Task[Any]] = set()
        self._closed = False

    @property
    def health(self) -> Health:
        return self._health

    def on_health(self, callback: Callable[[Health], None]) -> None:
        self._listeners.append(callback)

    async def write(
        self, fn: Callable[Concatenate[Connection, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        return await self._enter("write", fn, lambda: self._write(fn, *args, **kwargs))

    async def write_bulk(
        self, fn: Callable[Concatenate[Connection, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        return await self._enter("write_bulk", fn, lambda: self._write(fn, *args, **kwargs))

    async def read(
        self, fn: Callable[Concatenate[Connection, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        return await self._enter("read", fn, lambda: self._conn.look(lambda conn: fn(conn, *args, **kwargs)))

    async def close(self) -> None:
        """Finish delayed units, then close."""
        self._closed = True
        await asyncio.gather(*self._delayed, return_exceptions=True)
        self._conn.close()

    async def _enter(self, door: str, fn: Callable[..., R], unit: Callable[[], R]) -> R:
        if self._closed:
            raise DatabaseClosed("The database is closed; nothing was done.")
        if self.before is None:
            return unit()
        # A task of its own: a caller who is cancelled during the delay does not cancel the unit.
        name = f"{door}:{getattr(fn, '__name__', repr(fn))}"
        task = asyncio.get_running_loop().create_task(self._run_later(name, unit, self.before), name=name)
        self._delayed.add(task)
        task.add_done_callback(self._delayed.discard)
        return await asyncio.shield(task)

    async def _run_later(self, name: str, unit: Callable[[], R], before: Before) -> R:
        try:
            await before(name)
        except DatabaseError:
            self._set_health(Health.UNWELL)
            raise
        return unit()

    def _write(self, fn: Callable[..., R], *args: Any, **kwargs: Any) -> R:
        try:
            self._conn.begin()
            result = self._conn.run(getattr(fn, "__name__", repr(fn)), lambda conn: fn(conn, *args, **kwargs))
            self._conn.commit()
        except BaseException as error:
            self._conn.recover()
            if isinstance(error, DatabaseError):
                self._set_health(Health.UNWELL)
            raise
        self._set_health(Health.WELL)
        return result

    def _set_health(self, health: Health) -> None:
        if health is self._health:
            return
        self._health = health
        for callback in self._listeners:
            asyncio.get_running_loop().call_soon(callback, health)
