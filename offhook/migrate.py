# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a database up to date. ``python -m offhook.migrate "what changed"`` writes the next migration."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine

from foundation.db.metadata import metadata

#: Rooms with tables, lowest floor first.
ROOMS = ("foundation", "accounts", "crm", "profiler", "dialer")


def load_tables() -> None:
    """Have every room put its tables on the one MetaData."""
    for room in ROOMS:
        importlib.import_module(f"{room}.tables")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config


def _engine(path: Path) -> Engine:
    return create_engine(f"sqlite:///{path}")


def upgrade(path: Path) -> None:
    """Run every migration that the database has not seen. A new file gets all of them."""
    load_tables()
    config = _config()
    engine = _engine(path)
    try:
        with engine.begin() as conn:
            config.attributes["connection"] = conn
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def differences(conn: Connection) -> list[object]:
    """What the tables in the code have that the database has not, and the other way round."""
    load_tables()
    return list(compare_metadata(MigrationContext.configure(conn), metadata))


def write_next(message: str) -> None:
    """Write the migration from the newest one to the tables as they are in the code."""
    load_tables()
    config = _config()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scratch.db"
        upgrade(path)
        engine = _engine(path)
        with engine.begin() as conn:
            config.attributes["connection"] = conn
            number = len(list(Path(__file__).with_name("migrations").glob("versions/[0-9]*.py"))) + 1
            command.revision(config, message=message, autogenerate=True, rev_id=f"{number:04d}")
        engine.dispose()


if __name__ == "__main__":
    write_next(" ".join(sys.argv[1:]) or "changes")
