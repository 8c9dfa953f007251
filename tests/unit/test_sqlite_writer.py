# SPDX-License-Identifier: GPL-3.0-or-later
"""The SQLite writer: durable on return, all or nothing, calls before bulk, and honest when it fails."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError, OperationalError

from foundation.clock import SystemClock
from foundation.db.open import InstanceLock, open_database
from foundation.db.seam import Health
from foundation.db.sqlite import SqliteWriter
from foundation.errors import (
    DatabaseBusy,
    DatabaseClosed,
    DatabaseFailed,
    DatabaseFull,
    SecondInstance,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database file is."""
    return tmp_path / "writer.db"


@pytest.fixture
async def writer(path: Path) -> AsyncIterator[SqliteWriter]:
    """A writer with one table, impatient about locks."""
    database = SqliteWriter(path, busy_timeout_ms=100)
    await database.write(make_table)
    yield database
    await database.close()


def make_table(conn: Connection) -> None:
    conn.execute(text("CREATE TABLE note (body TEXT NOT NULL UNIQUE)"))


def add(conn: Connection, body: str) -> None:
    conn.execute(text("INSERT INTO note VALUES (:body)"), {"body": body})


def add_then_raise(conn: Connection, body: str) -> None:
    add(conn, body)
    raise LookupError(body)


def notes(conn: Connection) -> list[str]:
    return list(conn.execute(text("SELECT body FROM note ORDER BY body")).scalars())


def notes_in(path: Path) -> list[str]:
    with sqlite3.connect(path) as other:
        rows = other.execute("SELECT body FROM note ORDER BY body").fetchall()
    other.close()
    return [body for (body,) in rows]


class Gate:
    """A data function that stops the writer thread until it is let go on."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, conn: Connection) -> None:
        self.entered.set()
        assert self.go_on.wait(10)

    async def reached(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, 10)


async def turn(times: int = 3) -> None:
    """Let the tasks just made put their units into the queue."""
    for _ in range(times):
        await asyncio.sleep(0)


async def test_no_other_connection_sees_a_row_before_commit(writer: SqliteWriter, path: Path) -> None:
    """A row inside a unit, and inside a group that is not committed yet, is nobody else's to see."""
    seen_inside: list[list[str]] = []

    def add_and_look(conn: Connection) -> None:
        add(conn, "a")
        seen_inside.append(notes_in(path))

    gate = Gate()
    first = asyncio.create_task(writer.write(add_and_look))
    second = asyncio.create_task(writer.write(gate))
    await gate.reached()
    assert seen_inside == [[]]
    if not first.done():  # in one group with the gate: its savepoint is released, nothing is committed
        assert notes_in(path) == []
    gate.go_on.set()
    await asyncio.gather(first, second)
    assert notes_in(path) == ["a"]


async def test_units_that_wait_together_are_committed_together(writer: SqliteWriter, path: Path) -> None:
    """While a group is open its first units are finished but invisible; one COMMIT shows them all."""
    blocker, gate = Gate(), Gate()
    tasks = [asyncio.create_task(writer.write(blocker))]
    await blocker.reached()
    tasks += [asyncio.create_task(writer.write(add, "a")), asyncio.create_task(writer.write(gate))]
    await turn()
    blocker.go_on.set()
    await gate.reached()
    assert notes_in(path) == []
    assert not any(task.done() for task in tasks)
    gate.go_on.set()
    await asyncio.gather(*tasks)
    assert notes_in(path) == ["a"]


async def test_a_row_is_there_when_write_returns(writer: SqliteWriter, path: Path) -> None:
    """``write`` returns only after COMMIT."""
    await writer.write(add, "a")
    assert notes_in(path) == ["a"]
    assert await writer.read(notes) == ["a"]


