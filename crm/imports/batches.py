# SPDX-License-Identifier: GPL-3.0-or-later
"""One import as a row: its state, how far it got, and staging what a worker prepared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from crm.errors import ImportBusy, NoSuchCustomer
from crm.imports.source import Position
from crm.imports.values import Problem
from crm.imports.worker import Inspection, PreparedPart
from crm.tables import import_batch, import_error, import_row
from vocabulary.errors import IllegalMove

log = structlog.get_logger(__name__)


class ImportState(StrEnum):
    """Where an import stands."""

    STAGING = "staging"  #: rows are read, checked and put aside; no customer is touched yet
    APPLYING = "applying"  #: staged rows become customers, some at a time
    DONE = "done"  #: every row is a customer or an error line
    REFUSED = "refused"  #: the file could not be read to its end; nothing of it was applied (final)
    UNDOING = "undoing"  #: its customers are being taken away; none of them may be called
    UNDONE = "undone"  #: nothing of it is left (final)


MOVES: Final[dict[ImportState, frozenset[ImportState]]] = {
    ImportState.STAGING: frozenset({ImportState.APPLYING, ImportState.REFUSED, ImportState.UNDOING}),
    ImportState.APPLYING: frozenset({ImportState.DONE, ImportState.UNDOING}),
    # Undoing goes back where a customer turns out to have been called.
    ImportState.DONE: frozenset({ImportState.UNDOING}),
    ImportState.UNDOING: frozenset({ImportState.UNDONE, ImportState.DONE, ImportState.APPLYING}),
    ImportState.REFUSED: frozenset(),
    ImportState.UNDONE: frozenset(),
}
_UNFINISHED: Final = (ImportState.STAGING, ImportState.APPLYING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """An import as it stands now. ``refused`` counts lines in the error file, the others count rows."""

    batch_id: int
    state: ImportState
    source: str
    file_name: str
    started_at: datetime
    finished_at: datetime | None
    position: Position
    total_bytes: int
    rows_read: int
    added: int
    updated: int
    unchanged: int
    refused: int
    undone: int
    message: str | None


def open_batch(
    conn: Connection, inspection: Inspection, file_name: str, source: str, mapping_digest: str, now: datetime
) -> Batch:
    """The unfinished import of the same file with the same mapping, to go on with; else a new one."""
    batch = import_batch.c
    found = conn.execute(
        _batches()
        .where(
            batch.file_digest == inspection.digest,
            batch.mapping_digest == mapping_digest,
            batch.state.in_(_UNFINISHED),
        )
        .order_by(batch.id)
        .limit(1)
    ).one_or_none()
    if found is not None:
        return _batch(found)
    batch_id = conn.scalar(
        insert(import_batch)
        .values(
            state=ImportState.STAGING,
            source=source,
            file_name=file_name,
            file_digest=inspection.digest,
            mapping_digest=mapping_digest,
            started_at=now,
            byte_position=inspection.data_begins.byte,
            line_position=inspection.data_begins.line,
            total_bytes=inspection.file.size,
        )
        .returning(batch.id)
    )
    assert batch_id is not None
    log.info("import_opened", batch_id=batch_id, bytes=inspection.file.size)
    return read_batch(conn, batch_id)


def read_batch(conn: Connection, batch_id: int) -> Batch:
    """An import as it stands.

    Raises:
        NoSuchCustomer: there is no such import.
    """
    row = conn.execute(_batches().where(import_batch.c.id == batch_id)).one_or_none()
    if row is None:
        raise NoSuchCustomer(f"There is no import {batch_id}.")
    return _batch(row)


def list_batches(conn: Connection, *, limit: int = 50) -> tuple[Batch, ...]:
    """The newest imports first."""
    return tuple(
        _batch(row) for row in conn.execute(_batches().order_by(import_batch.c.id.desc()).limit(limit))
    )


def stage(conn: Connection, batch_id: int, start: Position, part: PreparedPart) -> None:
    """Put a prepared part aside and move the position behind it, in one unit.

    Raises:
        ImportBusy: the part does not follow what is staged: somebody else imports, or undoes, the same file.
    """
    moved = conn.execute(
        update(import_batch)
        .where(
            import_batch.c.id == batch_id,
            import_batch.c.state == ImportState.STAGING,
            import_batch.c.byte_position == start.byte,
        )
        .values(
            byte_position=part.after.byte,
            line_position=part.after.line,
            rows_read=import_batch.c.rows_read + part.records,
        )
    )
    if moved.rowcount != 1:
        raise ImportBusy("This file is being imported or undone already; this second import changed nothing.")
    if part.rows:
        conn.execute(
            insert(import_row),
            [{"batch_id": batch_id, "line": line, "payload": payload} for line, payload in part.rows],
        )
    note_problems(conn, batch_id, part.problems)


def note_problems(conn: Connection, batch_id: int, problems: tuple[Problem, ...] | list[Problem]) -> None:
    """Keep what is wrong with lines, and count the lines."""
    if not problems:
        return
    conn.execute(
        insert(import_error),
        [
            {
                "batch_id": batch_id,
                "line": problem.line,
                "column_name": problem.column[:80],
                "value_masked": problem.value_masked,
                "message": problem.message,
            }
            for problem in {(problem.line, problem.column): problem for problem in problems}.values()
        ],
    )
    lines = len({problem.line for problem in problems})
    count(conn, batch_id, refused=lines)


def problems_after(conn: Connection, batch_id: int, last: Problem | None, limit: int) -> list[Problem]:
    """The next page of what is wrong, by line and column."""
    error = import_error.c
    query = select(error.line, error.column_name, error.value_masked, error.message).where(
        error.batch_id == batch_id
    )
    if last is not None:
        query = query.where(
            (error.line > last.line) | ((error.line == last.line) & (error.column_name > last.column))
        )
    return [
        Problem(line=row.line, column=row.column_name, value_masked=row.value_masked, message=row.message)
        for row in conn.execute(query.order_by(error.line, error.column_name).limit(limit))
    ]


def drop_staged(conn: Connection, batch_id: int, limit: int) -> int:
    """Take some staged rows away; how many there were to take."""
    row = import_row.c
    lines = list(
        conn.scalars(select(row.line).where(row.batch_id == batch_id).order_by(row.line).limit(limit))
    )
    if lines:
        conn.execute(delete(import_row).where(row.batch_id == batch_id, row.line <= lines[-1]))
    return len(lines)


def count(conn: Connection, batch_id: int, **more: int) -> None:
    """Add to a batch's counters."""
    values = {name: import_batch.c[name] + number for name, number in more.items() if number}
    if values:
        conn.execute(update(import_batch).where(import_batch.c.id == batch_id).values(**values))


