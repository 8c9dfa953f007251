# SPDX-License-Identifier: GPL-3.0-or-later
"""A campaign on a real PBX with a witness for every promise: the records, the carrier's log and the PBX itself.

``Site`` is the campaign's records, made before anything runs; ``audit`` compares what they say with what the
carrier saw. Both serve the recovery tests and the kill benchmark.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from ari_bridge.access import AriAccess
from asterisk.carrier.mix import Behaviour, Mix, Rule, Span, Times
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
from crm.tables import number_lock
from dialer.campaigns import CampaignPolicy, create_campaign
from dialer.tables import call, call_move, campaign
from foundation.db.sqlite_engine import sqlite_engine
from foundation.outbox import parked_count, undelivered_count
from foundation.tables import outbox
from offhook.robots import Temper
from offhook.system import CONSUMERS, System
from profiler import rms
from profiler.building import build
from profiler.sessions import open_sessions
from profiler.tables import target_entry
from tests.pbx.dialer_process import DialerConfig
from vocabulary.dispositions import Disposition
from vocabulary.events import CallEnded
from vocabulary.states import FINAL_CALL_STATES, LIVE_CALL_STATES, CallState, EntryState, PacingMode

CALLER_ID = "+99998000001"
TIME_SCALE = 0.2
TEMPER = Temper(reads_s=0.3, wraps_up_s=0.4, talks_at_most_s=6.0)

PLACES = {behaviour: place for place, behaviour in enumerate(Behaviour)}
BY_CHANCE = 99
"""In place of a behaviour's own: the number behaves by chance."""

#: Quick customers: they ring for up to 3 s, and who talks talks for 2 to 4 s or waits for the RM to hang up.
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
        ring=Span(least_ms=200, most_ms=2_800),
        talk=Span(least_ms=2_000, most_ms=4_000),
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


def on_node(access: AriAccess, serial: int) -> AriAccess:
    """The same PBX under another node name: ids are never used twice, and every site begins its own count."""
    return replace(access, node=f"n{serial}")


# --- what is going on -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """The calls as the records have them."""

    states: Counter[str]
    campaign_state: str

    @property
    def live(self) -> int:
        return sum(self.states[state] for state in LIVE_CALL_STATES)

    @property
    def ringing(self) -> int:
        return self.states[CallState.DIALING] + self.states[CallState.RINGING]

    @property
    def talking(self) -> int:
        return self.states[CallState.BRIDGED]

    @property
    def open(self) -> int:
        return sum(count for state, count in self.states.items() if state not in FINAL_CALL_STATES)


def now_of(conn: Connection) -> Now:
    """Read it."""
    counted = conn.execute(select(call.c.state, func.count()).group_by(call.c.state).order_by(call.c.state))
    return Now(
        states=Counter(dict(counted.tuples().all())),
        campaign_state=conn.execute(select(campaign.c.state).order_by(campaign.c.id)).scalars().first() or "",
    )


# --- what must be so when all is over -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was found when all was over. ``broken``: promises not kept, in words; empty: all were."""

    broken: list[str]
    dialed: int
    dispositions: Counter[str]
    unseen: int  #: durable rows whose INVITE never left: the process died in between


def audit(conn: Connection, digits: dict[str, str], invites: Counter[str]) -> Audit:
    """Hold the records against each other and against the carrier's count of INVITEs by number."""
    rows = conn.execute(select(call).order_by(call.c.claimed_at, call.c.call_id)).all()
    dialed = [row for row in rows if row.dialed_at is not None]
    by_number = Counter(digits[row.number_blind] for row in dialed)
    broken = [
        f"{number} was dialed {invites[number]} times for {by_number[number]} calls"
        for number in sorted(invites)
        if invites[number] > by_number[number]
    ]
    broken += [f"two calls at once to {digits[blind]}" for blind in _overlaps(dialed)]
    broken += [
        f"call {row.call_id} is still {row.state}" for row in rows if row.state not in FINAL_CALL_STATES
    ]
    broken += [f"call {row.call_id} has no disposition" for row in dialed if row.disposition is None]
    ends = Counter(
        conn.execute(
            select(call_move.c.call_id)
            .where(call_move.c.state.in_([CallState.ENDED, CallState.NOT_CONNECTED]))
            .order_by(call_move.c.id)
        ).scalars()
    )
    broken += [
        f"call {row.call_id} ended {ends[row.call_id]} times" for row in rows if ends[row.call_id] != 1
    ]
    told = Counter(
        msgspec.json.decode(body)["call_id"]
        for body in conn.execute(select(outbox.c.body).where(outbox.c.kind == CallEnded.kind)).scalars()
    )
    broken += [
        f"the end of {row.call_id} was told {told[row.call_id]} times"
        for row in dialed
        if told[row.call_id] != 1
    ]
    broken += [f"profiler session of {session.call_id} is open" for session in open_sessions(conn)]
    counts: tuple[tuple[str, Any], ...] = (
        ("events were not delivered", undelivered_count(conn, list(CONSUMERS))),
        ("events were set aside", parked_count(conn)),
        ("numbers are locked", _count(conn, select(number_lock))),
        (
            "entries are leased",
            _count(conn, select(target_entry).where(target_entry.c.state == EntryState.LEASED)),
        ),
    )
    broken += [f"{count} {what}" for what, count in counts if count]
    return Audit(
        broken=broken,
        dialed=len(dialed),
        dispositions=Counter(row.disposition or "none" for row in dialed),
        unseen=sum(max(0, by_number[number] - invites[number]) for number in by_number),
    )


def _count(conn: Connection, query: Any) -> int:
    return int(conn.execute(select(func.count()).select_from(query.subquery())).scalar_one())


def _overlaps(dialed: Sequence[Any]) -> list[str]:
    found, last_end = [], {}
    for row in sorted(dialed, key=lambda row: row.dialed_at):
        earlier = last_end.get(row.number_blind)
        if earlier is not None and row.dialed_at < earlier:
            found.append(row.number_blind)
        if row.ended_at is not None:
            last_end[row.number_blind] = max(row.ended_at, earlier or row.ended_at)
    return found


class Records:
    """The records, read beside a dialer that has them open."""

    def __init__(self, site: Site) -> None:
        self._engine = sqlite_engine(site.settings.database_path, busy_timeout_ms=5_000, read_only=True)
        self._site = site

    def now(self) -> Now:
        with self._engine.connect() as conn:
            return now_of(conn)

    def audit(self, invites: Counter[str]) -> Audit:
        """Hold the records against the carrier's count of INVITEs by number."""
        with self._engine.connect() as conn:
            return audit(conn, self._site.digits, invites)

    def rows(self) -> list[Any]:
        """Every call, oldest first."""
        with self._engine.connect() as conn:
            return list(conn.execute(select(call).order_by(call.c.claimed_at, call.c.call_id)))

    def close(self) -> None:
        self._engine.dispose()
