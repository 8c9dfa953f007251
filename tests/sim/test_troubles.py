# SPDX-License-Identifier: GPL-3.0-or-later
"""What a floor does when one thing goes wrong: a phone, the event stream, a trunk, the database, the dialer itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dialer.campaigns import CampaignPolicy
from dialer.claim import claim_next
from dialer.telephony import Refusal, TrunkHealth
from dialer.testing import ANSWERS, RINGS_FOR_EVER, SILENT_TRUNK, Behaviour
from foundation.errors import DatabaseBusy
from foundation.outbox import undelivered_count
from foundation.testing import run_virtual
from profiler.lists import counts
from tests.sim.process import Process
from tests.sim.world import World
from vocabulary import commands as c
from vocabulary.dispositions import Disposition
from vocabulary.outcomes import BreakReason, Outcome
from vocabulary.states import CallState, EntryState, PacingMode, RmState

pytestmark = pytest.mark.sim

TALKS_ON = Behaviour(answers_after_s=3.0, talks_s=None)


def tell(
    story: Callable[[World], Awaitable[None]],
    *,
    behave: Behaviour = TALKS_ON,
    rms_count: int = 1,
    customers: int = 3,
    mode: PacingMode = PacingMode.PROGRESSIVE,
    policy: CampaignPolicy | None = None,
    start: bool = True,
) -> None:
    """A progressive floor of one RM, up and dialing, and a story on it."""

    async def live() -> None:
        world = await World.make(
            rms_count=rms_count,
            customers=customers,
            mode=mode,
            policy=policy or CampaignPolicy(max_attempts=3),
        )
        world.pbx.behave = lambda request: behave
        await world.boot(start_campaign=start)
        await story(world)
        await world.close()

    run_virtual(live())


async def reach(world: World, state: RmState, index: int = 0) -> Any:
    """Wait until an RM is in a state; the desk."""
    await world.until(lambda: world.desk(index).state is state, 600.0)
    return world.desk(index)


async def only_call(world: World) -> Any:
    """The row of the one call there is."""
    (row,) = await world.calls()
    return row


async def halt(world: World) -> None:
    """Nothing new, so that a story ends with the call it is about."""
    assert world.campaign is not None
    await world.send(c.PauseCampaign(campaign_id=world.campaign.id))


# --- the RM's phone -----------------------------------------------------------------------------------


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


# --- the event stream and the trunk -------------------------------------------------------------------


def test_while_the_event_stream_is_cut_nobody_is_dialed() -> None:
    """The reason is on the screen; when it is back, dialing goes on by itself."""

    async def story(world: World) -> None:
        desk = await reach(world, RmState.READY)
        world.pbx.link_down()
        await world.clock.sleep(1.0)
        assert world.campaign is not None
        await world.send(c.StartCampaign(campaign_id=world.campaign.id))
        await world.clock.sleep(30.0)
        assert not world.pbx.dialed
        assert "cannot be heard" in desk.why_not
        world.pbx.link_up()
        await world.until(lambda: bool(world.pbx.dialed), 5.0)

    tell(story, start=False)


def test_a_talk_that_ended_during_a_cut_is_a_talk() -> None:
    """Its end was not seen, its RM still wraps up."""

    async def story(world: World) -> None:
        desk = await reach(world, RmState.TALKING)
        await halt(world)
        world.pbx.link_down()
        world.pbx.customer_hangs_up(desk.call.leg)
        await world.clock.sleep(10.0)
        assert desk.state is RmState.TALKING
        world.pbx.link_up()
        await reach(world, RmState.WRAP_UP)
        assert (await only_call(world)).disposition == Disposition.ANSWERED

    tell(story)


def test_a_call_that_vanished_during_a_cut_is_lost_and_counts() -> None:
    """How it ended is not known, so the customer is left alone."""

    async def story(world: World) -> None:
        await world.until(lambda: bool(world.pbx.dialed))
        await world.clock.sleep(2.0)
        await halt(world)
        world.pbx.link_down()
        world.pbx.customer_hangs_up(world.pbx.dialed[0].leg)
        await world.clock.sleep(2.0)
        world.pbx.link_up()
        await reach(world, RmState.READY)
        row = await only_call(world)
        assert (row.disposition, row.counted) == (Disposition.LOST, True)

    tell(story, behave=RINGS_FOR_EVER)


def test_without_a_trunk_nobody_is_claimed() -> None:
    """The list is not run through while nothing can be dialed; the breaker's end starts it again."""

    async def story(world: World) -> None:
        desk = await reach(world, RmState.READY)
        for usable in (False, True):
            world.pbx.tell(
                TrunkHealth(at=world.clock.now(), trunk="carrier", usable=usable, why="503 again and again")
            )
            if not usable:
                assert world.campaign is not None
                await world.send(c.StartCampaign(campaign_id=world.campaign.id))
                await world.clock.sleep(60.0)
                assert not await world.calls()
                assert "No trunk" in desk.why_not
        await world.until(lambda: bool(world.pbx.dialed), 5.0)

    tell(story, start=False)


