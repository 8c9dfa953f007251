# SPDX-License-Identifier: GPL-3.0-or-later
"""How often something may be asked: a token bucket per asker, in memory. Pure: time is passed in."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

ASKERS_KEPT: Final = 10_000
"""The asker not heard of for longest is forgotten first, so memory is bounded."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


class Throttle:
    """``burst`` at once, then ``per_minute`` of them, for each asker."""

    def __init__(self, *, burst: int, per_minute: float) -> None:
        self._burst = burst
        self._per_s = per_minute / 60
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, asker: str, now_s: float) -> int:
        """Take one token at monotonic time ``now_s``. 0: taken; otherwise the seconds until there is one."""
        bucket = self._buckets.pop(asker, None) or _Bucket(self._burst, now_s)
        bucket.tokens = min(self._burst, bucket.tokens + (now_s - bucket.at_s) * self._per_s)
        bucket.at_s = now_s
        self._buckets[asker] = bucket
        if len(self._buckets) > ASKERS_KEPT:
            self._buckets.popitem(last=False)
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0
        return math.ceil((1 - bucket.tokens) / self._per_s)
