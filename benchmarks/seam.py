# SPDX-License-Identifier: GPL-3.0-or-later
"""The database seam under claims: twenty coroutines take customers from a list, each claim one durable unit.

A claim here is what a real one writes: the list entry is taken, a call is inserted, an event goes to the
outbox. The baseline does the same with a connection for each of twenty threads, as one would without the
single writer. Also: claims while an import writes in bulk, and the cost of sealing a field.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Column, Connection, Index, Integer, MetaData, String, Table, insert

from benchmarks.results import Row, percentile, report
from foundation.clock import SystemClock
from foundation.db.dialect import claim_one
from foundation.db.sqlite import SqliteWriter
from foundation.db.sqlite_engine import sqlite_engine
from foundation.db.testing import create_tables
from foundation.encryption import FieldCipher, KeyRing
from foundation.ids import SystemIds
from foundation.outbox import publish
from vocabulary.call_id import new_call_id
from vocabulary.events import CallClaimed

CALLERS = 20
ENTRIES = 20_000
BULK_ROWS = 100

tables = MetaData()
entry = Table(
    "bench_entry",
    tables,
    Column("id", Integer, primary_key=True),
    Column("rm_id", Integer, nullable=False),
    Column("state", String(10), nullable=False),
    Column("position", Integer, nullable=False),
    Index(None, "rm_id", "state", "position"),
)
call = Table(
    "bench_call",
    tables,
    Column("call_id", String(8), primary_key=True),
    Column("entry_id", Integer, nullable=False),
    Column("rm_id", Integer, nullable=False),
)
IDS = SystemIds()


def fill(conn: Connection) -> None:
    create_tables(conn)
    tables.create_all(conn)
    rows = [{"rm_id": n % CALLERS, "state": "pending", "position": n} for n in range(ENTRIES)]
    conn.execute(insert(entry), rows)


def claim(conn: Connection, rm_id: int) -> None:
    mine = (entry.c.rm_id == rm_id) & (entry.c.state == "pending")
    taken = claim_one(conn, entry, mine, [entry.c.position, entry.c.id], {"state": "leased"})
    assert taken is not None
    call_id = new_call_id(IDS)
    conn.execute(insert(call).values(call_id=call_id, entry_id=taken.id, rm_id=rm_id))
    at = datetime.now(UTC)
    publish(conn, IDS, CallClaimed(at=at, call_id=call_id, campaign_id=1, customer_id=taken.id, rm_id=rm_id))


def import_rows(conn: Connection, first: int) -> None:
    rows = [{"rm_id": -1, "state": "pending", "position": first + n} for n in range(BULK_ROWS)]
    conn.execute(insert(entry), rows)


async def ours(path: Path, claims: int, *, importing: bool) -> tuple[float, list[float]]:
    """Claims a second, and each claim's time in ms."""
    db = SqliteWriter(path, clock=SystemClock())
    await db.write(fill)
    took_ms: list[float] = []

    async def caller(rm_id: int) -> None:
        for _ in range(claims):
            began = time.perf_counter()
            await db.write(claim, rm_id)
            took_ms.append((time.perf_counter() - began) * 1000)

    async def bulk() -> None:
        for first in itertools.count(0, BULK_ROWS):
            await db.write_bulk(import_rows, first)

    background = asyncio.create_task(bulk()) if importing else None
    began = time.perf_counter()
    await asyncio.gather(*(caller(rm_id) for rm_id in range(CALLERS)))
    per_s = CALLERS * claims / (time.perf_counter() - began)
    if background is not None:
        background.cancel()
    await db.close()
    return per_s, took_ms


def baseline(path: Path, claims: int) -> tuple[float, list[float]]:
    """The same with a connection and a COMMIT for each caller."""
    engine = sqlite_engine(path, busy_timeout_ms=60_000)
    with engine.begin() as conn:
        fill(conn)

    def caller(rm_id: int) -> list[float]:
        took_ms = []
        with engine.connect() as conn:
            for _ in range(claims):
                began = time.perf_counter()
                with conn.begin():
                    claim(conn, rm_id)
                took_ms.append((time.perf_counter() - began) * 1000)
        return took_ms

    began = time.perf_counter()
    with ThreadPoolExecutor(CALLERS) as pool:
        took_ms = [ms for times in pool.map(caller, range(CALLERS)) for ms in times]
    per_s = CALLERS * claims / (time.perf_counter() - began)
    engine.dispose()
    return per_s, took_ms


def micros(work: Callable[[int], object], times: int = 20_000) -> float:
    """Microseconds for one piece of work."""
    began = time.perf_counter()
    for n in range(times):
        work(n)
    return (time.perf_counter() - began) / times * 1e6


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks seam", description=__doc__)
    parser.add_argument("--claims", type=int, default=300, help="claims for each of the twenty callers")
    claims = parser.parse_args(argv).claims
    # On the disk the checkout is on: a temporary folder in memory would flatter the fsync.
    Path("build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="build") as folder:
        per_s, took_ms = asyncio.run(ours(Path(folder) / "ours.db", claims, importing=False))
        base_per_s, base_ms = baseline(Path(folder) / "baseline.db", claims // 4)
        _, busy_ms = asyncio.run(ours(Path(folder) / "busy.db", claims, importing=True))
    cipher = FieldCipher(KeyRing.create(IDS), IDS)
    sealed = cipher.seal("customer", "name", 1, "Maria da Silva")
    return report(
        "seam",
        [
            Row(name="claims", unit="1/s", ours=per_s, baseline=base_per_s, limit=1000, better="more"),
            Row(
                name="claim p50",
                unit="ms",
                ours=percentile(took_ms, 0.5),
                baseline=percentile(base_ms, 0.5),
            ),
            Row(
                name="claim p99",
                unit="ms",
                ours=percentile(took_ms, 0.99),
                baseline=percentile(base_ms, 0.99),
                limit=40,
            ),
            Row(name="claim p99 while importing", unit="ms", ours=percentile(busy_ms, 0.99), limit=60),
            Row(
                name="seal a field",
                unit="µs",
                ours=micros(lambda n: cipher.seal("customer", "name", n, "Maria da Silva")),
                limit=20,
            ),
            Row(
                name="open a field",
                unit="µs",
                ours=micros(lambda _n: cipher.open("customer", "name", 1, sealed)),
                limit=20,
            ),
            Row(
                name="blind a number",
                unit="µs",
                ours=micros(lambda n: cipher.blind("number", f"+351{n}")),
                limit=20,
            ),
        ],
    )
