# SPDX-License-Identifier: GPL-3.0-or-later
"""When people answer: hours at the customer's place, tallies of tries and answers, and the rate they suggest.

A single customer gives few tries, so the rate of an hour is shrunk towards that of all customers at that
hour, which is itself shrunk towards the rate over all hours: the mean of a Beta posterior each time,
(answers + strength * prior) / (tries + strength).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

HOURS_OF_DAY: Final = 24
_FIRST_WEEKEND_DAY: Final = 5  # Saturday, as datetime.weekday counts

#: What is believed before anything is known: one call in four is answered.
FIRST_GUESS: Final = 0.25
#: How many tries the belief is worth, at each level.
_ALL_HOURS_STRENGTH: Final = 20.0
_ONE_HOUR_STRENGTH: Final = 20.0
OWN_STRENGTH: Final = 4.0


class DayKind(StrEnum):
    """Days that differ in who is at home."""

    WORKDAY = "workday"  #: Monday to Friday
    WEEKEND = "weekend"  #: Saturday and Sunday


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """An hour of a kind of day, at the customer's place."""

    day: DayKind
    hour: int  #: 0 to 23


@dataclass(frozen=True, slots=True)
class Tally:
    """How often somebody was tried, and how often they answered."""

    tries: int = 0
    answers: int = 0


Tallies = Mapping[Slot, Tally]
Rates = Mapping[Slot, float]

NOBODY_TRIED: Final = Tally()
ALL_SLOTS: Final = tuple(Slot(day, hour) for day in DayKind for hour in range(HOURS_OF_DAY))


def slot_of(weekday: int, hour: int) -> Slot:
    """The slot of a local weekday (0 for Monday) and hour."""
    return Slot(DayKind.WEEKEND if weekday >= _FIRST_WEEKEND_DAY else DayKind.WORKDAY, hour)


def local_slot(zone: str | None, at: datetime) -> Slot | None:
    """The slot at a customer's place; None when the zone is not known."""
    if zone is None:
        return None
    try:
        local = at.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        return None
    return slot_of(local.weekday(), local.hour)


def prior_rates(everybody: Tallies) -> Rates:
    """The answer rate of every slot over all customers."""
    tries = sum(tally.tries for tally in everybody.values())
    answers = sum(tally.answers for tally in everybody.values())
    overall = _shrunk(Tally(tries, answers), FIRST_GUESS, _ALL_HOURS_STRENGTH)
    return {
        slot: _shrunk(everybody.get(slot, NOBODY_TRIED), overall, _ONE_HOUR_STRENGTH) for slot in ALL_SLOTS
    }


def answer_rate(slot: Slot, own: Tallies, prior: Rates) -> float:
    """The chance that this customer answers in this slot, from their own tallies and ``prior_rates``."""
    return _shrunk(own.get(slot, NOBODY_TRIED), prior[slot], OWN_STRENGTH)


def _shrunk(tally: Tally, prior: float, strength: float) -> float:
    return (tally.answers + strength * prior) / (tally.tries + strength)
