# SPDX-License-Identifier: GPL-3.0-or-later
"""At which hours a person may be called: weekday windows in the *called person's* local time, and holidays.

A place whose time zone is not known may not be called at all. Windows are half open: 08:00-21:00 begins
at 08:00:00 and 21:00:00 is too late. The sample rule is that of the United States (16 CFR 310.4(c),
47 CFR 64.1200(c)(1): 8 a.m. to 9 p.m. at the called party's location), narrowed to no Sundays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import holidays

from lawful.errors import BadPolicy
from lawful.verdicts import ALLOWED, Reason, Verdict, refused
from lawful.zones import known_zone, local_instants

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMES: Final = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
_DAY_MIN: Final = 24 * 60
_LOOK_AHEAD_DAYS: Final = 370
_WINDOW: Final = re.compile(r"(\d\d):(\d\d)\s*-\s*(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Window:
    """A span of one local day in minutes since midnight: from ``opens_min``, before ``closes_min`` (1440: midnight)."""

    opens_min: int
    closes_min: int

    def __post_init__(self) -> None:
        if not 0 <= self.opens_min < self.closes_min <= _DAY_MIN:
            raise BadPolicy(
                "A window opens before it closes and stays within one day, from 00:00 to 24:00; "
                "write one that crosses midnight as two."
            )

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read ``08:00-21:00``.

        Raises:
            BadPolicy: not two times of one day.
        """
        match = _WINDOW.fullmatch(text.strip())
        if match is None or int(match[2]) > 59 or int(match[4]) > 59:
            raise BadPolicy(f"{text!r} is not a span of hours; write it like 08:00-21:00.")
        hour, minute, to_hour, to_minute = (int(group) for group in match.groups())
        return cls(opens_min=hour * 60 + minute, closes_min=to_hour * 60 + to_minute)

    def __str__(self) -> str:
        return f"{_clock(self.opens_min)}-{_clock(self.closes_min)}"

    def meets(self, other: Window) -> Window | None:
        """The part both have in common."""
        opens, closes = max(self.opens_min, other.opens_min), min(self.closes_min, other.closes_min)
        return Window(opens_min=opens, closes_min=closes) if opens < closes else None


