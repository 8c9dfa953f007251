# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe of the event loop's lag."""

from __future__ import annotations

import asyncio
import contextlib

from foundation.loop_lag import LagReport, LoopLag


class LateClock:
    """Every sleep takes longer than asked, by the next of the given delays."""

    def __init__(self, delays_ms: list[float]) -> None:
        self._now = 0.0
        self._delays_ms = delays_ms

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if not self._delays_ms:
            raise asyncio.CancelledError
        self._now += seconds + self._delays_ms.pop(0) / 1000

    def now(self) -> None: ...


async def test_lag_is_what_a_wake_up_was_late_by() -> None:
    """The 99th percentile and the worst, since the report before."""
    lag = LoopLag(LateClock([1.0] * 990 + [7.0] * 9 + [120.0]))  # type: ignore[arg-type]
    with contextlib.suppress(asyncio.CancelledError):
        await lag.run()
    report = lag.report()
    assert report.samples == 1000
    assert 1.0 <= report.p99_ms <= 1.2
    assert 119.9 <= report.max_ms <= 120.1
    assert lag.report() == LagReport(p99_ms=0.0, max_ms=0.0, samples=0)
