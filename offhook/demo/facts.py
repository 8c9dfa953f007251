# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of a campaign, read from what is durable: call rows, states of RMs, the outbox, the carrier's own log.

The keys of ``Facts.as_json`` are kept stable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, func, select

from crm.tables import customer
from dialer.tables import call, rm_move
from foundation.outbox import undelivered_count
from vocabulary.dispositions import ABANDON_AFTER_S, Disposition, EndedBy
from vocabulary.states import FINAL_CALL_STATES, RmState

PROMISE_S: Final = 30.0
_STAFFED: Final = frozenset(set(RmState) - {RmState.OFFLINE, RmState.BREAK, RmState.AWAY})
_OCCUPIED: Final = frozenset({RmState.TALKING, RmState.WRAP_UP})


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFact:
    """One dialed call, times in seconds of the real clock."""

    call_id: str
    customer_id: int
    number_blind: str
    disposition: str
    dialed_at: datetime
    ended_at: datetime | None
    connect_s: float | None
    answered: bool
    bridged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RmSpan:
    """An RM's time in one state."""

    rm_id: int
    state: RmState
    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything a report shows."""

    started_at: datetime
    ended_at: datetime
    promise_s: float
    json: dict[str, Any]
    calls: tuple[CallFact, ...]
    spans: tuple[RmSpan, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What other witnesses saw: the PBX after the end, the carrier's log, the event loop."""

    orphan_channels: int
    carrier_invites: Counter[str] | None  #: INVITEs by number, as the carrier counted them; None: not ours
    lag_p99_ms: float
    lag_max_ms: float


def read_facts(
    conn: Connection,
    *,
    campaign_id: int,
    started_at: datetime,
    ended_at: datetime,
    time_scale: float,
    consumers: Sequence[str],
    outside: Outside,
) -> Facts:
    """Compute every figure. Promise and ring limits are scaled as the timers were."""
    rows = conn.execute(
        select(call).where(call.c.campaign_id == campaign_id).order_by(call.c.claimed_at, call.c.call_id)
    ).all()
    dialed = [row for row in rows if row.dialed_at is not None]
    spans = _spans(conn, ended_at)
    promise_s = PROMISE_S * time_scale
    staffed = sum(span.seconds for span in spans if span.state in _STAFFED)
    talked = sum(span.seconds for span in spans if span.state is RmState.TALKING)
    occupied = sum(span.seconds for span in spans if span.state in _OCCUPIED)
    answered = [row for row in dialed if row.answered_at is not None]
    live = [row for row in answered if row.disposition != Disposition.MACHINE]
    abandoned = [row for row in live if row.disposition == Disposition.ABANDONED]
    bridges = [row.answer_to_bridge_ms for row in answered if row.answer_to_bridge_ms is not None]
    invites = [row.confirm_to_invite_ms for row in dialed if row.confirm_to_invite_ms is not None]
    json = {
        "customers": conn.execute(select(func.count()).select_from(customer)).scalar_one(),
        "calls": len(dialed),
        "dispositions": dict(sorted(Counter(row.disposition or "none" for row in dialed).items())),
        "outcomes": dict(sorted(Counter(row.outcome for row in dialed if row.outcome).items())),
        "promise": {
            "answered_within_30s": _share(
                [row.connect_ms is not None and row.connect_ms <= promise_s * 1000 for row in answered]
            ),
            "definite_within_30s": _share(
                [row.connect_ms is not None and row.connect_ms <= promise_s * 1000 for row in dialed]
            ),
            "cut_while_ringing": _cut_while_ringing(dialed, 15.0 * time_scale),
            "failed_fast": sum(1 for row in dialed if row.ended_by == EndedBy.SETUP_TIMER),
        },
        "overhead_ms": {
            "confirm_to_invite": {"p50": _percentile(invites, 0.5), "p99": _percentile(invites, 0.99)},
            "answer_to_bridge": {
                "p50": _percentile(bridges, 0.5),
                "p95": _percentile(bridges, 0.95),
                "p99": _percentile(bridges, 0.99),
                "max": max(bridges, default=None),
            },
        },
        "abandonment": {
            "live_answers": len(live),
            "abandoned": len(abandoned),
            "rate": len(abandoned) / len(live) if live else 0.0,
            "limit_s": ABANDON_AFTER_S,
        },
        "talk_share": talked / staffed if staffed else 0.0,
        "occupancy": occupied / staffed if staffed else 0.0,
        "orphan_channels": outside.orphan_channels,
        "undelivered_events": undelivered_count(conn, consumers),
        "duplicate_dials": _duplicates(dialed, outside.carrier_invites),
        "unfinished_calls": sum(1 for row in rows if row.state not in {str(s) for s in FINAL_CALL_STATES}),
        "without_disposition": sum(1 for row in dialed if row.disposition is None),
        "loop_lag_ms": {"p99": outside.lag_p99_ms, "max": outside.lag_max_ms},
    }
    return Facts(
        started_at=started_at,
        ended_at=ended_at,
        promise_s=promise_s,
        json=json,
        calls=tuple(_fact(row) for row in dialed),
        spans=spans,
    )


