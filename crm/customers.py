# SPDX-License-Identifier: GPL-3.0-or-later
"""Customers as rows: adding them whole, finding and searching them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, insert, select
from sqlalchemy.sql import Select

from crm.names import name_tokens
from crm.records import (
    NewCustomer,
    SealedCustomer,
    email_blind,
    number_blind,
    owner_of,
    seal,
    token_blind,
)
from crm.tables import consent, customer, customer_name_token, customer_number, purchase
from foundation.encryption import FieldCipher
from lawful.errors import BadNumber
from lawful.numbers import masked, parse
from vocabulary.states import NumberState

ACTIVE: Final = "active"
ERASED: Final = "erased"

#: The columns of ``customer`` that come from a source.
FIELDS: Final = (
    "name_sealed",
    "name_blind",
    "email_sealed",
    "email_blind",
    "birth_sealed",
    "language",
    "zone",
    "country",
    "region",
    "preferred_channel",
    "preferred_from_min",
    "preferred_to_min",
    "segment",
    "attributes",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerHit:
    """One customer found by a search."""

    customer_id: int
    external_id: str
    name: str = field(repr=False)
    numbers: tuple[str, ...]  #: masked
    segment: str | None


def add(conn: Connection, cipher: FieldCipher, new: NewCustomer, now: datetime) -> int:
    """Add one customer with everything that comes along; the new id.

    Raises:
        sqlalchemy.exc.IntegrityError: the source has a customer with this external id already.
    """
    return insert_sealed(conn, [seal(cipher, new)], now)[0]


def insert_sealed(
    conn: Connection,
    customers: Sequence[SealedCustomer],
    now: datetime,
    *,
    batch_id: int | None = None,
    digests: Sequence[str] | None = None,
) -> list[int]:
    """Add customers whole, with numbers, name tokens, purchases and consents; their ids in the same order."""
    if not customers:
        return []
    marks: Sequence[str | None] = digests or [None] * len(customers)
    conn.execute(
        insert(customer),
        [
            {
                "source": one.source,
                "external_id": one.external_id,
                "state": ACTIVE,
                "created_at": now,
                "updated_at": now,
                "import_batch_id": batch_id,
                "import_digest": mark,
                **field_values(one),
            }
            for one, mark in zip(customers, marks, strict=True)
        ],
    )
    ids = _ids_of(conn, customers)
    pairs = list(zip(ids, customers, strict=True))
    _insert_all(conn, customer_name_token, [row for id_, one in pairs for row in token_rows(id_, one)])
    _insert_all(
        conn,
        customer_number,
        [
            {**number_row(id_, number, position), "import_batch_id": batch_id}
            for id_, one in pairs
            for position, number in enumerate(one.numbers)
        ],
    )
    _insert_all(conn, purchase, [row for id_, one in pairs for row in purchase_rows(id_, one, batch_id)])
    _insert_all(conn, consent, [row for id_, one in pairs for row in consent_rows(id_, one, now, batch_id)])
    return ids


def find(conn: Connection, source: str, external_id: str) -> int | None:
    """The id of a source's customer; None if it has none."""
    who = customer.c
    return conn.scalar(select(who.id).where(who.source == source, who.external_id == external_id))


def search(conn: Connection, cipher: FieldCipher, text: str, *, limit: int = 20) -> tuple[CustomerHit, ...]:
    """Customers by phone number, e-mail address, external id, or all words of a name; by id.

    A name is found by whole words, whatever their case, accents and order.
    """
    found: dict[int, Any] = {}
    for query in _queries(cipher, text):
        for row in conn.execute(query.order_by(customer.c.id).limit(limit)):
            found.setdefault(row.id, row)
    rows = [found[id_] for id_ in sorted(found)][:limit]
    numbers: dict[int, list[str]] = {row.id: [] for row in rows}
    for number in conn.execute(
        select(customer_number.c.customer_id, customer_number.c.last2)
        .where(customer_number.c.customer_id.in_(numbers))
        .order_by(customer_number.c.customer_id, customer_number.c.position)
    ):
        numbers[number.customer_id].append(masked(number.last2))
    return tuple(
        CustomerHit(
            customer_id=row.id,
            external_id=row.external_id,
            name=cipher.open("customer", "name", owner_of(row.source, row.external_id), row.name_sealed),
            numbers=tuple(numbers[row.id]),
            segment=row.segment,
        )
        for row in rows
    )


