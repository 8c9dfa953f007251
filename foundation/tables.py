# SPDX-License-Identifier: GPL-3.0-or-later
"""The foundation's tables: the outbox with its receipts, jobs, and the audit with its seals."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    event,
)

from foundation.db.metadata import UtcDateTime, metadata

outbox = Table(
    "outbox",
    metadata,
    #: In the order of commits: one writer, and AUTOINCREMENT never gives a number twice.
    Column("seq", Integer, primary_key=True),
    Column("event_id", String(26), nullable=False, unique=True),
    Column("kind", String(40), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("body", Text, nullable=False),
    Index(None, "at"),
    sqlite_autoincrement=True,
)

#: Written in the same unit as the consumer's effect: its presence means the effect is there, once.
outbox_receipt = Table(
    "outbox_receipt",
    metadata,
    Column("consumer", String(40), primary_key=True),
    Column("event_id", String(26), ForeignKey(outbox.c.event_id), primary_key=True),
    sqlite_with_rowid=False,
)

#: Events a consumer could not handle: set aside for a person, so that the others go on.
outbox_parked = Table(
    "outbox_parked",
    metadata,
    Column("consumer", String(40), primary_key=True),
    Column("event_id", String(26), ForeignKey(outbox.c.event_id), primary_key=True),
    Column("parked_at", UtcDateTime, nullable=False),
    Column("error", Text, nullable=False),
)

job = Table(
    "job",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("state", String(12), nullable=False),
    Column("progress", JSON, nullable=False),
    Column("error", Text),
    Column("tries", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("lease_until", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Index(None, "state", "id"),
)

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("chain", String(26), nullable=False),
    Column("number", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("action", String(80), nullable=False),
    Column("subject", String(120), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("reason", Text, nullable=False),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index(None, "chain", "number", unique=True),
    Index(None, "subject", "id"),
)

#: One signed head per chain and day: a chain cut off at its end no longer fits its last seal.
audit_seal = Table(
    "audit_seal",
    metadata,
    Column("chain", String(26), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("signature", String(64), nullable=False),
)


def append_only_ddl(table: str) -> list[str]:
    """SQLite triggers that refuse every change and removal; migrations run the same text."""
    return [
        f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        for verb in ("update", "delete")
    ]


def _protect(table: Table, conn: Connection, **_options: Any) -> None:
    if conn.dialect.name == "sqlite":
        for statement in append_only_ddl(table.name):
            conn.exec_driver_sql(statement)


for _table in (audit_entry, audit_seal):
    event.listen(_table, "after_create", _protect)