ALWAYS: Final = Window(opens_min=0, closes_min=_DAY_MIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallingPolicy:
    """The hours rule of a campaign.

    ``weekly`` has seven entries, Monday first; an empty one is a closed day. ``national_holidays``: the
    public holidays of the called person's country (``home_country`` where theirs is not known) are
    closed; ``closed_days`` are closed everywhere.
    """

    weekly: tuple[tuple[Window, ...], ...]
    national_holidays: bool = True
    home_country: str | None = None
    closed_days: frozenset[date] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        if len(self.weekly) != len(WEEKDAYS):
            raise BadPolicy("A week has seven days, Monday first.")

    @classmethod
    def from_text(
        cls,
        week: Mapping[str, str | Sequence[str]],
        *,
        national_holidays: bool = True,
        home_country: str | None = None,
        closed_days: frozenset[date] = frozenset(),
    ) -> CallingPolicy:
        """Build one from ``{"mon-fri": "08:00-21:00", "sat": ["09:00-12:00", "14:00-18:00"]}``.

        Days left out are closed.

        Raises:
            BadPolicy: an unknown or doubled day, or a window that is none.
        """
        days: dict[int, tuple[Window, ...]] = {}
        for names, spans in week.items():
            listed = [spans] if isinstance(spans, str) else list(spans)
            for day in _days(names):
                if day in days:
                    raise BadPolicy(f"{WEEKDAYS[day]} is given twice in the hours.")
                days[day] = tuple(sorted(Window.parse(span) for span in listed))
        return cls(
            weekly=tuple(days.get(day, ()) for day in range(7)),
            national_holidays=national_holidays,
            home_country=home_country,
            closed_days=closed_days,
        )


SAMPLE_HOURS: Final[Mapping[str, str]] = {"mon-fri": "08:00-21:00", "sat": "08:00-20:00"}


def verdict(
    policy: CallingPolicy,
    zone: str | None,
    at: datetime,
    *,
    country: str | None = None,
    region: str | None = None,
    preferred: Window | None = None,
) -> Verdict:
    """Whether somebody at a place may be called at a moment.

    Args:
        zone: IANA name of the called person's time zone; None or unknown fails closed.
        at: aware.
        country, region: ISO 3166 country and its subdivision, for public holidays.
        preferred: when this customer wants calls; narrows the lawful hours, never widens them.
    """
    place = known_zone(zone)
    if place is None:
        return refused(
            Reason.ZONE_UNKNOWN, "The customer's time zone is not known, so no hour is surely lawful."
        )
    rule = _Rule(policy, country, region, preferred or ALWAYS)
    objection = rule.objection(at.astimezone(place))
    if objection is None:
        return ALLOWED
    reason, sentence = objection
    return refused(reason, sentence, _next_opening(rule, place, at))


@dataclass(frozen=True, slots=True)
class _Rule:
    policy: CallingPolicy
    country: str | None
    region: str | None
    preferred: Window

    def holiday(self, day: date) -> str | None:
        if day in self.policy.closed_days:
            return "a closed day"
        country = self.country or self.policy.home_country
        if not (self.policy.national_holidays and country):
            return None
        return national_holidays(country, self.region if self.country else None, day.year).get(day)

    def windows(self, day: date) -> tuple[Window, ...]:
        """What is open on a local day, preferred hours counted in."""
        if self.holiday(day) is not None:
            return ()
        lawful = self.policy.weekly[day.weekday()]
        return tuple(common for window in lawful if (common := window.meets(self.preferred)) is not None)

    def objection(self, local: datetime) -> tuple[Reason, str] | None:
        if self.open_at(local):
            return None
        shown = f"It is {local:%H:%M} there"
        name = self.holiday(local.date())
        if name is not None:
            return Reason.HOLIDAY, f"Today is {name} at the customer's place; no calls."
        lawful = self.policy.weekly[local.weekday()]
        if not lawful:
            return (
                Reason.OUTSIDE_HOURS,
                f"{shown}, and customers are not called on {_NAMES[local.weekday()]}.",
            )
        if any(_within(window, local) for window in lawful):
            return Reason.OUTSIDE_PREFERRED_HOURS, f"{shown}; the customer wants calls {self.preferred}."
        return (
            Reason.OUTSIDE_HOURS,
            f"{shown}; calls are allowed {', '.join(str(window) for window in lawful)}.",
        )

    def open_at(self, local: datetime) -> bool:
        return any(_within(window, local) for window in self.windows(local.date()))


def _next_opening(rule: _Rule, place: ZoneInfo, at: datetime) -> datetime | None:
    first = at.astimezone(place).date()
    for ahead in range(_LOOK_AHEAD_DAYS):
        day = first + timedelta(days=ahead)
        for instant in _openings(rule.windows(day), place, day):
            if instant > at and rule.open_at(instant.astimezone(place)):
                return instant
    return None


@lru_cache(maxsize=4096)
def _openings(windows: tuple[Window, ...], place: ZoneInfo, day: date) -> tuple[datetime, ...]:
    """Moments of a local day, in order, among which is every one at which a window opens."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=place)
    minutes: Iterable[int] = (window.opens_min for window in windows)
    if midnight.utcoffset() != (midnight + timedelta(days=1)).utcoffset():
        # The clock changes on this day: a window may begin in an hour that does not exist, or reopen in
        # one that comes twice. Two days a year every minute is a candidate.
        minutes = range(_DAY_MIN) if windows else ()
    return tuple(sorted(instant for minute in minutes for instant in local_instants(place, day, minute)))


@lru_cache(maxsize=256)
def national_holidays(country: str, region: str | None, year: int) -> Mapping[date, str]:
    """Public holidays of a country (and subdivision, if it is known) in a year; empty for an unknown country."""
    supported = holidays.list_supported_countries()
    code = country.upper()
    if code not in supported:
        return {}
    subdivision = region if region in supported[code] else None
    return dict(holidays.country_holidays(code, subdiv=subdivision, years=year))


def _within(window: Window, local: datetime) -> bool:
    return window.opens_min <= local.hour * 60 + local.minute < window.closes_min


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _days(names: str) -> range:
    first, _, last = names.strip().lower().partition("-")
    if first not in WEEKDAYS or (last or first) not in WEEKDAYS:
        raise BadPolicy(f"{names!r} is not a weekday or a span of them; write mon, or mon-fri.")
    days = range(WEEKDAYS.index(first), WEEKDAYS.index(last or first) + 1)
    if not days:
        raise BadPolicy(f"{names!r} runs backwards; write two spans.")
    return days
