# SPDX-License-Identifier: GPL-3.0-or-later
"""A customer's phone numbers: their order and state, which one is next, what the network said of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

import structlog
from sqlalchemy import Connection, select, update

from crm import suppression
from crm.errors import NoSuchCustomer
from crm.records import owner_of
from crm.tables import customer, customer_number
from foundation.encryption import FieldCipher
from vocabulary.states import NumberState

log = structlog.get_logger(__name__)

#: A suspect number is dialed once more, on another day or trunk: that try decides.
DIALABLE: Final = (NumberState.ACTIVE, NumberState.SUSPECT)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallableNumber:
    """A number that may be dialed, without the number itself (``reveal``)."""

    number_id: int
    e164_blind: str = field(repr=False)
    last2: str
    state: NumberState


def next_number(
    conn: Connection,
    customer_id: int,
    now: datetime,
    *,
    channel: str = "phone",
    own_blinds: frozenset[str] = frozenset(),
) -> CallableNumber | None:
    """The first number by position that is active or suspect, not suppressed and not our own; None if there is none."""
    number = customer_number.c
    rows = conn.execute(
        select(number.id, number.e164_blind, number.last2, number.state)
        .where(number.customer_id == customer_id, number.state.in_(DIALABLE))
        .order_by(number.position, number.id)
    ).all()
    for row in rows:
        if row.e164_blind in own_blinds or suppression.standing(
            conn, customer_id=None, e164_blind=row.e164_blind, channel=channel, now=now
        ):
            continue
        return CallableNumber(
            number_id=row.id, e164_blind=row.e164_blind, last2=row.last2, state=NumberState(row.state)
        )
    return None


def reveal(conn: Connection, cipher: FieldCipher, number_id: int) -> str:
    """The number itself, E.164: for dialing, or for a person whose right to see it was checked.

    Raises:
        NoSuchCustomer: no such number.
    """
    row = conn.execute(
        select(customer_number.c.e164_sealed, customer.c.source, customer.c.external_id)
        .join(customer, customer.c.id == customer_number.c.customer_id)
        .where(customer_number.c.id == number_id)
    ).one_or_none()
    if row is None:
        raise NoSuchCustomer(f"There is no number {number_id}.")
    return cipher.open("customer_number", "e164", owner_of(row.source, row.external_id), row.e164_sealed)


def note_invalid(conn: Connection, number_id: int, trunk: str, local_day: date) -> NumberState:
    """The network said there is no such number: suspect at first, invalid when said again on another day or trunk.

    One trunk that answers "no such number" to everything on one day condemns nobody.
    ``local_day`` is the day at the customer's place. Returns the state the number has now.
    """
    row = _row(conn, number_id)
    state = NumberState(row.state)
    if state is NumberState.ACTIVE:
        return mark_number(conn, number_id, NumberState.SUSPECT, first_invalid=(local_day, trunk))
    again = (local_day, trunk) != (row.first_invalid_on, row.first_invalid_trunk)
    if state is NumberState.SUSPECT and again:
        return mark_number(conn, number_id, NumberState.INVALID)
    return state


def note_reached(conn: Connection, number_id: int) -> NumberState:
    """Somebody answered: a suspect number is active again."""
    state = NumberState(_row(conn, number_id).state)
    return mark_number(conn, number_id, NumberState.ACTIVE) if state is NumberState.SUSPECT else state


def mark_number(
    conn: Connection,
    number_id: int,
    state: NumberState,
    *,
    first_invalid: tuple[date, str] | None = None,
) -> NumberState:
    """Set what is known of a number, and log the change; every change of state comes through here.

    ``first_invalid`` is the evidence for SUSPECT (local day, trunk); ACTIVE clears it.

    Raises:
        NoSuchCustomer: no such number.
    """
    old = _row(conn, number_id).state
    values: dict[str, object] = {"state": state}
    if first_invalid is not None:
        values |= {"first_invalid_on": first_invalid[0], "first_invalid_trunk": first_invalid[1]}
    elif state is NumberState.ACTIVE:
        values |= {"first_invalid_on": None, "first_invalid_trunk": None}
    conn.execute(update(customer_number).where(customer_number.c.id == number_id).values(**values))
    log.info("number_marked", number_id=number_id, old=old, new=state)
    return state


def customers_of(conn: Connection, e164_blind: str) -> tuple[int, ...]:
    """Ids of the customers who share a number, oldest first: for somebody who calls back."""
    number = customer_number.c
    return tuple(
        conn.scalars(
            select(number.customer_id).where(number.e164_blind == e164_blind).order_by(number.customer_id)
        )
    )


def _row(conn: Connection, number_id: int):  # type: ignore[no-untyped-def]
    number = customer_number.c
    row = conn.execute(
        select(number.state, number.first_invalid_on, number.first_invalid_trunk).where(
            number.id == number_id
        )
    ).one_or_none()
    if row is None:
        raise NoSuchCustomer(f"There is no number {number_id}.")
    return row
