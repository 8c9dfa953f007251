# SPDX-License-Identifier: GPL-3.0-or-later
"""How often a person may be called: caps per local day and per span of days, least gap, quarantine.

A day is a calendar day at the *called person's* place, because that is how the person counts; a span of
seven days is today and the six days before. France allows four solicitations in 30 days (décret
2022-1313), Florida three in 24 rolling hours (Fla. Stat. 501.616(6)(b)), Ofcom asks for 72 hours of quiet
after an abandoned call unless an RM is guaranteed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from lawful.errors import BadPolicy
from lawful.verdicts import ALLOWED, Reason, Verdict, refused
from lawful.zones import known_zone, start_of_local_day


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One counted attempt to reach a person (``dispositions.Rule.counts_as_attempt``)."""

    at: datetime  #: aware; when it was dialed
    abandoned: bool = False  #: the person answered and no RM was there


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """The most attempts in each span, None for no cap; gaps in seconds."""

    per_day: int | None = 3
    per_24_hours: int | None = None
    per_7_days: int | None = None
    per_30_days: int | None = 10
    min_gap_s: int = 0
    quarantine_after_abandoned_s: int = 72 * 3600

    def __post_init__(self) -> None:
        for name in ("per_day", "per_24_hours", "per_7_days", "per_30_days"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise BadPolicy(f"{name} is {value}; a cap is a whole number from 0, or absent.")
        if self.min_gap_s < 0 or self.quarantine_after_abandoned_s < 0:
            raise BadPolicy("The gap and the quarantine are seconds from 0.")


def verdict(
    caps: Caps,
    attempts: Sequence[Attempt],
    now: datetime,
    zone: str | None,
    *,
    rm_guaranteed: bool = False,
) -> Verdict:
    """Whether one more attempt is allowed now.

    ``attempts``: all counted attempts to this person *and* on this number, in any order. An attempt later
    than ``now`` (a clock was set back) counts as made. ``rm_guaranteed`` lifts the quarantine: an RM is
    reserved before dialing, as in manual, preview and progressive modes.

    With several objections the one that opens last speaks.
    """
    place = known_zone(zone)
    if place is None:
        return refused(
            Reason.ZONE_UNKNOWN, "The customer's time zone is not known, so days cannot be counted."
        )
    made = sorted(attempts, key=lambda attempt: attempt.at)
    objections = [
        *_gaps(caps, made, now, rm_guaranteed=rm_guaranteed),
        *_rolling_day(caps, made, now),
        *_spans(caps, made, now, place),
    ]
    never = [objection for objection in objections if objection.opens_at is None]
    if never:
        return never[0]
    return max(objections, key=lambda objection: objection.opens_at or now, default=ALLOWED)


def _gaps(caps: Caps, made: list[Attempt], now: datetime, *, rm_guaranteed: bool) -> list[Verdict]:
    objections = []
    if made and now < (free := made[-1].at + timedelta(seconds=caps.min_gap_s)):
        objections.append(refused(Reason.TOO_SOON, "The last attempt was too short a time ago.", free))
    abandoned = [attempt.at for attempt in made if attempt.abandoned]
    if abandoned and not rm_guaranteed:
        free = abandoned[-1] + timedelta(seconds=caps.quarantine_after_abandoned_s)
        if now < free:
            sentence = "The customer answered before and found no RM; only an RM who waits may call."
            objections.append(refused(Reason.QUARANTINED, sentence, free))
    return objections


def _rolling_day(caps: Caps, made: list[Attempt], now: datetime) -> list[Verdict]:
    cap = caps.per_24_hours
    if cap is None:
        return []
    day = timedelta(hours=24)
    recent = [attempt.at for attempt in made if attempt.at > now - day]
    if len(recent) < cap:
        return []
    opens_at = recent[len(recent) - cap] + day if cap else None
    return [refused(Reason.CAP_REACHED, _sentence(len(recent), cap, "24 hours"), opens_at)]


def _spans(caps: Caps, made: list[Attempt], now: datetime, place: ZoneInfo) -> list[Verdict]:
    today = now.astimezone(place).date()
    days = [attempt.at.astimezone(place).date() for attempt in made]
    objections = []
    for cap, length, words in (
        (caps.per_day, 1, "one day"),
        (caps.per_7_days, 7, "7 days"),
        (caps.per_30_days, 30, "30 days"),
    ):
        if cap is None:
            continue
        counted = [day for day in days if day > today - timedelta(days=length)]
        if len(counted) < cap:
            continue
        opens_at = None
        if cap:
            # This attempt must have left the span before one more fits into it.
            leaving = counted[len(counted) - cap]
            opens_at = start_of_local_day(place, leaving + timedelta(days=length))
        objections.append(refused(Reason.CAP_REACHED, _sentence(len(counted), cap, words), opens_at))
    return objections


def _sentence(made: int, cap: int, span: str) -> str:
    return f"{made} attempts were made within {span}; {cap} are allowed."
