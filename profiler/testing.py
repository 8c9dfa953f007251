# SPDX-License-Identifier: GPL-3.0-or-later
"""Customers and RMs for tests: rows with what the profiler looks at, and nothing sealed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from crm.customers import ACTIVE
from crm.tables import customer
from profiler import rms
from profiler.rms import Rm


def add_customers(
    conn: Connection,
    count: int,
    now: datetime,
    language: str | None = "en",
    zone: str | None = "Europe/Lisbon",
    segment: str | None = None,
    source: str = "test",
) -> Sequence[int]:
    """Add customers without names or numbers; their ids, ascending."""
    rows: list[dict[str, Any]] = [
        {
            "source": source,
            "external_id": str(number),
            "state": ACTIVE,
            "language": language,
            "zone": zone,
            "segment": segment,
            "attributes": {},
            "created_at": now,
            "updated_at": now,
        }
        for number in range(count)
    ]
    statement = insert(customer).returning(customer.c.id, sort_by_parameter_order=True)
    return conn.execute(statement, rows).scalars().all()


def add_rm(
    conn: Connection,
    name: str = "anna",
    languages: Sequence[str] = ("en",),
    skills: Sequence[str] = (),
    licences: Sequence[str] = (),
    max_open_entries: int = rms.DEFAULT_MAX_OPEN_ENTRIES,
) -> Rm:
    """Add an RM who speaks English."""
    return rms.add(
        conn,
        name,
        name.title(),
        languages=languages,
        skills=skills,
        licences=licences,
        max_open_entries=max_open_entries,
    )
