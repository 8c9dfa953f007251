# SPDX-License-Identifier: GPL-3.0-or-later
"""Progressive pacing: one customer for each free RM, so a live answer always has one."""

from __future__ import annotations

from dialer.pacing.snapshot import PacingSnapshot


def lines_to_dial(snapshot: PacingSnapshot) -> int:
    """How many calls to place now: never more than RMs who are free and not spoken for."""
    spoken_for = len(snapshot.ringing_ages_s) + snapshot.waiting
    return max(0, min(snapshot.free_rms - spoken_for, snapshot.lines_left))
