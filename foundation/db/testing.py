# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases for tests and simulation, with every table that has been imported."""

from __future__ import annotations

from sqlalchemy import Connection

from foundation.db.inline import Before, Inline
from foundation.db.metadata import metadata


def create_tables(conn: Connection) -> None:
    """Make all tables imported so far. Installations use migrations instead."""
    metadata.create_all(conn)


async def memory_database(*, before: Before | None = None) -> Inline:
    """A fresh in-memory database. ``before`` starts to act after the tables are made."""
    db = Inline()
    await db.write(create_tables)
    db.before = before
    return db
