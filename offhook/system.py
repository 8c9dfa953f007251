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
from dialer.service import Dialer, DialerParts
from foundation.clock import SystemClock
from foundation.commands import CommandBus
from foundation.db.open import InstanceLock, open_database
from foundation.db.sqlite import SqliteWriter
from foundation.encryption import FieldCipher, KeyRing
from foundation.ids import SystemIds
from foundation.live import LiveBus
from foundation.loop_lag import LoopLag
from foundation.outbox import Consumer, Dispatcher
from foundation.tasks import TaskOwner
from offhook.assembly import bridge_timings, rules, timing, trunk_choices, trunk_limits
from offhook.migrate import upgrade
from offhook.screens import Dresser
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
    lock: InstanceLock

    @classmethod
    def open(cls, settings: Settings, access: AriAccess, dresser: Dresser) -> System:
        """Take the database (one process at a time), bring it up to date, and wire the rooms.

        Raises:
            SecondInstance: another process runs on this database.
        """
        clock, ids = SystemClock(), SystemIds()
        settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = InstanceLock(settings.database_path, clock)
        lock.acquire()
        try:
            keys = settings.state_dir / "keys.json"
            # A lost key file must not be replaced in silence: every sealed field would be lost with it.
            fresh = not settings.database_path.exists()
            ring = KeyRing.load_or_create(keys, ids) if fresh else KeyRing.load(keys)
            upgrade(settings.database_path)
        except BaseException:
            lock.release()
            raise
        cipher = FieldCipher(ring, ids)
        db = open_database(settings.database_path)
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
                rules=rules(settings, cipher),
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
            db=db,
            ring=ring,
            cipher=cipher,
            bus=bus,
            live=live,
            outbox=outbox,
            telephony=telephony,
            dialer=dialer,
            lag=LoopLag(clock),
            owner=TaskOwner("system"),
            workers=ProcessPoolExecutor(1),
            lock=lock,
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
        await self.db.close()
        self.workers.shutdown(wait=False, cancel_futures=True)
        self.lock.release()
