# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured rules of the call path that need no PBX: timers, a lost RM, announcements, priorities."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ari_bridge.dialing import Outgoing
from dialer.telephony import LegId, SurveyedLeg
from dialer.testing import ANSWERS, FakeTelephony
from dialer.timing import Timing
from foundation.testing import run_virtual
from offhook.serve import MAIN_NICE
from offhook.workers import JOBS_NICE, worker_pool
from tests.sim.world import World
from vocabulary.states import RmState

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("backstop_s", [0.75, 1.0, 24.01, 32.0])
def test_rule_08_the_backstop_is_whole_seconds_and_never_before_our_timers(backstop_s: float) -> None:
    """ARI cuts fractions off, and 0.75 never fired: rounded up, two seconds behind the longest ringing."""
    call = Outgoing(endpoint="PJSIP/1@trunk-x", pii_caller_id="1", headers={}, backstop_s=backstop_s)
    assert isinstance(call.timeout_s, int)
    assert call.timeout_s >= max(1, backstop_s)
    timing = Timing()
    longest = timing.setup_s + max(timing.ring_s, timing.ring_min_s)
    assert timing.backstop() == longest + 2.0


def test_rule_13_a_customer_whose_rm_is_gone_is_ended_at_once() -> None:
    """The RM's phone dies in a talk: the customer is hung up, the RM wraps up, the phone is called again."""

    async def story() -> None:
        world = await World.make(rms_count=1, customers=1)
        world.pbx.behave = lambda request: ANSWERS
        await world.boot()
        await world.until(lambda: world.desk().state is RmState.TALKING)
        called_before, cut_at = len(world.pbx.rm_calls), world.clock.monotonic()
        world.pbx.rm_phone_dies("rm0x")
        await world.until(lambda: not any(leg.id.startswith("c-") for leg in world.pbx.live_legs))
        assert world.clock.monotonic() - cut_at < 1.0
        assert world.desk().state is RmState.WRAP_UP
        await world.until(lambda: len(world.pbx.rm_calls) > called_before)
        await world.close()

    run_virtual(story())


def test_rule_16_announcements_go_to_customers_who_are_with_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Played into a bridge both hear it, into an RM's leg both are silent: it is neither.

    The RM's bridge goes while it rings: who answers hears who called, alone in the channel.
    """
    played: list[SurveyedLeg] = []
    play = FakeTelephony.play

    async def noted(self: FakeTelephony, leg: LegId, playback: str, media: str) -> None:
        played.extend(found for found in await self.survey() if found.leg == leg)
        await play(self, leg, playback, media)

    monkeypatch.setattr(FakeTelephony, "play", noted)

    async def story() -> None:
        world = await World.make(rms_count=1, customers=1)
        world.pbx.behave = lambda request: ANSWERS
        await world.boot()
        await world.until(lambda: world.desk().call is not None and world.desk().call.rang_at is not None)
        call = world.desk().call
        await world.pbx.unbridge(call.leg, call.bridge)
        await world.pbx.release_bridge(call.bridge)
        await world.until(lambda: played)
        assert played[0].leg == call.leg
        await world.close()

    run_virtual(story())
    assert [leg.bridge for leg in played] == [None]


def test_rule_21_workers_give_way_and_the_dialer_does_not() -> None:
    """A job's process runs at nice 5, the dialer's at nice -10 where it may."""
    with worker_pool(JOBS_NICE) as workers:
        assert workers.submit(os.getpriority, os.PRIO_PROCESS, 0).result(timeout=60) == 5
    tried = (
        "import os; from offhook.serve import raise_priority; raise_priority(); print(os.getpriority(0, 0))"
    )
    found = subprocess.run(
        [sys.executable, "-c", tried], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT
    )
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert int(found.stdout.splitlines()[-1]) == (MAIN_NICE if os.geteuid() == 0 else own)
    assert (MAIN_NICE, JOBS_NICE) == (-10, 5)