@pytest.mark.parametrize(
    ("refusal", "disposition"),
    [
        (Refusal.TRUNK_FULL, Disposition.CANCELLED),
        (Refusal.LINK_DOWN, Disposition.CANCELLED),
        (Refusal.REJECTED, Disposition.CARRIER_FAILED),
    ],
)
def test_a_pbx_that_refuses_does_not_run_the_list_down(refusal: Refusal, disposition: Disposition) -> None:
    """One customer per pause, not all of them in a second; none counts as an attempt."""

    async def story(world: World) -> None:
        world.pbx.refuse_dial = refusal
        await world.clock.sleep(20.0)
        rows = await world.calls()
        assert 2 <= len(rows) <= 5
        over = [row for row in rows if row.disposition is not None]
        assert {row.disposition for row in over} == {disposition}
        assert not any(row.counted for row in over)

    tell(story, customers=20)


def test_a_trunk_that_says_nothing_is_given_up_before_anybody_hears_it_ring() -> None:
    """Neither ringing nor progress within the set-up time: failed fast, no attempt."""

    async def story(world: World) -> None:
        await world.until(lambda: bool(world.pbx.dialed))
        await halt(world)
        await reach(world, RmState.READY)
        row = await only_call(world)
        assert (row.disposition, row.ended_by, row.counted) == (
            Disposition.CARRIER_FAILED,
            "setup_timer",
            False,
        )
        assert (row.ended_at - row.dialed_at).total_seconds() == pytest.approx(world.timing.setup_s, abs=0.5)

    tell(story, behave=SILENT_TRUNK)


def test_an_unknown_request_is_settled_by_its_events() -> None:
    """The PBX did not answer, but the call is there: it is followed, and nobody is dialed twice."""

    async def story(world: World) -> None:
        world.pbx.dial_unknown = True
        await reach(world, RmState.TALKING)
        assert len(world.pbx.dialed) == 1

    tell(story)


# --- the database -------------------------------------------------------------------------------------


def test_while_the_database_is_busy_nobody_is_dialed_and_talks_go_on() -> None:
    """Twelve seconds without a write: the talk's end is kept and written afterwards."""

    async def story(world: World) -> None:
        desk = await reach(world, RmState.TALKING)
        busy = True

        async def before(unit: str) -> None:
            if busy and unit.startswith("write"):
                raise DatabaseBusy("The database is busy. Nothing was written.")

        world.db.before = before
        world.pbx.customer_hangs_up(desk.call.leg)
        await reach(world, RmState.WRAP_UP)
        await world.clock.sleep(12.0)
        dialed = len(world.pbx.dialed)
        assert dialed == 1
        busy = False
        await world.clock.sleep(6.0)
        row = (await world.calls())[0]
        assert (row.state, row.disposition) == (CallState.ENDED, Disposition.ANSWERED)
        outcome = c.RecordOutcome(rm_id=desk.rm.id, call_id=row.call_id, outcome=Outcome.SALE)
        assert (await world.send(outcome)).done

    tell(story)


def test_a_fault_in_the_program_ends_one_call_and_frees_its_rm() -> None:
    """The customer is hung up, the record closed, an alarm raised, and the next customer is dialed."""

    async def story(world: World) -> None:
        desk = await reach(world, RmState.TALKING)
        desk.call.desk = _Broken(desk)
        world.pbx.customer_hangs_up(desk.call.leg)
        await world.until(lambda: len(world.pbx.dialed) == 2)
        rows = await world.calls()
        assert rows[0].state == CallState.WRAPPED_UP
        assert rows[0].outcome == Outcome.NO_OUTCOME
        assert not desk.claiming

    tell(story)


class _Broken:
    """A desk whose next move fails, once."""

    def __init__(self, desk: Any) -> None:
        self._desk = desk
        self._failed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._desk, name)

    def move(self, *args: Any) -> None:
        if not self._failed:
            self._failed = True
            raise RuntimeError("a bug")
        self._desk.move(*args)


# --- stops and starts ---------------------------------------------------------------------------------


def test_a_halt_ends_what_rings_and_leaves_talks_alone() -> None:
    """No INVITE leaves from that moment; lifted, dialing goes on."""

    async def story(world: World) -> None:
        world.pbx.behave = lambda request: TALKS_ON if len(world.pbx.dialed) == 1 else RINGS_FOR_EVER
        await world.until(lambda: len(world.pbx.dialed) == 2)
        await world.clock.sleep(8.0)
        states = sorted(str(world.desk(index).state) for index in range(2))
        assert states == ["dialing", "talking"]
        assert (await world.send(c.Halt(reason="fire"))).done
        await world.clock.sleep(30.0)
        assert sorted(str(world.desk(index).state) for index in range(2)) == ["ready", "talking"]
        assert len(world.pbx.dialed) == 2
        assert (await world.send(c.LiftHalt())).done
        await world.until(lambda: len(world.pbx.dialed) == 3, 10.0)

    tell(story, rms_count=2)


