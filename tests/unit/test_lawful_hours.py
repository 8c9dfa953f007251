# SPDX-License-Identifier: GPL-3.0-or-later
"""Calling hours at the called place: weekdays, holidays, clock changes, preferred hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lawful.errors import BadPolicy
from lawful.hours import SAMPLE_HOURS, CallingPolicy, Window, verdict
from lawful.verdicts import Reason
from lawful.zones import known_zone, only_zone_of

LISBON = "Europe/Lisbon"
SAMPLE = CallingPolicy.from_text(SAMPLE_HOURS)


def local(zone: str, text: str, *, fold: int = 0) -> datetime:
    """A moment as clocks at a place show it."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def every_day(*windows: str) -> CallingPolicy:
    """The same windows on all seven days, no holidays."""
    return CallingPolicy.from_text({"mon-sun": list(windows)}, national_holidays=False)


@pytest.mark.parametrize(
    ("zone", "at", "reason", "opens"),
    [
        (LISBON, "2026-01-07T08:00", Reason.ALLOWED, None),
        (LISBON, "2026-01-07T20:59", Reason.ALLOWED, None),
        (LISBON, "2026-01-07T07:59", Reason.OUTSIDE_HOURS, "2026-01-07T08:00"),
        (LISBON, "2026-01-07T21:00", Reason.OUTSIDE_HOURS, "2026-01-08T08:00"),
        (LISBON, "2026-01-10T20:00", Reason.OUTSIDE_HOURS, "2026-01-12T08:00"),
        (LISBON, "2026-01-11T12:00", Reason.OUTSIDE_HOURS, "2026-01-12T08:00"),
        ("America/Los_Angeles", "2026-01-07T08:00", Reason.ALLOWED, None),
        ("Pacific/Kiritimati", "2026-01-07T21:30", Reason.OUTSIDE_HOURS, "2026-01-08T08:00"),
        ("Asia/Kolkata", "2026-01-07T07:30", Reason.OUTSIDE_HOURS, "2026-01-07T08:00"),
    ],
)
def test_hours_are_those_of_the_called_place(zone: str, at: str, reason: Reason, opens: str | None) -> None:
    """Windows are half open and counted in local time; a refusal says when it opens next."""
    found = verdict(SAMPLE, zone, local(zone, at))
    assert (found.allowed, found.reason) == (reason is Reason.ALLOWED, reason)
    assert found.opens_at == (None if opens is None else local(zone, opens))
    assert bool(found.sentence) is not found.allowed


def test_one_moment_is_open_here_and_closed_there() -> None:
    """The zone decides, not the machine's own clock."""
    noon_utc = datetime(2026, 1, 7, 12, 0, tzinfo=UTC)
    assert verdict(SAMPLE, LISBON, noon_utc).allowed
    assert not verdict(SAMPLE, "America/Los_Angeles", noon_utc).allowed


@pytest.mark.parametrize("zone", [None, "", "Europe/Atlantis", "localtime", "Factory", "../etc/passwd"])
def test_an_unknown_zone_fails_closed(zone: str | None) -> None:
    """Without a known zone no hour is lawful, and waiting does not help."""
    found = verdict(every_day("00:00-24:00"), zone, datetime(2026, 1, 7, 12, tzinfo=UTC))
    assert (found.allowed, found.reason, found.opens_at) == (False, Reason.ZONE_UNKNOWN, None)


# --- holidays -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("country", "home", "day", "open_"),
    [
        ("PT", None, "2026-04-25T12:00", False),  # Freedom Day, a Saturday
        ("DE", None, "2026-04-25T12:00", True),
        (None, "PT", "2026-04-25T12:00", False),
        ("DE", "PT", "2026-04-25T12:00", True),
        ("ZZ", None, "2026-04-25T12:00", True),
        (None, None, "2026-12-25T12:00", True),
    ],
)
def test_holidays_are_those_of_the_called_country(
    country: str | None, home: str | None, day: str, open_: bool
) -> None:
    """The customer's country decides; the home country stands in where it is not known."""
    policy = CallingPolicy.from_text(SAMPLE_HOURS, home_country=home)
    found = verdict(policy, LISBON, local(LISBON, day), country=country)
    assert found.allowed is open_
    if not open_:
        assert found.reason is Reason.HOLIDAY
        assert found.opens_at == local(LISBON, "2026-04-27T08:00")


def test_a_region_has_holidays_of_its_own() -> None:
    """Epiphany is a holiday in Bavaria and not in Berlin."""
    policy = CallingPolicy.from_text(SAMPLE_HOURS)
    noon = local("Europe/Berlin", "2026-01-06T12:00")
    assert not verdict(policy, "Europe/Berlin", noon, country="DE", region="BY").allowed
    assert verdict(policy, "Europe/Berlin", noon, country="DE", region="BE").allowed
    assert verdict(policy, "Europe/Berlin", noon, country="DE", region="nonsense").allowed


def test_closed_days_are_closed_everywhere() -> None:
    """A day named by the campaign is closed whatever the country."""
    policy = CallingPolicy.from_text(SAMPLE_HOURS, closed_days=frozenset({date(2026, 1, 7)}))
    found = verdict(policy, LISBON, local(LISBON, "2026-01-07T12:00"))
    assert (found.reason, found.opens_at) == (Reason.HOLIDAY, local(LISBON, "2026-01-08T08:00"))


