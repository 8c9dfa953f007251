# SPDX-License-Identifier: GPL-3.0-or-later
"""How often something may be asked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from console.throttle import ASKERS_KEPT, Throttle


def test_a_burst_then_its_rate() -> None:
    """Three at once, then one every two seconds."""
    throttle = Throttle(burst=3, per_minute=30)
    assert [throttle.take("anna", 0.0) for _ in range(4)] == [0, 0, 0, 2]
    assert throttle.take("anna", 1.0) == 1
    assert throttle.take("anna", 2.0) == 0
    assert throttle.take("anna", 2.0) == 2


def test_everybody_has_their_own() -> None:
    """One who asks too often holds up nobody else."""
    throttle = Throttle(burst=1, per_minute=1)
    assert throttle.take("anna", 0.0) == 0
    assert throttle.take("anna", 0.0) > 0
    assert throttle.take("ben", 0.0) == 0


def test_memory_is_bounded() -> None:
    """However many ask; who was not heard of for longest begins anew."""
    throttle = Throttle(burst=1, per_minute=1)
    for number in range(ASKERS_KEPT + 5):
        throttle.take(str(number), 0.0)
    assert len(throttle._buckets) == ASKERS_KEPT
    assert throttle.take("0", 0.0) == 0


@given(
    gaps=st.lists(st.floats(0, 30), min_size=1, max_size=60),
    burst=st.integers(1, 5),
    per_minute=st.integers(1, 120),
)
def test_never_more_than_burst_and_rate(gaps: list[float], burst: int, per_minute: int) -> None:
    """In any span that begins anywhere, and the wait it names is enough."""
    throttle = Throttle(burst=burst, per_minute=per_minute)
    now, taken = 0.0, []
    for gap in gaps:
        now += gap
        wait_s = throttle.take("anna", now)
        if wait_s == 0:
            taken.append(now)
        else:
            assert wait_s <= 60 / per_minute + 1
    for first, start in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= burst + (taken[last] - start) * per_minute / 60 + 1e-6