async def test_a_failing_unit_takes_nothing_of_its_group_with_it(writer: SqliteWriter) -> None:
    """Each unit has a savepoint of its own: one that raises leaves no trace and harms no neighbour."""
    gate = Gate()
    blocked = asyncio.create_task(writer.write(gate))
    await gate.reached()
    results = asyncio.gather(
        writer.write(add, "a"),
        writer.write(add_then_raise, "b"),
        writer.write(add, "a"),
        writer.write(add, "c"),
        return_exceptions=True,
    )
    await turn()
    gate.go_on.set()
    await blocked
    first, second, third, fourth = await results
    assert (first, fourth) == (None, None)
    assert isinstance(second, LookupError)
    assert isinstance(third, IntegrityError)
    assert await writer.read(notes) == ["a", "c"]
    assert writer.health is Health.WELL


async def test_calls_go_before_bulk(writer: SqliteWriter) -> None:
    """Bulk units wait until no call waits, however early they came; each is committed by itself."""
    order: list[str] = []

    def note(_conn: Connection, name: str) -> None:
        order.append(name)

    gate = Gate()
    tasks = [asyncio.create_task(writer.write(gate))]
    await gate.reached()
    tasks += [asyncio.create_task(writer.write_bulk(note, name)) for name in ("bulk 1", "bulk 2")]
    await turn()
    tasks += [asyncio.create_task(writer.write(note, name)) for name in ("call 1", "call 2")]
    await turn()
    gate.go_on.set()
    await asyncio.gather(*tasks)
    assert order == ["call 1", "call 2", "bulk 1", "bulk 2"]


async def test_a_bulk_unit_holds_up_no_commit(writer: SqliteWriter, path: Path) -> None:
    """Calls that waited before it are durable before it begins: it is in no group with them."""
    blocker, bulk = Gate(), Gate()
    blocked = asyncio.create_task(writer.write(blocker))
    await blocker.reached()
    call, import_unit = (
        asyncio.create_task(writer.write(add, "call")),
        asyncio.create_task(writer.write_bulk(bulk)),
    )
    await turn()
    blocker.go_on.set()
    await bulk.reached()
    assert notes_in(path) == ["call"]
    await asyncio.gather(blocked, call)
    bulk.go_on.set()
    await import_unit


async def test_a_cancelled_caller_does_not_cancel_the_unit(writer: SqliteWriter) -> None:
    """The unit is written as if nobody had been waiting."""
    gate = Gate()
    blocked = asyncio.create_task(writer.write(gate))
    await gate.reached()
    caller = asyncio.create_task(writer.write(add, "a"))
    await turn()
    caller.cancel()
    gate.go_on.set()
    await blocked
    with pytest.raises(asyncio.CancelledError):
        await caller
    await writer.write(add, "b")
    assert await writer.read(notes) == ["a", "b"]


async def test_a_database_locked_by_another_process_fails_the_unit_and_recovers(
    writer: SqliteWriter, path: Path
) -> None:
    """Locked for too long: the unit fails as busy with nothing written, health turns, and work goes on."""
    edges: list[Health] = []
    writer.on_health(edges.append)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusy, match="Nothing was written"):
        await writer.write(add, "a")
    assert writer.health is Health.UNWELL
    other.execute("ROLLBACK")
    await writer.write(add, "b")
    await turn()
    assert await writer.read(notes) == ["b"]
    assert edges == [Health.UNWELL, Health.WELL]
    other.close()


async def test_a_full_disk_fails_the_units_and_is_noticed_when_there_is_room(writer: SqliteWriter) -> None:
    """Full: units fail with nothing written; once there is room the idle writer finds out by itself."""

    def limit_pages(conn: Connection, extra: int) -> None:
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
        conn.exec_driver_sql(f"PRAGMA max_page_count={pages + extra}")

    await writer.write(limit_pages, 0)
    with pytest.raises(DatabaseFull, match="Nothing was written"):
        await writer.write(add, "x" * 100_000)
    assert writer.health is Health.UNWELL
    well = asyncio.Event()
    writer.on_health(lambda health: well.set() if health is Health.WELL else None)
    await writer.write(limit_pages, 1_000)
    async with asyncio.timeout(10):
        await well.wait()
    await writer.write(add, "y" * 100_000)
    assert len(await writer.read(notes)) == 1


