# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit can be added to and read; any other change is refused, or found out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Connection, create_engine, delete, select, text, update
from sqlalchemy.exc import IntegrityError

from foundation.audit import record, seal_day, verify
from foundation.db.testing import create_tables
from foundation.tables import audit_entry, audit_seal
from foundation.testing import MONDAY_TEN

KEY = b"k" * 32


@pytest.fixture
def conn() -> Iterator[Connection]:
    """A database with three entries, sealed, and one more after the seal."""
    with create_engine("sqlite://").connect() as conn:
        create_tables(conn)
        for number in range(3):
            note(conn, f"customer:{number}")
        assert seal_day(conn, KEY, MONDAY_TEN) == 1
        note(conn, "customer:3")
        yield conn


def note(conn: Connection, subject: str, chain: str = "main") -> None:
    record(
        conn,
        MONDAY_TEN,
        actor="anna",
        action="customer.reveal",
        subject=subject,
        detail={"field": "e164", "rows": 1, "share": 0.5},
        reason="the customer asked",
        chain=chain,
    )


def disarm(conn: Connection) -> None:
    """Take the triggers away, as somebody with the file could."""
    for table in ("audit_entry", "audit_seal"):
        for verb in ("update", "delete"):
            conn.execute(text(f"DROP TRIGGER {table}_no_{verb}"))


def test_an_untouched_audit_verifies(conn: Connection) -> None:
    """Also with several chains and seals."""
    note(conn, "customer:9", chain="console")
    assert seal_day(conn, KEY, MONDAY_TEN + timedelta(days=1)) == 2
    assert seal_day(conn, KEY, MONDAY_TEN + timedelta(days=2)) == 0
    assert verify(conn, KEY) is None


@pytest.mark.parametrize("table", [audit_entry, audit_seal], ids=str)
def test_the_database_itself_refuses_changes(conn: Connection, table: object) -> None:
    """Entries and seals are append-only."""
    for statement in (update(table).values(number=7), delete(table)):  # type: ignore[arg-type]
        with pytest.raises(IntegrityError, match="append-only"):
            conn.execute(statement)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (
            "UPDATE audit_entry SET actor = 'ben' WHERE number = 2",
            r"Entry 2 of chain main \(row 2\) was changed",
        ),
        (
            "UPDATE audit_entry SET detail = '{}' WHERE number = 4",
            r"Entry 4 of chain main \(row 4\) was changed",
        ),
        ("DELETE FROM audit_entry WHERE number = 2", "Entry 2 of chain main is missing"),
        ("DELETE FROM audit_entry WHERE number >= 3", "no longer has what was sealed on 2026-01-05"),
        ("DELETE FROM audit_entry", "no longer has what was sealed"),
        ("UPDATE audit_seal SET number = 2", "The seal of 2026-01-05 on chain main is forged"),
    ],
)
def test_a_change_behind_the_database_is_found(conn: Connection, damage: str, found: str) -> None:
    """Changed, removed from the middle, cut off behind a seal, or the seal itself."""
    disarm(conn)
    conn.execute(text(damage))
    problem = verify(conn, KEY)
    assert problem is not None
    assert re.search(found, problem), problem


def test_recomputing_the_hashes_does_not_help(conn: Connection) -> None:
    """Without the key the seal still tells."""
    disarm(conn)
    rows = conn.execute(select(audit_entry.c.subject).order_by(audit_entry.c.number)).scalars().all()
    conn.execute(delete(audit_entry))
    for subject in rows:
        record(conn, MONDAY_TEN, actor="ben", action="customer.reveal", subject=subject)
    assert verify(conn, KEY) == "Chain main no longer has what was sealed on 2026-01-05 (entry 3)."


def test_another_key_does_not_verify(conn: Connection) -> None:
    """A seal is worth its key."""
    assert verify(conn, b"x" * 32) == "The seal of 2026-01-05 on chain main is forged."
