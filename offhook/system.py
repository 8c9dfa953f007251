# SPDX-License-Identifier: GPL-3.0-or-later
"""The main process in one object: database, outbox, PBX bridge, dialer, console, in the order they depend."""

from __future__ import annotations

import random
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import structlog

from ari_bridge.access import AriAccess
from ari_bridge.adapter import AriTelephony
from config.settings import Settings
from dialer.announcements import Announcements
from dialer.service import Dialer, DialerParts
from foundation.clock import SystemClock
from foundation.commands import CommandBus
from foundation.db.sqlite import SqliteWriter
from foundation.encryption import FieldCipher, KeyRing
from foundation.ids import SystemIds
from foundation.live import LiveBus
from foundation.loop_lag import LoopLag
from foundation.outbox import Consumer, Dispatcher
from foundation.tasks import TaskOwner
from offhook.assembly import bridge_timings, rules, timing, trunk_choices, trunk_limits
from offhook.records import Records
from offhook.screens import Dresser
from offhook.workers import JOBS_NICE, worker_pool
from profiler.learning import consume

log = structlog.get_logger()

CONSUMERS: Mapping[str, Consumer] = {"profiler": consume}
"""Who hears of every event, by the name its deliveries are kept under."""


@dataclass(slots=True)
class System:
    """Everything one main process runs. Make it with ``System.open``; ``start`` and ``stop`` once each."""

    settings: Settings
    clock: SystemClock
    ids: SystemIds
    records: Records
    db: SqliteWriter
    ring: KeyRing
    cipher: FieldCipher
    bus: CommandBus
    live: LiveBus
    outbox: Dispatcher
    telephony: AriTelephony
    dialer: Dialer
    lag: LoopLag
    owner: TaskOwner
    workers: ProcessPoolExecutor

    @classmethod
    def open(cls, settings: Settings, access: AriAccess) -> System:
        """Take the database (one process at a time), bring it up to date, and wire the rooms.

        Raises:
            SecondInstance: another process runs on this database.
            BadFiles: a script or guideline does not hold up.
        """
        clock, ids = SystemClock(), SystemIds()
        dresser = Dresser.of(settings, clock)
        records = Records.open(settings, clock, ids)
        db = records.db
        live = LiveBus(first_number=int(clock.now().timestamp() * 1000))
        bus = CommandBus()
        outbox = Dispatcher(db, CONSUMERS, clock)
        telephony = AriTelephony(
            access,
            trunk_limits(settings),
            clock=clock,
            randomness=random.SystemRandom(),
            timings=bridge_timings(settings),
        )
        dialer = Dialer(
            DialerParts(
                node=access.node,
                telephony=telephony,
                db=db,
                clock=clock,
                ids=ids,
                timing=timing(settings),
                rules=rules(settings, records.cipher),
                announcements=Announcements.in_folder(settings.state_dir.resolve() / "sounds" / "pbx"),
                trunks=trunk_choices(settings),
                bus=bus,
                live=live,
                dress=dresser.dress,
                on_written=outbox.wake,
            )
        )
        return cls(
            settings=settings,
            clock=clock,
            ids=ids,
            records=records,
            db=db,
            ring=records.ring,
            cipher=records.cipher,
            bus=bus,
            live=live,
            outbox=outbox,
            telephony=telephony,
            dialer=dialer,
            lag=LoopLag(clock),
            owner=TaskOwner("system"),
            workers=worker_pool(JOBS_NICE),
        )

    async def start(self) -> None:
        """Outbox first, so that what an earlier process left is delivered; then the dialer."""
        self.owner.spawn(self.lag.run(), name="loop-lag")
        self.outbox.start()
        await self.dialer.start()

    async def stop(self) -> None:
        """The reverse. Talks stay up on the PBX and are adopted by the next start."""
        await self.bus.close()
        await self.dialer.stop()
        await self.outbox.close()
        await self.owner.close()
        self.workers.shutdown(wait=False, cancel_futures=True)
        await self.records.close()