def move(
    conn: Connection, batch_id: int, new: ImportState, now: datetime, *, message: str | None = None
) -> Batch:
    """Change the state of an import, and log it; every change comes through here.

    Raises:
        IllegalMove: there is no such move.
    """
    old = read_batch(conn, batch_id).state
    if new not in MOVES[old]:
        raise IllegalMove(f"Import {batch_id} cannot go from {old} to {new}.")
    values: dict[str, Any] = {"state": new, "message": message}
    if new not in (ImportState.APPLYING, ImportState.UNDOING):
        values["finished_at"] = now
    conn.execute(update(import_batch).where(import_batch.c.id == batch_id).values(**values))
    log.info("import_moved", batch_id=batch_id, old=old, new=new)
    return read_batch(conn, batch_id)


def _batches() -> Select[Any]:
    return select(import_batch)


def _batch(row: Row[Any]) -> Batch:
    return Batch(
        batch_id=row.id,
        state=ImportState(row.state),
        source=row.source,
        file_name=row.file_name,
        started_at=row.started_at,
        finished_at=row.finished_at,
        position=Position(row.byte_position, row.line_position),
        total_bytes=row.total_bytes,
        rows_read=row.rows_read,
        added=row.added,
        updated=row.updated,
        unchanged=row.unchanged,
        refused=row.refused,
        undone=row.undone,
        message=row.message,
    )
