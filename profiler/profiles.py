# SPDX-License-Identifier: GPL-3.0-or-later
"""Profiles as readers see them: a customer's, an RM's, and why each is what it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, select

from profiler.reach import DayKind, Rates, Slot, Tallies, Tally, prior_rates
from profiler.tables import customer_profile, profile_change, reach, reach_prior, rm_profile
from vocabulary.call_id import CallId
from vocabulary.dispositions import Disposition
from vocabulary.outcomes import Outcome


class Subject(StrEnum):
    """Whose profile."""

    CUSTOMER = "customer"  #: by customer id
    RM = "rm"  #: by RM id


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerProfile:
    """What the calls have taught about one customer; calls that say nothing of the customer are not in it."""

    customer_id: int
    attempts: int = 0
    answers: int = 0
    short_calls: int = 0  #: answered and hung up at once
    talk_ms: int = 0
    numbers_condemned: int = 0
    suppressed_at: datetime | None = None
    last_call_id: CallId | None = None
    last_ended_at: datetime | None = None
    last_rm_id: int | None = None  #: the RM of the last talk
    last_disposition: Disposition | None = None
    last_outcome: Outcome | None = None
    reach: Tallies = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RmProfile:
    """What the calls have taught about one RM."""

    rm_id: int
    calls: int = 0  #: dialed for this RM
    answered: int = 0  #: talks
    talk_ms: int = 0
    wrap_up_ms: int = 0
    lists_finished: int = 0
    outcomes: Mapping[Outcome, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of a profile and its reason: the changed fields before and after."""

    event_id: str
    at: datetime
    reason: str  #: a stable code
    sentence: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]


def of_customer(conn: Connection, customer_id: int) -> CustomerProfile:
    """A customer's profile; an empty one before the first call."""
    return of_customers(conn, [customer_id])[customer_id]


def of_customers(conn: Connection, customer_ids: Collection[int]) -> Mapping[int, CustomerProfile]:
    """The profiles of some hundred customers at once."""
    tallies: dict[int, dict[Slot, Tally]] = {}
    for row in conn.execute(
        select(reach)
        .where(reach.c.customer_id.in_(customer_ids))
        .order_by(reach.c.customer_id, reach.c.day, reach.c.hour)
    ):
        tallies.setdefault(row.customer_id, {})[_slot(row)] = Tally(row.tries, row.answers)
    found = {
        row.customer_id: _profile(row, tallies.get(row.customer_id, {}))
        for row in conn.execute(
            select(customer_profile)
            .where(customer_profile.c.customer_id.in_(customer_ids))
            .order_by(customer_profile.c.customer_id)
        )
    }
    return {
        customer_id: found.get(customer_id) or CustomerProfile(customer_id=customer_id)
        for customer_id in customer_ids
    }


def prior(conn: Connection) -> Rates:
    """The answer rate of every hour over all customers: the second half of ``reach.answer_rate``."""
    rows = conn.execute(select(reach_prior).order_by(reach_prior.c.day, reach_prior.c.hour))
    return prior_rates({_slot(row): Tally(row.tries, row.answers) for row in rows})


def of_rm(conn: Connection, rm_id: int) -> RmProfile:
    """An RM's profile; an empty one before the first call."""
    row = conn.execute(select(rm_profile).where(rm_profile.c.rm_id == rm_id)).one_or_none()
    if row is None:
        return RmProfile(rm_id=rm_id)
    return RmProfile(
        rm_id=row.rm_id,
        calls=row.calls,
        answered=row.answered,
        talk_ms=row.talk_ms,
        wrap_up_ms=row.wrap_up_ms,
        lists_finished=row.lists_finished,
        outcomes={Outcome(name): count for name, count in sorted(row.outcomes.items())},
    )


def explain(conn: Connection, subject: Subject, subject_id: int, limit: int = 50) -> Sequence[Change]:
    """Why a profile is what it is: its changes, the newest first."""
    rows = conn.execute(
        select(profile_change)
        .where(profile_change.c.subject == subject, profile_change.c.subject_id == subject_id)
        .order_by(profile_change.c.at.desc(), profile_change.c.id.desc())
        .limit(limit)
    )
    return [
        Change(
            event_id=row.event_id,
            at=row.at,
            reason=row.reason,
            sentence=row.sentence,
            before=row.before,
            after=row.after,
        )
        for row in rows
    ]


def _slot(row: Row[Any]) -> Slot:
    return Slot(DayKind(row.day), row.hour)


def _profile(row: Row[Any], tallies: Tallies) -> CustomerProfile:
    return CustomerProfile(
        customer_id=row.customer_id,
        attempts=row.attempts,
        answers=row.answers,
        short_calls=row.short_calls,
        talk_ms=row.talk_ms,
        numbers_condemned=row.numbers_condemned,
        suppressed_at=row.suppressed_at,
        last_call_id=None if row.last_call_id is None else CallId(row.last_call_id),
        last_ended_at=row.last_ended_at,
        last_rm_id=row.last_rm_id,
        last_disposition=None if row.last_disposition is None else Disposition(row.last_disposition),
        last_outcome=None if row.last_outcome is None else Outcome(row.last_outcome),
        reach=tallies,
    )
