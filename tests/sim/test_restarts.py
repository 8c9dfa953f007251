# SPDX-License-Identifier: GPL-3.0-or-later
"""Halts, stops, deaths and starts of the dialer: talks go on, nobody is dialed twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dialer.testing import ANSWERS, RINGS_FOR_EVER
from foundation.outbox import undelivered_count
from profiler.lists import counts
from tests.sim.process import Process
from tests.sim.small_floor import TALKS_ON, halt, only_call, reach, tell
from tests.sim.world import World
from vocabulary import commands as c
from vocabulary.dispositions import Disposition
from vocabulary.outcomes import BreakReason
from vocabulary.states import EntryState, RmState

pytestmark = pytest.mark.sim


def test_a_halt_ends_what_rings_and_leaves_talks_alone() -> None:
    """No INVITE leaves from that moment; lifted, dialing goes on, and who was rung waits a quarter of an hour."""

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
        await world.clock.sleep(600.0)
        assert len(world.pbx.dialed) == 2
        await world.until(lambda: len(world.pbx.dialed) == 3, 400.0)

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


def test_a_call_found_ringing_rings_for_the_lawful_minimum() -> None:
    """Since when it rings is not known, so the fifteen seconds count from the restart, and that is on record."""

    async def story(world: World) -> None:
        await world.until(lambda: bool(world.pbx.dialed))
        await world.kill()
        await world.clock.sleep(10.0)
        await world.boot(start_campaign=False)
        back = world.clock.now()
        await halt(world)
        await reach(world, RmState.READY)
        row = await only_call(world)
        assert (row.disposition, row.ended_by) == (Disposition.NO_ANSWER, "ring_timer")
        assert (row.ringing_at - back).total_seconds() == pytest.approx(0.0, abs=0.5)
        assert (row.ended_at - row.ringing_at).total_seconds() >= world.timing.ring_min_s

    tell(story, behave=RINGS_FOR_EVER)


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
