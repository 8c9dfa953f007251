# SPDX-License-Identifier: GPL-3.0-or-later
"""The dialer as one thing to start and stop: engine, recovery, pacer, command handlers, reaper, in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Connection

from crm.locks import forget_run_out, lock_number
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
from profiler.lists import Entry, release_expired
from vocabulary.call_id import CallId
from vocabulary.states import CallState

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
        await self.pacer.refresh_campaigns()
        self._inbound.start()
        await self.engine.start()
        await recover(self.engine)
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
        """Keep the leases of open calls and give back those that are nobody's any more.

        What no event closed is closed by the calls themselves.
        """
        clock = self._parts.clock
        while True:
            await clock.sleep(self._parts.timing.lease_s / 10)
            try:
                released = await self._parts.db.write(_renew_leases, clock.now(), self._parts.rules)
            except DatabaseError as error:
                log.warning("reaper_waits", error=str(error))
                continue
            if released:
                log.warning("leases_released", count=len(released))
                self.pacer.poke()


def _renew_leases(conn: Connection, now: datetime, rules: DialingRules) -> Sequence[tuple[CallId, Entry]]:
    """A talk may outlive its lease: its number stays locked and its entry leased. Returns what was released."""
    rows = open_calls(conn)
    for row in rows:
        if row.state != CallState.ENDED:  # in wrap-up the phone is free already
            lock_number(conn, row.number_blind, row.call_id, now, now + rules.lease)
    forget_run_out(conn, now)
    return release_expired(conn, now, {CallId(row.call_id) for row in rows})
