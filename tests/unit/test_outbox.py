# SPDX-License-Identifier: GPL-3.0-or-later
"""The outbox: an event is written with its change, and has its effect on every consumer exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, select

from foundation.clock import SystemClock
from foundation.db.inline import Inline
from foundation.db.sqlite import SqliteWriter
from foundation.db.testing import memory_database
from foundation.errors import DatabaseBusy, UnknownEvent
from foundation.ids import SeededIds
from foundation.outbox import (
    TRIES,
    Consumer,
    Dispatcher,
    decode,
    parked_count,
    publish,
    purge,
    undelivered_count,
)
from foundation.tables import audit_entry, outbox, outbox_parked
from foundation.testing import MONDAY_TEN, VirtualClock, run_virtual
from vocabulary.events import EVENT_TYPES, Event, ListFinished


def finished(rm_id: int) -> ListFinished:
    return ListFinished(at=MONDAY_TEN, campaign_id=1, rm_id=rm_id)


def publish_many(conn: Connection, ids: SeededIds, rm_ids: range) -> None:
    for rm_id in rm_ids:
        publish(conn, ids, finished(rm_id))


def publish_and_fail(conn: Connection, ids: SeededIds) -> None:
    publish(conn, ids, finished(1))
    raise LookupError("on purpose")


class Notebook:
    """A consumer whose effect is rows in the database, so that undone work shows."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls = 0
        self.fails: Callable[[ListFinished, int], bool] = lambda _event, _call: False

    def __call__(self, conn: Connection, event_id: str, event: Event) -> None:
        assert isinstance(event, ListFinished)
        self.calls += 1
        conn.execute(
            insert(audit_entry).values(
                chain=self.name,
                number=self.calls,
                at=event.at,
                actor=event_id,
                action=str(event.rm_id),
                subject="",
                detail={},
                reason="",
                prev_hash="",
                hash="",
            )
        )
        if self.fails(event, self.calls):
            raise ValueError("cannot digest this")

    async def effects(self, db: Inline | SqliteWriter) -> list[int]:
        """The RMs noted, in the order of noting."""
        return await db.read(self._effects)

    def _effects(self, conn: Connection) -> list[int]:
        noted = select(audit_entry.c.action).where(audit_entry.c.chain == self.name)
        return [int(action) for action in conn.execute(noted.order_by(audit_entry.c.id)).scalars()]


def deliver(
    consumers: list[Notebook], story: Callable[[Inline, Dispatcher], Coroutine[Any, Any, None]]
) -> None:
    """Run a story with a started dispatcher under virtual time."""

    async def run() -> None:
        db = await memory_database()
        named: dict[str, Consumer] = {consumer.name: consumer for consumer in consumers}
        dispatcher = Dispatcher(db, named, VirtualClock())
        dispatcher.start()
        await story(db, dispatcher)
        await dispatcher.close()
        await db.close()

    run_virtual(run())


def test_every_consumer_gets_every_event_in_order() -> None:
    """More than one batch, two consumers, the effect once each."""
    first, second = Notebook("first"), Notebook("second")

    async def story(db: Inline, dispatcher: Dispatcher) -> None:
        await db.write(publish_many, SeededIds(1), range(120))
        await dispatcher.drained()
        assert await first.effects(db) == await second.effects(db) == list(range(120))
        assert await db.read(undelivered_count, ["first", "second"]) == 0

    deliver([first, second], story)


async def test_an_event_of_a_unit_that_failed_was_never_there(inline_db: Inline) -> None:
    """Event and change are written together or not at all."""
    with pytest.raises(LookupError):
        await inline_db.write(publish_and_fail, SeededIds(1))
    assert await inline_db.read(undelivered_count, ["anybody"]) == 0


def test_a_consumer_that_fails_at_first_has_its_effect_once() -> None:
    """What it had written before it failed is undone; order is kept across the retries."""
    stumbling, steady = Notebook("stumbling"), Notebook("steady")
    stumbling.fails = lambda event, call: event.rm_id == 2 and call < 6

    async def story(db: Inline, dispatcher: Dispatcher) -> None:
        await db.write(publish_many, SeededIds(1), range(5))
        await dispatcher.drained()
        assert await stumbling.effects(db) == await steady.effects(db) == [0, 1, 2, 3, 4]
        assert await db.read(parked_count) == 0

    deliver([stumbling, steady], story)


def test_an_event_that_cannot_be_handled_is_set_aside_and_blocks_nobody_for_ever() -> None:
    """After eight tries the others go on; it stays counted as undelivered, with its error."""
    stuck = Notebook("stuck")
    stuck.fails = lambda event, _call: event.rm_id in (2, 3)

    async def story(db: Inline, dispatcher: Dispatcher) -> None:
        await db.write(publish_many, SeededIds(1), range(5))
        await dispatcher.drained()
        assert await stuck.effects(db) == [0, 1, 4]
        assert stuck.calls == 3 + 2 * TRIES
        assert await db.read(undelivered_count, ["stuck"]) == 2
        errors = await db.read(
            lambda conn: list(
                conn.execute(select(outbox_parked.c.error).order_by(outbox_parked.c.event_id)).scalars()
            )
        )
        assert errors == ["ValueError: cannot digest this"] * 2

    deliver([stuck], story)


