# SPDX-License-Identifier: GPL-3.0-or-later
"""Who the customers are stands in sealed fields and on their RM's screen, and nowhere else.

A small campaign with names, numbers and remarks that occur nowhere else in the world; then everything that
was logged, told or kept is searched for them.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog
from sqlalchemy import Connection, select

from ari_bridge.phone_script import answers, refuses
from config.logging import configure_logging
from config.settings import LoggingSettings
from dialer.telephony import InboundCall, LegId, NotDone, StrangerHungUp
from dialer.testing import ANSWERS, BUSY, RINGS_FOR_EVER, SILENT_TRUNK, WRONG_NUMBER
from foundation.db.metadata import metadata
from foundation.tables import outbox
from foundation.testing import run_virtual
from tests.bridge_floor import FAST
from tests.fake_floor import fake_floor
from tests.sim.world import CALLER_ID, World
from vocabulary import commands as c
from vocabulary.outcomes import Outcome
from vocabulary.states import PacingMode, RmState

pytestmark = pytest.mark.sim

NUMBERS = tuple(f"+9997654{index}21" for index in range(100, 106))
#: World's customers are called so; the RMs' remarks name them once more.
NAMES = tuple(f"Customer Number{index}" for index in range(len(NUMBERS)))
REMARK = "Wants to be called Zaphodius"
CANARIES = (*NAMES, *(number.lstrip("+") for number in NUMBERS), "Zaphodius")
BEHAVIOURS = (ANSWERS, BUSY, RINGS_FOR_EVER, WRONG_NUMBER, SILENT_TRUNK, ANSWERS)


@dataclass
class Logged:
    """What was logged: events before anything was masked, and lines as they are written."""

    events: list[Mapping[str, Any]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def found(self) -> set[str]:
        """Canaries outside the keys that are masked, and canaries that were written all the same."""
        in_clear = (
            repr(value) for event in self.events for key, value in event.items() if not key.startswith("pii_")
        )
        return {canary for text in (*in_clear, *self.lines) for canary in CANARIES if canary in text}


@pytest.fixture
def logged() -> Iterator[Logged]:
    """Everything, however unimportant, as the service logs it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    found = Logged()

    class Stream:
        def write(self, text: str) -> int:
            found.lines.append(text)
            return len(text)

        def flush(self) -> None: ...

    configure_logging(LoggingSettings(level="debug", format="json"), Stream())  # type: ignore[arg-type]

    def keep(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        found.events.append(dict(event))
        return event

    structlog.configure(processors=[keep, *structlog.get_config()["processors"]])
    yield found
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)


def everything_kept(conn: Connection) -> dict[str, set[str]]:
    """Canaries by the table that holds them in clear."""
    found: dict[str, set[str]] = {}
    for table in metadata.sorted_tables:
        # any order: they are only searched
        for row in conn.execute(select(table)).all():
            found.setdefault(table.name, set()).update(canary for canary in CANARIES if canary in repr(row))
    return {name: canaries for name, canaries in found.items() if canaries}


def events_told(conn: Connection) -> list[str]:
    """The outbox's bodies."""
    bodies = conn.execute(select(outbox.c.body).order_by(outbox.c.seq)).scalars()
    return [body.decode() if isinstance(body, bytes) else json.dumps(body) for body in bodies]


async def _listen(world: World, told: list[str]) -> None:
    with world.live.subscribe("floor") as updates:
        async for update in updates:
            told.append(repr(update.data))


