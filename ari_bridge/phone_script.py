# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test's phone does with a call: one script for the phones of ``FakeAsterisk`` and for scripted SIP peers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Script:
    """What a phone does with an INVITE, in this order; None means that the step is left out."""

    trying: bool = True
    progress_after_s: float | None = None  #: 183 with SDP
    ring_after_s: float | None = 0.0  #: 180
    final_after_s: float | None = None  #: None: never
    final: int = 200
    sdp_in_200: bool = True
    sends_audio: bool = True
    hang_up_after_s: float | None = None
    contact: str | None = None  #: for 302
    reason: str | None = None  #: a Reason header on the final response


def answers(
    after_s: float = 0.05,
    *,
    hang_up_after_s: float | None = None,
    sdp_in_200: bool = True,
    sends_audio: bool = True,
) -> Script:
    """A phone that rings and answers."""
    return Script(
        final_after_s=after_s, hang_up_after_s=hang_up_after_s, sdp_in_200=sdp_in_200, sends_audio=sends_audio
    )


def refuses(
    code: int,
    *,
    rings: bool = False,
    after_s: float = 0.05,
    contact: str | None = None,
    reason: str | None = None,
) -> Script:
    """A phone or trunk that gives a final response other than 200."""
    return Script(
        ring_after_s=0.0 if rings else None, final_after_s=after_s, final=code, contact=contact, reason=reason
    )
