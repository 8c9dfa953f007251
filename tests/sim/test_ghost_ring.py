# SPDX-License-Identifier: GPL-3.0-or-later
"""A number whose phone may still ring after we gave up is not dialed again, whoever else it belongs to."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from crm.locks import forget_run_out
from dialer.campaigns import CampaignPolicy
from dialer.finish import GHOST_RING
from dialer.testing import BUSY, RINGS_FOR_EVER, SILENT_TRUNK, Behaviour
from foundation.testing import run_virtual
from tests.sim.world import PREFIX, World
from vocabulary.dispositions import Disposition

pytestmark = pytest.mark.sim

SHARED = f"{PREFIX}10000001"


@pytest.mark.parametrize(
    ("behaviour", "waits"), [(SILENT_TRUNK, True), (RINGS_FOR_EVER, False), (BUSY, False)]
)
def test_rule_05_a_number_that_was_not_heard_to_ring_stays_locked(behaviour: Behaviour, waits: bool) -> None:
    """Two customers share a phone: after a silent call the second waits until Timer B has run out."""

    async def day() -> None:
        once = CampaignPolicy(max_attempts=1, retry_s=dict.fromkeys(Disposition))
        world = await World.make(rms_count=1, customers=2, policy=once, numbers=[SHARED, SHARED])
        world.pbx.behave = lambda request: behaviour
        await world.boot()
        work = asyncio.create_task(world.work())
        await world.until(lambda: len(world.pbx.dialed) == 2)
        first, second = (row for row in await world.calls() if row.dialed_at is not None)
        waited = second.dialed_at - first.ended_at
        assert (waited >= GHOST_RING) is waits
        assert waits or waited < timedelta(seconds=8)
        work.cancel()
        await world.close()

    run_virtual(day())


def test_locks_that_have_run_out_are_forgotten() -> None:
    """They hold nobody up, and do not pile up either."""

    async def day() -> None:
        once = CampaignPolicy(max_attempts=1, retry_s=dict.fromkeys(Disposition))
        world = await World.make(rms_count=1, customers=1, policy=once)
        world.pbx.behave = lambda request: SILENT_TRUNK
        await world.boot()
        await world.until(lambda: len(world.pbx.dialed) == 1 and world.desk().call is None)
        now = world.clock.now()
        assert await world.db.write(forget_run_out, now) == 0
        assert await world.db.write(forget_run_out, now + GHOST_RING) == 1
        await world.close()

    run_virtual(day())
