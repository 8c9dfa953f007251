# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done from time to time: lists put in order anew, old logins forgotten, the audit's day sealed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import structlog

from accounts import logins, sessions
from dialer.campaigns import list_campaigns
from foundation import audit
from foundation.errors import DatabaseError
from profiler import rms
from profiler.building import refresh_in_units
from vocabulary.states import CampaignState

if TYPE_CHECKING:
    from offhook.system import System

log = structlog.get_logger()

FIRST_AFTER_S: Final = 60.0
"""A process that has just started has calls to look after first."""
REORDER_EVERY_S: Final = 600.0
TIDY_EVERY_S: Final = 3600.0


async def repeat(system: System, every_s: float, work: Callable[[System], Awaitable[None]]) -> None:
    """``work`` soon and every ``every_s`` seconds, until cancelled; a database that is unwell is waited for."""
    await system.clock.sleep(FIRST_AFTER_S)
    while True:
        try:
            await work(system)
        except DatabaseError as error:
            log.warning("upkeep_waits", work=work.__name__, error=str(error))
        await system.clock.sleep(every_s)


async def reorder_lists(system: System) -> None:
    """Score the waiting customers of running campaigns anew: the hour has changed, and so has what was learned."""
    for campaign in await system.db.read(list_campaigns):
        if campaign.state is CampaignState.RUNNING:
            for rm in await system.db.read(rms.everybody):
                await refresh_in_units(system.db, campaign.id, rm.rm_id, system.clock.now())


async def tidy(system: System) -> None:
    """Forget web sessions and login tries that are over; sign what the audit has grown by."""
    now = system.clock.now()
    await system.db.write_bulk(sessions.expire, now, idle_s=system.settings.console.session_idle_s)
    await system.db.write_bulk(logins.forget_old_tries, now)
    await system.db.write_bulk(audit.seal_day, system.ring.audit_key, now)
