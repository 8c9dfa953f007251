# SPDX-License-Identifier: GPL-3.0-or-later
"""An RM's loop by commands, as a screen sends them: review, confirm, talk, wrap up, and every way out of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dialer.campaigns import CampaignPolicy, create_campaign
from dialer.testing import ANSWERS, RINGS_FOR_EVER, Behaviour
from foundation.testing import run_virtual
from profiler.rms import RmStanding, set_standing
from tests.sim.world import CALLER_ID, World
from vocabulary import commands as c
from vocabulary.call_id import CallId
from vocabulary.dispositions import Disposition
from vocabulary.outcomes import BreakReason, Outcome
from vocabulary.states import CallState, CampaignState, PacingMode, RmState

pytestmark = pytest.mark.sim

TALKS_ON = Behaviour(answers_after_s=3.0, talks_s=None)


class Floor:
    """One RM in a preview or manual campaign, at the screen."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rm_id = world.rm_ids[0]

    @property
    def desk(self) -> Any:
        return self.world.desk()

    async def state(self, state: RmState, limit_s: float = 600.0) -> None:
        """Wait until the RM is in this state."""
        await self.world.until(lambda: self.desk.state is state, limit_s)

    async def next(self, customer_id: int | None = None) -> CallId:
        """The next customer, under review."""
        reply = await self.world.send(c.NextCustomer(rm_id=self.rm_id, customer_id=customer_id))
        assert reply.done, reply
        assert reply.call_id is not None
        await self.state(RmState.REVIEWING)
        return reply.call_id

    async def confirm(self, call_id: CallId) -> c.Reply:
        return await self.world.send(c.ConfirmCall(rm_id=self.rm_id, call_id=call_id))

    async def talking(self) -> CallId:
        """A customer on the line."""
        call_id = await self.next()
        assert (await self.confirm(call_id)).done
        await self.state(RmState.TALKING)
        return call_id

    async def call(self, call_id: CallId) -> Any:
        return next(row for row in await self.world.calls() if row.call_id == call_id)


def tell(
    story: Callable[[Floor], Awaitable[None]],
    *,
    mode: PacingMode = PacingMode.PREVIEW,
    customers: int = 3,
    policy: CampaignPolicy | None = None,
    behave: Behaviour = TALKS_ON,
) -> None:
    """Set a floor up, with its RM ready, and live a story on it."""

    async def live() -> None:
        world = await World.make(
            rms_count=1, customers=customers, mode=mode, policy=policy or CampaignPolicy(max_attempts=3)
        )
        world.pbx.behave = lambda request: behave
        await world.boot()
        floor = Floor(world)
        await floor.state(RmState.READY)
        await story(floor)
        await world.close()

    run_virtual(live())


def test_the_whole_loop() -> None:
    """Review, confirm, talk, hang up, outcome, ready: one call, joined early, with its outcome on record."""

    async def story(floor: Floor) -> None:
        call_id = await floor.next()
        assert not floor.world.pbx.dialed
        assert floor.desk.call.snapshot["customer"]
        assert (await floor.confirm(call_id)).done
        await floor.state(RmState.TALKING)
        (dialed,) = floor.world.pbx.dialed
        assert dialed.bridge == floor.desk.bridge
        assert (await floor.world.send(c.HangUp(rm_id=floor.rm_id, call_id=call_id))).done
        await floor.state(RmState.WRAP_UP)
        given = c.RecordOutcome(rm_id=floor.rm_id, call_id=call_id, outcome=Outcome.SALE, note="two of them")
        assert (await floor.world.send(given)).done
        assert floor.desk.state is RmState.READY
        row = await floor.call(call_id)
        assert (row.state, row.disposition, row.outcome, row.ended_by) == (
            CallState.WRAPPED_UP,
            Disposition.ANSWERED,
            Outcome.SALE,
            "rm",
        )
        assert len(floor.world.pbx.live_legs) == 1

    tell(story)


@pytest.mark.parametrize("mode", [PacingMode.PREVIEW, PacingMode.MANUAL])
def test_nobody_is_dialed_unasked(mode: PacingMode) -> None:
    """In these campaigns customers come only when the RM asks for them."""

    async def story(floor: Floor) -> None:
        await floor.world.clock.sleep(600.0)
        assert not floor.world.pbx.dialed
        assert not await floor.world.calls()

    tell(story, mode=mode)


