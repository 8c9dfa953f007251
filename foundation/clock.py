# SPDX-License-Identifier: GPL-3.0-or-later
"""Time as a parameter: the wall clock and the monotonic one, and how to wait."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What time it is, twice over, and waiting for it to pass."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC: for records."""

    def monotonic(self) -> float:
        """Seconds that never go back: for durations and deadlines."""

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