# --- clock changes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("windows", "at", "opens"),
    [
        # Spring: 01:00 becomes 02:00 in Lisbon on 29 March 2026.
        (["01:30-03:00"], "2026-03-29T00:30", "2026-03-29T02:00"),
        (["01:15-01:45"], "2026-03-29T00:30", "2026-03-30T01:15"),
        (["08:00-21:00"], "2026-03-28T22:00", "2026-03-29T08:00"),
    ],
)
def test_clocks_set_forward(windows: list[str], at: str, opens: str) -> None:
    """A window that begins in the skipped hour begins when clocks first show an hour of it, or on another day."""
    found = verdict(every_day(*windows), LISBON, local(LISBON, at))
    assert found.opens_at == local(LISBON, opens)
    assert verdict(every_day(*windows), LISBON, found.opens_at).allowed


def test_clocks_set_back_open_the_repeated_hour_twice() -> None:
    """In Lisbon 01:00 to 02:00 comes twice on 25 October 2026: a window in it opens twice."""
    policy = every_day("01:30-02:00")
    first = local(LISBON, "2026-10-25T01:40", fold=0)
    assert verdict(policy, LISBON, first).allowed
    between = local(LISBON, "2026-10-25T01:10", fold=1)
    found = verdict(policy, LISBON, between)
    assert found.opens_at == local(LISBON, "2026-10-25T01:30", fold=1)


ZONES = st.sampled_from(
    [LISBON, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo", "Pacific/Apia"]
)
SPANS = st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(lambda pair: pair[0] < pair[1])
MOMENTS = st.datetimes(datetime(2011, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@settings(deadline=None)
@given(zone=ZONES, spans=st.lists(SPANS, max_size=2), moment=MOMENTS, days=st.sets(st.integers(0, 6)))
def test_the_opening_is_open_and_nothing_before_it_is(
    zone: str, spans: list[tuple[int, int]], moment: datetime, days: set[int]
) -> None:
    """What ``opens_at`` promises holds, and every moment looked at before it is closed."""
    windows = tuple(sorted(Window(opens_min=opens, closes_min=closes) for opens, closes in spans))
    policy = CallingPolicy(
        weekly=tuple(windows if day in days else () for day in range(7)), national_holidays=False
    )
    found = verdict(policy, zone, moment)
    if found.allowed:
        return
    if found.opens_at is None:
        assert not (windows and days)
        return
    assert found.opens_at > moment
    assert verdict(policy, zone, found.opens_at).allowed
    if (just_before := found.opens_at - timedelta(minutes=1)) >= moment:
        assert not verdict(policy, zone, just_before).allowed
    for step in range(1, 40):
        earlier = moment + (found.opens_at - moment) * step / 40
        assert not verdict(policy, zone, earlier).allowed


# --- preferred hours ----------------------------------------------------------------------------------


def test_preferred_hours_narrow_the_lawful_ones() -> None:
    """Inside the law but outside the customer's wish: refused until the wish begins."""
    wish = Window.parse("17:00-19:00")
    found = verdict(SAMPLE, LISBON, local(LISBON, "2026-01-07T12:00"), preferred=wish)
    assert (found.reason, found.opens_at) == (
        Reason.OUTSIDE_PREFERRED_HOURS,
        local(LISBON, "2026-01-07T17:00"),
    )
    assert verdict(SAMPLE, LISBON, local(LISBON, "2026-01-07T18:00"), preferred=wish).allowed


def test_preferred_hours_never_widen_the_lawful_ones() -> None:
    """A customer who wants calls at 06:00 only is never called."""
    found = verdict(SAMPLE, LISBON, local(LISBON, "2026-01-07T06:30"), preferred=Window.parse("06:00-07:00"))
    assert (found.reason, found.opens_at) == (Reason.OUTSIDE_HOURS, None)


# --- writing a policy down ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("week", "complaint"),
    [
        ({"mon": "21:00-08:00"}, "crosses midnight"),
        ({"mon": "8-21"}, "08:00-21:00"),
        ({"mon": "08:00-24:01"}, "00:00 to 24:00"),
        ({"mon": "08:75-21:00"}, "08:00-21:00"),
        ({"monday": "08:00-21:00"}, "monday"),
        ({"fri-mon": "08:00-21:00"}, "backwards"),
        ({"mon-fri": "08:00-21:00", "wed": "09:00-12:00"}, "wed is given twice"),
    ],
)
def test_a_wrong_policy_says_what_is_wrong(week: dict[str, str], complaint: str) -> None:
    """Mistakes are refused when the policy is read, in words that name them."""
    with pytest.raises(BadPolicy, match=complaint):
        CallingPolicy.from_text(week)


@pytest.mark.parametrize(
    ("country", "zone"),
    [("PT", None), ("IE", "Europe/Dublin"), ("IN", "Asia/Kolkata"), ("US", None), ("", None), (None, None)],
)
def test_a_country_hints_at_a_zone_only_if_it_has_one(country: str | None, zone: str | None) -> None:
    """Portugal has the Azores, the United States have many zones: no hint, so no calls until it is known."""
    assert only_zone_of(country) == zone
    assert zone is None or known_zone(zone) is not None
