# SPDX-License-Identifier: GPL-3.0-or-later
"""An import from end to end, and its undoing: workers prepare, this driver stages and applies in small units.

Killed at any moment, run again with the same file and mapping it goes on where it was: position and rows
move in one unit, so nothing is lost and nothing doubled. Nothing is applied before the whole file was read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Final, TypeVar

import structlog
from sqlalchemy import Connection

from crm.errors import ImportRefused, UndoRefused
from crm.imports import apply, batches, undo, worker
from crm.imports.batches import Batch, ImportState
from crm.imports.mapping import Mapping
from crm.imports.source import Position
from crm.imports.undo import Release, Touched
from crm.imports.worker import Inspection, Part, PreparedPart
from foundation.clock import Clock
from foundation.db.seam import Database
from foundation.encryption import KeyRing

T = TypeVar("T")
Progress = Callable[[Batch], None]
log = structlog.get_logger(__name__)

PART_RECORDS: Final = 100
UNIT_S: Final = 0.010  # what one unit of work may take; the calls' writes wait behind it
WATCH_S: Final = 0.25
_FIRST_UNIT_ROWS: Final = 20
_ERROR_PAGE: Final = 2000


async def run_import(
    db: Database,
    ring: KeyRing,
    path: Path,
    mapping: Mapping,
    *,
    clock: Clock,
    executor: Executor,
    work_dir: Path,
    errors_path: Path,
    on_progress: Progress = lambda _batch: None,
) -> Batch:
    """Import a CSV file (gzip too), or go on with an interrupted import of it.

    Args:
        ring: sealed with in the workers.
        executor: of worker processes (or threads).
        work_dir: where a gzip file is unpacked meanwhile.
        errors_path: the CSV file for lines that were refused; written if there are any.
        on_progress: called now and then (every ``WATCH_S`` at most), and at the end.

    Raises:
        ImportRefused: the file cannot be imported; nothing of it was.
        ImportBusy: somebody imports the same file at the same time; theirs goes on.
        DatabaseError: the import stands where it was; run it again.
    """
    loop = asyncio.get_running_loop()
    inspection = await loop.run_in_executor(executor, worker.inspect, path, mapping, work_dir)
    batch = await db.write_bulk(
        batches.open_batch, inspection, path.name, mapping.file.source, mapping.digest(), clock.now()
    )
    pace, watch = _Pace(clock), _Watch(db, clock, batch.batch_id, on_progress)
    try:
        if batch.state is ImportState.STAGING:
            batch = await _stage_all(db, ring, inspection, mapping, batch, clock, executor, watch)
    except ImportRefused as error:
        await _refuse(db, batch, str(error), clock, pace)
        raise
    finally:
        if inspection.file.path != path:
            # It holds customers in clear, and is unpacked again should the import go on another time.
            await loop.run_in_executor(executor, worker.remove, inspection.file.path)
    while await pace.run(db, apply.apply_some, batch.batch_id, clock.now()):
        await watch.look()
    batch = await db.read(batches.read_batch, batch.batch_id)
    await write_error_file(db, batch.batch_id, errors_path, executor)
    on_progress(batch)
    log.info("import_finished", batch_id=batch.batch_id, added=batch.added, refused=batch.refused)
    return batch


async def undo_import(
    db: Database, batch_id: int, *, clock: Clock, touched: Touched, release: Release
) -> Batch:
    """Take an import back; see ``crm.imports.undo``.

    Raises:
        UndoRefused: one of its customers was dealt with, or a later import changed one. Nothing was changed.
    """
    pace = _Pace(clock)
    batch = await db.write_bulk(undo.begin, batch_id, clock.now())
    last: int | None = 0
    while last is not None:
        last, objection = await db.read(undo.check_some, batch, last, 500, touched)
        if objection:
            await db.write_bulk(undo.give_up, batch_id, clock.now())
            raise UndoRefused(f"Import {batch_id} cannot be undone. {objection}")
    while await pace.run(db, undo.restore_some, batch_id, clock.now()):
        pass
    while await pace.run(db, undo.remove_some, batch_id, release):
        pass
    while await pace.run(db, batches.drop_staged, batch_id):
        pass
    return await db.write_bulk(batches.move, batch_id, ImportState.UNDONE, clock.now())


async def write_error_file(db: Database, batch_id: int, path: Path, executor: Executor) -> None:
    """Write what was refused as CSV; no file where nothing was. The file is whole when it appears."""
    loop = asyncio.get_running_loop()
    partial = path.with_name(path.name + ".part")
    last = None
    while page := await db.read(batches.problems_after, batch_id, last, _ERROR_PAGE):
        await loop.run_in_executor(executor, worker.write_errors, partial, page, last is None)
        last = page[-1]
    if last is not None:
        await loop.run_in_executor(executor, worker.finish_errors, partial, path)


async def _stage_all(
    db: Database,
    ring: KeyRing,
    inspection: Inspection,
    mapping: Mapping,
    batch: Batch,
    clock: Clock,
    executor: Executor,
    watch: _Watch,
) -> Batch:
    loop = asyncio.get_running_loop()

    def prepare(start: Position, rows_before: int) -> asyncio.Future[PreparedPart]:
        part = Part(
            file=inspection.file,
            mapping=mapping,
            columns=inspection.columns,
            start=start,
            rows_before=rows_before,
            records=PART_RECORDS,
        )
        return loop.run_in_executor(executor, worker.prepare, part, ring)

    start, rows_read = batch.position, batch.rows_read
    ahead = prepare(start, rows_read)
    try:
        while True:
            part = await ahead
            rows_read += part.records
            if not part.at_end:
                # One part is prepared while the one before it is written: memory holds two.
                ahead = prepare(part.after, rows_read)
            await db.write_bulk(batches.stage, batch.batch_id, start, part)
            await watch.look()
            start = part.after
            if part.at_end:
                break
    finally:
        ahead.cancel()
    return await db.write_bulk(batches.move, batch.batch_id, ImportState.APPLYING, clock.now())


async def _refuse(db: Database, batch: Batch, message: str, clock: Clock, pace: _Pace) -> None:
    # Staged rows go first: killed in between, the file is read on and refused again.
    while await pace.run(db, batches.drop_staged, batch.batch_id):
        pass
    await db.write_bulk(batches.move, batch.batch_id, ImportState.REFUSED, clock.now(), message=message)


class _Watch:
    """Tells how far an import is, seldom enough to cost nothing."""

    def __init__(self, db: Database, clock: Clock, batch_id: int, on_progress: Progress) -> None:
        self._db = db
        self._clock = clock
        self._batch_id = batch_id
        self._on_progress = on_progress
        self._next = clock.monotonic()

    async def look(self) -> None:
        if self._clock.monotonic() < self._next:
            return
        self._on_progress(await self._db.read(batches.read_batch, self._batch_id))
        self._next = self._clock.monotonic() + WATCH_S


class _Pace:
    """Sizes units so that each takes somewhat less than ``UNIT_S``, whatever the machine and the rows."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rows = _FIRST_UNIT_ROWS

    async def run(self, db: Database, fn: Callable[..., int], batch_id: int, *args: object) -> int:
        """Run ``fn(conn, batch_id, rows, *args)`` as one bulk unit; how many rows it did."""
        done, took_s = await db.write_bulk(self._timed, fn, batch_id, self._rows, *args)
        if took_s > 0.8 * UNIT_S:
            self._rows = max(1, int(self._rows * 0.6 * UNIT_S / took_s))
        elif done == self._rows and took_s < 0.5 * UNIT_S:
            self._rows = min(2 * self._rows, 2000)
        return done

    def _timed(
        self, conn: Connection, fn: Callable[..., int], batch_id: int, rows: int, *args: object
    ) -> tuple[int, float]:
        began = self._clock.monotonic()
        done = fn(conn, batch_id, rows, *args)
        return done, self._clock.monotonic() - began