async def test_a_small_unit_does_not_make_a_full_disk_well(writer: SqliteWriter) -> None:
    """What still finds a little room is written, and yet nobody relies on the disk before a probe fits."""

    def limit_pages(conn: Connection, extra: int) -> None:
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
        conn.exec_driver_sql(f"PRAGMA max_page_count={pages + extra}")

    await writer.write(limit_pages, 0)
    with pytest.raises(DatabaseFull):
        await writer.write(add, "x" * 100_000)
    await writer.write(add, "small")
    assert await writer.read(notes) == ["small"]
    assert writer.health is Health.UNWELL


async def test_an_unwell_database_is_probed_until_it_is_well(writer: SqliteWriter, path: Path) -> None:
    """With nobody writing, the end of a lock is still noticed."""
    well = asyncio.Event()
    writer.on_health(lambda health: well.set() if health is Health.WELL else None)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusy):
        await writer.write(add, "a")
    other.execute("ROLLBACK")
    other.close()
    async with asyncio.timeout(10):
        await well.wait()
    with sqlite3.connect(path) as fresh:
        assert fresh.execute("SELECT name FROM sqlite_master").fetchall() == [
            ("note",),
            ("sqlite_autoindex_note_1",),
        ]
    fresh.close()


@pytest.mark.parametrize("ending", ["commit", "rollback"])
async def test_a_data_function_that_ends_the_transaction_is_refused(
    writer: SqliteWriter, ending: str
) -> None:
    """Nothing of the whole group is written, and the writer goes on."""

    def misbehave(conn: Connection) -> None:
        add(conn, "a")
        getattr(conn, ending)()

    with pytest.raises(DatabaseFailed, match="Nothing was written"):
        await writer.write(misbehave)
    await writer.write(add, "b")
    assert await writer.read(notes) == ["b"]


async def test_readers_cannot_write(writer: SqliteWriter) -> None:
    """``read`` is for reading."""
    with pytest.raises((OperationalError, DatabaseFailed)):
        await writer.read(add, "a")
    assert await writer.read(notes) == []


async def test_a_reader_keeps_its_snapshot(writer: SqliteWriter) -> None:
    """Two queries in one read see the same moment, whatever is written between them."""
    between, go_on = threading.Event(), threading.Event()

    def look_twice(conn: Connection) -> tuple[list[str], list[str]]:
        before = notes(conn)
        between.set()
        assert go_on.wait(10)
        return before, notes(conn)

    reading = asyncio.create_task(writer.read(look_twice))
    assert await asyncio.to_thread(between.wait, 10)
    await writer.write(add, "a")
    go_on.set()
    assert await reading == ([], [])


async def test_close_writes_what_waits_and_refuses_more(path: Path) -> None:
    """Nothing given before ``close`` is lost."""
    database = SqliteWriter(path)
    await database.write(make_table)
    waiting = [asyncio.create_task(database.write(add, str(number))) for number in range(100)]
    await turn()
    await database.close()
    await asyncio.gather(*waiting)
    assert len(notes_in(path)) == 100
    with pytest.raises(DatabaseClosed):
        await database.write(add, "late")
    with pytest.raises(DatabaseClosed):
        await database.read(notes)
    await database.close()


async def test_commits_survive_power_failure(writer: SqliteWriter) -> None:
    """WAL with synchronous=FULL, foreign keys on: asked of the database itself."""

    def settings(conn: Connection) -> list[object]:
        return [
            conn.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]

    assert await writer.write(settings) == ["wal", 2, 1]


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    """The error says so at once, not at the first write."""
    path.write_text("this is a letter, not a database; " * 100)
    with pytest.raises(DatabaseFailed, match="not a database"):
        open_database(path)


def test_a_second_instance_is_told_who_has_the_database(path: Path) -> None:
    """The lock names the holder's process, and is free again after release."""
    with (
        InstanceLock(path, SystemClock()),
        pytest.raises(SecondInstance, match=r"process \d+, since"),
    ):
        InstanceLock(path, SystemClock()).acquire()
    with InstanceLock(path, SystemClock()):
        pass
