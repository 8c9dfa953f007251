# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer every rule of this room gives: allowed or not, why, and when asking again may help."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """Why a rule says what it says; stable, for records and tests."""

    ALLOWED = "allowed"  #: no objection
    ZONE_UNKNOWN = "zone_unknown"  #: the called person's time zone is not known, so no hour is surely lawful
    OUTSIDE_HOURS = "outside_hours"  #: not an hour, or not a weekday, at which this place may be called
    HOLIDAY = "holiday"  #: a public holiday at the called person's place
    OUTSIDE_PREFERRED_HOURS = "outside_preferred_hours"  #: lawful, but not when this customer wants calls
    CAP_REACHED = "cap_reached"  #: as many attempts as the rules allow in this span of time
    TOO_SOON = "too_soon"  #: the least time between two attempts has not passed
    QUARANTINED = "quarantined"  #: an abandoned call came before; only a reserved RM may call now
    NOT_A_NUMBER = "not_a_number"  #: no E.164 number
    NOT_DIALABLE = (
        "not_dialable"  #: a kind of number nobody may dial from here (premium, satellite, short, ...)
    )
    UNKNOWN_NUMBER = "unknown_number"  #: no numbering plan knows it
    PREFIX_NOT_ALLOWED = "prefix_not_allowed"  #: its prefix is not on the allow-list
    OWN_NUMBER = "own_number"  #: one of our own caller IDs


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One rule's answer.

    ``opens_at`` is the first moment (aware UTC) at which this rule would allow it if nothing else
    changes; None when it allows now, or when waiting alone will never help.
    """

    allowed: bool
    reason: Reason
    sentence: str = ""
    opens_at: datetime | None = None


ALLOWED: Final = Verdict(allowed=True, reason=Reason.ALLOWED)


def refused(reason: Reason, sentence: str, opens_at: datetime | None = None) -> Verdict:
    """A refusal with its sentence for the screen."""
    return Verdict(allowed=False, reason=reason, sentence=sentence, opens_at=opens_at)