def test_a_restart_goes_on_where_delivery_ended() -> None:
    """Neither handled events nor those set aside are given again."""
    notebook = Notebook("notebook")
    notebook.fails = lambda event, _call: event.rm_id == 1

    async def story(db: Inline, dispatcher: Dispatcher) -> None:
        await db.write(publish_many, SeededIds(1), range(3))
        await dispatcher.drained()
        await dispatcher.close()
        await db.write(publish_many, SeededIds(2), range(3, 6))
        again = Dispatcher(db, {"notebook": notebook}, VirtualClock())
        again.start()
        await again.drained()
        await again.close()
        assert await notebook.effects(db) == [0, 2, 3, 4, 5]

    deliver([notebook], story)


def test_two_dispatchers_at_once_still_give_each_effect_once() -> None:
    """The receipt is written with the effect, so a second delivery finds it."""
    notebook = Notebook("notebook")

    async def story(db: Inline, dispatcher: Dispatcher) -> None:
        other = Dispatcher(db, {"notebook": notebook}, VirtualClock())
        other.start()
        # With latency both have read the same events before either has handled them.
        db.before = lambda _unit: asyncio.sleep(0.01)
        await db.write(publish_many, SeededIds(1), range(120))
        await asyncio.gather(dispatcher.drained(), other.drained())
        await other.close()
        assert await notebook.effects(db) == list(range(120))

    deliver([notebook], story)


def test_a_database_in_trouble_is_waited_for() -> None:
    """No try is counted, nothing is set aside."""
    notebook = Notebook("notebook")
    busy = [True]

    async def trouble(unit: str) -> None:
        if busy[0] and unit.startswith("write_bulk:_handle"):
            raise DatabaseBusy("busy, on purpose")

    async def story(db: Inline, dispatcher: Dispatcher) -> None:
        await db.write(publish_many, SeededIds(1), range(3))
        db.before = trouble
        await asyncio.sleep(60)
        assert notebook.calls == 0
        busy[0] = False
        await dispatcher.drained()
        assert await notebook.effects(db) == [0, 1, 2]

    deliver([notebook], story)


def test_without_a_wake_up_events_are_found_within_a_second() -> None:
    """The poll is the safety net."""
    notebook = Notebook("notebook")

    async def story(db: Inline, _dispatcher: Dispatcher) -> None:
        await asyncio.sleep(10)
        await db.write(publish_many, SeededIds(1), range(1))
        await asyncio.sleep(1.01)
        assert await notebook.effects(db) == [0]

    deliver([notebook], story)


async def test_delivery_works_on_the_real_writer(db: SqliteWriter) -> None:
    """Threads, group commit and all."""
    notebook = Notebook("notebook")
    dispatcher = Dispatcher(db, {"notebook": notebook}, SystemClock())
    dispatcher.start()
    await asyncio.gather(
        *(db.write(publish_many, SeededIds(n), range(10 * n, 10 * n + 10)) for n in range(20))
    )
    async with asyncio.timeout(30):
        await dispatcher.drained()
    await dispatcher.close()
    effects = await notebook.effects(db)
    assert sorted(effects) == list(range(200))


async def test_purge_forgets_only_what_is_old_and_handled_by_all(inline_db: Inline) -> None:
    """An event set aside or not yet delivered is kept however old it is."""
    consumers: dict[str, Consumer] = {"a": Notebook("a")}
    await inline_db.write(publish_many, SeededIds(1), range(3))
    later = MONDAY_TEN + timedelta(days=30)
    assert await inline_db.write(purge, ["a"], later) == 0
    dispatcher = Dispatcher(inline_db, consumers, VirtualClock(), keep_s=1e9)
    dispatcher.start()
    await dispatcher.drained()
    await dispatcher.close()
    assert await inline_db.write(purge, ["a", "b"], later) == 0
    assert await inline_db.write(purge, ["a"], MONDAY_TEN) == 0
    assert await inline_db.write(purge, ["a"], later) == 3
    assert await inline_db.read(lambda conn: conn.execute(select(outbox.c.seq)).all()) == []


@pytest.mark.parametrize("kind", sorted(EVENT_TYPES))
def test_every_kind_of_event_comes_back_as_it_was(kind: str) -> None:
    """Written and read again, types and times included."""

    st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
    st.register_type_strategy(datetime, st.datetimes(timezones=st.just(UTC)))

    @given(st.from_type(EVENT_TYPES[kind]))
    def comes_back(event: Event) -> None:
        again = decode(kind, msgspec.json.encode(event).decode())
        assert again == event
        assert again.at.tzinfo is not None

    comes_back()


def test_an_event_this_version_does_not_know_is_said_to_be_so() -> None:
    """By its kind, or by a content that does not fit."""
    with pytest.raises(UnknownEvent, match=r"call\.teleported"):
        decode("call.teleported", "{}")
    with pytest.raises(UnknownEvent, match="does not fit"):
        decode("list.finished", '{"campaign_id": "one"}')