def test_a_manual_rm_chooses_from_the_own_list() -> None:
    """The chosen customer is reviewed, whatever the order of the list; somebody must be chosen."""

    async def story(floor: Floor) -> None:
        reply = await floor.world.send(c.NextCustomer(rm_id=floor.rm_id))
        assert (reply.done, reply.reason) == (False, "choose")
        last = floor.world.customer_ids[-1]
        call_id = await floor.next(last)
        assert (await floor.call(call_id)).customer_id == last

    tell(story, mode=PacingMode.MANUAL)


@pytest.mark.parametrize(
    ("command", "reason", "again"),
    [
        (c.CancelCall, "wrong moment", True),
        (c.SkipCustomer, "asked for another day", False),
    ],
)
def test_a_reviewed_customer_is_given_back(
    command: type[c.CancelCall] | type[c.SkipCustomer], reason: str, again: bool
) -> None:
    """Cancelled, the same customer is next; skipped, another one is. Nobody was dialed, the reason is kept."""

    async def story(floor: Floor) -> None:
        call_id = await floor.next()
        first = await floor.call(call_id)
        assert (await floor.world.send(command(rm_id=floor.rm_id, call_id=call_id, reason=reason))).done
        await floor.state(RmState.READY)
        row = await floor.call(call_id)
        assert (row.state, row.disposition, row.reason) == ("not_connected", "cancelled", reason)
        assert ((await floor.call(await floor.next())).customer_id == first.customer_id) is again
        assert not floor.world.pbx.dialed

    tell(story)


def test_a_skip_needs_a_reason() -> None:
    """The customer stays under review until it has one."""

    async def story(floor: Floor) -> None:
        call_id = await floor.next()
        reply = await floor.world.send(c.SkipCustomer(rm_id=floor.rm_id, call_id=call_id, reason=" "))
        assert (reply.done, reply.reason) == (False, "reason")
        assert floor.desk.state is RmState.REVIEWING

    tell(story)


def test_a_review_without_a_decision_gives_the_customer_back() -> None:
    """After the review time the customer is free for whoever comes."""

    async def story(floor: Floor) -> None:
        call_id = await floor.next()
        await floor.state(RmState.READY, limit_s=400.0)
        row = await floor.call(call_id)
        assert row.disposition == Disposition.CANCELLED
        assert "review time" in row.reason
        assert not floor.world.pbx.dialed

    tell(story)


def test_a_ringing_call_can_be_stopped() -> None:
    """The customer's phone stops, the call is cancelled, the RM is ready."""

    async def story(floor: Floor) -> None:
        call_id = await floor.next()
        await floor.confirm(call_id)
        await floor.world.clock.sleep(5.0)
        assert floor.desk.state is RmState.DIALING
        assert (
            await floor.world.send(c.CancelCall(rm_id=floor.rm_id, call_id=call_id, reason="mistake"))
        ).done
        await floor.state(RmState.READY)
        assert (await floor.call(call_id)).disposition == Disposition.CANCELLED
        assert len(floor.world.pbx.live_legs) == 1

    tell(story, behave=RINGS_FOR_EVER)


def test_a_connected_customer_cannot_be_cancelled() -> None:
    """Who talks is hung up, not cancelled."""

    async def story(floor: Floor) -> None:
        call_id = await floor.talking()
        reply = await floor.world.send(c.CancelCall(rm_id=floor.rm_id, call_id=call_id, reason="x"))
        assert (reply.done, reply.reason) == (False, "connected")
        assert floor.desk.state is RmState.TALKING

    tell(story)


def test_every_command_is_answered_at_every_moment() -> None:
    """A screen that is late is told so at once; none waits for its deadline."""

    async def story(floor: Floor) -> None:
        async def all_refused(call_id: CallId, *orders: c.Command) -> None:
            for order in orders:
                began = floor.world.clock.monotonic()
                assert not (await floor.world.send(order)).done, order
                assert floor.world.clock.monotonic() - began < 1.0

        rm_id = floor.rm_id
        call_id = await floor.next()
        outcome = c.RecordOutcome(rm_id=rm_id, call_id=call_id, outcome=Outcome.SALE)
        confirm = c.ConfirmCall(rm_id=rm_id, call_id=call_id)
        await all_refused(call_id, outcome, c.HangUp(rm_id=rm_id, call_id=call_id), c.MoreTime(rm_id=rm_id))
        await floor.confirm(call_id)
        await all_refused(call_id, outcome, confirm, c.MoreTime(rm_id=rm_id))
        await floor.state(RmState.TALKING)
        await all_refused(call_id, outcome, confirm, c.MoreTime(rm_id=rm_id))
        await floor.world.send(c.HangUp(rm_id=rm_id, call_id=call_id))
        await floor.state(RmState.WRAP_UP)
        await all_refused(call_id, confirm)
        assert (await floor.world.send(outcome)).done
        await all_refused(call_id, outcome, confirm, c.MoreTime(rm_id=rm_id))

    tell(story)


