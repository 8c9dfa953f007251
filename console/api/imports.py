# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports of customers: upload a file, see how far it is, fetch the lines that were refused, undo it."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
from datetime import datetime
from pathlib import Path
from typing import Final

from aiohttp import web
from pydantic import Field
from sqlalchemy import Connection

from console.api.models import Started
from console.ask import Ask
from console.errors import NotThere, WrongInput
from console.jobs import IMPORT, UNDO_IMPORT, find_mapping, uploads_folder
from console.routes import Asked, Media, Routes, Told
from crm.imports.batches import Batch, ImportState, list_batches, problems_after, read_batch
from crm.imports.values import Problem
from foundation import jobs

routes = Routes("imports")

LARGEST: Final = 4 << 30
"""Bytes of an upload at most."""
_ERRORS_PAGE: Final = 1000
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")


class UploadAsked(Asked):
    """How to read the file that is the request's body, as it is or gzipped."""

    mapping: str = Field(
        description="Name of a mapping: shipped (`plain`, `uci_bank`) or of this installation."
    )
    name: str = Field(default="customers.csv", max_length=100, description="The file's name, for the record.")


class ImportShown(Told):
    """An import as it stands. `refused` counts lines of the error list, the others count rows."""

    id: int
    state: ImportState
    file_name: str
    started_at: datetime
    finished_at: datetime | None
    bytes_read: int
    total_bytes: int
    rows_read: int
    added: int
    updated: int
    unchanged: int
    refused: int
    undone: int
    message: str | None


class ImportsShown(Told):
    """The newest imports first."""

    imports: list[ImportShown]


class JobShown(Told):
    """A job as it stands."""

    id: int
    kind: str
    state: jobs.JobState
    progress: dict[str, object]
    error: str | None


@routes.get("/imports", reply=ImportsShown)
async def imports(ask: Ask) -> ImportsShown:
    """The newest fifty imports."""
    return ImportsShown(imports=[_shown(batch) for batch in await ask.read(list_batches)])


@routes.post(
    "/imports",
    query=UploadAsked,
    uploads=("text/csv", "application/gzip", "application/octet-stream"),
    reply=Started,
    status=202,
)
async def upload(ask: Ask, query: UploadAsked) -> Started:
    """Import the customers of a CSV file, as a job; the file is the request's body."""
    parts = ask.parts
    find_mapping(parts.settings.state_dir, query.mapping)
    name = _UNSAFE.sub("_", Path(query.name).name).lstrip(".") or "customers.csv"
    now = parts.clock.now()
    folder = uploads_folder(parts.settings.state_dir) / parts.ids.event_id(now)
    try:
        await _receive(ask.request, folder, name)
        job_id = await ask.write(_enqueue, ask, f"{folder.name}/{name}", query.mapping, now)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    parts.wake_jobs()
    return Started(job=job_id)


@routes.get("/imports/{import_id}", reply=ImportShown)
async def show(ask: Ask) -> ImportShown:
    """How far an import is, and what became of its rows."""
    return _shown(await ask.read(read_batch, _number(ask.path("import_id"), "import")))


@routes.get("/imports/{import_id}/errors", media=Media.CSV)
async def errors(ask: Ask) -> web.StreamResponse:
    """The lines that were refused, as a CSV file: line, column, value (masked), message."""
    import_id = _number(ask.path("import_id"), "import")
    await ask.read(read_batch, import_id)
    response = web.StreamResponse(
        headers={"Content-Disposition": f'attachment; filename="import-{import_id}-errors.csv"'}
    )
    response.content_type = Media.CSV
    response.charset = "utf-8"
    await response.prepare(ask.request)
    await response.write(b"line,column,value,message\r\n")
    last: Problem | None = None
    while page := await ask.read(problems_after, import_id, last, _ERRORS_PAGE):
        await response.write(_as_csv(page))
        last = page[-1]
    await response.write_eof()
    return response


@routes.post("/imports/{import_id}/undo", reply=Started, status=202)
async def undo(ask: Ask) -> Started:
    """Take an import back, as a job; refused once one of its customers was called."""
    import_id = _number(ask.path("import_id"), "import")
    await ask.read(read_batch, import_id)
    job_id = await ask.write(_enqueue_undo, ask, import_id, ask.parts.clock.now())
    ask.parts.wake_jobs()
    return Started(job=job_id)


@routes.get("/jobs/{job}", reply=JobShown)
async def job(ask: Ask) -> JobShown:
    """How far a job is."""
    number = _number(ask.path("job"), "job")
    found = await ask.read(jobs.find, number)
    if found is None:
        raise NotThere(f"There is no job {number}.", reason="no_job")
    return JobShown(
        id=found.id, kind=found.kind, state=found.state, progress=dict(found.progress), error=found.error
    )


async def _receive(request: web.Request, folder: Path, name: str) -> None:
    """Write the body to a file only its owner can read, piece by piece: memory stays small."""
    file = _new_file(folder, name)
    size = 0
    try:
        async for piece in request.content.iter_any():
            size += len(piece)
            if size > LARGEST:
                raise WrongInput("The file is larger than 4 GiB; nothing was imported.", reason="too_large")
            os.write(file, piece)
    finally:
        os.close(file)
    if size == 0:
        raise WrongInput("The file is empty; nothing was imported.", reason="empty_file")


def _new_file(folder: Path, name: str) -> int:
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(mode=0o700)
    return os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def _enqueue(conn: Connection, ask: Ask, file: str, mapping: str, now: datetime) -> int:
    ask.record(conn, "import.start", f"file:{file.partition('/')[2]}", detail={"mapping": mapping})
    return jobs.enqueue(conn, IMPORT, {"file": file, "mapping": mapping}, now)


def _enqueue_undo(conn: Connection, ask: Ask, import_id: int, now: datetime) -> int:
    ask.record(conn, "import.undo", f"import:{import_id}")
    return jobs.enqueue(conn, UNDO_IMPORT, {"import_id": import_id}, now)


def _as_csv(page: list[Problem]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for problem in page:
        writer.writerow([problem.line, problem.column, problem.value_masked, problem.message])
    return text.getvalue().encode()


def _number(text: str, what: str) -> int:
    if not text.isdecimal() or len(text) > 15:
        raise NotThere(f"There is no {what} {text[:20]!r}.", reason=f"no_{what}")
    return int(text)


def _shown(batch: Batch) -> ImportShown:
    return ImportShown(
        id=batch.batch_id,
        state=batch.state,
        file_name=batch.file_name,
        started_at=batch.started_at,
        finished_at=batch.finished_at,
        bytes_read=batch.position.byte,
        total_bytes=batch.total_bytes,
        rows_read=batch.rows_read,
        added=batch.added,
        updated=batch.updated,
        unchanged=batch.unchanged,
        refused=batch.refused,
        undone=batch.undone,
        message=batch.message,
    )
