# SPDX-License-Identifier: GPL-3.0-or-later
"""The dialer's timers in one place, in seconds, so that they can be scaled together.

The 30-second promise: from the RM's confirmation (or the dialer's decision) to *connected* or a definite
*not connected* in under ``promise_s``. Ringing lasts at least ``ring_min_s`` once it began: the law beats
the promise (47 CFR 64.1200(a)(6): at least 15 seconds or four rings).
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """All timers of the dialer, in seconds."""

    promise_s: float = 30.0
    #: Kept back from the promise for the hang-up itself to be done.
    promise_margin_s: float = 1.0
    ring_min_s: float = 15.0
    ring_s: float = 22.0
    #: Without Ringing or Progress for so long the trunk is too slow: ended before anybody hears it ring.
    setup_s: float = 8.0
    abandon_after_s: float = 2.0
    wrap_up_s: float = 60.0
    are_you_there_s: float = 20.0
    more_time_s: float = 60.0
    review_s: float = 300.0
    rm_answer_timeout_s: float = 8.0
    #: An RM's phone that went silent is given so long to be heard again before it is called anew.
    silence_grace_s: float = 6.0
    phone_retry_s: float = 2.0
    phone_retry_max_s: float = 30.0
    #: After our hang-up the leg must be reported gone within this; then the PBX is asked.
    goodbye_s: float = 3.0
    #: Slack added to the PBX's own last-resort time-out.
    backstop_s: float = 2.0
    #: How long a finished list or a closed window is left before it is looked at again.
    look_again_s: float = 5.0
    pace_every_s: float = 0.25
    lease_s: float = 600.0
    #: How long a call waits for a line or for the rate of a trunk that is full.
    full_trunk_s: float = 2.0

    def scaled(self, factor: float) -> Timing:
        """Every timer times ``factor``: for tests and demonstrations only."""
        return Timing(**{field.name: getattr(self, field.name) * factor for field in fields(self)})

    def ring_deadline(self, *, decided_at: float, rang_at: float) -> float:
        """When ringing ends, on the monotonic clock: the campaign's ring time, cut to keep the promise,
        never below the lawful minimum."""
        wanted = rang_at + self.ring_s
        promised = decided_at + self.promise_s - self.promise_margin_s
        return max(rang_at + self.ring_min_s, min(wanted, promised))

    def phone_retry_after_s(self, failures: int) -> float:
        """The wait before an RM's phone is called again, after so many failures in a row (1 or more)."""
        # The exponent is held: a phone that is off for a night has thousands of failures.
        return min(self.phone_retry_s * 2.0 ** min(failures - 1, 10), self.phone_retry_max_s)

    def backstop(self) -> float:
        """The PBX's own time-out for a dial, in seconds since the INVITE: later than any timer of ours."""
        return self.setup_s + max(self.ring_min_s, self.ring_s) + self.backstop_s