def test_a_customer_can_be_called_again() -> None:
    """After a talk that broke off: a new call with an ID of its own, and a review before it."""

    async def story(floor: Floor) -> None:
        first = await floor.talking()
        floor.world.pbx.customer_hangs_up(floor.desk.call.leg)
        await floor.state(RmState.WRAP_UP)
        await floor.world.send(c.RecordOutcome(rm_id=floor.rm_id, call_id=first, outcome=Outcome.DROPPED))
        reply = await floor.world.send(c.CallAgain(rm_id=floor.rm_id, call_id=first))
        assert reply.done
        assert reply.call_id not in (None, first)
        await floor.state(RmState.REVIEWING)
        rows = await floor.world.calls()
        assert len({row.customer_id for row in rows}) == 1

    tell(story)


def test_wrap_up_without_a_sign_of_life_leads_away_never_to_ready() -> None:
    """First *Are you there?*, then away; the call has no outcome; coming back is the RM's own doing."""

    async def story(floor: Floor) -> None:
        call_id = await floor.talking()
        await floor.world.send(c.HangUp(rm_id=floor.rm_id, call_id=call_id))
        await floor.state(RmState.WRAP_UP)
        await floor.world.until(lambda: floor.desk.call.are_you_there)
        await floor.state(RmState.AWAY)
        assert (await floor.call(call_id)).outcome == Outcome.NO_OUTCOME
        await floor.world.clock.sleep(600.0)
        assert floor.desk.state is RmState.AWAY
        assert (await floor.world.send(c.GoReady(rm_id=floor.rm_id))).done
        assert floor.desk.state is RmState.READY

    tell(story)


def test_asking_for_more_time_is_a_sign_of_life() -> None:
    """*Are you there?* goes away and the wrap-up goes on."""

    async def story(floor: Floor) -> None:
        call_id = await floor.talking()
        await floor.world.send(c.HangUp(rm_id=floor.rm_id, call_id=call_id))
        await floor.world.until(lambda: floor.desk.call.are_you_there)
        assert (await floor.world.send(c.MoreTime(rm_id=floor.rm_id))).done
        assert not floor.desk.call.are_you_there
        await floor.world.clock.sleep(floor.world.timing.more_time_s - 1.0)
        assert floor.desk.state is RmState.WRAP_UP

    tell(story)


@pytest.mark.parametrize(
    ("wish", "ends_in"),
    [
        (lambda rm_id: c.TakeBreak(rm_id=rm_id, reason=BreakReason.LUNCH), RmState.BREAK),
        (lambda rm_id: c.EndShift(rm_id=rm_id), RmState.OFFLINE),
    ],
)
@pytest.mark.parametrize("asleep", [False, True], ids=["with an outcome", "asleep in wrap-up"])
def test_a_wish_during_a_call_is_granted_after_it(
    wish: Callable[[int], c.Command], ends_in: RmState, asleep: bool
) -> None:
    """The talk and its wrap-up come first; then the break, or the end of the shift."""

    async def story(floor: Floor) -> None:
        desk = floor.desk
        call_id = await floor.talking()
        assert (await floor.world.send(wish(floor.rm_id))).done
        assert desk.state is RmState.TALKING
        await floor.world.send(c.HangUp(rm_id=floor.rm_id, call_id=call_id))
        await floor.world.until(lambda: desk.state is RmState.WRAP_UP)
        if not asleep:
            outcome = c.RecordOutcome(rm_id=floor.rm_id, call_id=call_id, outcome=Outcome.SALE)
            assert (await floor.world.send(outcome)).done
        await floor.world.until(lambda: desk.state is ends_in)

    tell(story)


def test_a_shift_ends_with_the_phone_hung_up_and_can_begin_again() -> None:
    """The next shift is a new one, with a leg of its own."""

    async def story(floor: Floor) -> None:
        assert floor.world.campaign is not None
        assert (await floor.world.send(c.EndShift(rm_id=floor.rm_id))).done
        await floor.world.until(lambda: floor.rm_id not in floor.world.dialer.engine.desks)
        assert not floor.world.pbx.live_legs
        again = c.StartShift(rm_id=floor.rm_id, campaign_id=floor.world.campaign.id)
        replies = await asyncio.gather(floor.world.send(again), floor.world.send(again))
        assert sorted(reply.done for reply in replies) == [False, True]
        await floor.state(RmState.READY)
        assert len(floor.world.pbx.live_legs) == 1

    tell(story)


