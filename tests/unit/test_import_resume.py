# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports that are cut off, repeated and undone: a customer is whole or absent, nothing is lost, nothing doubled."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from crm import customers, interactions
from crm.contact import ContactPolicy, may_contact
from crm.errors import ImportBusy, UndoRefused
from crm.imports import batches, importer
from crm.imports.batches import Batch, ImportState
from crm.imports.importer import undo_import
from crm.imports.mapping import parse
from crm.interactions import NewInteraction
from crm.tables import customer, import_change, import_error, import_row
from crm.testing import contents, field_cipher, import_file
from foundation.db.inline import Inline
from foundation.db.open import open_database
from foundation.db.testing import memory_database
from foundation.errors import DatabaseFailed
from foundation.testing import FakeClock
from lawful.attempts import Caps
from lawful.hours import CallingPolicy
from vocabulary.errors import IllegalMove

MAPPING = parse(
    """
[file]
source = "crm"
[numbers]
sample_prefixes = ["+999"]
[customer]
external_id = { column = "id" }
name = { column = "name" }
numbers = [{ column = "phone" }]
zone = { constant = "Europe/Lisbon" }
segment = { column = "segment", optional = true }
[purchase]
external_id = { column = "order", optional = true }
product = { column = "product", optional = true }
amount = { constant = "1" }
currency = "EUR"
at = { constant = "2026-01-01" }
""",
    "m.toml",
)
HEADER = "id,name,phone,segment,order,product\n"
LINES = [
    "1,Ana Costa,+999100000001,plus,o-1,fund",
    "2,Rui Lopes,+999100000002,,,",
    "3,Nobody,12,,,",
    "4,Ana Costa,+999100000001,,,",
    "1,Ana Dias,+999100000005,basic,o-2,loan",
    "6,Eva Reis,+999100000002,,,",
    "7,Tom Reis,+999100000007,,,",
    "8,Ivo Reis,+999100000008,,,",
]


