# SPDX-License-Identifier: GPL-3.0-or-later
"""Clocks that tests turn: ``FakeClock`` by hand, ``VirtualTimeLoop`` by itself.

Under ``run_virtual`` the event loop's time jumps to the next timer whenever nothing else is left to do,
so an hour of dialing takes milliseconds and every run is the same. Threads and real sockets have no
place there: they would finish at real moments.
"""

from __future__ import annotations

import asyncio
import heapq
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from foundation.errors import NothingWillHappen

T = TypeVar("T")

MONDAY_TEN: Final = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
"""When fake time begins: a Monday morning, within calling hours in most of Europe."""


class FakeClock:
    """A clock that stands still until ``advance``."""

    def __init__(self, start: datetime = MONDAY_TEN) -> None:
        self._start = start
        self._elapsed_s = 0.0
        self._count = 0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        return self._elapsed_s

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._elapsed_s + seconds, self._count, future))
        await future

    def advance(self, seconds: float) -> None:
        """Let time pass. Sleepers that are due wake, in order, when the event loop next has its turn."""
        self._elapsed_s += seconds
        while self._sleepers and self._sleepers[0][0] <= self._elapsed_s:
            future = heapq.heappop(self._sleepers)[2]
            if not future.done():
                future.set_result(None)


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits: asked to, it moves the loop's clock forward by as much."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise NothingWillHappen(
                "Every task waits for something that nobody will do: no timer is set and nothing is ready."
            )
        self.elapsed_s += max(timeout, 0.0)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is virtual: it begins at 0 and jumps to the next timer."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.elapsed_s


class VirtualClock:
    """The clock of the ``VirtualTimeLoop`` it is used in."""

    def __init__(self, start: datetime = MONDAY_TEN) -> None:
        self._start = start

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run_virtual(coro: Coroutine[Any, Any, T]) -> T:
    """Run to the end under virtual time.

    Raises:
        NothingWillHappen: every task waits for something that nobody will do.
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(coro)
