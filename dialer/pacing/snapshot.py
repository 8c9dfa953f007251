# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pacing rule sees of a campaign at one moment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PacingSnapshot:
    """One campaign now. Ages in seconds."""

    free_rms: int  #: ready, phone heard, no call in hand
    busy_rm_ages_s: tuple[float, ...] = ()  #: time in state of RMs who talk or wrap up
    ringing_ages_s: tuple[float, ...] = ()  #: time since dialing of calls without an answer and without an RM
    waiting: int = 0  #: answered customers whom no RM has yet
    lines_left: int = 0  #: what caps on calls allow
