# SPDX-License-Identifier: GPL-3.0-or-later
"""A small floor for one story at a time: set up, up and dialing; waits for its states."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from dialer.campaigns import CampaignPolicy
from dialer.testing import Behaviour
from foundation.testing import run_virtual
from tests.sim.world import World
from vocabulary import commands as c
from vocabulary.states import PacingMode, RmState

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
