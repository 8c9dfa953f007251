# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the house, held over the whole source: floors, style, types, licence, size, and determinism."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
LONGEST_FILE = 500
ROOMS = (
    "vocabulary",
    "config",
    "foundation",
    "accounts",
    "lawful",
    "crm",
    "scripts_store",
    "profiler",
    "dialer",
    "ari_bridge",
    "console",
    "offhook",
    "softphone",
    "asterisk",
)
SOURCES = sorted(
    path for folder in (*ROOMS, "tests", "benchmarks", "tools") for path in (ROOT / folder).rglob("*.py")
)
ROOM_SOURCES = [path for path in SOURCES if path.relative_to(ROOT).parts[0] in ROOMS]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def run(*command: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run one of the environment's own programs at the root."""
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "--no-cache", "."),
        ("ruff", "format", "--check", "--no-cache", "."),
        ("lint-imports", "--config", "setup.cfg", "--no-cache"),
        ("mypy",),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_the_source_passes(command: tuple[str, ...]) -> None:
    """Style, formatting, floors and types, each by its own tool."""
    result = run(*command)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.time()",
        "import time\ntime.monotonic()",
        "from datetime import UTC, datetime\ndatetime.now(UTC)",
        "import random",
        "import secrets",
        "from uuid import uuid4",
        "import asyncio\nasyncio.to_thread(print)",
    ],
)
def test_hidden_clocks_and_randomness_are_refused(code: str) -> None:
    """Outside the shells time, randomness, ids and threads are passed in, or no run could be repeated."""
    result = run("ruff", "check", "--no-cache", "--stdin-filename", "dialer/x.py", "-", stdin=code)
    assert "TID251" in result.stdout


def test_every_file_names_its_licence_and_purpose() -> None:
    """SPDX line first, then a docstring; an empty file needs neither."""
    assert [name_of(path) for path in SOURCES if not _has_head(path.read_text())] == []


def _has_head(text: str) -> bool:
    lines = [line for line in text.splitlines()[:2] if not line.startswith("#!")]
    licensed = bool(lines) and lines[0] == "# SPDX-License-Identifier: GPL-3.0-or-later"
    return not text or (licensed and bool(ast.get_docstring(ast.parse(text))))


def test_a_file_without_a_head_is_found() -> None:
    """The check can fail."""
    licence = "# SPDX-License-Identifier: GPL-3.0-or-later\n"
    assert _has_head(licence + '"""What it owns."""\n')
    assert not _has_head('"""What it owns."""\n')
    assert not _has_head(licence + "import ast\n")


def test_no_file_is_too_long_to_be_read() -> None:
    """A file is one noun. Migrations are written by a program and read by none."""
    lengths = {
        name_of(path): len(path.read_text().splitlines())
        for path in SOURCES
        if "migrations/versions" not in name_of(path)
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_test_files_have_names_of_their_own() -> None:
    """A report names the file alone."""
    names = [path.name for path in SOURCES if path.name.startswith("test_")]
    assert sorted(names) == sorted(set(names))


# --- determinism of the database --------------------------------------------------------------------


def unordered_lists(source: str) -> Iterator[str]:
    """Functions that take many rows of a select without saying in which order.

    A function may say ``# any order: <why it does not matter>``. Statements built in one function and run in
    another are not seen.
    """
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        text = ast.get_source_segment(source, node) or ""
        if "order_by" in text or "# any order: " in text:
            continue
        if _selects(node) and _takes_many(node):
            yield node.name


def _selects(function: ast.AST) -> bool:
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "select"
        for node in ast.walk(function)
    )


def _takes_many(function: ast.AST) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and node.attr in ("all", "scalars", "fetchall", "mappings"):
            return True
        if isinstance(node, ast.For | ast.comprehension) and "execute(" in ast.unparse(node.iter):
            return True
    return False


def test_every_list_from_the_database_has_an_order() -> None:
    """Two databases, or two days, must give the same list."""
    found = {name_of(path): list(unordered_lists(path.read_text())) for path in ROOM_SOURCES}
    assert {name: functions for name, functions in found.items() if functions} == {}


def test_a_list_without_an_order_is_found() -> None:
    """The check can fail, and knows what it need not mind."""
    source = textwrap.dedent("""
        def lists(conn):
            return conn.execute(select(call)).all()

        def walks(conn):
            return [row for row in conn.execute(select(call))]

        def orders(conn):
            return conn.execute(select(call).order_by(call.c.id)).all()

        def takes_one(conn):
            return conn.execute(select(call)).one()

        def counts(conn):
            # any order: they are only counted
            return len(conn.execute(select(call)).all())
    """)
    assert list(unordered_lists(source)) == ["lists", "walks"]


def test_the_database_tells_no_time_and_draws_no_lots() -> None:
    """Times and randomness come from what is passed in."""
    forbidden = ("func.now(", "CURRENT_TIMESTAMP", "func.random(", "strftime('now'", "datetime('now'")
    assert [
        (name_of(path), word) for path in ROOM_SOURCES for word in forbidden if word in path.read_text()
    ] == []