@pytest.fixture(autouse=True)
def _small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts and units of a few rows, so that a short file has many of them."""
    monkeypatch.setattr(importer, "PART_RECORDS", 2)
    monkeypatch.setattr(importer, "_FIRST_UNIT_ROWS", 1)


def write(folder: Path, lines: Sequence[str], name: str = "customers.csv") -> Path:
    """Make the file."""
    path = folder / name
    path.write_text(HEADER + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


async def run(db: Inline, path: Path) -> Batch:
    """Import a file."""
    return await import_file(db, path, MAPPING, FakeClock())


def counts(batch: Batch) -> tuple[ImportState, int, int, int, int, int]:
    """What an import says of itself."""
    return (batch.state, batch.rows_read, batch.added, batch.updated, batch.unchanged, batch.refused)


async def left_over(db: Inline) -> int:
    """Rows still waiting in the staging table."""
    return await db.read(lambda conn: conn.scalar(select(func.count()).select_from(import_row)) or 0)


def failing_at(unit: int) -> Callable[[str], Any]:
    """A hook under which the unit of that number (from 0) and all after it fail: the process is dead."""
    done = 0

    async def before(door: str) -> None:
        nonlocal done
        if door.startswith("read"):
            return
        done += 1
        if done > unit:
            raise DatabaseFailed("killed")

    return before


async def test_killed_at_any_unit_it_goes_on_where_it_was(tmp_path: Path) -> None:
    """The same file again gives the same customers, counters and error lines as if nothing had happened."""
    whole = await memory_database()
    path = write(tmp_path, LINES)
    expected = counts(await run(whole, path))
    everything = await whole.read(contents)
    error_lines = (tmp_path / "errors.csv").read_bytes()
    assert expected == (ImportState.DONE, 8, 5, 1, 0, 2)
    killed_at = 0
    while True:
        db = await memory_database(before=failing_at(killed_at))
        (tmp_path / "errors.csv").unlink()
        try:
            finished = await run(db, path)
        except DatabaseFailed:
            db.before = None
            half = await db.read(contents)
            assert all(one["name"] and one["numbers"] and one["tokens"] for one in half.values())
            finished = await run(db, path)
        else:
            break
        assert counts(finished) == expected
        assert finished.batch_id == 1
        assert await db.read(contents) == everything
        assert (tmp_path / "errors.csv").read_bytes() == error_lines
        assert await left_over(db) == 0
        await db.close()
        killed_at += 1
    assert killed_at >= 10


async def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    """kill -9 in the middle of a real import, several times; then it finishes: each customer once."""
    db_path, path, customers_in_file = tmp_path / "offhook.db", tmp_path / "customers.csv", 1500
    write(tmp_path, [f"{n},Person {n},+9991{n:08d},,," for n in range(customers_in_file)])
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "import crm.tables\n"
        "from foundation.clock import SystemClock\n"
        "from foundation.db.open import open_database\n"
        "from foundation.db.testing import create_tables\n"
        "from crm.testing import import_file\n"
        "from tests_mapping import MAPPING\n"
        "async def main():\n"
        "    db = open_database(Path(sys.argv[1]))\n"
        "    await db.write(create_tables)\n"
        "    print('ready', flush=True)\n"
        "    await import_file(db, Path(sys.argv[2]), MAPPING, SystemClock())\n"
        "    await db.close()\n"
        "asyncio.run(main())\n"
    )
    (tmp_path / "tests_mapping.py").write_text(
        f"from crm.imports.mapping import Mapping\nMAPPING = Mapping.model_validate({MAPPING.model_dump()!r})\n"
    )
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"}
    seen: set[int] = set()
    for kill_after_rows in (100, 1000, 1400, None):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program, str(db_path), str(path)),
            env=env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        if kill_after_rows is None:
            await process.communicate()
            assert process.returncode == 0
            break
        db = open_database(db_path)
        while process.returncode is None:
            listed = await db.read(batches.list_batches)
            if listed and listed[0].rows_read + listed[0].added >= kill_after_rows:
                process.kill()
                break
            await asyncio.sleep(0.005)
        await process.communicate()
        seen.add((await db.read(batches.list_batches))[0].batch_id)
        await db.close()
    db = open_database(db_path)
    (batch,) = await db.read(batches.list_batches)
    found = await db.read(contents)
    await db.close()
    assert seen == {1}
    assert (batch.state, batch.added, batch.rows_read) == (ImportState.DONE, 1500, 1500)
    assert len(found) == customers_in_file
    assert all(len(one["numbers"]) == 1 and len(one["tokens"]) == 2 for one in found.values())


async def test_two_imports_of_one_file_at_once_do_not_double_it(tmp_path: Path) -> None:
    """The one that comes second to a part stops; the first goes on."""
    db = await memory_database(before=lambda _door: asyncio.sleep(0))
    path = write(tmp_path, LINES)
    results = await asyncio.gather(run(db, path), run(db, path), return_exceptions=True)
    assert sum(isinstance(result, ImportBusy) for result in results) == 1
    db.before = None
    assert len(await db.read(contents)) == 5
    assert await left_over(db) == 0


# --- anything twice is once ---------------------------------------------------------------------------

LINE = st.builds(
    "{},{},+99910000000{},{},{},{}".format,
    st.integers(1, 4),
    st.sampled_from(["Ana Costa", "Costa, Ana".replace(",", ""), "Rui Lopes", "Eva"]),
    st.integers(1, 4),
    st.sampled_from(["", "plus"]),
    st.sampled_from(["", "o-1", "o-2"]),
    st.sampled_from(["", "fund"]),
)
FILES = st.lists(LINE, max_size=8)


async def _imported(lines: Sequence[str], *, times: int = 1, killed_at: int | None = None) -> dict[str, Any]:
    db = await memory_database()
    with TemporaryDirectory() as folder:
        path = write(Path(folder), lines)
        for _ in range(times):
            if killed_at is not None:
                db.before = failing_at(killed_at)
                try:
                    await run(db, path)
                except DatabaseFailed:
                    pass
                db.before = None
            await run(db, path)
    found = await db.read(contents)
    await db.close()
    return found


def _without_conflict(lines: Sequence[str]) -> list[str]:
    """One line for each id: lines that contradict each other are applied in turn, each time the file comes."""
    return list({line.split(",")[0]: line for line in lines}.values())


@settings(deadline=None, max_examples=25)
@given(lines=FILES)
def test_imported_twice_is_imported_once(lines: list[str]) -> None:
    """Whatever the file: shared phones, duplicates, refused lines."""
    lines = _without_conflict(lines)
    assert asyncio.run(_imported(lines, times=2)) == asyncio.run(_imported(lines))


@settings(deadline=None, max_examples=25)
@given(lines=FILES, killed_at=st.integers(0, 12))
def test_cut_off_anywhere_is_imported_once(lines: list[str], killed_at: int) -> None:
    """Whatever the file and wherever the cut."""
    assert asyncio.run(_imported(lines, killed_at=killed_at)) == asyncio.run(_imported(lines))


async def _undone(first: Sequence[str], second: Sequence[str], killed_at: int) -> tuple[Any, Any]:
    db = await memory_database()
    with TemporaryDirectory() as folder:
        await run(db, write(Path(folder), first, "first.csv"))
        before = await db.read(contents)
        batch = await run(db, write(Path(folder), second, "second.csv"))
    db.before = failing_at(killed_at)
    try:
        await undo(db, batch.batch_id)
    except DatabaseFailed:
        db.before = None
        await undo(db, batch.batch_id)
    db.before = None
    after = await db.read(contents)
    assert await db.read(lambda conn: conn.scalar(select(func.count()).select_from(import_change))) == 0
    await db.close()
    return before, after


@settings(deadline=None, max_examples=30)
@given(first=FILES, second=FILES.filter(bool), killed_at=st.integers(0, 10))
def test_undoing_gives_back_what_was_there(first: list[str], second: list[str], killed_at: int) -> None:
    """Added customers are gone, changed ones are as before, wherever the undoing was cut off."""
    if first == second:
        second = [*second, "9,Zoe,+999100000009,,,"]
    before, after = asyncio.run(_undone(first, second, killed_at))
    assert after == before


# --- undoing ------------------------------------------------------------------------------------------


def nobody(_conn: Connection, _ids: Sequence[int], _since: datetime) -> Sequence[int]:
    """Nobody was called."""
    return ()


async def undo(
    db: Inline, batch_id: int, touched: importer.Touched = nobody, release: importer.Release | None = None
) -> Batch:
    """Take an import back."""
    return await undo_import(
        db,
        batch_id,
        clock=FakeClock(),
        touched=touched,
        release=release or (lambda _conn, _ids: None),
    )


async def test_undo_takes_customers_out_of_lists_first(inline_db: Inline, tmp_path: Path) -> None:
    """Every customer is released once, before it goes."""
    batch = await run(inline_db, write(tmp_path, LINES))
    released: list[int] = []

    def release(conn: Connection, ids: Sequence[int]) -> None:
        assert len(conn.scalars(select(customer.c.id).where(customer.c.id.in_(ids))).all()) == len(ids)
        released.extend(ids)

    undone = await undo(inline_db, batch.batch_id, release=release)
    assert (undone.state, undone.undone) == (ImportState.UNDONE, 5)
    assert sorted(released) == [1, 2, 3, 4, 5]
    assert await inline_db.read(contents) == {}


async def test_no_undo_once_a_customer_was_called(inline_db: Inline, tmp_path: Path) -> None:
    """Refused, and nothing is changed: the customers may be called as before."""
    batch = await run(inline_db, write(tmp_path, LINES))
    before = await inline_db.read(contents)

    def last_was_called(_conn: Connection, ids: Sequence[int], since: datetime) -> Sequence[int]:
        assert since == batch.started_at
        return [one for one in ids if one == 5]

    with pytest.raises(UndoRefused, match="called or dealt with"):
        await undo(inline_db, batch.batch_id, touched=last_was_called)
    assert await inline_db.read(contents) == before
    assert (await inline_db.read(batches.read_batch, batch.batch_id)).state is ImportState.DONE


async def test_no_undo_once_there_is_a_talk_on_the_timeline(inline_db: Inline, tmp_path: Path) -> None:
    """An e-mail or a note counts like a call."""
    batch = await run(inline_db, write(tmp_path, LINES))
    note = NewInteraction(
        customer_id=1,
        at=batch.started_at,
        channel="email",
        direction="in",
        kind="message",
        actor="system",
        summary="Wrote to us",
        source="mail",
        source_event_id="m1",
    )
    await inline_db.write(interactions.append, field_cipher(), note)
    with pytest.raises(UndoRefused):
        await undo(inline_db, batch.batch_id)


async def test_no_undo_under_a_later_import(inline_db: Inline, tmp_path: Path) -> None:
    """The later one is named; once it is undone the earlier can be."""
    first = await run(inline_db, write(tmp_path, LINES))
    second = await run(inline_db, write(tmp_path, ["2,Rui Dias,+999100000002,,,"]))
    with pytest.raises(UndoRefused, match=f"Import {second.batch_id} came later"):
        await undo(inline_db, first.batch_id)
    await undo(inline_db, second.batch_id)
    await undo(inline_db, first.batch_id)
    assert await inline_db.read(contents) == {}


async def test_while_undoing_nobody_of_it_is_contacted(inline_db: Inline, tmp_path: Path) -> None:
    """From the first unit: no call can slip in between the check and the removal."""
    await run(inline_db, write(tmp_path, LINES))
    inline_db.before = failing_at(1)
    with pytest.raises(DatabaseFailed):
        await undo(inline_db, 1)
    inline_db.before = None
    policy = ContactPolicy(hours=CallingPolicy.from_text({"mon-sun": "00:00-24:00"}), caps=Caps())
    now = FakeClock().now()
    verdict = await inline_db.read(may_contact, 1, 1, "phone", "marketing", now, policy)
    assert [reason.code for reason in verdict.reasons] == ["import_undone"]


async def test_an_unfinished_import_can_be_undone(inline_db: Inline, tmp_path: Path) -> None:
    """Half applied or only staged: nothing of it is left, and the file may come again."""
    path = write(tmp_path, LINES)
    for killed_at in (3, 8):
        inline_db.before = failing_at(killed_at)
        with pytest.raises(DatabaseFailed):
            await run(inline_db, path)
        inline_db.before = None
        (batch, *_) = await inline_db.read(batches.list_batches)
        await undo(inline_db, batch.batch_id)
        assert await inline_db.read(contents) == {}
        assert await left_over(inline_db) == 0
    assert (await run(inline_db, path)).added == 5


async def test_what_is_undone_or_refused_is_not_undone_again(inline_db: Inline, tmp_path: Path) -> None:
    """There is nothing to undo, and it says so."""
    batch = await run(inline_db, write(tmp_path, LINES))
    await undo(inline_db, batch.batch_id)
    with pytest.raises(UndoRefused, match="is undone"):
        await undo(inline_db, batch.batch_id)
    assert await inline_db.read(customers.find, "crm", "1") is None


async def test_an_import_moves_only_along_its_table(inline_db: Inline, tmp_path: Path) -> None:
    """Every state has its moves; any other raises and changes nothing."""
    batch = await run(inline_db, write(tmp_path, LINES))
    for state in ImportState:
        if state in batches.MOVES[ImportState.DONE]:
            continue
        with pytest.raises(IllegalMove):
            await inline_db.write(batches.move, batch.batch_id, state, FakeClock().now())
    assert (await inline_db.read(batches.read_batch, batch.batch_id)).state is ImportState.DONE
    assert set(batches.MOVES) == set(ImportState)


async def test_error_lines_outlive_the_undoing(inline_db: Inline, tmp_path: Path) -> None:
    """They say what was wrong with the file, not with the customers."""
    batch = await run(inline_db, write(tmp_path, LINES))
    await undo(inline_db, batch.batch_id)
    count = await inline_db.read(lambda conn: conn.scalar(select(func.count()).select_from(import_error)))
    assert count == 2
