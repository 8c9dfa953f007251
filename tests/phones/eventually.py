# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for something that a phone, a PBX or a file will show: poll, with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

DEADLINE_S = 10.0
POLL_S = 0.05


async def eventually(
    holds: Callable[[], bool] | Callable[[], Awaitable[bool]], deadline_s: float = DEADLINE_S
) -> None:
    """Return as soon as ``holds()`` does; ``TimeoutError`` after ``deadline_s``."""
    async with asyncio.timeout(deadline_s):
        while True:
            answer = holds()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(POLL_S)
