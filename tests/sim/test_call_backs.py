# SPDX-License-Identifier: GPL-3.0-or-later
"""A person calls our caller ID back: they hear who called, reach their own RM if there, and can end all calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import Connection, select

from crm.interactions import timeline
from crm.records import number_blind
from crm.suppression import Source, standing
from dialer.telephony import LegId
from foundation.errors import DatabaseBusy
from foundation.testing import run_virtual
from profiler.tables import target_entry
from tests.sim.world import CALLER_ID, PREFIX, World
from vocabulary import commands as c
from vocabulary.outcomes import BreakReason
from vocabulary.states import RmState

pytestmark = pytest.mark.sim

NUMBER = f"{PREFIX}10000000"  # the first customer's
LEG = LegId("pbx1", "inbound-1")


def tell(story: Callable[[World, Any], Awaitable[None]], *, rms_count: int = 2) -> None:
    """A floor at rest: the owner of the first customer and a colleague are ready, nobody is dialed."""

    async def live() -> None:
        world = await World.make(rms_count=rms_count, customers=3)
        await world.boot(start_campaign=False)
        await world.until(lambda: all(world.desk(i).state is RmState.READY for i in range(rms_count)))
        rm_id = await world.db.read(_owner, world.customer_ids[0])
        assert world.dialer is not None
        await story(world, world.dialer.engine.desks[rm_id])
        await world.close()

    run_virtual(live())


def _owner(conn: Connection, customer_id: int) -> int:
    return conn.execute(
        select(target_entry.c.rm_id).where(target_entry.c.customer_id == customer_id)
    ).scalar_one()


def call_back(world: World, number: str | None = NUMBER, called: str = CALLER_ID) -> None:
    """Somebody calls."""
    world.pbx.someone_calls(LEG, pii_number=number, called=called)


async def gone(world: World) -> None:
    """The caller's leg is gone and everything is written."""
    await world.until(lambda: LEG not in world.pbx.live_legs, 120.0)
    await world.clock.sleep(1.0)


async def told(world: World) -> list[str]:
    """The first customer's timeline, as sentences."""
    lines = await world.db.read(timeline, world.rules.cipher, world.customer_ids[0])
    return [line.summary for line in lines]


def heard(world: World) -> list[str]:
    """What was played, by name."""
    return [media.rsplit("/", 1)[-1] for media in world.pbx.played]


async def suppressed(world: World, customer_id: int | None) -> bool:
    """Whether the number, and the customer if one is meant, is never to be called again."""
    blind = number_blind(world.rules.cipher, NUMBER)

    def look(conn: Connection) -> bool:
        subjects = [{"customer_id": None, "e164_blind": blind}]
        if customer_id is not None:
            subjects.append({"customer_id": customer_id, "e164_blind": None})
        return all(
            [found.source for found in standing(conn, channel="phone", now=world.clock.now(), **subject)]
            == [Source.OPT_OUT]
            for subject in subjects
        )

    return await world.db.read(look)


def test_the_owner_takes_the_call_back() -> None:
    """After the announcement they talk in the RM's own bridge; then the RM is ready for the next."""

    async def story(world: World, owner: Any) -> None:
        call_back(world)
        await world.until(lambda: owner.state is RmState.TALKING, 30.0)
        assert world.pbx.bridge_of(LEG) == owner.bridge
        await world.clock.sleep(30.0)
        world.pbx.customer_hangs_up(LEG)
        await gone(world)
        assert owner.state is RmState.READY
        assert heard(world) == ["call_back"]
        assert await told(world) == ["Called back and spoke with the RM"]
        assert not await world.calls()

    tell(story)


def test_a_break_asked_for_during_a_call_back_comes_after_it() -> None:
    """A wish waits for this talk as for any other."""

    async def story(world: World, owner: Any) -> None:
        call_back(world)
        await world.until(lambda: owner.state is RmState.TALKING, 30.0)
        assert (await world.send(c.TakeBreak(rm_id=owner.rm.id, reason=BreakReason.LUNCH))).done
        assert owner.state is RmState.TALKING
        world.pbx.customer_hangs_up(LEG)
        await gone(world)
        assert owner.state is RmState.BREAK

    tell(story)


