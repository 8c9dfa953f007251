# SPDX-License-Identifier: GPL-3.0-or-later
"""How late the event loop is: the delay a call event would have seen."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from foundation.clock import Clock

EVERY_S: Final = 0.050
_BUCKET_MS: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class LagReport:
    """Delays since the report before, in milliseconds."""

    p99_ms: float
    max_ms: float
    samples: int


class LoopLag:
    """A probe: asks to be woken every 50 ms and notes how much later it was."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: Counter[int] = Counter()
        self._max_ms = 0.0

    async def run(self) -> None:
        """Probe until cancelled."""
        while True:
            due = self._clock.monotonic() + EVERY_S
            await self._clock.sleep(EVERY_S)
            self._note(max(0.0, self._clock.monotonic() - due) * 1000)

    def report(self) -> LagReport:
        """The figures so far; begins anew."""
        samples = self._buckets.total()
        report = LagReport(p99_ms=self._percentile(0.99, samples), max_ms=self._max_ms, samples=samples)
        self._buckets.clear()
        self._max_ms = 0.0
        return report

    def _note(self, lag_ms: float) -> None:
        self._buckets[int(lag_ms / _BUCKET_MS)] += 1
        self._max_ms = max(self._max_ms, lag_ms)

    def _percentile(self, share: float, samples: int) -> float:
        """The upper edge of the bucket in which the percentile falls, never above the maximum."""
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= share * samples:
                return min((bucket + 1) * _BUCKET_MS, self._max_ms)
        return 0.0
