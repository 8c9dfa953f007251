# SPDX-License-Identifier: GPL-3.0-or-later
"""Worker processes for whatever would hold the event loop: imports, matching, password hashing."""

from __future__ import annotations

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from typing import Final

JOBS_NICE: Final = 5
"""Niceness of long jobs: a busy machine slows them and not the calls."""


def worker_pool(nice: int, count: int = 1) -> ProcessPoolExecutor:
    """Worker processes of a niceness. They are started when there is something to do."""
    # Spawned, not forked: a fork of a process with threads and an event loop may inherit a held lock.
    return ProcessPoolExecutor(
        count, mp_context=multiprocessing.get_context("spawn"), initializer=_begin, initargs=(nice,)
    )


def _begin(nice: int) -> None:
    # A Ctrl-C in the terminal is for the main process, which then ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setpriority(os.PRIO_PROCESS, 0, nice)
