# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs: long work asked for now and done apart from calls, like imports. Kept in the database, resumed after a crash.

A job is worked on under a lease that its progress reports renew. When a process dies its lease runs out and
the job is claimed again, so a handler must be able to go on from the last progress it reported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Row, and_, insert, or_, select, update

from foundation.clock import Clock
from foundation.db.dialect import claim_one
from foundation.db.seam import Database
from foundation.errors import DatabaseError, JobCancelled
from foundation.tables import job
from foundation.tasks import TaskOwner

log = structlog.get_logger(__name__)

LEASE_S: Final = 60.0
POLL_S: Final = 2.0
TRIES: Final = 5
"""A job whose process died so often is given up: it may be what kills it."""


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"  #: waits for its turn
    RUNNING = "running"  #: somebody works on it while the lease lasts
    DONE = "done"  #: finished (final)
    FAILED = "failed"  #: its handler raised; the error is kept (final)
    CANCELLED = "cancelled"  #: a person stopped it; what it did until then stays (final)


_OPEN: Final = (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job as the database has it."""

    id: int
    kind: str
    payload: Mapping[str, Any]
    state: JobState
    progress: Mapping[str, Any]
    error: str | None
    tries: int


def enqueue(conn: Connection, kind: str, payload: Mapping[str, Any], now: datetime) -> int:
    """Ask for a job; the answer is its id. ``payload`` is JSON without personal data."""
    row = insert(job).values(
        kind=kind, payload=dict(payload), state=JobState.QUEUED, progress={}, tries=0, created_at=now
    )
    job_id: int = conn.execute(row.returning(job.c.id)).scalar_one()
    return job_id


def find(conn: Connection, job_id: int) -> Job | None:
    row = conn.execute(select(job).where(job.c.id == job_id)).one_or_none()
    return None if row is None else _job(row)


def claim_job(conn: Connection, kinds: Sequence[str], now: datetime) -> Job | None:
    """Take the oldest job that waits or whose worker died; None: there is none. A job tried too often fails."""
    dead = and_(job.c.state == JobState.RUNNING, job.c.lease_until < now)
    conn.execute(
        update(job)
        .where(dead, job.c.tries >= TRIES)
        .values(state=JobState.FAILED, finished_at=now, error="Its process died again and again.")
    )
    row = claim_one(
        conn,
        job,
        and_(job.c.kind.in_(kinds), or_(job.c.state == JobState.QUEUED, dead)),
        [job.c.id],
        {"state": JobState.RUNNING, "lease_until": _lease(now), "tries": job.c.tries + 1},
    )
    return None if row is None else _job(row)


def progress(conn: Connection, job_id: int, done: Mapping[str, Any], now: datetime) -> bool:
    """Note how far a job is and renew its lease; False: it was cancelled and must stop."""
    changed = conn.execute(
        update(job)
        .where(job.c.id == job_id, job.c.state == JobState.RUNNING)
        .values(progress=dict(done), lease_until=_lease(now))
    )
    return changed.rowcount > 0


def finish(conn: Connection, job_id: int, now: datetime, error: str | None = None) -> None:
    """A job is over, well or with an error. One that was cancelled meanwhile stays cancelled."""
    state = JobState.DONE if error is None else JobState.FAILED
    conn.execute(
        update(job)
        .where(job.c.id == job_id, job.c.state == JobState.RUNNING)
        .values(state=state, error=error, finished_at=now, lease_until=None)
    )


def cancel(conn: Connection, job_id: int, now: datetime) -> bool:
    """Stop a job: one that runs stops at its next progress report. False: it was over already."""
    changed = conn.execute(
        update(job)
        .where(job.c.id == job_id, job.c.state.in_(_OPEN))
        .values(state=JobState.CANCELLED, finished_at=now, lease_until=None)
    )
    return changed.rowcount > 0


def _lease(now: datetime) -> datetime:
    return now + timedelta(seconds=LEASE_S)


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        payload=row.payload,
        state=JobState(row.state),
        progress=row.progress,
        error=row.error,
        tries=row.tries,
    )


Report = Callable[[Mapping[str, Any]], Awaitable[None]]
"""``await report({"rows": 1000})`` at least every ``LEASE_S`` / 2; raises ``JobCancelled``."""
JobHandler = Callable[[Job, Report], Awaitable[None]]
"""``await handler(job, report)``: goes on from ``job.progress``; heavy work belongs in worker processes."""


class JobRunner:
    """Claims jobs of the kinds it has handlers for and runs them, one at a time."""

    def __init__(self, db: Database, clock: Clock, handlers: Mapping[str, JobHandler]) -> None:
        self._db = db
        self._clock = clock
        self._handlers = handlers
        self._news = asyncio.Event()
        self._owner = TaskOwner("jobs")

    def start(self) -> None:
        self._owner.spawn(self._run(), name="runner")

    async def close(self) -> None:
        """Stop at once; a job at work is claimed again when its lease runs out."""
        await self._owner.close()

    def wake(self) -> None:
        """A job was enqueued: look now, not at the next poll."""
        self._news.set()

    async def _run(self) -> None:
        while True:
            self._news.clear()
            try:
                claimed = await self._db.write_bulk(claim_job, list(self._handlers), self._clock.now())
                if claimed is not None:
                    await self._work(claimed)
                    continue
            except DatabaseError as error:
                log.warning("jobs_wait_for_database", error=str(error))
            try:
                async with asyncio.timeout(POLL_S):
                    await self._news.wait()
            except TimeoutError:
                pass

    async def _work(self, claimed: Job) -> None:
        async def report(done: Mapping[str, Any]) -> None:
            if not await self._db.write_bulk(progress, claimed.id, done, self._clock.now()):
                raise JobCancelled(f"Job {claimed.id} was cancelled.")

        log.info("job_started", job_id=claimed.id, kind=claimed.kind, tries=claimed.tries)
        error: str | None = None
        try:
            await self._handlers[claimed.kind](claimed, report)
        except JobCancelled:
            log.info("job_cancelled", job_id=claimed.id, kind=claimed.kind)
            return
        except DatabaseError:
            # Not the job's fault: its lease runs out and it is claimed again.
            raise
        except Exception as failure:
            log.exception("job_failed", job_id=claimed.id, kind=claimed.kind)
            error = f"{type(failure).__name__}: {failure}"
        await self._db.write(finish, claimed.id, self._clock.now(), error)
        log.info("job_ended", job_id=claimed.id, kind=claimed.kind, error=error)