def test_the_rm_who_hangs_up_the_phone_ends_the_call_back() -> None:
    """The caller is not left alone in a bridge."""

    async def story(world: World, owner: Any) -> None:
        call_back(world)
        await world.until(lambda: owner.state is RmState.TALKING, 30.0)
        world.pbx.rm_phone_dies(owner.rm.name)
        await gone(world)
        await world.until(lambda: owner.state is RmState.READY, 30.0)

    tell(story)


@pytest.mark.parametrize(
    "number", [NUMBER, f"{PREFIX}55555555", None], ids=["owner busy", "unknown", "withheld"]
)
def test_without_the_owner_a_message_says_so(number: str | None) -> None:
    """Nobody else is disturbed: the colleague knows nothing of this customer."""

    async def story(world: World, owner: Any) -> None:
        await world.send(c.TakeBreak(rm_id=owner.rm.id, reason=BreakReason.PAUSE))
        call_back(world, number)
        await gone(world)
        assert heard(world) == ["call_back", "nobody_available"]
        assert all(world.desk(i).state is not RmState.TALKING for i in range(2))
        assert await told(world) == (["Called back and heard the announcement"] if number == NUMBER else [])

    tell(story)


@pytest.mark.parametrize("after_s", [1.0, 7.0], ids=["in the announcement", "in the second message"])
def test_the_opt_out_key_ends_all_calls(after_s: float) -> None:
    """At any moment of the messages: the person and the phone are never called again, and they hear it."""

    async def story(world: World, owner: Any) -> None:
        await world.send(c.TakeBreak(rm_id=owner.rm.id, reason=BreakReason.PAUSE))
        call_back(world)
        await world.clock.sleep(after_s)
        world.pbx.presses(LEG, "9")
        await gone(world)
        assert await suppressed(world, world.customer_ids[0])
        assert heard(world)[-1] == "opted_out"
        assert await told(world) == ["Called back and asked not to be called again"]
        assert world.campaign is not None
        await world.send(c.GoReady(rm_id=owner.rm.id))
        await world.send(c.StartCampaign(campaign_id=world.campaign.id))
        await world.clock.sleep(60.0)
        assert NUMBER not in [request.pii_number for request in world.pbx.dialed]

    tell(story)


def test_another_key_means_nothing() -> None:
    """Only the key that was announced ends calls."""

    async def story(world: World, owner: Any) -> None:
        call_back(world)
        await world.clock.sleep(1.0)
        world.pbx.presses(LEG, "5")
        await world.until(lambda: owner.state is RmState.TALKING, 30.0)
        assert not await suppressed(world, None)

    tell(story)


def test_an_opt_out_holds_though_the_database_cannot_be_read() -> None:
    """Who called is not known then; that this phone asked for quiet is."""

    async def story(world: World, owner: Any) -> None:
        async def before(unit: str) -> None:
            if unit.startswith("read:who_calls"):
                raise DatabaseBusy("The database is busy. Nothing was written.")

        world.db.before = before
        call_back(world)
        await world.clock.sleep(1.0)
        world.pbx.presses(LEG, "9")
        await gone(world)
        assert await suppressed(world, None)

    tell(story)


@pytest.mark.parametrize("after_s", [1.0, 3.05, 7.0])
def test_a_caller_who_hangs_up_leaves_nothing_behind(after_s: float) -> None:
    """Whenever it is: no leg, no RM in a talk with nobody."""

    async def story(world: World, owner: Any) -> None:
        call_back(world)
        await world.clock.sleep(after_s)
        world.pbx.customer_hangs_up(LEG)
        await gone(world)
        await world.clock.sleep(5.0)
        assert owner.state is RmState.READY
        assert len(world.pbx.live_legs) == 2

    tell(story)


def test_a_restart_ends_a_call_back() -> None:
    """Nobody follows it any more, so its leg is hung up before the RM gets a customer."""

    async def story(world: World, owner: Any) -> None:
        call_back(world)
        await world.until(lambda: owner.state is RmState.TALKING, 30.0)
        await world.kill()
        await world.boot(start_campaign=False)
        assert LEG not in world.pbx.live_legs
        await world.until(lambda: world.dialer.engine.desks[owner.rm.id].state is RmState.READY, 30.0)

    tell(story)
