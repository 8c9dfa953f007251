# SPDX-License-Identifier: GPL-3.0-or-later
"""Asterisk keeps its real-time priority, which it gives up when its watchdog program does not live."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from asterisk.lab import Lab
from asterisk.program import Program

CANARY = b"astcanary"


async def test_the_watchdog_of_the_real_time_priority_lives(
    lab: Lab, program: Program, until: Callable[..., Awaitable[object]]
) -> None:
    """Asterisk runs at real-time priority, and the ``astcanary`` that it started is alive and singing."""
    pid = lab.pbx.pid
    assert pid is not None
    assert os.sched_getscheduler(pid) == os.SCHED_RR
    assert (program.sbin / CANARY.decode()).exists()
    song = lab.pbx_spec.instance.run / "alt.asterisk.canary.tweet.tweet.tweet"
    await until(song.exists)
    assert await until(lambda: any(CANARY in command for command in commands_below(pid)))


def commands_below(pid: int) -> list[bytes]:
    """The command lines of the processes that ``pid`` started and that still run."""
    # A child is noted at the thread that started it.
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    children = [child for thread in threads for child in thread.read_text().split()]
    return [Path(f"/proc/{child}/cmdline").read_bytes() for child in children]
