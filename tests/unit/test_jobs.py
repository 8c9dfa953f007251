# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs: done once, resumed after a crash, stopped by a person, given up when they kill their process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from foundation import jobs
from foundation.clock import Clock
from foundation.db.inline import Inline
from foundation.db.testing import memory_database
from foundation.errors import DatabaseBusy
from foundation.jobs import LEASE_S, TRIES, Job, JobRunner, JobState, Report
from foundation.testing import MONDAY_TEN, VirtualClock, run_virtual


async def state_of(db: Inline, job_id: int) -> tuple[JobState, Mapping[str, Any], str | None]:
    found = await db.read(jobs.find, job_id)
    assert found is not None
    return found.state, found.progress, found.error


async def test_jobs_are_claimed_oldest_first_and_once(inline_db: Inline) -> None:
    """Of the kinds asked for."""
    first = await inline_db.write(jobs.enqueue, "import", {"file": "a"}, MONDAY_TEN)
    second = await inline_db.write(jobs.enqueue, "import", {"file": "b"}, MONDAY_TEN)
    await inline_db.write(jobs.enqueue, "report", {}, MONDAY_TEN)
    claims = [await inline_db.write(jobs.claim_job, ["import"], MONDAY_TEN) for _ in range(3)]
    assert [claim and (claim.id, claim.payload) for claim in claims] == [
        (first, {"file": "a"}),
        (second, {"file": "b"}),
        None,
    ]


async def test_a_job_whose_process_died_is_claimed_again_with_its_progress(inline_db: Inline) -> None:
    """Once its lease ran out, which every progress report renews."""
    job_id = await inline_db.write(jobs.enqueue, "import", {}, MONDAY_TEN)
    await inline_db.write(jobs.claim_job, ["import"], MONDAY_TEN)
    reported = MONDAY_TEN + timedelta(seconds=LEASE_S / 2)
    assert await inline_db.write(jobs.progress, job_id, {"rows": 500}, reported)
    assert (
        await inline_db.write(jobs.claim_job, ["import"], MONDAY_TEN + timedelta(seconds=LEASE_S + 1)) is None
    )
    again = await inline_db.write(jobs.claim_job, ["import"], reported + timedelta(seconds=LEASE_S + 1))
    assert again is not None
    assert (again.id, again.progress, again.tries) == (job_id, {"rows": 500}, 2)


async def test_a_job_that_kills_its_process_again_and_again_is_given_up(inline_db: Inline) -> None:
    """It fails instead of being tried for ever."""
    job_id, now = await inline_db.write(jobs.enqueue, "import", {}, MONDAY_TEN), MONDAY_TEN
    for _ in range(TRIES):
        assert await inline_db.write(jobs.claim_job, ["import"], now) is not None
        now += timedelta(seconds=LEASE_S + 1)
    assert await inline_db.write(jobs.claim_job, ["import"], now) is None
    assert (await state_of(inline_db, job_id))[0] is JobState.FAILED


class Worker:
    """A handler that counts to three, and fails if told to."""

    def __init__(self, clock: Clock, error: Exception | None = None) -> None:
        self.clock = clock
        self.error = error
        self.begun_at: list[int] = []

    async def __call__(self, job: Job, report: Report) -> None:
        done = job.progress.get("steps", 0)
        self.begun_at.append(done)
        for step in range(done + 1, 4):
            await self.clock.sleep(10)
            if self.error is not None and step == 2:
                error, self.error = self.error, None
                raise error
            await report({"steps": step})


def test_a_runner_works_through_the_queue() -> None:
    """One job after the other, to the end."""

    async def story() -> None:
        db, clock = await memory_database(), VirtualClock()
        runner = JobRunner(db, clock, {"count": Worker(clock)})
        runner.start()
        ids = [await db.write(jobs.enqueue, "count", {}, clock.now()) for _ in range(2)]
        runner.wake()
        await asyncio.sleep(65)
        for job_id in ids:
            assert await state_of(db, job_id) == (JobState.DONE, {"steps": 3}, None)
        await runner.close()

    run_virtual(story())


def test_a_handler_that_raises_fails_its_job_with_the_error() -> None:
    """What it had done stays noted; the next job is worked on."""

    async def story() -> None:
        db, clock = await memory_database(), VirtualClock()
        runner = JobRunner(db, clock, {"count": Worker(clock, ValueError("line 7 is no customer"))})
        runner.start()
        ids = [await db.write(jobs.enqueue, "count", {}, clock.now()) for _ in range(2)]
        await asyncio.sleep(90)
        assert await state_of(db, ids[0]) == (
            JobState.FAILED,
            {"steps": 1},
            "ValueError: line 7 is no customer",
        )
        assert (await state_of(db, ids[1]))[0] is JobState.DONE
        await runner.close()

    run_virtual(story())


def test_a_database_in_trouble_is_not_the_jobs_fault() -> None:
    """It is taken up again where it was."""

    async def story() -> None:
        db, clock = await memory_database(), VirtualClock()
        worker = Worker(clock, DatabaseBusy("busy, on purpose"))
        runner = JobRunner(db, clock, {"count": worker})
        job_id = await db.write(jobs.enqueue, "count", {}, clock.now())
        runner.start()
        await asyncio.sleep(3 * LEASE_S)
        assert await state_of(db, job_id) == (JobState.DONE, {"steps": 3}, None)
        assert worker.begun_at == [0, 1]
        await runner.close()

    run_virtual(story())


def test_a_cancelled_job_stops_at_its_next_report() -> None:
    """What it did until then stays; cancelling what is over does nothing."""

    async def story() -> None:
        db, clock = await memory_database(), VirtualClock()
        runner = JobRunner(db, clock, {"count": Worker(clock)})
        job_id = await db.write(jobs.enqueue, "count", {}, clock.now())
        runner.start()
        await asyncio.sleep(15)
        assert await db.write(jobs.cancel, job_id, clock.now())
        await asyncio.sleep(60)
        assert await state_of(db, job_id) == (JobState.CANCELLED, {"steps": 1}, None)
        assert not await db.write(jobs.cancel, job_id, clock.now())
        await runner.close()

    run_virtual(story())
