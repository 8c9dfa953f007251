# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole campaigns on a real PBX, with a witness for every promise: the records, the carrier's log and the PBX.

``House`` is the PBX and the carrier, ``Site`` one campaign's records, ``Work`` a dialer at work on them in this
process; ``kill_and_restart`` has it in a process of its own. They serve the recovery tests and the kill benchmark.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ari_bridge.access import AriAccess
from asterisk.carrier.carrier_log import CarrierEvent, Seen, invites, read_events
from asterisk.carrier.mix import Behaviour, Mix, Rule, Span, Times
from asterisk.carrier.spec import CarrierSpec
from asterisk.lab import lab_specs
from asterisk.spec import PbxSpec, TrunkSpec
from config.settings import (
    DialingSettings,
    LawSettings,
    LoggingSettings,
    PbxSettings,
    SafetySettings,
    Settings,
    TrunkSettings,
)
from crm.customers import add
from crm.records import NewCustomer, number_blind
from dialer.campaigns import CampaignPolicy, create_campaign
from dialer.desk import Desk
from foundation.clock import SystemClock
from offhook.lab_floor import LabFloor
from offhook.robots import Temper
from offhook.system import System
from profiler import rms
from profiler.building import build
from softphone.account import AutoAnswer, PhoneAccount, Server
from softphone.driver import PhoneProcess
from tests.pbx.campaign_audit import Audit, Records
from tests.pbx.dialer_process import DialerConfig, DialerProcess, send_home, staff
from vocabulary.commands import StartShift
from vocabulary.dispositions import Disposition
from vocabulary.states import PacingMode

CALLER_ID = "+99998000001"
TIME_SCALE = 0.2
TEMPER = Temper(reads_s=0.3, wraps_up_s=0.4, talks_at_most_s=3.0)

DEADLINE_S = 60.0  # for anything that must happen
POLL_S = 0.02

PLACES = {behaviour: place for place, behaviour in enumerate(Behaviour)}
BY_CHANCE = 99
"""In place of a behaviour's own: the number behaves by chance."""

#: Quick customers: they ring for up to 2 s, and who talks talks for 1.5 to 3 s or waits for the RM to hang up.
MIX = Mix(
    seed=11,
    chance={
        Behaviour.ANSWER: 60,
        Behaviour.NO_ANSWER: 10,
        Behaviour.BUSY: 10,
        Behaviour.DECLINED: 10,
        Behaviour.EARLY_HANG_UP: 10,
    },
    rules=tuple(Rule(numbers=f"999{place:02d}*", behaviour=behaviour) for behaviour, place in PLACES.items()),
    times=Times(
        post_dial=Span(least_ms=20, most_ms=150),
        ring=Span(least_ms=200, most_ms=2_000),
        talk=Span(least_ms=1_500, most_ms=3_000),
        early=Span(least_ms=100, most_ms=300),
    ),
    waits_for_us=0.3,
)


def number(behaviour: Behaviour | None, serial: int) -> str:
    """The number of a customer who behaves so; None: by chance."""
    place = BY_CHANCE if behaviour is None else PLACES[behaviour]
    return f"+999{place:02d}{serial:06d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A campaign's records: RMs, customers, lists. ``digits``: numbers as the carrier sees them, by blind index."""

    settings: Settings
    access: AriAccess
    campaign_id: int
    rm_ids: tuple[int, ...]
    digits: dict[str, str] = field(repr=False)

    def open(self, access: AriAccess | None = None) -> System:
        """A dialer on these records, not started; ``access``: another way to the PBX."""
        return System.open(self.settings, access or self.access)

    def records(self) -> Records:
        """The records as they are now, whoever has them open."""
        return Records(self.settings.database_path, self.digits)

    def config(self, temper: Temper = TEMPER, seed: int = 1) -> DialerConfig:
        """For a dialer in a process of its own."""
        return DialerConfig(
            settings=self.settings,
            access=self.access,
            campaign_id=self.campaign_id,
            rm_ids=self.rm_ids,
            temper=temper,
            seed=seed,
        )


