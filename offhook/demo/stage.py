# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets a demonstration up on real parts, runs it to its end, and takes everything down again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import structlog

from crm.sample import PLACES
from dialer.campaigns import Campaign, create_campaign
from offhook.demo.customers import take_in_customers
from offhook.demo.plan import CALLER_ID, COMPANY, BadPlan, DemoPlan, demo_policy, demo_settings
from offhook.lab_floor import LabFloor
from offhook.robots import RobotRm, Temper
from offhook.system import System
from profiler import rms
from profiler.building import build_in_units
from vocabulary.commands import Command, StartCampaign, StartShift
from vocabulary.states import CampaignState, RmState

log = structlog.get_logger()

LANGUAGES = sorted({place.language for place in PLACES})
"""What every demonstration RM speaks."""

_IDLE = frozenset({RmState.READY, RmState.PHONE_CONNECTING, RmState.AWAY, RmState.BREAK})


class DemoFailed(Exception):
    """The demonstration cannot go on; what it started is taken down."""


@dataclass(slots=True)
class Stage:
    """A demonstration that is set up; ``play`` runs it."""

    plan: DemoPlan
    system: System
    floor: LabFloor
    campaign: Campaign
    rm_ids: dict[str, int]
    started_at: datetime
    robots: list[asyncio.Task[None]] = field(default_factory=list)

    async def play(self) -> None:
        """Start the shifts and the campaign; returns when every list is at its end and every RM is free."""
        system, plan = self.system, self.plan
        for name, rm_id in self.rm_ids.items():
            robot = RobotRm(
                rm_id,
                bus=system.bus,
                live=system.live,
                clock=system.clock,
                mode=plan.mode,
                temper=Temper().scaled(plan.time_scale),
                outcomes=self.campaign.policy.outcomes,
                dice=random.Random(f"{plan.seed}-{name}"),
            )
            self.robots.append(system.owner.spawn(robot.work(), name=f"robot-{name}"))
            await self._order(StartShift(rm_id=rm_id, campaign_id=self.campaign.id))
        await self._order(StartCampaign(campaign_id=self.campaign.id))
        await self._until_over()
        await system.outbox.drained()

    async def _order(self, command: Command) -> None:
        reply = await self.system.bus.send(command)
        if not reply.done:
            raise DemoFailed(f"{command.kind} was refused: {reply.sentence}")

    async def _until_over(self) -> None:
        floor = self.system.live.subscribe("floor")
        with floor:
            async for _ in floor:
                if self.over:
                    return

    @property
    def over(self) -> bool:
        """Every list is at its end and nobody has a call in hand."""
        engine = self.system.dialer.engine
        finished = engine.campaigns[self.campaign.id].state is CampaignState.EXHAUSTED
        return finished and all(desk.state in _IDLE and not desk.busy for desk in engine.desks.values())


@asynccontextmanager
async def set_stage(plan: DemoPlan, state: Path) -> AsyncIterator[Stage]:
    """PBX, carrier, phones, database, customers, lists: everything but the calls."""
    floor = await LabFloor.start(
        state=state,
        rms=plan.rm_names,
        mix=plan.mix,
        caller_ids=(CALLER_ID,),
        company=COMPANY,
        trunk=plan.trunk_address,
    )
    try:
        host, port = plan.trunk_address or ("127.0.0.1", floor.lab.carrier_spec.sip_port)
        system = System.open(demo_settings(plan, state, host, port), floor.access)
        try:
            rm_ids = {
                name: (await system.db.write(rms.add, name, name.title(), languages=LANGUAGES)).rm_id
                for name in plan.rm_names
            }
            campaign = await system.db.write(
                create_campaign,
                name="demo",
                title="Demonstration",
                mode=plan.mode,
                caller_id=CALLER_ID,
                policy=demo_policy(),
                now=system.clock.now(),
            )
            customer_ids = await take_in_customers(system, plan)
            built = await build_in_units(system.db, campaign.needs(), customer_ids, system.clock.now())
            if built.entries < len(customer_ids):
                raise BadPlan(
                    f"Only {built.entries} of {len(customer_ids)} customers fit into the lists: {built}"
                )
            await floor.start_phones(plan.rm_names)
            await system.start()
            yield Stage(
                plan=plan,
                system=system,
                floor=floor,
                campaign=campaign,
                rm_ids=rm_ids,
                started_at=system.clock.now(),
            )
        finally:
            await system.stop()
    finally:
        await floor.stop()
