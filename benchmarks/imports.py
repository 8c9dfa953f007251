# SPDX-License-Identifier: GPL-3.0-or-later
"""An import of sample customers: rows a second, memory, and what a call's write waits meanwhile.

The baseline adds customers the obvious way: each sealed on the spot and committed by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy import Connection, func, select

import dialer.tables  # the tables calls are written to
from benchmarks.results import Row, percentile, report
from crm import customers
from crm.imports.importer import run_import
from crm.imports.mapping import shipped
from crm.imports.rows import RowReader
from crm.records import NewCustomer
from crm.sample import COLUMNS, rows, write_csv
from crm.tables import customer
from foundation.clock import SystemClock
from foundation.db.sqlite import SqliteWriter
from foundation.db.testing import create_tables
from foundation.encryption import FieldCipher, KeyRing
from foundation.ids import SystemIds

IDS = SystemIds()
RING = KeyRing.create(IDS)
TODAY = datetime(2026, 1, 7, tzinfo=UTC)
BASELINE_ROWS = 500


def halt(conn: Connection, now: datetime) -> None:
    """A small write of the kind calls make."""
    conn.execute(dialer.tables.halt.insert().values(at=now, actor="bench", reason="bench"))


async def ours(folder: Path, count: int) -> tuple[float, list[float]]:
    """Rows a second, and the times in ms of calls' writes in between."""
    path, clock = folder / "customers.csv", SystemClock()
    write_csv(path, count, random.Random(7), TODAY.date())
    db = SqliteWriter(folder / "ours.db", clock=clock)
    await db.write(create_tables)
    waits_ms: list[float] = []

    async def calls() -> None:
        while True:
            began = time.perf_counter()
            await db.write(halt, clock.now())
            waits_ms.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(0.02)

    with ProcessPoolExecutor(1) as pool:
        calling = asyncio.create_task(calls())
        began = time.perf_counter()
        batch = await run_import(
            db,
            RING,
            path,
            shipped("plain"),
            clock=clock,
            executor=pool,
            work_dir=folder,
            errors_path=folder / "errors.csv",
        )
        per_s = count / (time.perf_counter() - began)
        calling.cancel()
    assert batch.added == count, batch
    await db.close()
    return per_s, waits_ms


async def baseline(folder: Path) -> float:
    """Rows a second, one by one."""
    db = SqliteWriter(folder / "baseline.db", clock=SystemClock())
    await db.write(create_tables)
    cipher, reader = FieldCipher(RING, IDS), RowReader(shipped("plain"), COLUMNS)
    made = [
        reader.read(list(row.values()), number, number)
        for number, row in enumerate(rows(BASELINE_ROWS, random.Random(7), TODAY.date()), start=1)
    ]
    began = time.perf_counter()
    for new in made:
        assert isinstance(new, NewCustomer)
        await db.write(customers.add, cipher, new, TODAY)
    per_s = BASELINE_ROWS / (time.perf_counter() - began)
    added = await db.read(lambda conn: conn.scalar(select(func.count()).select_from(customer)))
    assert added == BASELINE_ROWS
    await db.close()
    return per_s


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks imports", description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000, help="customers in the file")
    count = parser.parse_args(argv).rows
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    Path("build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="build") as folder:
        base_per_s = asyncio.run(baseline(Path(folder)))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        per_s, waits_ms = asyncio.run(ours(Path(folder), count))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return report(
        "imports",
        [
            Row(name="rows", unit="1/s", ours=per_s, baseline=base_per_s, limit=1000, better="more"),
            Row(name="a call's write meanwhile, p50", unit="ms", ours=percentile(waits_ms, 0.5)),
            Row(name="a call's write meanwhile, p99", unit="ms", ours=percentile(waits_ms, 0.99), limit=100),
            Row(name=f"memory grown over {count:,} rows", unit="MiB", ours=grown / 1024, limit=100),
            Row(name="memory of the worker", unit="MiB", ours=worker / 1024, limit=300),
        ],
    )