async def make_site(
    folder: Path,
    access: AriAccess,
    *,
    rm_names: Sequence[str],
    numbers: Sequence[str],
    time_scale: float = TIME_SCALE,
    trunks: Sequence[TrunkSettings] = (),
    policy: CampaignPolicy | None = None,
    log_level: str = "info",
) -> Site:
    """Records in ``folder``; nobody is dialed. Each customer is tried once, unless ``policy`` says otherwise."""
    settings = Settings(
        profile="sample",
        company="Test Bank",
        state_dir=folder,
        pbx=PbxSettings(caller_ids=[CALLER_ID], node=access.node),
        trunks=list(trunks)
        or [TrunkSettings(name="carrier", host="127.0.0.1", call_cap=100, calls_per_s=50)],
        law=LawSettings(hours={"mon-sun": "00:00-24:00"}, national_holidays=False),
        dialing=DialingSettings(time_scale=time_scale),
        safety=SafetySettings(max_calls=100, max_calls_per_minute=3000),
        logging=LoggingSettings(level=log_level),
    )
    system = System.open(settings, access)
    try:
        now = system.clock.now()
        rm_ids = [
            (await system.db.write(rms.add, name, name.title(), languages=["en"])).rm_id for name in rm_names
        ]
        made = await system.db.write(
            create_campaign,
            name="test",
            title="Test campaign",
            mode=PacingMode.PROGRESSIVE,
            caller_id=CALLER_ID,
            policy=policy or CampaignPolicy(max_attempts=1, retry_s=dict.fromkeys(Disposition)),
            now=now,
        )
        customer_ids = [
            await system.db.write(
                add,
                system.cipher,
                NewCustomer(
                    source="test",
                    external_id=f"c{serial}",
                    name=f"Customer {serial}",
                    numbers=(e164,),
                    language="en",
                    zone="Europe/Lisbon",
                ),
                now,
            )
            for serial, e164 in enumerate(numbers)
        ]
        # In waves of one customer for each RM, so that the first numbers are those dialed first.
        for start in range(0, len(customer_ids), len(rm_ids)):
            await system.db.write(build, made.needs(), customer_ids[start : start + len(rm_ids)], now)
        blinds = {number_blind(system.cipher, e164): e164.lstrip("+") for e164 in numbers}
    finally:
        await system.stop()
    return Site(
        settings=settings,
        access=access,
        campaign_id=made.id,
        rm_ids=tuple(rm_ids),
        digits=blinds,
    )


# --- the house ------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class House:
    """PBX and carrier for many campaigns one after the other; each has records, a node name and numbers of its own."""

    floor: LabFloor
    folder: Path
    serials: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def numbers(self, behaviour: Behaviour | None, count: int) -> list[str]:
        """Fresh numbers of customers who behave so; None: by chance."""
        return [number(behaviour, next(self.serials)) for _ in range(count)]

    async def site(self, rm_names: Sequence[str], numbers: Sequence[str], **more: Any) -> Site:
        """Records in a folder of their own."""
        serial = next(self.serials)
        access = replace(self.floor.access, node=f"n{serial}")
        return await make_site(self.folder / f"s{serial}", access, rm_names=rm_names, numbers=numbers, **more)

    async def phones(
        self, names: Sequence[str], auto_answer: AutoAnswer = AutoAnswer.WHEN_ASKED
    ) -> PhoneProcess:
        """A process of registered phones."""
        spec = self.floor.lab.pbx_spec
        passwords = {rm.name: rm.password for rm in spec.rms}
        phones = await PhoneProcess.start(
            [
                PhoneAccount(
                    user=f"rm-{name}",
                    password=passwords[name],
                    server=Server(host=spec.sip.host, port=spec.sip.port),
                    auto_answer=auto_answer,
                )
                for name in names
            ]
        )
        await phones.registered(timeout_s=20)
        return phones

    def carrier_events(self, numbers: Iterable[str]) -> list[CarrierEvent]:
        """What the carrier saw of these numbers."""
        ours = {e164.lstrip("+") for e164 in numbers}
        return [
            event for event in read_events(self.floor.lab.carrier_spec.calls_file) if event.pii_number in ours
        ]

    def invites(self, numbers: Iterable[str]) -> Counter[str]:
        """How often each of these numbers was dialed, as the carrier saw it."""
        return invites(self.carrier_events(numbers))

    async def channels(self) -> list[str]:
        """The channels on the PBX, by name."""
        said = await self.floor.lab.pbx.command("core show channels concise")
        return [line.split("!")[0] for line in said.strip().splitlines()]


