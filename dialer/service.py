# SPDX-License-Identifier: GPL-3.0-or-later
"""The dialer as one thing to start and stop: engine, recovery, pacer, command handlers, reaper, in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from dialer.announcements import Announcements
from dialer.calls import open_calls
from dialer.engine import Engine, TrunkChoice
from dialer.floor import Means
from dialer.halts import standing_halt
from dialer.handlers import Handlers
from dialer.inbound import Inbound
from dialer.journal import Journal
from dialer.pacer import Pacer
from dialer.recover import recover
from dialer.rules import DialingRules
from dialer.telephony import Telephony
from dialer.timing import Timing
from foundation.clock import Clock
from foundation.commands import CommandBus
from foundation.db.seam import Database
from foundation.errors import DatabaseError
from foundation.ids import IdSource
from foundation.live import LiveBus
from foundation.tasks import TaskOwner
from profiler.lists import release_expired
from vocabulary.call_id import CallId

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class DialerParts:
    """What the front door hands the dialer."""

    node: str
    telephony: Telephony
    db: Database
    clock: Clock
    ids: IdSource
    timing: Timing
    rules: DialingRules
    announcements: Announcements
    trunks: Sequence[TrunkChoice]
    bus: CommandBus
    live: LiveBus
    #: Enriches the snapshot an RM sees, before anybody is dialed: script and guidelines.
    dress: Callable[[dict[str, object]], dict[str, object]]
    on_written: Callable[[], None]  #: wakes the outbox


class Dialer:
    """One dialer process."""

    def __init__(self, parts: DialerParts) -> None:
        self._parts = parts
        means = Means(
            node=parts.node,
            telephony=parts.telephony,
            db=parts.db,
            journal=Journal(parts.db, parts.clock, parts.on_written),
            clock=parts.clock,
            ids=parts.ids,
            timing=parts.timing,
            rules=parts.rules,
            announcements=parts.announcements,
            dress=parts.dress,
        )
        self.engine = Engine(means, parts.trunks, parts.live)
        self.pacer = Pacer(self.engine, max_calls=parts.rules.max_calls)
        self._inbound = Inbound(self.engine)
        self._handlers = Handlers(self.engine, self.pacer)
        self._owner = TaskOwner("dialer")

    async def start(self) -> None:
        """Connect, settle what an earlier process left, then dial. Commands are taken from here on."""
        halt = await self._parts.db.read(standing_halt)
        self.engine.halted = halt.reason if halt is not None else ""
        await self.engine.start()
        await self.pacer.refresh_campaigns()
        await recover(self.engine)
        self._inbound.start()
        self.pacer.start()
        self._handlers.register(self._parts.bus)
        self._owner.spawn(self._reap(), name="reaper")
        log.info("dialer_started", node=self._parts.node)

    async def stop(self) -> None:
        """A graceful stop: talks stay up and are adopted by the next start."""
        await self._owner.close()
        await self.pacer.close()
        await self.engine.stop()
        log.info("dialer_stopped", node=self._parts.node)

    async def _reap(self) -> None:
        """Give back what a dead process had leased; what no event closed is closed by the calls themselves."""
        clock = self._parts.clock
        while True:
            await clock.sleep(self._parts.timing.lease_s / 10)
            try:
                rows = await self._parts.db.read(open_calls)
                live = {CallId(row.call_id) for row in rows}
                released = await self._parts.db.write(release_expired, clock.now(), live)
            except DatabaseError as error:
                log.warning("reaper_waits", error=str(error))
                continue
            if released:
                log.warning("leases_released", count=len(released))
                self.pacer.poke()