def test_a_halt_outlives_a_restart() -> None:
    """Whoever stopped everything lifts it, not a crash."""

    async def story(world: World) -> None:
        await reach(world, RmState.READY)
        await world.send(c.Halt(reason="fire"))
        await world.kill()
        await world.boot()
        await world.clock.sleep(60.0)
        assert not world.pbx.dialed

    tell(story, start=False)


def test_a_killed_dialer_adopts_its_talks() -> None:
    """The same leg, the same bridge, one call; the wrap-up comes when the customer hangs up."""

    async def story(world: World) -> None:
        desk = await reach(world, RmState.TALKING)
        leg, call_id = desk.call.leg, desk.call.call_id
        await world.kill()
        await world.clock.sleep(5.0)
        assert leg in world.pbx.live_legs
        await world.boot(start_campaign=False)
        desk = world.desk()
        assert (desk.state, desk.call.call_id) == (RmState.TALKING, call_id)
        world.pbx.customer_hangs_up(leg)
        await reach(world, RmState.WRAP_UP)
        assert (await world.calls())[0].disposition == Disposition.ANSWERED

    tell(story)


def test_an_answer_that_nobody_saw_is_a_talk_after_the_restart() -> None:
    """The early bridge had joined them while the dialer was dead."""

    async def story(world: World) -> None:
        await world.until(lambda: bool(world.pbx.dialed))
        await world.clock.sleep(1.0)
        await world.kill()
        await world.clock.sleep(4.0)
        await world.boot(start_campaign=False)
        await reach(world, RmState.TALKING)
        row = await only_call(world)
        assert row.answered_at is not None
        assert len(world.pbx.dialed) == 1

    tell(story)


@pytest.mark.parametrize(
    ("reason", "kept_in"),
    [(BreakReason.LUNCH, RmState.BREAK), (None, RmState.READY)],
    ids=["on a break", "ready"],
)
def test_a_restart_leaves_breaks_as_they_were(reason: BreakReason | None, kept_in: RmState) -> None:
    """Nobody on a break is ready because the dialer was restarted."""

    async def story(world: World) -> None:
        desk = await reach(world, RmState.READY)
        if reason is not None:
            await world.send(c.TakeBreak(rm_id=desk.rm.id, reason=reason))
            await world.clock.sleep(1.0)
        await world.kill()
        await world.boot(start_campaign=False)
        await world.clock.sleep(20.0)
        assert world.desk().state is kept_in

    tell(story, start=False)


def test_a_graceful_stop_leaves_talks_up_and_ends_what_rings() -> None:
    """The next start adopts the talk with both its legs in their bridge."""

    async def story(world: World) -> None:
        world.pbx.behave = lambda request: TALKS_ON if len(world.pbx.dialed) == 1 else RINGS_FOR_EVER
        await world.until(lambda: len(world.pbx.dialed) == 2)
        await world.clock.sleep(8.0)
        talk = world.pbx.dialed[0]
        assert world.dialer is not None
        await world.dialer.stop()
        assert talk.leg in world.pbx.live_legs
        assert world.pbx.dialed[1].leg not in world.pbx.live_legs
        assert talk.bridge is not None
        assert world.pbx.bridge_of(talk.leg) == talk.bridge
        await world.boot(start_campaign=False)
        states = sorted(str(world.desk(index).state) for index in range(2))
        assert "talking" in states

    tell(story, rms_count=2)


@pytest.mark.parametrize("after_effect", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize("act", ["write:begin_dialing", "dial", "write:claim_next"])
def test_a_death_around_the_dial_never_dials_twice(act: str, after_effect: bool) -> None:
    """Whether the row was written or the INVITE had left: the customer is dialed at most once."""

    async def story(world: World) -> None:
        assert world.campaign is not None
        process = _Mortal(world, act, after_effect=after_effect)
        await world.kill()
        await world.boot(process=process, start_campaign=False)
        await world.send(c.StartCampaign(campaign_id=world.campaign.id))
        await process.dead.wait()
        await world.kill()
        await world.clock.sleep(1.0)
        await world.boot(start_campaign=False)
        await halt(world)
        await world.clock.sleep(40.0)
        first = (await world.calls())[0]
        assert sum(request.leg.id.split("-")[2] == first.call_id for request in world.pbx.dialed) <= 1
        assert len(world.pbx.dialed) <= 1
        assert await world.db.read(undelivered_count, ["profiler"]) == 0
        by_rm = await world.db.read(counts, world.campaign.id)
        leased = sum(states.get(EntryState.LEASED, 0) for states in by_rm.values())
        open_calls = [row for row in await world.calls() if row.state not in ("wrapped_up", "not_connected")]
        assert leased == len(open_calls)

    tell(story, behave=ANSWERS, customers=1, start=False)


class _Mortal(Process):
    """Dies of one named act."""

    def __init__(self, world: World, act: str, *, after_effect: bool) -> None:
        super().__init__(world.db, world.pbx)
        self._fatal = act
        self._late = after_effect

    async def act(self, name: str, effect: Callable[[], Awaitable[Any]]) -> Any:
        if name == self._fatal:
            self._dies_at, self._after_effect = self.acts + 1, self._late
        return await super().act(name, effect)
