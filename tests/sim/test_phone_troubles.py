# SPDX-License-Identifier: GPL-3.0-or-later
"""What a floor does when an RM's phone goes, is silent, or comes back: the customer never pays for it."""

from __future__ import annotations

import pytest

from dialer.claim import claim_next
from dialer.testing import RINGS_FOR_EVER
from tests.sim.small_floor import halt, only_call, reach, tell
from tests.sim.world import World
from vocabulary import commands as c
from vocabulary.dispositions import Disposition
from vocabulary.outcomes import BreakReason, Outcome
from vocabulary.states import PacingMode, RmState

pytestmark = pytest.mark.sim


def test_an_idle_phone_that_dies_is_called_again_and_gets_no_customer_meanwhile() -> None:
    """Not ready until it is heard; a new leg with a number of its own."""

    async def story(world: World) -> None:
        desk = await reach(world, RmState.READY)
        first = desk.leg
        world.pbx.registered = False
        world.pbx.rm_phone_dies("rm0x")
        await reach(world, RmState.PHONE_CONNECTING)
        assert world.campaign is not None
        await world.send(c.StartCampaign(campaign_id=world.campaign.id))
        await world.clock.sleep(60.0)
        assert not world.pbx.dialed
        assert "not registered" in desk.why_not
        world.pbx.registered = True
        await world.until(lambda: bool(world.pbx.dialed))
        assert desk.leg not in (None, first)

    tell(story, start=False)


def test_a_phone_lost_under_review_gives_the_customer_back() -> None:
    """Nobody is dialed for an RM without a phone."""

    async def story(world: World) -> None:
        await reach(world, RmState.READY)
        reply = await world.send(c.NextCustomer(rm_id=world.rm_ids[0]))
        assert reply.done
        await reach(world, RmState.REVIEWING)
        world.pbx.rm_phone_dies("rm0x")
        await reach(world, RmState.READY)
        assert (await only_call(world)).disposition == Disposition.CANCELLED
        assert not world.pbx.dialed

    tell(story, mode=PacingMode.PREVIEW)


def test_a_phone_lost_while_it_rings_stops_the_call() -> None:
    """The customer would answer to silence."""

    async def story(world: World) -> None:
        await world.until(lambda: bool(world.pbx.dialed))
        await world.clock.sleep(3.0)
        await halt(world)
        world.pbx.rm_phone_dies("rm0x")
        await reach(world, RmState.READY)
        row = await only_call(world)
        assert (row.disposition, row.ended_by, row.counted) == (Disposition.CANCELLED, "rm", True)
        assert all(leg.id.startswith("rm-") for leg in world.pbx.live_legs)

    tell(story, behave=RINGS_FOR_EVER)


def test_an_rm_who_hangs_up_the_phone_ends_the_talk_and_wraps_up() -> None:
    """Desk-phone users do this after every call: wrap-up, and the phone is called before *ready*."""

    async def story(world: World) -> None:
        desk = await reach(world, RmState.TALKING)
        await halt(world)
        world.pbx.rm_phone_dies("rm0x")
        await reach(world, RmState.WRAP_UP)
        assert all(leg.id.startswith("rm-") for leg in world.pbx.live_legs)
        await world.until(lambda: desk.phone == "up")
        assert desk.state is RmState.WRAP_UP
        outcome = c.RecordOutcome(rm_id=desk.rm.id, call_id=desk.call.call_id, outcome=Outcome.SALE)
        assert (await world.send(outcome)).done
        assert desk.state is RmState.READY

    tell(story)


def test_a_talk_outlives_a_moment_of_silence() -> None:
    """Heard again within the grace time, nothing happens; else the phone is called anew and the talk is over."""

    async def story(world: World) -> None:
        desk = await reach(world, RmState.TALKING)
        await halt(world)
        world.pbx.rm_phone_silent("rm0x")
        await world.clock.sleep(2.0)
        world.pbx.rm_phone_heard("rm0x")
        await world.clock.sleep(20.0)
        assert desk.state is RmState.TALKING
        world.pbx.rm_phone_silent("rm0x")
        await reach(world, RmState.WRAP_UP)

    tell(story)


def test_a_phone_on_hold_is_not_ready_and_not_called_anew() -> None:
    """The RM put us on hold: wait, however long it takes."""

    async def story(world: World) -> None:
        desk = await reach(world, RmState.READY)
        leg = desk.leg
        world.pbx.rm_phone_silent("rm0x", "hold")
        await world.clock.sleep(300.0)
        assert (desk.state, desk.leg) == (RmState.PHONE_CONNECTING, leg)
        world.pbx.rm_phone_heard("rm0x")
        await reach(world, RmState.READY)

    tell(story, start=False)


