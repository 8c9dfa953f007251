# SPDX-License-Identifier: GPL-3.0-or-later
"""The dialer dies while a customer's phone rings: what the next start makes of that call."""

from __future__ import annotations

import pytest

from dialer.testing import RINGS_FOR_EVER
from foundation.testing import run_virtual
from tests.sim.world import World
from vocabulary.dispositions import Disposition
from vocabulary.states import CallState

pytestmark = pytest.mark.sim


async def _ringing() -> World:
    """One RM, and one customer whose phone rings."""
    world = await World.make(rms_count=1, customers=1)
    world.pbx.behave = lambda request: RINGS_FOR_EVER
    await world.boot()
    await world.until(lambda: world.desk().call is not None and world.desk().call.state is CallState.RINGING)
    await world.clock.sleep(0.1)
    return world


def test_ringing_is_durable_while_it_rings() -> None:
    """That a phone rang is written at once, not with the end of the call."""

    async def it() -> None:
        world = await _ringing()
        await world.kill()
        (row,) = await world.calls()
        assert (row.state, row.ringing_at is not None) == (CallState.RINGING, True)
        await world.boot()
        await world.close()

    run_virtual(it())


def test_a_call_that_rang_is_an_attempt_though_nobody_saw_it_end() -> None:
    """Dialer and RM's phone are gone, the customer's phone rings: it is ended, and counts as an attempt."""

    async def it() -> None:
        world = await _ringing()
        await world.kill()
        world.pbx.rm_phone_dies("rm0x")
        await world.boot(start_campaign=False)
        (row,) = await world.calls()
        assert (row.disposition, row.counted) == (Disposition.CANCELLED, True)
        assert not any(leg.id.startswith("c-") for leg in world.pbx.live_legs)
        assert len(world.pbx.dialed) == 1
        await world.close()

    run_virtual(it())
