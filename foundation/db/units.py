# SPDX-License-Identifier: GPL-3.0-or-later
"""Units of work on their way to the writer thread: one unit, and the queue in which calls go first."""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from foundation.db.seam import Priority
from foundation.errors import DatabaseClosed


@dataclass(slots=True, kw_only=True, eq=False)
class Unit:
    """One data function with its arguments, and whoever waits for it."""

    name: str
    call: Callable[[Connection], Any]
    priority: Priority
    future: asyncio.Future[Any]
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    result: Any = None
    error: BaseException | None = None

    def run(self, conn: Connection) -> None:
        """Run inside the caller's context variables, so that log lines keep their call ID.

        Raises whatever the data function raises.
        """
        try:
            self.result = self.context.run(self.call, conn)
        except StopIteration as error:
            # A future refuses StopIteration; the caller would wait for ever.
            raise RuntimeError(f"{self.name} raised StopIteration") from error

    def resolve(self) -> None:
        """Tell the caller, on the caller's loop; a cancelled caller is not told."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


def resolve_all(units: list[Unit]) -> None:
    """Tell all callers from the writer thread: one wake-up of each event loop, not one per unit."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Unit]] = {}
    for unit in units:
        by_loop.setdefault(unit.future.get_loop(), []).append(unit)
    for loop, theirs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve_each, theirs)
        except RuntimeError:
            # The loop is closed: nobody waits any more. What is written stays written.
            continue


def _resolve_each(units: list[Unit]) -> None:
    for unit in units:
        unit.resolve()


class UnitQueue:
    """First come, first served within a priority; calls before bulk. Closed: what is in it is still served."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Unit]] = []
        self._count = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, unit: Unit) -> None:
        """Add a unit.

        Raises:
            DatabaseClosed: the queue takes no more.
        """
        with self._changed:
            if self._closed:
                raise DatabaseClosed("The database is closed; nothing was written.")
            self._count += 1
            heapq.heappush(self._heap, (unit.priority.value, self._count, unit))
            self._changed.notify()

    def pop(self, *, only: Priority | None = None) -> Unit | None:
        """The next unit, or None when there is none (of that priority) now."""
        with self._changed:
            if not self._heap or (only is not None and self._heap[0][0] != only.value):
                return None
            return heapq.heappop(self._heap)[2]

    def wait(self, timeout_s: float | None) -> bool:
        """Wait until there is something to do or ``timeout_s`` has passed; False when closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._heap) or self._closed, timeout_s)
            return bool(self._heap) or not self._closed

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