def _fact(row: Any) -> CallFact:
    return CallFact(
        call_id=row.call_id,
        customer_id=row.customer_id,
        number_blind=row.number_blind,
        disposition=row.disposition or "none",
        dialed_at=row.dialed_at,
        ended_at=row.ended_at,
        connect_s=None if row.connect_ms is None else row.connect_ms / 1000,
        answered=row.answered_at is not None,
        bridged=row.bridged_at is not None,
    )


def _spans(conn: Connection, ended_at: datetime) -> tuple[RmSpan, ...]:
    moves = conn.execute(select(rm_move).order_by(rm_move.c.shift_id, rm_move.c.id)).all()
    spans = []
    for index, move in enumerate(moves):
        following = moves[index + 1] if index + 1 < len(moves) else None
        end = following.at if following is not None and following.shift_id == move.shift_id else ended_at
        spans.append(
            RmSpan(rm_id=move.rm_id, state=RmState(move.state), start=move.at, end=max(end, move.at))
        )
    return tuple(spans)


def _cut_while_ringing(dialed: Sequence[Any], ring_min_s: float) -> int:
    """Calls that we ended while they rang for less than the lawful minimum."""
    ours = (EndedBy.RING_TIMER, EndedBy.SETUP_TIMER, EndedBy.CAMPAIGN)
    return sum(
        1
        for row in dialed
        if row.answered_at is None
        and row.ringing_at is not None
        and row.ended_at is not None
        and row.ended_by in ours
        and (row.ended_at - row.ringing_at).total_seconds() < ring_min_s - 0.02
    )


def _duplicates(dialed: Sequence[Any], carrier: Counter[str] | None) -> int:
    """Dials nobody decided on: two at one time to one number, or more INVITEs at the carrier than call rows."""
    overlapping = 0
    last_end: dict[str, datetime] = {}
    for row in sorted(dialed, key=lambda row: row.dialed_at):
        previous = last_end.get(row.number_blind)
        if previous is not None and row.dialed_at < previous:
            overlapping += 1
        if row.ended_at is not None:
            last_end[row.number_blind] = max(row.ended_at, previous or row.ended_at)
    surplus = 0 if carrier is None else max(0, carrier.total() - len(dialed))
    return overlapping + surplus


def _share(kept: Sequence[bool]) -> float | None:
    return sum(kept) / len(kept) if kept else None


def _percentile(values: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1))]


def broken_promises(facts: Facts) -> list[str]:
    """The promises a demonstration makes that were not kept, in words; empty: all were."""
    json = facts.json
    broken = [] if json["calls"] else ["nobody was called"]
    for key, sentence in (
        ("orphan_channels", "channels were left on the PBX"),
        ("duplicate_dials", "dials were made that nobody decided on"),
        ("undelivered_events", "events were not delivered"),
        ("unfinished_calls", "calls are not final"),
        ("without_disposition", "calls have no disposition"),
    ):
        if json[key]:
            broken.append(f"{json[key]} {sentence}")
    if json["promise"]["cut_while_ringing"]:
        broken.append(f"{json['promise']['cut_while_ringing']} calls were cut while ringing before 15 s")
    if (json["promise"]["answered_within_30s"] or 1.0) < 1.0:
        broken.append("not every answered call was bridged within 30 s")
    return broken