def house_specs(state: Path, rm_names: Sequence[str], dead_port: int) -> tuple[PbxSpec, CarrierSpec]:
    """PBX and carrier; the PBX has one trunk more, ``dead``: nobody is at its port."""
    pbx, carrier = lab_specs(
        state=state,
        rms=rm_names,
        mix=MIX,
        randomness=random.SystemRandom(),
        caller_ids=(CALLER_ID,),
        company="Test Bank",
    )
    dead = TrunkSpec(name="dead", host="127.0.0.1", port=dead_port, qualify_s=0)
    return replace(pbx, trunks=(*pbx.trunks, dead)), carrier


async def until(found: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
    """Poll until it is so; ``TimeoutError`` at the deadline."""
    async with asyncio.timeout(deadline_s):
        while not found():  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One kill of the dialer with live calls, and what became of them."""

    found: Audit
    ringing: int
    talking: int
    adopted: int
    blind_s: float  #: from the kill until the next dialer was ready


async def kill_and_restart(
    floor: LabFloor, site: Site, config: Path, *, live: int, kill_after_s: float, dead_s: float
) -> Kill:
    """Dial until ``live`` calls ring and talk, kill the dialer, start it again after ``dead_s``, play to the end."""
    records = site.records()
    dialer = await DialerProcess.start(config)
    clock = SystemClock()
    try:

        def mixed() -> bool:
            now = records.now()
            return now.live == live and min(now.ringing, now.talking) >= live // 5

        await until(mixed)
        await asyncio.sleep(kill_after_s)
        now = records.now()
        killed_at = clock.monotonic()
        await dialer.kill()
        await asyncio.sleep(dead_s)
        dialer = await DialerProcess.start(config)
        blind_s = clock.monotonic() - killed_at
        await until(lambda: records.now().over)
        await dialer.go_home()
        return Kill(
            found=records.audit(invites(read_events(floor.lab.carrier_spec.calls_file))),
            ringing=now.ringing,
            talking=now.talking,
            adopted=config.with_suffix(".log").read_text(errors="replace").count("call_adopted"),
            blind_s=blind_s,
        )
    finally:
        await dialer.kill()
        records.close()


@dataclass(slots=True, kw_only=True)
class Work:
    """A dialer at work in this process, and the witnesses."""

    house: House
    site: Site
    system: System
    records: Records
    numbers: Sequence[str]

    @property
    def desks(self) -> dict[str, Desk]:
        return {desk.rm.name: desk for desk in self.system.dialer.engine.desks.values()}

    def dialed_after(self, at: datetime) -> int:
        """INVITEs that the carrier saw later than a moment."""
        events = self.house.carrier_events(self.numbers)
        return sum(event.seen is Seen.INVITE and event.at > at for event in events)

    async def to_the_end(self) -> None:
        """Until the lists are at their end: every customer was called."""
        await until(lambda: self.records.now().over)
        assert (await self.leave()).forgotten == ()

    async def leave(self) -> Audit:
        """Every RM goes home when no call is open; then everything must fit."""
        await until(lambda: self.records.now().open == 0)
        await send_home(self.system)
        found = self.records.audit(self.house.invites(self.numbers))
        assert found.broken == []
        assert await self.house.channels() == []
        return found


@asynccontextmanager
async def at_work(
    house: House,
    rm_names: Sequence[str],
    numbers: Sequence[str],
    *,
    ari_port: int | None = None,
    temper: Temper = TEMPER,
    dial: bool = True,
    **more: Any,
) -> AsyncIterator[Work]:
    """A dialer with simulated RMs; ``dial`` False: shifts are begun and the campaign is not."""
    site = await house.site(rm_names, numbers, **more)
    access = site.access
    if ari_port is not None:
        access = replace(access, url=f"http://127.0.0.1:{ari_port}/ari")
    system = site.open(access)
    records = site.records()
    try:
        await system.start()
        if dial:
            await staff(system, site.config(temper))
        else:
            for rm_id in site.rm_ids:
                await system.bus.send(StartShift(rm_id=rm_id, campaign_id=site.campaign_id))
        yield Work(house=house, site=site, system=system, records=records, numbers=numbers)
    finally:
        await system.stop()
        records.close()


@asynccontextmanager
async def phones_of(
    house: House, rm_names: Sequence[str], auto_answer: AutoAnswer = AutoAnswer.WHEN_ASKED
) -> AsyncIterator[PhoneProcess]:
    phones = await house.phones(rm_names, auto_answer)
    try:
        yield phones
    finally:
        await phones.close()
