# SPDX-License-Identifier: GPL-3.0-or-later
"""Undoing an import: possible until one of its customers has been called or otherwise dealt with.

From the first unit on the import is *undoing* and ``contact.may_contact`` refuses its customers, so none
can be called behind its back. Then all of them are looked through, and only when nobody was touched are
they taken away. A process that dies on the way leaves it *undoing*: undoing again goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from crm.errors import UndoRefused
from crm.imports.apply import replace_tokens
from crm.imports.batches import MOVES, Batch, ImportState, count, move, read_batch
from crm.tables import (
    consent,
    customer,
    customer_name_token,
    customer_number,
    import_change,
    import_row,
    interaction,
    purchase,
    suppression,
)

Touched = Callable[[Connection, Sequence[int], datetime], Collection[int]]
"""Which of these customers were called (claimed, dialed, ...) since a moment: calls are the dialer's table."""

Release = Callable[[Connection, Sequence[int]], None]
"""Take these customers out of everything that stands on them, such as target lists."""


def begin(conn: Connection, batch_id: int, now: datetime) -> Batch:
    """From here on nobody of this import may be contacted.

    Raises:
        UndoRefused: there is nothing to undo in its state.
    """
    batch = read_batch(conn, batch_id)
    if batch.state is ImportState.UNDOING:
        return batch
    if ImportState.UNDOING not in MOVES[batch.state]:
        raise UndoRefused(f"Import {batch_id} is {batch.state}; there is nothing to undo.")
    return move(conn, batch_id, ImportState.UNDOING, now)


def check_some(
    conn: Connection, batch: Batch, after_id: int, limit: int, touched: Touched
) -> tuple[int | None, str]:
    """Look through the next customers of an import.

    Returns the last id looked at (None: there are no more) and what stands against undoing, empty if nothing.
    """
    who, change = customer.c, import_change.c
    changed = select(change.customer_id).where(change.batch_id == batch.batch_id)
    ids = list(
        conn.scalars(
            select(who.id)
            .where((who.import_batch_id == batch.batch_id) | who.id.in_(changed), who.id > after_id)
            .order_by(who.id)
            .limit(limit)
        )
    )
    if not ids:
        return None, ""
    talked = conn.scalar(
        select(interaction.c.customer_id)
        .where(interaction.c.customer_id.in_(ids), interaction.c.at >= batch.started_at)
        .limit(1)
    )
    if talked is not None or touched(conn, ids, batch.started_at):
        return ids[-1], "One of its customers has been called or dealt with since."
    later = conn.scalar(
        select(change.batch_id)
        .where(change.customer_id.in_(ids), change.batch_id > batch.batch_id)
        .order_by(change.batch_id.desc())
        .limit(1)
    )
    if later is not None:
        return ids[-1], f"Import {later} came later and changed one of its customers; undo that first."
    return ids[-1], ""


def give_up(conn: Connection, batch_id: int, now: datetime) -> Batch:
    """Undoing is refused: back to where it was."""
    waiting = conn.scalar(select(import_row.c.line).where(import_row.c.batch_id == batch_id).limit(1))
    return move(conn, batch_id, ImportState.DONE if waiting is None else ImportState.APPLYING, now)


def restore_some(conn: Connection, batch_id: int, limit: int, now: datetime) -> int:
    """Put customers back to what they were before the import changed them; how many. 0: none is left."""
    change = import_change.c
    rows = conn.execute(
        select(change.customer_id, change.before)
        .where(change.batch_id == batch_id)
        .order_by(change.customer_id)
        .limit(limit)
    ).all()
    for row in rows:
        _restore(conn, batch_id, row.customer_id, row.before, now)
    count(conn, batch_id, undone=len(rows))
    return len(rows)


def remove_some(conn: Connection, batch_id: int, limit: int, release: Release) -> int:
    """Take customers away that the import added; how many. 0: none is left."""
    ids = list(
        conn.scalars(
            select(customer.c.id)
            .where(customer.c.import_batch_id == batch_id)
            .order_by(customer.c.id)
            .limit(limit)
        )
    )
    if not ids:
        return 0
    release(conn, ids)
    for table in (customer_name_token, customer_number, purchase, consent, suppression):
        conn.execute(delete(table).where(table.c.customer_id.in_(ids)))
    conn.execute(delete(customer).where(customer.c.id.in_(ids)))
    count(conn, batch_id, undone=len(ids))
    return len(ids)


def _restore(
    conn: Connection, batch_id: int, customer_id: int, before: dict[str, Any], now: datetime
) -> None:
    for table in (customer_number, purchase, consent):
        conn.execute(
            delete(table).where(table.c.customer_id == customer_id, table.c.import_batch_id == batch_id)
        )
    for number_id, position in before["positions"].items():
        conn.execute(
            update(customer_number).where(customer_number.c.id == int(number_id)).values(position=position)
        )
    conn.execute(
        update(customer)
        .where(customer.c.id == customer_id)
        .values(**before["fields"], import_digest=before["digest"], updated_at=now)
    )
    replace_tokens(conn, customer_id, before["tokens"])
    conn.execute(
        delete(import_change).where(
            import_change.c.batch_id == batch_id, import_change.c.customer_id == customer_id
        )
    )
