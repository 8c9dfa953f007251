# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may not be contacted: numbers (across all customers that share them) and customers.

Rows are only ever added: the newest of a (subject, channel, source) speaks, and lifting a suppression
adds a row. Numbers are kept as keyed hashes, so that a number stays suppressed after its customer is erased.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, and_, insert, or_, select

from crm.tables import customer_number, suppression

EVERY_CHANNEL: Final = "*"


class Scope(StrEnum):
    """What is suppressed."""

    NUMBER = "number"  #: a phone number, whoever has it
    CUSTOMER = "customer"  #: a person, on every number


class Source(StrEnum):
    """Who asked for it; in the order in which they speak."""

    LEGAL_DNC = "legal_dnc"  #: a public do-not-call register
    OPT_OUT = "opt_out"  #: the customer asked us not to call
    COMPLAINT = "complaint"  #: the customer complained
    WRONG_PERSON = "wrong_person"  #: the number reaches somebody else
    STEWARD = "steward"  #: a data steward, with a reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom a suppression is about; made by ``this_number`` or ``this_customer``."""

    scope: Scope
    customer_id: int | None = None
    e164_blind: str | None = None


def this_number(e164_blind: str) -> Subject:
    """A phone number, by its keyed hash (``customer_number.e164_blind``)."""
    return Subject(scope=Scope.NUMBER, e164_blind=e164_blind)


def this_customer(customer_id: int) -> Subject:
    """A customer, on every number."""
    return Subject(scope=Scope.CUSTOMER, customer_id=customer_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One suppression that stands."""

    scope: Scope
    channel: str
    source: Source
    reason: str
    at: datetime
    until: datetime | None  #: None: for good


def suppress(
    conn: Connection,
    subject: Subject,
    source: Source,
    now: datetime,
    *,
    actor: str,
    reason: str,
    until: datetime | None = None,
    channel: str = EVERY_CHANNEL,
) -> None:
    """The subject is not contacted any more (until a moment, if one is given)."""
    row = {"lifted": False, "until": until, "reason": reason, "actor": actor, "at": now}
    conn.execute(insert(suppression).values(**_key(subject), channel=channel, source=source, **row))


def lift(
    conn: Connection,
    subject: Subject,
    source: Source,
    now: datetime,
    *,
    actor: str,
    reason: str,
    channel: str = EVERY_CHANNEL,
) -> None:
    """Take back what one source said of the subject; what others said stands."""
    row = {"lifted": True, "until": None, "reason": reason, "actor": actor, "at": now}
    conn.execute(insert(suppression).values(**_key(subject), channel=channel, source=source, **row))


def standing(
    conn: Connection,
    *,
    customer_id: int | None,
    e164_blind: str | None,
    channel: str,
    now: datetime,
) -> tuple[Suppression, ...]:
    """What stands now against contacting a customer, a number, or a customer on a number; the gravest source first."""
    row = suppression.c
    rows = conn.execute(
        select(row.scope, row.channel, row.source, row.lifted, row.until, row.reason, row.at)
        .where(
            or_(
                and_(row.scope == Scope.CUSTOMER, row.customer_id == customer_id),
                and_(row.scope == Scope.NUMBER, row.e164_blind == e164_blind),
            ),
            row.channel.in_((channel, EVERY_CHANNEL)),
        )
        .order_by(row.id)
    )
    newest = {(found.scope, found.channel, found.source): found for found in rows}
    standing_now = [
        Suppression(
            scope=Scope(found.scope),
            channel=found.channel,
            source=Source(found.source),
            reason=found.reason,
            at=found.at,
            until=found.until,
        )
        for found in newest.values()
        if not found.lifted and (found.until is None or found.until > now)
    ]
    gravity = list(Source)
    return tuple(sorted(standing_now, key=lambda one: (gravity.index(one.source), one.scope, one.channel)))


def standing_of(conn: Connection, customer_id: int, now: datetime) -> list[tuple[Subject, Suppression]]:
    """Everything that stands now against calling a customer: about the person, then about each number."""
    blinds = conn.scalars(
        select(customer_number.c.e164_blind)
        .where(customer_number.c.customer_id == customer_id)
        .order_by(customer_number.c.position, customer_number.c.id)
    )
    found: list[tuple[Subject, Suppression]] = []
    for subject in (this_customer(customer_id), *map(this_number, blinds)):
        stands = standing(
            conn, customer_id=subject.customer_id, e164_blind=subject.e164_blind, channel="phone", now=now
        )
        found += [(subject, one) for one in stands]
    return found


def lift_all(
    conn: Connection, customer_id: int, source: Source, now: datetime, *, actor: str, reason: str
) -> int:
    """Take back what one source said of a customer and the customer's numbers; the count of what stood."""
    lifted = [(subject, one) for subject, one in standing_of(conn, customer_id, now) if one.source is source]
    for subject, one in lifted:
        lift(conn, subject, source, now, actor=actor, reason=reason, channel=one.channel)
    return len(lifted)


def _key(subject: Subject) -> dict[str, object]:
    return {"scope": subject.scope, "customer_id": subject.customer_id, "e164_blind": subject.e164_blind}
