# SPDX-License-Identifier: GPL-3.0-or-later
"""Staged rows become customers, some rows in each unit of work: a customer is whole or absent.

The same external id of the same source is the same customer: updated, or unchanged if the row says what
it said before. Another external id with the same name *and* a same number is reported as a duplicate. A
shared number alone is nothing to report: two customers may share a phone.

An update never removes a number (a call may still name it); the file's numbers come first. It never turns
a recorded refusal of consent into consent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, update

from crm import consent as consents
from crm.consent import ConsentState
from crm.customers import (
    FIELDS,
    consent_rows,
    field_values,
    insert_sealed,
    number_row,
    purchase_rows,
)
from crm.imports.batches import ImportState, count, move, note_problems
from crm.imports.values import Problem
from crm.imports.worker import Staged
from crm.records import SealedCustomer
from crm.tables import (
    consent,
    customer,
    customer_name_token,
    customer_number,
    import_batch,
    import_change,
    import_row,
    purchase,
)
from lawful.numbers import masked

_decode = msgspec.json.Decoder(Staged).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    line: int
    digest: str
    customer: SealedCustomer


def apply_some(conn: Connection, batch_id: int, limit: int, now: datetime) -> int:
    """Make customers of the next staged rows, at most ``limit``; how many rows that were. 0: the import is done.

    Rows that could meet each other (a same id or number) never share a unit: each sees the one before it
    in the tables.
    """
    state = conn.scalar(select(import_batch.c.state).where(import_batch.c.id == batch_id))
    if state != ImportState.APPLYING:
        return 0
    lines = _next_lines(conn, batch_id, limit)
    if not lines:
        move(conn, batch_id, ImportState.DONE, now)
        return 0
    known = _known(conn, lines)
    objections = _objections(conn, lines, known)
    sound = [line for line in lines if line.line not in objections]
    fresh = [line for line in sound if _key(line) not in known]
    insert_sealed(
        conn,
        [line.customer for line in fresh],
        now,
        batch_id=batch_id,
        digests=[line.digest for line in fresh],
    )
    changed = [line for line in sound if (old := known.get(_key(line))) and old.import_digest != line.digest]
    for line in changed:
        _update(conn, batch_id, known[_key(line)], line, now)
    note_problems(conn, batch_id, list(objections.values()))
    count(
        conn,
        batch_id,
        added=len(fresh),
        updated=len(changed),
        unchanged=len(sound) - len(fresh) - len(changed),
    )
    row = import_row.c
    conn.execute(delete(import_row).where(row.batch_id == batch_id, row.line <= lines[-1].line))
    return len(lines)


def _next_lines(conn: Connection, batch_id: int, limit: int) -> list[_Line]:
    row = import_row.c
    found = conn.execute(
        select(row.line, row.payload).where(row.batch_id == batch_id).order_by(row.line).limit(limit)
    )
    lines: list[_Line] = []
    seen: set[str] = set()
    for line, payload in found:
        staged = _decode(payload)
        one = staged.customer
        marks = {one.external_id, *(number.e164_blind for number in one.numbers)}
        marks.update(f"purchase {bought.external_id}" for bought in one.purchases)
        if seen & marks:
            break
        seen |= marks
        lines.append(_Line(line=line, digest=staged.digest, customer=one))
    return lines


def _key(line: _Line) -> str:
    return line.customer.external_id


def _known(conn: Connection, lines: Sequence[_Line]) -> dict[str, Row[Any]]:
    who = customer.c
    rows = conn.execute(
        select(customer)
        .where(who.source == lines[0].customer.source, who.external_id.in_([_key(line) for line in lines]))
        .order_by(who.id)
    )
    return {row.external_id: row for row in rows}


def _objections(
    conn: Connection, lines: Sequence[_Line], known: Mapping[str, Row[Any]]
) -> dict[int, Problem]:
    """What the tables have against lines, by line."""
    fresh = [line for line in lines if _key(line) not in known]
    return {**_duplicates(conn, fresh), **_purchases_of_others(conn, lines, known)}


def _duplicates(conn: Connection, lines: Sequence[_Line]) -> dict[int, Problem]:
    """New ids whose name and number a customer has already."""
    blinds = [number.e164_blind for line in lines for number in line.customer.numbers]
    who, number = customer.c, customer_number.c
    rows = conn.execute(
        select(number.e164_blind, who.name_blind, who.source, who.external_id)
        .join(customer, who.id == number.customer_id)
        .where(number.e164_blind.in_(blinds))
        .order_by(who.id.desc())
    )
    there = {(row.e164_blind, row.name_blind): row for row in rows}
    found = {}
    for line in lines:
        for one in line.customer.numbers:
            twin = there.get((one.e164_blind, line.customer.name_blind))
            if twin is not None:
                message = f"The same name and number as customer {twin.external_id} of {twin.source}."
                found[line.line] = _problem(line, masked(one.last2), message)
    return found


def _purchases_of_others(
    conn: Connection, lines: Sequence[_Line], known: Mapping[str, Row[Any]]
) -> dict[int, Problem]:
    """Purchases the source has given to another customer before."""
    ids = {bought.external_id: line for line in lines for bought in line.customer.purchases}
    if not ids:
        return {}
    rows = conn.execute(
        select(purchase.c.external_id, purchase.c.customer_id)
        .where(purchase.c.source == lines[0].customer.source, purchase.c.external_id.in_(list(ids)))
        .order_by(purchase.c.id)
    )
    found = {}
    for row in rows:
        line = ids[row.external_id]
        owner = known.get(_key(line))
        if owner is None or owner.id != row.customer_id:
            message = "A purchase with this id belongs to another customer."
            found[line.line] = _problem(line, "", message)
    return found


def _problem(line: _Line, value_masked: str, message: str) -> Problem:
    return Problem(line=line.line, column="", value_masked=value_masked, message=message)


def _update(conn: Connection, batch_id: int, old: Row[Any], line: _Line, now: datetime) -> None:
    one = line.customer
    _keep_before(conn, batch_id, old)
    conn.execute(
        update(customer)
        .where(customer.c.id == old.id)
        .values(**field_values(one), updated_at=now, import_digest=line.digest)
    )
    if old.name_blind != one.name_blind:
        replace_tokens(conn, old.id, one.token_blinds)
    _update_numbers(conn, batch_id, old.id, one)
    _add_purchases(conn, batch_id, old.id, one)
    _add_consents(conn, batch_id, old.id, one, now)


def _keep_before(conn: Connection, batch_id: int, old: Row[Any]) -> None:
    if old.import_batch_id == batch_id:
        return  # Undoing takes this customer away altogether.
    change = import_change.c
    if conn.scalar(select(change.batch_id).where(change.batch_id == batch_id, change.customer_id == old.id)):
        return
    before = {
        "fields": {name: getattr(old, name) for name in FIELDS},
        "digest": old.import_digest,
        "tokens": list(
            conn.scalars(
                select(customer_name_token.c.token_blind)
                .where(customer_name_token.c.customer_id == old.id)
                .order_by(customer_name_token.c.token_blind)
            )
        ),
        "positions": {
            str(row.id): row.position
            for row in conn.execute(
                select(customer_number.c.id, customer_number.c.position)
                .where(customer_number.c.customer_id == old.id)
                .order_by(customer_number.c.id)
            )
        },
    }
    conn.execute(insert(import_change).values(batch_id=batch_id, customer_id=old.id, before=before))


def replace_tokens(conn: Connection, customer_id: int, token_blinds: Sequence[str]) -> None:
    """Make a customer found by these words of a name and no others."""
    conn.execute(delete(customer_name_token).where(customer_name_token.c.customer_id == customer_id))
    rows = [{"customer_id": customer_id, "token_blind": token} for token in token_blinds]
    if rows:
        conn.execute(insert(customer_name_token), rows)


def _update_numbers(conn: Connection, batch_id: int, customer_id: int, one: SealedCustomer) -> None:
    number = customer_number.c
    there = {
        row.e164_blind: row.id
        for row in conn.execute(
            select(number.id, number.e164_blind)
            .where(number.customer_id == customer_id)
            .order_by(number.position, number.id)
        )
    }
    order = list(dict.fromkeys([*(new.e164_blind for new in one.numbers), *there]))
    for new in one.numbers:
        position = order.index(new.e164_blind)
        if new.e164_blind not in there:
            row = {**number_row(customer_id, new, position), "import_batch_id": batch_id}
            conn.execute(insert(customer_number).values(**row))
    for blind, number_id in there.items():
        conn.execute(
            update(customer_number).where(number.id == number_id).values(position=order.index(blind))
        )


def _add_purchases(conn: Connection, batch_id: int, customer_id: int, one: SealedCustomer) -> None:
    rows = purchase_rows(customer_id, one, batch_id)
    there = set(
        conn.scalars(
            select(purchase.c.external_id)
            .where(
                purchase.c.source == one.source,
                purchase.c.external_id.in_([row["external_id"] for row in rows]),
            )
            .order_by(purchase.c.external_id)
        )
    )
    fresh = [row for row in rows if row["external_id"] not in there]
    if fresh:
        conn.execute(insert(purchase), fresh)


def _add_consents(
    conn: Connection, batch_id: int, customer_id: int, one: SealedCustomer, now: datetime
) -> None:
    refusals = (ConsentState.DECLINED, ConsentState.WITHDRAWN)
    for said, row in zip(one.consents, consent_rows(customer_id, one, now, batch_id), strict=True):
        line = consents.current(conn, customer_id, said.channel, said.purpose)
        stands = line.state if line else ConsentState.NOT_ASKED
        if said.state is stands or (stands in refusals and said.state not in refusals):
            continue
        conn.execute(insert(consent).values(**row))
