# SPDX-License-Identifier: GPL-3.0-or-later
"""Clocks that tests turn: time jumps, in order, and a story that can never end says so."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from foundation.errors import NothingWillHappen
from foundation.testing import MONDAY_TEN, FakeClock, VirtualClock, run_virtual


def test_time_jumps_to_the_next_timer_in_order() -> None:
    """Hours pass at once, and everybody wakes in the order of time, not of creation."""

    async def story() -> list[tuple[str, float]]:
        clock, log = VirtualClock(), list[tuple[str, float]]()

        async def sleeper(name: str, seconds: float) -> None:
            await clock.sleep(seconds)
            log.append((name, clock.monotonic()))

        await asyncio.gather(sleeper("hour", 3600), sleeper("second", 1), sleeper("ring", 22.5))
        assert clock.now() == MONDAY_TEN + timedelta(hours=1)
        return log

    assert run_virtual(story()) == [("second", 1.0), ("ring", 22.5), ("hour", 3600.0)]


def test_timeouts_and_cancellation_work_under_virtual_time() -> None:
    """``asyncio.timeout`` counts virtual seconds."""

    async def story() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run_virtual(story()) == 30.0


def test_a_story_that_cannot_go_on_raises_instead_of_hanging() -> None:
    """Waiting for what nobody will do is an error."""
    with pytest.raises(NothingWillHappen):
        run_virtual(asyncio.Event().wait())


def test_a_long_time_keeps_its_order() -> None:
    """A month of hours ends on the second it should."""

    async def story() -> float:
        clock = VirtualClock()
        for _ in range(30 * 24):
            await clock.sleep(3600)
        await clock.sleep(1e-6)
        return clock.monotonic()

    assert run_virtual(story()) == pytest.approx(30 * 24 * 3600, abs=1e-5)


async def test_a_fake_clock_wakes_sleepers_when_it_is_advanced() -> None:
    """It stands still until then."""
    clock, woke = FakeClock(), list[int]()

    async def sleeper(seconds: int) -> None:
        await clock.sleep(seconds)
        woke.append(seconds)

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (20, 10, 30)]
    await asyncio.sleep(0)
    clock.advance(20)
    await asyncio.gather(*tasks[:2])
    assert (woke, clock.monotonic(), clock.now()) == ([10, 20], 20.0, MONDAY_TEN + timedelta(seconds=20))
    tasks[2].cancel()
