# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole small call centre in memory for tests: real rooms on the Inline database, telephony faked, time virtual."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import select

from crm.customers import add
from crm.records import NewCustomer
from dialer.announcements import Announcements
from dialer.campaigns import Campaign, CampaignPolicy, create_campaign
from dialer.engine import TrunkChoice
from dialer.rules import DialingRules
from dialer.service import Dialer, DialerParts
from dialer.tables import call
from dialer.testing import FakeTelephony
from dialer.timing import Timing
from foundation.commands import CommandBus
from foundation.db.inline import Inline
from foundation.db.testing import memory_database
from foundation.encryption import FieldCipher, KeyRing
from foundation.ids import SeededIds
from foundation.live import LiveBus
from foundation.outbox import Dispatcher
from foundation.testing import VirtualClock
from lawful.attempts import Caps
from lawful.hours import CallingPolicy
from lawful.numbers import NumberPolicy
from profiler import rms
from profiler.building import build
from profiler.learning import consume
from tests.sim.process import Process
from vocabulary.commands import RecordOutcome, Reply, StartCampaign, StartShift
from vocabulary.outcomes import Outcome
from vocabulary.states import PacingMode, RmState

PREFIX = "+999"
CALLER_ID = "+99900000001"


@dataclass(slots=True)
class World:
    """The parts a test looks at. ``boot`` may be called again after ``kill``: the database and the PBX live on."""

    clock: VirtualClock
    db: Inline
    pbx: FakeTelephony
    ids: SeededIds
    rules: DialingRules
    timing: Timing
    rm_ids: list[int] = field(default_factory=list)
    customer_ids: list[int] = field(default_factory=list)
    bus: CommandBus = field(default_factory=CommandBus)
    live: LiveBus = field(default_factory=LiveBus)
    outbox: Dispatcher | None = None
    dialer: Dialer | None = None
    process: Process | None = None
    campaign: Campaign | None = None

    @classmethod
    async def make(
        cls,
        *,
        rms_count: int = 2,
        customers: int = 5,
        mode: PacingMode = PacingMode.PROGRESSIVE,
        policy: CampaignPolicy | None = None,
        timing: Timing | None = None,
        seed: int = 1,
        numbers: Sequence[str] | None = None,
        time_scale: float = 1.0,
    ) -> World:
        """RMs with phones, customers in their lists, a campaign in draft; nothing runs yet."""
        clock = VirtualClock()
        ids = SeededIds(seed)
        cipher = FieldCipher(KeyRing.create(ids), ids)
        rules = DialingRules(
            cipher=cipher,
            numbers=NumberPolicy(allowed_prefixes=(PREFIX,), sample_prefixes=(PREFIX,)),
            hours=CallingPolicy.from_text({"mon-sun": "00:00-24:00"}, national_holidays=False),
            caps=Caps(per_day=30, per_30_days=100),
            own_blinds=frozenset(),
            max_calls=50,
            max_calls_per_minute=10_000,
            max_calls_per_rm_per_hour=10_000,
            lease=timedelta(minutes=10),
            time_scale=time_scale,
        )
        world = cls(
            clock=clock,
            db=await memory_database(),
            pbx=FakeTelephony(clock),
            ids=ids,
            rules=rules,
            timing=timing or Timing(),
        )
        now = clock.now()
        for number in range(rms_count):
            rm = await world.db.write(
                rms.add, name=f"rm{number}x", display_name=f"RM {number}", endpoint=f"PJSIP/rm{number}"
            )
            world.rm_ids.append(rm.rm_id)
        for index in range(customers):
            e164 = numbers[index] if numbers else f"{PREFIX}{index + 100_000_00}"
            world.customer_ids.append(
                await world.db.write(
                    add,
                    cipher,
                    NewCustomer(
                        source="test",
                        external_id=f"c{index}",
                        name=f"Customer Number{index}",
                        numbers=(e164,),
                        zone="Europe/Lisbon",
                    ),
                    now,
                )
            )
        world.campaign = await world.db.write(
            create_campaign,
            name="test",
            title="Test campaign",
            mode=mode,
            caller_id=CALLER_ID,
            policy=policy or CampaignPolicy(max_attempts=1),
            now=now,
        )
        await world.db.write(build, world.campaign.needs(), world.customer_ids, now)
        return world

    async def boot(
        self, *, start_campaign: bool = True, shifts: bool = True, process: Process | None = None
    ) -> None:
        """Start a dialer on what is there."""
        self.bus = CommandBus()
        self.process = process = process or Process(self.db, self.pbx)
        self.outbox = Dispatcher(process.db, {"profiler": consume}, self.clock)
        self.outbox.start()
        self.dialer = Dialer(
            DialerParts(
                node=self.pbx.node,
                telephony=process.telephony,
                db=process.db,
                clock=self.clock,
                ids=self.ids,
                timing=self.timing,
                rules=self.rules,
                announcements=Announcements.in_folder(PurePosixPath("/sounds")),
                trunks=[TrunkChoice(name="carrier")],
                bus=self.bus,
                live=self.live,
                dress=dict,
                on_written=self.outbox.wake,
            )
        )
        await self.dialer.start()
        assert self.campaign is not None
        if shifts:
            for rm_id in self.rm_ids:
                if rm_id not in self.dialer.engine.desks:
                    await self.send(StartShift(rm_id=rm_id, campaign_id=self.campaign.id))
        if start_campaign:
            await self.send(StartCampaign(campaign_id=self.campaign.id))

    async def send(self, command: Any) -> Reply:
        return await self.bus.send(command, deadline_s=300)

    async def kill(self) -> None:
        """The dialer's process dies: its tasks are gone at once, nothing is written any more."""
        self.dialer = None
        assert self.process is not None
        self.process.die()
        self.bus = CommandBus()
        own = {"engine", "calls", "journal", "dialer", "pacer", "outbox", "commands", "inbound"}
        doomed = {task for task in asyncio.all_tasks() if task.get_name().split(".", 1)[0] in own}
        while doomed:
            for task in sorted(doomed, key=lambda task: task.get_name()):
                task.cancel()
            _, doomed = await asyncio.wait(doomed, timeout=0)

    async def close(self) -> None:
        if self.dialer is not None:
            await self.dialer.stop()
        if self.outbox is not None:
            await self.outbox.close()
            await self.bus.close()
        await self.pbx.close()
        await self.db.close()

    def desk(self, index: int = 0) -> Any:
        assert self.dialer is not None
        return self.dialer.engine.desks[self.rm_ids[index]]

    async def until(self, condition: Any, limit_s: float = 3600.0) -> None:
        """Let virtual time pass until something is so."""
        deadline = self.clock.monotonic() + limit_s
        while not condition():
            assert self.clock.monotonic() < deadline, "it never came to be"
            await self.clock.sleep(0.05)

    async def calls(self) -> list[Any]:
        """All call rows, oldest first."""
        return list(
            await self.db.read(
                lambda conn: conn.execute(select(call).order_by(call.c.claimed_at, call.c.call_id)).all()
            )
        )

    async def work(self, outcome: Outcome = Outcome.NOT_INTERESTED, wrap_s: float = 3.0) -> None:
        """RMs who record an outcome whenever they wrap up, for as long as the world turns."""
        assert self.dialer is not None
        while True:
            await self.clock.sleep(0.5)
            dialer = self.dialer
            if dialer is None:
                continue
            for desk in list(dialer.engine.desks.values()):
                if (
                    desk.state is RmState.WRAP_UP
                    and desk.call is not None
                    and self.clock.monotonic() - desk.since >= wrap_s
                ):
                    await self.send(
                        RecordOutcome(rm_id=desk.rm.id, call_id=desk.call.call_id, outcome=outcome)
                    )
