# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything the RM's screen and the script need of one customer, fetched at once at the claim.

If any part of it cannot be fetched the whole fails: the RM is told and nobody is dialed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, cast

import msgspec
from sqlalchemy import Connection, Row, select

from crm import consent
from crm.consent import ConsentLine
from crm.customers import ACTIVE
from crm.errors import NoSuchCustomer
from crm.interactions import InteractionLine, timeline
from crm.records import owner_of
from crm.tables import customer, customer_number, purchase
from foundation.encryption import FieldCipher
from lawful.hours import Window
from lawful.numbers import masked
from lawful.zones import known_zone
from vocabulary.states import NumberState


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberLine:
    """One of the customer's numbers, in the clear and masked."""

    number_id: int
    e164: str = field(repr=False)
    masked: str
    state: NumberState


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseLine:
    """One purchase; the amount in the currency's minor units."""

    at: datetime
    product: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerSnapshot:
    """A customer as of a moment. Personal data is left out of ``repr``, so that no log line shows it.

    ``local_time`` is that moment at the customer's place (with its offset), None where the zone is not
    known. ``numbers`` are in the order in which they are dialed, ``purchases`` and ``interactions`` newest
    first. Its keys are what scripts may name as ``customer.*``.
    """

    customer_id: int
    external_id: str
    name: str = field(repr=False)
    first_name: str = field(repr=False)  #: the first word of the name
    email: str | None = field(repr=False)
    birth_date: date | None = field(repr=False)
    language: str | None
    zone: str | None
    country: str | None
    region: str | None
    local_time: datetime | None
    preferred_channel: str | None
    preferred_hours: str | None  #: such as ``09:00-12:00``, at the customer's place
    segment: str | None
    attributes: dict[str, Any]
    numbers: tuple[NumberLine, ...]
    consents: tuple[ConsentLine, ...]
    purchases: tuple[PurchaseLine, ...]
    interactions: tuple[InteractionLine, ...]

    def as_mapping(self) -> dict[str, Any]:
        """The same as plain values (times as ISO 8601 text): for JSON, and for rendering scripts."""
        return cast("dict[str, Any]", msgspec.to_builtins(self))


def snapshot(
    conn: Connection,
    cipher: FieldCipher,
    customer_id: int,
    now: datetime,
    *,
    purchases: int = 10,
    interactions: int = 5,
) -> CustomerSnapshot:
    """Fetch it.

    Raises:
        NoSuchCustomer: no such customer, or one whose data was erased.
    """
    row = conn.execute(select(customer).where(customer.c.id == customer_id)).one_or_none()
    if row is None or row.state != ACTIVE:
        raise NoSuchCustomer(f"There is no customer {customer_id}, or their data was erased.")
    owner = owner_of(row.source, row.external_id)
    name = cipher.open("customer", "name", owner, row.name_sealed)
    birth = _open(cipher, "birth", owner, row.birth_sealed)
    zone = known_zone(row.zone)
    return CustomerSnapshot(
        customer_id=row.id,
        external_id=row.external_id,
        name=name,
        first_name=(name.split() or [""])[0],
        email=_open(cipher, "email", owner, row.email_sealed),
        birth_date=None if birth is None else date.fromisoformat(birth),
        language=row.language,
        zone=row.zone,
        country=row.country,
        region=row.region,
        local_time=None if zone is None else now.astimezone(zone),
        preferred_channel=row.preferred_channel,
        preferred_hours=_hours(row),
        segment=row.segment,
        attributes=row.attributes,
        numbers=_numbers(conn, cipher, customer_id, owner),
        consents=consent.lines(conn, customer_id),
        purchases=_purchases(conn, customer_id, purchases),
        interactions=timeline(conn, cipher, customer_id, limit=interactions),
    )


def _open(cipher: FieldCipher, column: str, owner: str, sealed: str | None) -> str | None:
    return None if sealed is None else cipher.open("customer", column, owner, sealed)


def _hours(row: Row[Any]) -> str | None:
    if row.preferred_from_min is None or row.preferred_to_min is None:
        return None
    return str(Window(opens_min=row.preferred_from_min, closes_min=row.preferred_to_min))


def _numbers(conn: Connection, cipher: FieldCipher, customer_id: int, owner: str) -> tuple[NumberLine, ...]:
    number = customer_number.c
    rows = conn.execute(
        select(number.id, number.e164_sealed, number.last2, number.state)
        .where(number.customer_id == customer_id)
        .order_by(number.position, number.id)
    )
    return tuple(
        NumberLine(
            number_id=row.id,
            e164=cipher.open("customer_number", "e164", owner, row.e164_sealed),
            masked=masked(row.last2),
            state=NumberState(row.state),
        )
        for row in rows
    )


def _purchases(conn: Connection, customer_id: int, limit: int) -> tuple[PurchaseLine, ...]:
    bought = purchase.c
    rows = conn.execute(
        select(bought.at, bought.product, bought.amount_minor, bought.currency)
        .where(bought.customer_id == customer_id)
        .order_by(bought.at.desc(), bought.id.desc())
        .limit(limit)
    )
    return tuple(
        PurchaseLine(at=row.at, product=row.product, amount_minor=row.amount_minor, currency=row.currency)
        for row in rows
    )