def field_values(one: SealedCustomer) -> dict[str, Any]:
    """The columns of ``customer`` that come from a source."""
    return {name: getattr(one, name) for name in FIELDS}


def token_rows(customer_id: int, one: SealedCustomer) -> list[dict[str, Any]]:
    """Rows for ``customer_name_token``."""
    return [{"customer_id": customer_id, "token_blind": token} for token in one.token_blinds]


def number_row(customer_id: int, number: Any, position: int) -> dict[str, Any]:
    """A row for ``customer_number``."""
    return {
        "customer_id": customer_id,
        "position": position,
        "state": NumberState.ACTIVE,
        "e164_sealed": number.e164_sealed,
        "e164_blind": number.e164_blind,
        "last2": number.last2,
    }


def purchase_rows(customer_id: int, one: SealedCustomer, batch_id: int | None) -> list[dict[str, Any]]:
    """Rows for ``purchase``."""
    return [
        {
            "customer_id": customer_id,
            "source": one.source,
            "external_id": bought.external_id,
            "at": bought.at,
            "product": bought.product,
            "amount_minor": bought.amount_minor,
            "currency": bought.currency,
            "import_batch_id": batch_id,
        }
        for bought in one.purchases
    ]


def consent_rows(
    customer_id: int, one: SealedCustomer, now: datetime, batch_id: int | None
) -> list[dict[str, Any]]:
    """Rows for ``consent``."""
    return [
        {
            "customer_id": customer_id,
            "channel": said.channel,
            "purpose": said.purpose,
            "state": said.state,
            "wording": said.wording,
            "evidence": said.evidence,
            "actor": "import" if batch_id is not None else "system",
            "at": now,
            "import_batch_id": batch_id,
        }
        for said in one.consents
    ]


def _ids_of(conn: Connection, customers: Sequence[SealedCustomer]) -> list[int]:
    # Asking afterwards is several times faster than RETURNING in order, which SQLite does row by row.
    who = customer.c
    ids: dict[tuple[str, str], int] = {}
    for source in sorted({one.source for one in customers}):
        names = [one.external_id for one in customers if one.source == source]
        rows = conn.execute(
            select(who.id, who.external_id)
            .where(who.source == source, who.external_id.in_(names))
            .order_by(who.id)
        )
        ids |= {(source, row.external_id): row.id for row in rows}
    return [ids[one.source, one.external_id] for one in customers]


def _insert_all(conn: Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        conn.execute(insert(table), rows)


def _queries(cipher: FieldCipher, text: str) -> list[Select[Any]]:
    who = customer.c
    base = select(who.id, who.source, who.external_id, who.name_sealed, who.segment).where(
        who.state == ACTIVE
    )
    words = name_tokens(text)
    if not words:
        return []
    queries = [base.where(who.external_id == text.strip())]
    if "@" in text:
        queries.append(base.where(who.email_blind == email_blind(cipher, text)))
    e164 = _as_number(text)
    if e164 is not None:
        blind = number_blind(cipher, e164)
        owners = select(customer_number.c.customer_id).where(customer_number.c.e164_blind == blind)
        queries.append(base.where(who.id.in_(owners)))
    by_name = base
    for word in words:
        token = customer_name_token.c
        by_name = by_name.where(
            who.id.in_(select(token.customer_id).where(token.token_blind == token_blind(cipher, word)))
        )
    return [*queries, by_name]


def _as_number(text: str) -> str | None:
    try:
        # Whatever is written with a plus is looked up as it is: samples are known to no numbering plan.
        return parse(text, sample_prefixes=("+",))
    except BadNumber:
        return None
