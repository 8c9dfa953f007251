# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal: writes that record what already happened, in order, whatever becomes of the database.

A claim may fail and be told to the RM; that a customer hung up may not be lost. A note is therefore
written again until it succeeds when the database is busy or full, and notes keep their order. What waits
together is written in one unit of work. A note that breaks a rule (a bug) fails alone: it is logged, its
waiter gets the error, the others are written.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection

from foundation.clock import Clock
from foundation.db.seam import Database
from foundation.db.sqlite_engine import database_error
from foundation.errors import DatabaseError
from foundation.tasks import TaskOwner

P = ParamSpec("P")
R = TypeVar("R")
log = structlog.get_logger()

_BATCH = 64
_RETRY_S = 0.25
_RETRY_MAX_S = 5.0


@dataclass(slots=True)
class _Note:
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    written: asyncio.Future[Any]


class Journal:
    """Owns one task that writes the notes."""

    def __init__(self, db: Database, clock: Clock, on_written: Callable[[], None]) -> None:
        """``on_written`` is called after each unit: the outbox may have news."""
        self._db = db
        self._clock = clock
        self._on_written = on_written
        self._notes: deque[_Note] = deque()
        self._news = asyncio.Event()
        self._owner = TaskOwner("journal")
        self._unwell = False

    @property
    def unwell(self) -> bool:
        """The last unit could not be written: begin nothing new."""
        return self._unwell

    def start(self) -> None:
        """Write from here on; what was noted before waits until then."""
        self._owner.spawn(self._run(), name="writer")

    async def close(self) -> None:
        """Write what waits, then stop."""
        while self._notes:
            await asyncio.wait([self._notes[-1].written])
        await self._owner.close()

    def note(
        self, fn: Callable[Concatenate[Connection, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[R]:
        """Record ``fn`` after everything noted before. The future may be ignored; awaiting it is safe to cancel."""
        note = _Note(fn, args, kwargs, asyncio.get_running_loop().create_future())
        # An ignored failure is logged where it happens: the future must not complain a second time.
        note.written.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._notes.append(note)
        self._news.set()
        return note.written

    async def write(
        self, fn: Callable[Concatenate[Connection, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """``note`` and wait until it is durable. Cancelling the waiter does not cancel the note."""
        return await asyncio.shield(self.note(fn, *args, **kwargs))

    async def _run(self) -> None:
        retry_s = _RETRY_S
        while True:
            if not self._notes:
                self._news.clear()
                await self._news.wait()
            batch = [self._notes[i] for i in range(min(_BATCH, len(self._notes)))]
            try:
                results = await self._db.write(_write_all, batch)
            except Exception as error:
                # Busy, full, or a fault in the program: whatever it is, nothing noted may be lost to it.
                if not self._unwell:
                    self._unwell = True
                    fault = None if isinstance(error, DatabaseError) else error
                    log.error("journal_blocked", waiting=len(self._notes), error=repr(error), exc_info=fault)
                await self._clock.sleep(retry_s)
                retry_s = min(retry_s * 2, _RETRY_MAX_S)
                continue
            retry_s = _RETRY_S
            if self._unwell:
                self._unwell = False
                log.info("journal_recovered", waiting=len(self._notes))
            for note, (value, failure) in zip(batch, results, strict=True):
                self._notes.popleft()
                if note.written.cancelled():
                    continue
                if failure is None:
                    note.written.set_result(value)
                else:
                    log.error("journal_note_failed", note=note.fn.__name__, exc_info=failure)
                    note.written.set_exception(failure)
            self._on_written()


def _write_all(conn: Connection, batch: list[_Note]) -> list[tuple[Any, Exception | None]]:
    results: list[tuple[Any, Exception | None]] = []
    for note in batch:
        try:
            with conn.begin_nested():
                results.append((note.fn(conn, *note.args, **note.kwargs), None))
        except DatabaseError:
            raise
        except Exception as error:  # a bug in one note must not take the others with it
            if database_error(error) is not None:
                raise
            results.append((None, error))
    return results
