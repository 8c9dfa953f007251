# SPDX-License-Identifier: GPL-3.0-or-later
"""The dialer's timers: the promise of 30 seconds, and the law's 15 seconds of ringing that come before it."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.timing import Timing

TIMING = Timing()
seconds = st.floats(min_value=0, max_value=60)


@pytest.mark.parametrize(
    ("ring_s", "rang_after_s", "ends_after_s"),
    [
        pytest.param(22.0, 0.5, 22.5, id="the campaign's ring time fits into the promise"),
        pytest.param(22.0, 10.0, 29.0, id="a slow trunk: ringing is cut to keep the promise"),
        pytest.param(22.0, 14.0, 29.0, id="exactly the lawful minimum is left"),
        pytest.param(22.0, 20.0, 35.0, id="slower still: the law beats the promise"),
        pytest.param(5.0, 0.5, 15.5, id="no campaign rings for less than the law's minimum"),
    ],
)
def test_ringing_ends(ring_s: float, rang_after_s: float, ends_after_s: float) -> None:
    """Wanted, promised or lawful: whichever rule bites decides."""
    timing = Timing(ring_s=ring_s)
    assert timing.ring_deadline(decided_at=100.0, rang_at=100.0 + rang_after_s) == 100.0 + ends_after_s


@given(seconds, seconds)
def test_nobody_rings_for_less_than_the_lawful_minimum(ring_s: float, rang_after_s: float) -> None:
    """Whatever a campaign wants and however slow the trunk is."""
    deadline = Timing(ring_s=ring_s).ring_deadline(decided_at=0.0, rang_at=rang_after_s)
    assert deadline >= rang_after_s + TIMING.ring_min_s
    assert deadline <= rang_after_s + max(TIMING.ring_min_s, ring_s)


@given(seconds)
def test_the_promise_is_kept_whenever_the_law_lets_it(rang_after_s: float) -> None:
    """A phone that rings soon enough has its answer, or its end, within 30 seconds of the decision."""
    deadline = TIMING.ring_deadline(decided_at=0.0, rang_at=rang_after_s)
    if rang_after_s + TIMING.ring_min_s <= TIMING.promise_s - TIMING.promise_margin_s:
        assert deadline < TIMING.promise_s


@given(seconds)
def test_the_backstop_comes_after_every_timer_of_ours(ring_s: float) -> None:
    """The PBX ends a call by itself only where the dialer is dead."""
    timing = Timing(ring_s=ring_s)
    latest = timing.ring_deadline(decided_at=0.0, rang_at=timing.setup_s)
    assert timing.backstop() > latest


@pytest.mark.parametrize(("failures", "wait_s"), [(1, 2.0), (2, 4.0), (4, 16.0), (5, 30.0), (5000, 30.0)])
def test_a_phone_is_called_again_ever_more_patiently(failures: int, wait_s: float) -> None:
    """Twice as long each time, up to half a minute, however long the phone is off."""
    assert TIMING.phone_retry_after_s(failures) == wait_s


def test_scaled_timers_keep_their_proportions() -> None:
    """Demonstrations run faster with every timer alike."""
    half = TIMING.scaled(0.5)
    assert all(getattr(half, field.name) == getattr(TIMING, field.name) / 2 for field in fields(Timing))
