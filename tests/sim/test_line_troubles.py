# SPDX-License-Identifier: GPL-3.0-or-later
"""What a floor does when the event stream, a trunk, the database or the program itself fails."""

from __future__ import annotations

from typing import Any

import pytest

from dialer.telephony import Refusal, TrunkHealth
from dialer.testing import RINGS_FOR_EVER, SILENT_TRUNK
from foundation.errors import DatabaseBusy
from tests.sim.small_floor import halt, only_call, reach, tell
from tests.sim.world import World
from vocabulary import commands as c
from vocabulary.dispositions import Disposition
from vocabulary.outcomes import Outcome
from vocabulary.states import CallState, RmState

pytestmark = pytest.mark.sim


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