async def _a_day(world: World) -> None:
    """Every kind of end, an outcome with a remark, a call-back with an opt-out, and a restart in a talk."""
    behaves = dict(zip(NUMBERS, BEHAVIOURS, strict=True))
    world.pbx.behave = lambda request: behaves[request.pii_number]
    rm_id = world.rm_ids[0]
    for behaviour in BEHAVIOURS:
        await world.until(lambda: world.desk().free)
        shown = await world.send(c.NextCustomer(rm_id=rm_id))
        assert shown.call_id is not None
        await world.send(c.ConfirmCall(rm_id=rm_id, call_id=shown.call_id))
        if behaviour is ANSWERS:
            await world.until(lambda: world.desk().state is RmState.TALKING)
            await world.send(c.HangUp(rm_id=rm_id, call_id=shown.call_id))
            await world.until(lambda: world.desk().state is RmState.WRAP_UP)
            await world.send(
                c.RecordOutcome(
                    rm_id=rm_id, call_id=shown.call_id, outcome=Outcome.NOT_INTERESTED, note=REMARK
                )
            )
        await world.until(lambda: world.desk().call is None)
    caller = LegId(world.pbx.node, "1700000000.7")
    world.pbx.someone_calls(caller, pii_number=NUMBERS[1], called=CALLER_ID)
    await world.until(lambda: world.pbx.played)
    world.pbx.presses(caller, "9")
    await world.until(lambda: caller not in world.pbx.live_legs)
    await world.send(c.Halt(reason="test"))


def test_nothing_that_is_logged_told_or_kept_names_a_customer(logged: Logged) -> None:
    """Not in a log line, an event, the floor's screen, or a table in clear; the RM's own screen has the name."""
    told: list[str] = []

    async def story() -> None:
        world = await World.make(
            rms_count=1, customers=len(NUMBERS), numbers=NUMBERS, mode=PacingMode.PREVIEW
        )
        listening = asyncio.create_task(_listen(world, told))
        await world.boot()
        await _a_day(world)
        assert world.outbox is not None
        await world.outbox.drained()
        events = await world.db.read(events_told)
        assert len(events) > 20
        told.extend(events)
        kept = await world.db.read(everything_kept)
        listening.cancel()
        await world.close()
        assert kept == {}

    run_virtual(story())
    assert len(logged.events) > 50
    assert logged.found() == set()
    assert {canary for text in told for canary in CANARIES if canary in text} == set()


def test_skipping_with_a_reason_in_the_rms_own_words_is_not_logged(logged: Logged) -> None:
    """What people type may name somebody."""

    async def story() -> None:
        world = await World.make(rms_count=1, customers=2, numbers=NUMBERS[:2], mode=PacingMode.PREVIEW)
        await world.boot()
        for order in (c.SkipCustomer, c.CancelCall):
            await world.until(lambda: world.desk().free)
            shown = await world.send(c.NextCustomer(rm_id=world.rm_ids[0]))
            assert shown.call_id is not None
            await world.send(order(rm_id=world.rm_ids[0], call_id=shown.call_id, reason=REMARK))
            await world.until(lambda: world.desk().call is None)
        await world.close()

    run_virtual(story())
    assert logged.found() == set()


async def test_the_bridge_logs_no_number(logged: Logged) -> None:
    """Dialed, refused, called back, redirected: the PBX's names of channels hold numbers."""
    number = NUMBERS[0]
    async with fake_floor(FAST) as floor:
        _, bridge = await floor.connect()
        for script in (answers(0.01, hang_up_after_s=0.01), refuses(404), refuses(603, rings=True)):
            await floor.ended(await floor.dial(bridge, script, number=number))
        with pytest.raises(NotDone):
            await floor.dial(bridge, number=f"{number};ext=1")
        inbound = floor.customer_calls(number, CALLER_ID)
        called_back = await floor.wait_for(InboundCall)
        floor.customer_hangs_up(inbound)
        await floor.ended(called_back.leg)
        floor.pbx.world.stranger("customer,4F7K2QX9", target=number)
        told = await floor.wait_for(StrangerHungUp)
        assert not any(canary in told.why for canary in CANARIES)
    assert logged.lines
    assert logged.found() == set()


def test_a_name_in_a_log_line_is_found(logged: Logged) -> None:
    """The check can fail, masked keys are left alone, and a number that slips in is masked when it is written."""
    structlog.get_logger("room").info("call_dialed", pii_name=NAMES[0])
    assert logged.found() == set()
    structlog.get_logger("room").info("call_dialed", customer=NAMES[0])
    assert logged.found() == {NAMES[0]}
