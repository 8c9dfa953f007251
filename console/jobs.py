# SPDX-License-Identifier: GPL-3.0-or-later
"""The long work the console asks for: imports, their undoing, filling lists. Handlers for ``foundation.jobs``.

Each can be killed and goes on when the job is claimed again: an import by its file's position, an undoing and
a filling of lists because doing them again does only the rest.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Coroutine, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from console import queries
from crm.errors import BadMapping
from crm.imports import mapping as mappings
from crm.imports.batches import Batch
from crm.imports.importer import run_import, undo_import
from crm.imports.mapping import Mapping as ImportMapping
from dialer.campaigns import find_campaign
from foundation.clock import Clock
from foundation.db.seam import Database
from foundation.encryption import KeyRing
from foundation.errors import DatabaseError
from foundation.jobs import Job, JobHandler, Report
from foundation.tasks import TaskOwner
from profiler.building import build_in_units

T = TypeVar("T")

IMPORT: Final = "import"
UNDO_IMPORT: Final = "undo_import"
BUILD_LISTS: Final = "build_lists"

REPORT_EVERY_S: Final = 1.0
_PAGE: Final = 5000
_MAPPING_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobParts:
    """What the handlers work with."""

    db: Database
    ring: KeyRing = field(repr=False)
    clock: Clock
    executor: Executor
    state_dir: Path


def job_handlers(parts: JobParts) -> Mapping[str, JobHandler]:
    """For ``foundation.jobs.JobRunner``."""
    work = _Work(parts)
    return {
        IMPORT: work.import_file,
        UNDO_IMPORT: work.undo,
        BUILD_LISTS: work.build_lists,
    }


def uploads_folder(state_dir: Path) -> Path:
    """Where uploaded files wait for their job. They hold customers in clear: 0700."""
    return state_dir / "uploads"


def find_mapping(state_dir: Path, name: str) -> ImportMapping:
    """The installation's own mapping ``<state folder>/mappings/<name>.toml``, or the shipped one of that name.

    Raises:
        BadMapping: there is none, or it is wrong.
    """
    if not _MAPPING_NAME.fullmatch(name):
        raise BadMapping(f"{name!r} is no name of a mapping; nothing was imported.")
    own = state_dir / "mappings" / f"{name}.toml"
    return mappings.load(own) if own.exists() else mappings.shipped(name)


class _Work:
    def __init__(self, parts: JobParts) -> None:
        self._parts = parts

    async def import_file(self, job: Job, report: Report) -> None:
        """Payload: ``file`` (below the uploads folder) and ``mapping``. The file is removed at the end."""
        parts = self._parts
        path = uploads_folder(parts.state_dir) / job.payload["file"]
        latest: list[Batch] = []
        try:
            await _with_reports(
                run_import(
                    parts.db,
                    parts.ring,
                    path,
                    find_mapping(parts.state_dir, job.payload["mapping"]),
                    clock=parts.clock,
                    executor=parts.executor,
                    work_dir=path.parent,
                    errors_path=path.parent / "errors.csv",
                    on_progress=lambda batch: latest.__setitem__(slice(None), [batch]),
                ),
                report,
                lambda: _progress(latest[-1]) if latest else dict(job.progress),
            )
        except (DatabaseError, asyncio.CancelledError):
            # The job is claimed again and needs its file.
            raise
        except Exception:
            _remove(path.parent)
            raise
        _remove(path.parent)

    async def undo(self, job: Job, report: Report) -> None:
        """Payload: ``import_id``."""
        parts = self._parts
        await _with_reports(
            undo_import(
                parts.db,
                job.payload["import_id"],
                clock=parts.clock,
                touched=queries.customers_called_since,
                # Waiting entries of target lists go with their customers (profiler.tables.target_entry).
                release=lambda _conn, _ids: None,
            ),
            report,
            lambda: {"import_id": job.payload["import_id"]},
        )

    async def build_lists(self, job: Job, report: Report) -> None:
        """Payload: ``campaign_id``, and ``segment`` or ``import_id`` to narrow whom."""
        parts, payload = self._parts, job.payload
        campaign = await parts.db.read(find_campaign, int(payload["campaign_id"]))
        chosen: list[int] = []
        while page := await parts.db.read(
            queries.active_customers,
            after_id=chosen[-1] if chosen else 0,
            limit=_PAGE,
            segment=payload.get("segment"),
            import_id=payload.get("import_id"),
        ):
            chosen += page
        built = await _with_reports(
            build_in_units(parts.db, campaign.needs(), chosen, parts.clock.now(), parts.executor),
            report,
            lambda: {"customers": len(chosen)},
        )
        await report(
            {
                "customers": len(chosen),
                "entries": built.entries,
                "already_open": built.already_open,
                "already_finished": built.already_finished,
                "unplaced": {str(why): count for why, count in built.unplaced.items()},
            }
        )


async def _with_reports(work: Coroutine[Any, Any, T], report: Report, progress: Any) -> T:
    """Do ``work`` and report now and then, which renews the lease; a cancelled job ends the work."""
    owner = TaskOwner("job")
    task = owner.spawn(_caught(work), name="work")
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=REPORT_EVERY_S)
            await report(progress())
    finally:
        await owner.close()
    result, error = task.result()
    if error is not None:
        raise error
    assert result is not None
    return result


async def _caught(work: Coroutine[Any, Any, T]) -> tuple[T | None, Exception | None]:
    """What a file does wrong is the job's end, not a crash of the task."""
    try:
        return await work, None
    except Exception as error:
        return None, error


def _progress(batch: Batch) -> dict[str, Any]:
    return {
        "import_id": batch.batch_id,
        "state": str(batch.state),
        "bytes": batch.position.byte,
        "total_bytes": batch.total_bytes,
        "rows_read": batch.rows_read,
        "added": batch.added,
        "updated": batch.updated,
        "unchanged": batch.unchanged,
        "refused": batch.refused,
    }


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
