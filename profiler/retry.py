# SPDX-License-Identifier: GPL-3.0-or-later
"""The next try: what a call's disposition and outcome mean for its list entry. Pure.

The waits are those of ``vocabulary.dispositions.RULES`` and ``vocabulary.outcomes.OUTCOME_RULES`` unless
a campaign has its own. Somebody who did not answer is tried at another hour, the one that suits them best
within a day; the law's hours and caps are checked apart, at every claim.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from profiler.errors import BadPolicy
from profiler.reach import Rates, Slot, Tallies, answer_rate, slot_of
from vocabulary.dispositions import RULES, Disposition
from vocabulary.outcomes import OUTCOME_RULES, Outcome
from vocabulary.states import EntryState

#: Nobody there at this hour: another hour is worth more than more tries at the same one.
ANOTHER_HOUR: Final = frozenset({Disposition.NO_ANSWER, Disposition.MACHINE})

_SEARCH_HOURS: Final = 24
#: What an hour of waiting costs, as a part of the chance of an answer: of two equal hours the sooner wins.
_WAITING_DISCOUNT: Final = 0.99
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """A campaign's own rules. A wait of None means no other try.

    Raises:
        BadPolicy: fewer than one attempt, a negative wait, or hours that are not within one day.
    """

    max_attempts: int = 6  #: calls that count, before the entry is exhausted
    waits_s: Mapping[Disposition, int | None] = field(default_factory=dict)
    first_hour: int = 9  #: tries moved to another hour start in first_hour <= hour < end_hour, local
    end_hour: int = 20

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise BadPolicy(
                f"A campaign must allow one attempt at least, not {self.max_attempts}; nothing was changed."
            )
        for disposition, wait_s in self.waits_s.items():
            if wait_s is not None and wait_s < 0:
                raise BadPolicy(f"The wait after {disposition} cannot be negative; nothing was changed.")
        if not 0 <= self.first_hour < self.end_hour <= 24:
            raise BadPolicy(
                f"Hours from {self.first_hour} to {self.end_hour} are not a part of one day;"
                " nothing was changed."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class NextTry:
    """What to do with an entry: the arguments of ``lists.settle``."""

    state: EntryState
    next_at: datetime | None  #: with PENDING only
    disposition: Disposition  #: after the outcome's correction, if there was one
    outcome: Outcome | None
    callback_at: datetime | None
    counted: bool  #: the call was an attempt


def decide(
    policy: RetryPolicy,
    disposition: Disposition,
    outcome: Outcome | None,
    attempts: int,
    now: datetime,
    zone: str | None,
    reach: Tallies,
    prior: Rates,
    callback_at: datetime | None = None,
) -> NextTry:
    """What a call that is over means for its entry.

    Args:
        attempts: the calls that counted before this one.
        now: when the call ended.
        zone: the customer's; without one the hour is not chosen, only waited for.
        callback_at: with the outcome CALLBACK, the time the customer asked for.
    """
    rule = None if outcome is None else OUTCOME_RULES[outcome]
    if rule is not None and rule.corrects_to is not None:
        disposition = rule.corrects_to
    counted = RULES[disposition].counts_as_attempt

    def next_try(
        state: EntryState, next_at: datetime | None = None, callback_at: datetime | None = None
    ) -> NextTry:
        return NextTry(
            state=state,
            next_at=next_at,
            disposition=disposition,
            outcome=outcome,
            callback_at=callback_at,
            counted=counted,
        )

    if rule is not None and rule.closes_entry:
        return next_try(EntryState.DONE)
    if rule is not None and rule.needs_callback_time and callback_at is not None:
        # A promise to the customer: the campaign's own cap does not break it.
        return next_try(EntryState.PENDING, callback_at, callback_at)
    if counted and attempts + 1 >= policy.max_attempts:
        return next_try(EntryState.EXHAUSTED)
    wait_s = _wait_s(policy, disposition, outcome)
    if wait_s is None:
        return next_try(EntryState.EXHAUSTED)
    earliest = now + timedelta(seconds=wait_s)
    if disposition in ANOTHER_HOUR:
        earliest = _another_hour(policy, now, earliest, zone, reach, prior)
    return next_try(EntryState.PENDING, earliest)


def _wait_s(policy: RetryPolicy, disposition: Disposition, outcome: Outcome | None) -> int | None:
    if disposition in policy.waits_s:
        return policy.waits_s[disposition]
    if disposition is Disposition.ANSWERED:
        # A talk is followed up by its outcome; one that gave none is looked at again after a day.
        rule = OUTCOME_RULES[outcome or Outcome.NO_OUTCOME]
        return rule.retry_after_s or 0
    if outcome is not None and OUTCOME_RULES[outcome].retry_after_s is not None:
        return OUTCOME_RULES[outcome].retry_after_s
    return RULES[disposition].retry_after_s


def _another_hour(
    policy: RetryPolicy,
    tried_at: datetime,
    earliest: datetime,
    zone: str | None,
    reach: Tallies,
    prior: Rates,
) -> datetime:
    """The best start for a try at or after ``earliest``, not at the hour of day just tried."""
    try:
        place = ZoneInfo(zone) if zone is not None else None
    except (ZoneInfoNotFoundError, ValueError):
        place = None
    if place is None:
        return earliest
    tried_hour = tried_at.astimezone(place).hour
    best: tuple[float, datetime] | None = None
    for waited_h, start in enumerate(_hour_starts(earliest, place)):
        local = start.astimezone(place)
        if local.hour == tried_hour or not policy.first_hour <= local.hour < policy.end_hour:
            continue
        slot: Slot = slot_of(local.weekday(), local.hour)
        worth = answer_rate(slot, reach, prior) * _WAITING_DISCOUNT**waited_h
        if best is None or worth > best[0]:
            best = (worth, start)
    return earliest if best is None else best[1]


def _hour_starts(earliest: datetime, place: ZoneInfo) -> list[datetime]:
    local = earliest.astimezone(place)
    into_hour = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    next_hour = earliest - into_hour + _HOUR
    return [earliest, *(next_hour + n * _HOUR for n in range(_SEARCH_HOURS))]
