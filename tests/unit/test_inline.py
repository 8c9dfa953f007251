# SPDX-License-Identifier: GPL-3.0-or-later
"""The database for simulation: the writer's promises without its threads, and trouble on demand."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, select
from sqlalchemy.exc import OperationalError

from foundation.db.dialect import claim_one
from foundation.db.inline import Inline
from foundation.db.seam import Health
from foundation.errors import DatabaseClosed, DatabaseFailed, DatabaseFull
from foundation.testing import VirtualClock, run_virtual

shelf = Table("shelf", MetaData(), Column("id", Integer, primary_key=True), Column("state", Text))


def put(conn: Connection, *states: str) -> None:
    conn.execute(shelf.insert(), [{"state": state} for state in states])


def put_then_raise(conn: Connection) -> None:
    put(conn, "lost")
    raise LookupError("on purpose")


def states(conn: Connection) -> list[str]:
    return list(conn.execute(select(shelf.c.state).order_by(shelf.c.id)).scalars())


async def shelf_database() -> Inline:
    db = Inline()
    await db.write(shelf.metadata.create_all)
    return db


async def test_a_unit_is_all_or_nothing() -> None:
    """A data function that raises leaves nothing behind."""
    db = await shelf_database()
    await db.write(put, "a")
    with pytest.raises(LookupError):
        await db.write(put_then_raise)
    assert await db.read(states) == ["a"]


async def test_reads_cannot_write() -> None:
    """As with the real one."""
    db = await shelf_database()
    with pytest.raises(OperationalError):
        await db.read(put, "a")
    await db.write(put, "b")
    assert await db.read(states) == ["b"]


@pytest.mark.parametrize("ending", ["commit", "rollback"])
async def test_a_data_function_that_ends_the_transaction_is_refused(ending: str) -> None:
    """A mistake the simulation must find before the real database does."""
    db = await shelf_database()

    def misbehave(conn: Connection) -> None:
        put(conn, "a")
        getattr(conn, ending)()

    with pytest.raises(DatabaseFailed):
        await db.write(misbehave)
    await db.write(put, "b")
    assert await db.read(states) == ["b"]


def test_latency_passes_on_the_virtual_clock() -> None:
    """The hook sleeps; a caller cancelled meanwhile does not cancel the unit."""

    async def story() -> tuple[float, list[str]]:
        db, clock = await shelf_database(), VirtualClock()

        async def slow(_door: str) -> None:
            await clock.sleep(3)

        db.before = slow
        impatient = asyncio.create_task(db.write(put, "a"))
        await clock.sleep(1)
        impatient.cancel()
        await db.write(put, "b")
        found = await db.read(states)
        await db.close()
        return clock.monotonic(), found

    assert run_virtual(story()) == (7.0, ["a", "b"])


async def test_failures_on_demand_turn_health() -> None:
    """The hook sees which unit it is and may fail it; the edges are told once each."""
    db = await shelf_database()
    edges: list[Health] = []
    db.on_health(edges.append)

    async def full(unit: str) -> None:
        if unit == "write:put":
            raise DatabaseFull("full, on purpose")

    db.before = full
    for _ in range(2):
        with pytest.raises(DatabaseFull):
            await db.write(put, "a")
    assert db.health is Health.UNWELL
    db.before = None
    await db.write(put, "b")
    await asyncio.sleep(0)
    assert edges == [Health.UNWELL, Health.WELL]
    assert await db.read(states) == ["b"]


async def test_closed_is_closed() -> None:
    """A closed database does nothing and says so."""
    db = await shelf_database()
    await db.close()
    with pytest.raises(DatabaseClosed):
        await db.write(put, "a")


async def test_claim_one_takes_the_first_that_fits_once() -> None:
    """In the order asked for, marked, and None when nothing is left."""
    db = await shelf_database()
    await db.write(put, "free", "taken", "free")

    def claim(conn: Connection) -> tuple[int, str] | None:
        row = claim_one(conn, shelf, shelf.c.state == "free", [shelf.c.id.desc()], {"state": "taken"})
        return None if row is None else (row.id, row.state)

    assert [await db.write(claim) for _ in range(3)] == [(3, "taken"), (1, "taken"), None]
