# SPDX-License-Identifier: GPL-3.0-or-later
"""The same seed gives the same log, whatever the process: the ground the simulations stand on.

The story is told in processes of their own with different ``PYTHONHASHSEED``, because the order of sets is
what most often differs between two runs that should be equal.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import Connection, insert, select

from foundation import jobs
from foundation.commands import CommandBus
from foundation.db.inline import Inline
from foundation.db.testing import memory_database
from foundation.ids import SeededIds
from foundation.jobs import Job, JobRunner, Report
from foundation.outbox import Dispatcher, publish
from foundation.tables import audit_entry, outbox
from foundation.tasks import TaskOwner
from foundation.testing import VirtualClock, run_virtual
from vocabulary.call_id import new_call_id
from vocabulary.commands import Command, Halt, Reply
from vocabulary.events import Event, ListFinished

ROOT = Path(__file__).parents[2]
RMS = ("anna", "ben", "carl", "dora", "emil")
log = structlog.get_logger("story")


async def story(seed: int, *, careless: bool) -> None:
    """A quarter of an hour with five RMs, an outbox, commands, a job, and a database with latency."""
    ids, clock = SeededIds(seed), VirtualClock()
    latency = SeededIds(seed + 1)

    async def slow(_unit: str) -> None:
        await clock.sleep(latency.randrange(40) / 1000)

    db = await memory_database(before=slow)
    dispatcher = Dispatcher(db, {"log": consume, "notes": note}, clock)
    runner = JobRunner(db, clock, {"count": count})
    bus, owner = CommandBus(), TaskOwner("floor")
    bus.handle(Halt.kind, obey)
    dispatcher.start()
    runner.start()
    await db.write(jobs.enqueue, "count", {}, clock.now())
    for rm in set(RMS) if careless else RMS:
        owner.spawn(work(rm, db, bus, ids, clock), name=rm)
    await clock.sleep(900)
    await owner.close()
    await dispatcher.drained()
    await dispatcher.close()
    await runner.close()
    db.before = None
    for row in await db.read(everything):
        log.info("kept", row=str(row))
    await db.close()


async def work(rm: str, db: Inline, bus: CommandBus, ids: SeededIds, clock: VirtualClock) -> None:
    while True:
        call_id = new_call_id(ids)
        log.info("call", rm=rm, call_id=call_id, at=clock.monotonic())
        await clock.sleep(1 + ids.randrange(30))
        event = ListFinished(at=clock.now(), campaign_id=1, rm_id=RMS.index(rm))
        await db.write(publish, ids, event)
        reply = await bus.send(Halt(reason=call_id), key=call_id)
        log.info("reply", rm=rm, reply=reply.sentence)


async def obey(command: Command) -> Reply:
    await asyncio.sleep(0.01)
    return Reply(done=True, sentence=str(command))


async def count(job: Job, report: Report) -> None:
    for step in range(20):
        await asyncio.sleep(10)
        await report({"step": step, "job": job.id})


def consume(_conn: Connection, event_id: str, event: Event) -> None:
    log.info("consumed", event_id=event_id, content=str(event))


def note(conn: Connection, event_id: str, event: Event) -> None:
    columns = ("actor", "action", "subject", "reason", "prev_hash", "hash")
    number = int(hashlib.sha256(event_id.encode()).hexdigest()[:7], 16)
    values = {"chain": "notes", "number": number, "at": event.at, "detail": {}}
    conn.execute(insert(audit_entry).values(**values, **dict.fromkeys(columns, event_id)))


def everything(conn: Connection) -> list[Any]:
    return [
        row
        for table, key in ((outbox, outbox.c.seq), (audit_entry, audit_entry.c.id))
        for row in conn.execute(select(table).order_by(key)).all()
    ]


def log_hash(seed: int, *, careless: bool) -> tuple[str, int]:
    """The hash of everything logged, and how many events that was."""
    digest, lines = hashlib.sha256(), 0

    def absorb(_logger: Any, method: str, event: Any) -> str:
        nonlocal lines
        lines += 1
        digest.update(json.dumps({"method": method, **event}, default=repr).encode())
        raise structlog.DropEvent

    structlog.configure(processors=[absorb])
    run_virtual(story(seed, careless=careless))
    return digest.hexdigest(), lines


def in_a_process(seed: int, hash_seed: str, how: str = "careful") -> tuple[str, int]:
    """``log_hash`` in a process of its own."""
    told = subprocess.run(
        [sys.executable, __file__, str(seed), how],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    digest, lines = told.stdout.split()
    return digest, int(lines)


@pytest.fixture(scope="module")
def once() -> tuple[str, int]:
    """What seed 1 gives."""
    return in_a_process(1, "0")


def test_the_same_seed_gives_the_same_log_in_another_process(once: tuple[str, int]) -> None:
    """Though sets are ordered differently there."""
    assert in_a_process(1, "4711") == once
    assert once[1] > 500


def test_another_seed_gives_another_log(once: tuple[str, int]) -> None:
    """The hash does depend on what happens."""
    assert in_a_process(2, "0") != once


def test_walking_through_a_set_would_be_caught() -> None:
    """The same story with its RMs in a set differs from process to process."""
    assert len({in_a_process(1, hash_seed, "careless") for hash_seed in ("1", "2", "3")}) > 1


if __name__ == "__main__":
    print(*log_hash(int(sys.argv[1]), careless=sys.argv[2] == "careless"))
