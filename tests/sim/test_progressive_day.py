# SPDX-License-Identifier: GPL-3.0-or-later
"""A progressive campaign from the first customer to the end of the lists, in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from dialer.campaigns import CampaignPolicy
from dialer.telephony import Refusal
from dialer.testing import (
    ANSWERS,
    BUSY,
    DECLINES,
    HANGS_UP_AT_ONCE,
    RINGS_FOR_EVER,
    SILENT_TRUNK,
    WRONG_NUMBER,
)
from foundation.testing import run_virtual
from tests.sim.world import PREFIX, World
from vocabulary.dispositions import Disposition
from vocabulary.states import CallState, CampaignState

pytestmark = pytest.mark.sim

BEHAVIOURS = [ANSWERS, BUSY, RINGS_FOR_EVER, DECLINES, WRONG_NUMBER, SILENT_TRUNK, HANGS_UP_AT_ONCE]
EXPECTED = [
    Disposition.ANSWERED,
    Disposition.BUSY,
    Disposition.NO_ANSWER,
    Disposition.DECLINED,
    Disposition.INVALID_NUMBER,
    Disposition.CARRIER_FAILED,
    Disposition.ANSWERED,
]


def test_every_customer_is_called_once_and_every_call_has_one_disposition() -> None:
    """All lists come to their end: each customer dialed once, each call final, no leg left but the phones."""

    async def day() -> None:
        once = CampaignPolicy(max_attempts=1, retry_s={Disposition.CARRIER_FAILED: None})
        world = await World.make(rms_count=2, customers=7, policy=once)
        by_number = {f"{PREFIX}{index + 100_000_00}": does for index, does in enumerate(BEHAVIOURS)}
        world.pbx.behave = lambda request: by_number[request.pii_number]
        await world.boot()
        work = asyncio.create_task(world.work())
        assert world.campaign is not None
        assert world.dialer is not None
        campaigns = world.dialer.engine.campaigns
        await world.until(lambda: campaigns[world.campaign.id].state is CampaignState.EXHAUSTED)
        work.cancel()
        calls = await world.calls()
        assert Counter(request.pii_number for request in world.pbx.dialed) == Counter(by_number.keys())
        by_customer = {row.customer_id: row for row in calls}
        found = [Disposition(by_customer[customer_id].disposition) for customer_id in world.customer_ids]
        assert found == EXPECTED
        assert {row.state for row in calls} <= {CallState.WRAPPED_UP, CallState.NOT_CONNECTED}
        assert all(leg.id.startswith("rm-") for leg in world.pbx.live_legs)
        assert len(world.pbx.live_legs) == 2
        await world.close()

    run_virtual(day())


def test_a_full_trunk_is_waited_for_and_the_customer_is_open_again() -> None:
    """No line to spare: asked again for a moment, then given back; no attempt, no blame, no wait of hours."""

    async def day() -> None:
        world = await World.make(rms_count=1, customers=1)
        world.pbx.refuse_dial = Refusal.TRUNK_FULL
        await world.boot()
        work = asyncio.create_task(world.work())
        while not any(row.disposition for row in await world.calls()):
            await world.clock.sleep(0.1)
        first = (await world.calls())[0]
        assert (first.disposition, first.counted) == (Disposition.CANCELLED, False)
        world.pbx.refuse_dial = None
        await world.until(lambda: len(world.pbx.dialed) == 1, limit_s=60)
        work.cancel()
        await world.close()

    run_virtual(day())
