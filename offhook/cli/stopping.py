# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGTERM ends a command as Ctrl-C does: what it started is taken down in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def stopped_by_sigterm(work: Coroutine[Any, Any, T]) -> T:
    """Do ``work``; SIGTERM cancels it, and its own clean-up runs.

    Raises:
        asyncio.CancelledError: it was stopped.
    """
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await task
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
