# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for everybody: databases with all tables, a clock to turn, repeatable ids."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from foundation.db.inline import Inline
from foundation.db.sqlite import SqliteWriter
from foundation.db.testing import create_tables, memory_database
from foundation.ids import SeededIds
from foundation.testing import FakeClock

for _room in ("foundation", "accounts", "crm", "profiler", "dialer", "console", "offhook"):
    if importlib.util.find_spec(f"{_room}.tables") is not None:
        importlib.import_module(f"{_room}.tables")


# The default prints every local variable of every frame: seconds on a busy machine, in the middle of a call.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands at a Monday, 10:00 UTC, until ``clock.advance(seconds)``."""
    return FakeClock()


@pytest.fixture
def ids() -> SeededIds:
    """Repeatable ids."""
    return SeededIds(7)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[SqliteWriter]:
    """The real writer on a file of its own, with all tables."""
    database = SqliteWriter(tmp_path / "offhook.db")
    await database.write(create_tables)
    yield database
    await database.close()


@pytest.fixture
async def inline_db() -> AsyncIterator[Inline]:
    """A database in memory without threads, with all tables."""
    database = await memory_database()
    yield database
    await database.close()