def test_who_left_the_house_starts_no_shift() -> None:
    """The record stays for the calls of the past; there is no such RM any more."""

    async def story(floor: Floor) -> None:
        assert floor.world.campaign is not None
        await floor.world.send(c.EndShift(rm_id=floor.rm_id))
        await floor.world.until(lambda: floor.rm_id not in floor.world.dialer.engine.desks)
        await floor.world.db.write(set_standing, floor.rm_id, RmStanding.LEFT)
        again = c.StartShift(rm_id=floor.rm_id, campaign_id=floor.world.campaign.id)
        reply = await floor.world.send(again)
        assert (reply.done, reply.reason) == (False, "no_rm")

    tell(story)


def test_a_campaign_set_up_after_the_start_is_known() -> None:
    """Nobody restarts the dialer for a new campaign."""

    async def story(floor: Floor) -> None:
        await floor.world.send(c.EndShift(rm_id=floor.rm_id))
        await floor.world.until(lambda: floor.rm_id not in floor.world.dialer.engine.desks)
        made = await floor.world.db.write(
            create_campaign,
            name="later",
            title="Later",
            mode=PacingMode.PREVIEW,
            caller_id=CALLER_ID,
            policy=CampaignPolicy(),
            now=floor.world.clock.now(),
        )
        assert (await floor.world.send(c.StartShift(rm_id=floor.rm_id, campaign_id=made.id))).done
        assert (await floor.world.send(c.StartCampaign(campaign_id=made.id))).done
        unknown = await floor.world.send(c.StartCampaign(campaign_id=made.id + 1))
        assert (unknown.done, unknown.reason) == (False, "no_campaign")

    tell(story)


def test_the_end_of_the_list_is_said() -> None:
    """The RM hears it in words, and with the last list the campaign is exhausted."""

    async def story(floor: Floor) -> None:
        call_id = await floor.talking()
        await floor.world.send(c.HangUp(rm_id=floor.rm_id, call_id=call_id))
        await floor.state(RmState.WRAP_UP)
        outcome = c.RecordOutcome(rm_id=floor.rm_id, call_id=call_id, outcome=Outcome.NOT_INTERESTED)
        await floor.world.send(outcome)
        reply = await floor.world.send(c.NextCustomer(rm_id=floor.rm_id))
        assert (reply.done, reply.reason) == (False, "end_of_list")
        assert "end of your list" in reply.sentence
        assert floor.world.campaign is not None
        campaigns = floor.world.dialer.engine.campaigns
        assert campaigns[floor.world.campaign.id].state is CampaignState.EXHAUSTED

    tell(story, customers=1)


def test_a_number_by_hand_goes_through_every_check_and_is_dialed() -> None:
    """``offhook call``: reviewed and confirmed in one go."""

    async def story(floor: Floor) -> None:
        reply = await floor.world.send(
            c.PlaceCall(rm_id=floor.rm_id, pii_number="+99912345678", zone="Europe/Lisbon")
        )
        assert reply.done, reply
        await floor.state(RmState.TALKING)
        assert floor.world.pbx.dialed[0].pii_number == "+99912345678"
        refused = await floor.world.send(c.PlaceCall(rm_id=floor.rm_id, pii_number="+4420123"))
        assert (refused.done, refused.reason) == (False, "not_allowed")

    tell(story, behave=ANSWERS)


@pytest.mark.parametrize("command", [c.PauseCampaign, c.StopCampaign])
def test_a_review_of_a_paused_campaign_ends_without_a_dial(
    command: type[c.PauseCampaign] | type[c.StopCampaign],
) -> None:
    """Confirming after the pause is too late: the RM is told why, the customer goes back."""

    async def story(floor: Floor) -> None:
        call_id = await floor.next()
        assert floor.world.campaign is not None
        assert (await floor.world.send(command(campaign_id=floor.world.campaign.id))).done
        reply = await floor.confirm(call_id)
        assert (reply.done, reply.reason) == (False, "not_allowed")
        assert "Test campaign is" in reply.sentence
        await floor.state(RmState.READY)
        assert not floor.world.pbx.dialed

    tell(story)