def test_an_answered_customer_goes_to_the_next_free_rm() -> None:
    """The own RM's phone went at the answer: another takes over within two seconds, and that is recorded."""

    async def story(world: World) -> None:
        await world.until(lambda: bool(world.pbx.dialed))
        await halt(world)
        (dialed,) = world.pbx.dialed
        owner, other = (world.desk(0), world.desk(1))
        if owner.call is None:
            owner, other = other, owner
        # Gone in the very moment of the answer: the PBX says that the customer is in no bridge.
        await world.clock.sleep(2.9)
        await world.pbx.unbridge(dialed.leg, dialed.bridge)
        owner.phone_changed("down")
        await world.until(lambda: other.state is RmState.TALKING, 5.0)
        row = await only_call(world)
        assert row.rm_id == other.rm.id
        assert owner.call is None

    tell(story, rms_count=2, customers=1)


def test_a_break_asked_for_while_a_customer_is_being_claimed_comes_after_the_call() -> None:
    """The claim brings a customer: they are called first."""

    async def story(world: World) -> None:
        desk = await reach(world, RmState.READY)

        async def slow(unit: str) -> None:
            if unit == f"write:{claim_next.__name__}":
                await world.clock.sleep(1.0)

        world.db.before = slow
        assert world.campaign is not None
        await world.send(c.StartCampaign(campaign_id=world.campaign.id))
        await world.until(lambda: desk.claiming)
        await world.send(c.TakeBreak(rm_id=desk.rm.id, reason=BreakReason.PAUSE))
        await reach(world, RmState.TALKING)
        world.pbx.customer_hangs_up(desk.call.leg)
        await reach(world, RmState.WRAP_UP)
        await world.send(c.RecordOutcome(rm_id=desk.rm.id, call_id=desk.call.call_id, outcome=Outcome.SALE))
        assert desk.state is RmState.BREAK

    tell(story, start=False)


def test_a_phone_lost_while_the_row_is_written_leaves_nobody_ringing() -> None:
    """The row is durable, the INVITE never leaves, the call ends cancelled and uncounted."""

    async def story(world: World) -> None:
        async def slow(unit: str) -> None:
            if unit == "write:begin_dialing":
                world.pbx.rm_phone_dies("rm0x")
                await world.clock.sleep(1.0)
                world.db.before = None
                assert world.campaign is not None

        world.db.before = slow
        await world.until(lambda: world.desk().state is RmState.DIALING)
        await halt(world)
        await reach(world, RmState.READY)
        row = await only_call(world)
        assert (row.disposition, row.counted) == (Disposition.CANCELLED, False)
        assert not world.pbx.dialed

    tell(story)


def test_a_phone_lost_on_a_break_is_called_at_its_end() -> None:
    """Nobody's phone rings at lunch; back from it, the phone comes before *ready*."""

    async def story(world: World) -> None:
        desk = await reach(world, RmState.READY)
        await world.send(c.TakeBreak(rm_id=desk.rm.id, reason=BreakReason.LUNCH))
        world.pbx.rm_phone_dies("rm0x")
        called = len(world.pbx.rm_calls)
        await world.clock.sleep(600.0)
        assert (desk.state, len(world.pbx.rm_calls)) == (RmState.BREAK, called)
        await world.send(c.GoReady(rm_id=desk.rm.id))
        assert desk.state is RmState.PHONE_CONNECTING
        await reach(world, RmState.READY)
        assert len(world.pbx.rm_calls) == called + 1

    tell(story, start=False)


def test_a_phone_that_comes_back_during_a_claim_gets_its_customer() -> None:
    """Gone and back within the claim: the call goes to the leg that is there when it is dialed."""

    async def story(world: World) -> None:
        desk = await reach(world, RmState.READY)

        async def slow(unit: str) -> None:
            if unit == "write:claim_next":
                world.pbx.rm_phone_dies("rm0x")
                await world.clock.sleep(5.0)
                world.db.before = None

        world.db.before = slow
        assert world.campaign is not None
        await world.send(c.StartCampaign(campaign_id=world.campaign.id))
        await reach(world, RmState.TALKING)
        (dialed,) = world.pbx.dialed
        assert dialed.bridge == desk.bridge

    tell(story, start=False)
