# SPDX-License-Identifier: GPL-3.0-or-later
"""The migrations make the tables that the code has."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import create_engine, text

from foundation.db.metadata import metadata
from offhook.migrate import differences, load_tables, upgrade


def test_migrations_lead_to_the_tables_of_the_code(tmp_path: Path) -> None:
    """After every migration nothing is missing and nothing is left over."""
    path = tmp_path / "new.db"
    upgrade(path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as conn:
        assert differences(conn) == []


def test_migrations_make_the_same_schema_as_the_code(tmp_path: Path) -> None:
    """Triggers, partial indexes and table options too: what autogenerate cannot compare is compared as SQL."""
    migrated, made = tmp_path / "migrated.db", tmp_path / "made.db"
    upgrade(migrated)
    load_tables()
    engine = create_engine(f"sqlite:///{made}")
    metadata.create_all(engine)
    assert _schema(migrated) == _schema(made)


def test_upgrading_twice_changes_nothing(tmp_path: Path) -> None:
    """A start on an up-to-date database is no change."""
    path = tmp_path / "twice.db"
    upgrade(path)
    before = _schema(path)
    upgrade(path)
    assert _schema(path) == before


def _schema(path: Path) -> dict[tuple[str, str], str]:
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as conn:
        rows = conn.execute(
            text("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE '%alembic%' ORDER BY name")
        )
        return {(row.type, row.name): _plain(row.sql) for row in rows}


def _plain(sql: str | None) -> str:
    """SQL without the differences that mean nothing: white space, quotes, the order of constraints."""
    words = (sql or "").replace('"', "").replace("\n", " ").replace("\t", " ").replace(" )", "")
    return " ".join(sorted(part.strip() for part in words.split(",")))
