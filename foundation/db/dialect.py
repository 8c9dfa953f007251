# SPDX-License-Identifier: GPL-3.0-or-later
"""The SQL whose spelling depends on the database. Whatever else differs belongs here too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, select, update
from sqlalchemy.dialects import postgresql, sqlite


def claim_one(
    conn: Connection,
    table: Table,
    where: ColumnElement[bool],
    order_by: Sequence[ColumnElement[Any]],
    set_values: Mapping[str, Any],
) -> Row[Any] | None:
    """Take the first row that fits and mark it; nobody else can have taken it. None: there is none.

    Args:
        table: has a primary key of one column.
        set_values: must make the row no longer fit ``where``.

    Returns:
        The whole row as it is after the change.
    """
    (key,) = table.primary_key.columns
    # An alias would be wrong here: the WHERE of the caller speaks of the table itself.
    first = select(key).where(where).order_by(*order_by).limit(1)
    if conn.dialect.name != "sqlite":
        # SQLAlchemy drops FOR UPDATE silently on SQLite, where the single writer needs none.
        first = first.with_for_update(skip_locked=True)
    statement = (
        update(table)
        .where(key == first.correlate(None).scalar_subquery())
        .values(dict(set_values))
        .returning(*table.columns)
    )
    return conn.execute(statement).one_or_none()


def insert_if_absent(conn: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless one with its keys is there already; the answer is whether it was inserted."""
    dialect = sqlite if conn.dialect.name == "sqlite" else postgresql
    return conn.execute(dialect.insert(table).values(dict(values)).on_conflict_do_nothing()).rowcount > 0
