# SPDX-License-Identifier: GPL-3.0-or-later
"""Live updates: a snapshot, then what changed, whatever the screen missed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.live import KEPT_DELTAS, Kind, LiveBus, Subscription, Update


async def take(subscription: Subscription, count: int) -> list[Update]:
    async with asyncio.timeout(5):
        return [await anext(subscription) for _ in range(count)]


async def test_a_new_subscriber_gets_the_snapshot_then_the_changes() -> None:
    """Only the keys that changed travel; no change, no update."""
    bus = LiveBus()
    bus.publish("floor", {"ready": 1, "talking": 0})
    subscription = bus.subscribe("floor")
    assert await take(subscription, 1) == [(2, Kind.SNAPSHOT, {"ready": 1, "talking": 0})]
    bus.publish("floor", {"ready": 1, "talking": 0})
    bus.publish("floor", {"ready": 0, "talking": 1})
    bus.publish("floor", {"ready": 0, "talking": 2})
    assert await take(subscription, 2) == [
        (3, Kind.DELTA, {"ready": 0, "talking": 1}),
        (4, Kind.DELTA, {"talking": 2}),
    ]


async def test_a_key_that_is_gone_needs_a_snapshot() -> None:
    """A change can only add or replace."""
    bus = LiveBus()
    bus.publish("floor", {"a": 1, "b": 2})
    subscription = bus.subscribe("floor")
    await take(subscription, 1)
    bus.publish("floor", {"a": 1})
    assert await take(subscription, 1) == [(3, Kind.SNAPSHOT, {"a": 1})]


async def test_a_screen_that_comes_back_gets_what_it_missed() -> None:
    """From its last number, or a snapshot when that is too long ago or from another run."""
    bus = LiveBus()
    for number in range(3):
        bus.publish("floor", {"n": number})
    assert await take(bus.subscribe("floor", after=3), 1) == [(4, Kind.DELTA, {"n": 2})]
    assert (await take(bus.subscribe("floor", after=900), 1))[0].kind is Kind.SNAPSHOT
    for number in range(KEPT_DELTAS + 5):
        bus.publish("floor", {"n": -number})
    assert (await take(bus.subscribe("floor", after=3), 1))[0].kind is Kind.SNAPSHOT


async def test_a_screen_that_missed_a_key_going_gets_a_snapshot() -> None:
    """The changes before and after do not add up without it."""
    bus = LiveBus()
    for state in ({"a": 1}, {"a": 2}, {"a": 2, "b": 1}, {"a": 2}, {"a": 3}):
        bus.publish("floor", state)
    assert await take(bus.subscribe("floor", after=3), 1) == [(6, Kind.SNAPSHOT, {"a": 3})]
    assert await take(bus.subscribe("floor", after=5), 1) == [(6, Kind.DELTA, {"a": 3})]


async def test_a_screen_that_missed_nothing_waits() -> None:
    """It is not sent what it has."""
    bus = LiveBus()
    bus.publish("floor", {"n": 1})
    subscription = bus.subscribe("floor", after=bus.snapshot("floor").number)
    waiting = asyncio.create_task(take(subscription, 1))
    await asyncio.sleep(0)
    assert not waiting.done()
    bus.publish("floor", {"n": 2})
    assert await waiting == [(3, Kind.DELTA, {"n": 2})]


async def test_a_slow_subscriber_gets_a_fresh_snapshot_instead_of_an_endless_queue() -> None:
    """What it did not take in time is not kept for it."""
    bus = LiveBus()
    bus.publish("floor", {"n": 0})
    subscription = bus.subscribe("floor")
    await take(subscription, 1)
    for number in range(1, 10 * KEPT_DELTAS):
        bus.publish("floor", {"n": number})
    assert await take(subscription, 1) == [
        (bus.snapshot("floor").number, Kind.SNAPSHOT, {"n": 10 * KEPT_DELTAS - 1})
    ]


async def test_closing_ends_the_reader() -> None:
    """A closed subscription and a forgotten topic both end the loop."""
    bus = LiveBus()
    with bus.subscribe("floor") as subscription:
        await take(subscription, 1)
    with pytest.raises(StopAsyncIteration):
        await anext(subscription)
    other = bus.subscribe("call")
    await take(other, 1)
    waiting = asyncio.create_task(take(other, 1))
    await asyncio.sleep(0)
    bus.forget("call")
    with pytest.raises(StopAsyncIteration):
        await waiting


@given(
    states=st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 3)), max_size=40),
    reads=st.lists(st.integers(0, 3), max_size=40),
)
def test_a_screen_that_applies_what_it_gets_shows_the_truth(
    states: list[dict[str, int]], reads: list[int]
) -> None:
    """Whatever the pace of reading, snapshot and changes add up to the state."""

    async def story() -> None:
        bus = LiveBus()
        subscription, shown, number = bus.subscribe("floor"), dict[str, Any](), 0

        async def read_one() -> None:
            nonlocal shown, number
            update = await anext(subscription)
            assert update.number > number
            number = update.number
            shown = dict(update.data) if update.kind is Kind.SNAPSHOT else {**shown, **update.data}

        await read_one()
        for state, count in zip(states, [*reads, *[0] * len(states)], strict=False):
            bus.publish("floor", state)
            for _ in range(count):
                if number < bus.snapshot("floor").number:
                    await read_one()
        while number < bus.snapshot("floor").number:
            await read_one()
        assert shown == bus.snapshot("floor").data

    asyncio.run(story())
