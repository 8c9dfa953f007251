# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of a campaign, read beside the dialer that has them open, and held against the carrier's log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from crm.tables import number_lock
from dialer.tables import call, call_move, campaign
from foundation.db.sqlite_engine import sqlite_engine
from foundation.outbox import parked_count, undelivered_count
from foundation.tables import outbox
from offhook.system import CONSUMERS
from profiler.sessions import open_sessions
from profiler.tables import target_entry
from vocabulary.dispositions import Disposition
from vocabulary.events import CallEnded
from vocabulary.states import FINAL_CALL_STATES, LIVE_CALL_STATES, CallState, CampaignState, EntryState


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
    def over(self) -> bool:
        """The lists are at their end and every call is final."""
        return self.campaign_state == CampaignState.EXHAUSTED and self.open == 0

    @property
    def open(self) -> int:
        return sum(count for state, count in self.states.items() if state not in FINAL_CALL_STATES)


def now_of(conn: Connection) -> Now:
    """Read it."""
    counted = conn.execute(select(call.c.state, func.count()).group_by(call.c.state).order_by(call.c.state))
    states: Counter[str] = Counter()
    for state, count in counted:
        states[state] = count
    return Now(
        states=states,
        campaign_state=conn.execute(select(campaign.c.state).order_by(campaign.c.id)).scalars().first() or "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was found when all was over. ``broken``: promises not kept, in words; empty: all were."""

    broken: list[str]
    dialed: int
    dispositions: Counter[str]
    unseen: int  #: durable rows whose INVITE never left: the process died in between
    forgotten: tuple[str, ...]  #: numbers of customers who were never dialed


def audit(conn: Connection, digits: dict[str, str], invites: Counter[str]) -> Audit:
    """Hold the records against each other and against the carrier's count of INVITEs by number."""
    rows = conn.execute(select(call).order_by(call.c.claimed_at, call.c.call_id)).all()
    dialed = [row for row in rows if row.dialed_at is not None]
    by_number = Counter(digits[row.number_blind] for row in dialed)
    broken = [
        f"{number} was dialed {invites[number]} times for {by_number[number]} calls"
        for number in sorted(digits.values())
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
        ("numbers are locked", _count(conn, select(number_lock).where(~_may_still_ring()))),
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
        forgotten=tuple(sorted(set(digits.values()) - set(by_number))),
    )


def _may_still_ring() -> Any:
    """Locks that are meant to outlive their call: of numbers that were given up unheard."""
    given_up = (Disposition.CARRIER_FAILED, Disposition.CANCELLED)
    return number_lock.c.holder.in_(select(call.c.call_id).where(call.c.disposition.in_(given_up)))


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

    def __init__(self, database: Path, digits: dict[str, str]) -> None:
        """``digits``: numbers as the carrier sees them, by blind index."""
        self._engine = sqlite_engine(database, busy_timeout_ms=5_000, read_only=True)
        self._digits = digits

    def now(self) -> Now:
        with self._engine.connect() as conn:
            return now_of(conn)

    def audit(self, invites: Counter[str]) -> Audit:
        """Hold the records against the carrier's count of INVITEs by number."""
        with self._engine.connect() as conn:
            return audit(conn, self._digits, invites)

    def rows(self) -> list[Any]:
        """Every call, oldest first."""
        with self._engine.connect() as conn:
            return list(conn.execute(select(call).order_by(call.c.claimed_at, call.c.call_id)))

    def close(self) -> None:
        self._engine.dispose()
