# SPDX-License-Identifier: GPL-3.0-or-later
"""Progressive pacing: one customer for each free RM, and never one without."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.pacing.progressive import lines_to_dial
from dialer.pacing.snapshot import PacingSnapshot


@pytest.mark.parametrize(
    ("snapshot", "lines"),
    [
        (PacingSnapshot(free_rms=3, lines_left=10), 3),
        (PacingSnapshot(free_rms=3, lines_left=2), 2),
        (PacingSnapshot(free_rms=3, lines_left=-1), 0),
        (PacingSnapshot(free_rms=0, lines_left=10, busy_rm_ages_s=(5.0, 60.0)), 0),
        (PacingSnapshot(free_rms=3, lines_left=10, ringing_ages_s=(1.0,), waiting=1), 1),
        (PacingSnapshot(free_rms=1, lines_left=10, waiting=3), 0),
    ],
)
def test_lines_to_dial(snapshot: PacingSnapshot, lines: int) -> None:
    """As many as RMs who are free and not spoken for, within the cap."""
    assert lines_to_dial(snapshot) == lines


counts = st.integers(min_value=0, max_value=50)


@given(free=counts, left=st.integers(min_value=-5, max_value=50), ringing=counts, waiting=counts)
def test_an_answer_always_finds_an_rm(free: int, left: int, ringing: int, waiting: int) -> None:
    """What rings, what waits and what is dialed now never exceed the free RMs, nor the cap."""
    snapshot = PacingSnapshot(
        free_rms=free, lines_left=left, ringing_ages_s=(1.0,) * ringing, waiting=waiting
    )
    lines = lines_to_dial(snapshot)
    assert 0 <= lines <= max(0, left)
    assert lines == 0 or lines + ringing + waiting <= free
