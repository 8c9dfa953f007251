# SPDX-License-Identifier: GPL-3.0-or-later
"""Caps on attempts, counted in the customer's own days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lawful.attempts import Attempt, Caps, verdict
from lawful.errors import BadPolicy
from lawful.verdicts import Reason

LISBON = "Europe/Lisbon"
AUCKLAND = "Pacific/Auckland"
NO_CAPS = Caps(per_day=None, per_30_days=None)


def at(text: str, zone: str = LISBON) -> datetime:
    """A moment as clocks at a place show it."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def attempts(*texts: str, zone: str = LISBON) -> list[Attempt]:
    return [Attempt(at=at(text, zone)) for text in texts]


@pytest.mark.parametrize(
    ("caps", "made", "now", "reason", "opens"),
    [
        (Caps(per_day=2), ["2026-01-07T09:00"], "2026-01-07T12:00", Reason.ALLOWED, None),
        (
            Caps(per_day=2),
            ["2026-01-07T09:00", "2026-01-07T10:00"],
            "2026-01-07T12:00",
            Reason.CAP_REACHED,
            "2026-01-08T00:00",
        ),
        (
            Caps(per_day=2),
            ["2026-01-06T23:59", "2026-01-07T10:00"],
            "2026-01-07T12:00",
            Reason.ALLOWED,
            None,
        ),
        (
            Caps(per_day=None, per_7_days=2),
            ["2026-01-01T09:00", "2026-01-05T09:00"],
            "2026-01-07T12:00",
            Reason.CAP_REACHED,
            "2026-01-08T00:00",
        ),
        (
            Caps(per_day=None, per_7_days=2),
            ["2025-12-31T09:00", "2026-01-05T09:00"],
            "2026-01-07T12:00",
            Reason.ALLOWED,
            None,
        ),
        (
            Caps(per_30_days=1),
            ["2026-01-07T09:00"],
            "2026-02-05T09:00",
            Reason.CAP_REACHED,
            "2026-02-06T00:00",
        ),
        (
            Caps(per_24_hours=1),
            ["2026-01-07T20:00"],
            "2026-01-08T09:00",
            Reason.CAP_REACHED,
            "2026-01-08T20:00",
        ),
        (
            Caps(min_gap_s=3600),
            ["2026-01-07T11:30"],
            "2026-01-07T12:00",
            Reason.TOO_SOON,
            "2026-01-07T12:30",
        ),
        (Caps(per_day=0), [], "2026-01-07T12:00", Reason.CAP_REACHED, None),
    ],
)
def test_caps(caps: Caps, made: list[str], now: str, reason: Reason, opens: str | None) -> None:
    """Each span has its cap; a refusal says when the oldest attempt has left the span."""
    found = verdict(caps, attempts(*made), at(now), LISBON)
    assert found.reason is reason
    assert found.opens_at == (None if opens is None else at(opens))


def test_a_day_is_a_day_at_the_customers_place() -> None:
    """Attempts of one UTC day fall on two days in Auckland."""
    made = attempts("2026-01-07T23:30", zone=AUCKLAND)
    now = at("2026-01-08T00:30", AUCKLAND)
    assert made[0].at.astimezone(UTC).date() == now.astimezone(UTC).date()
    assert verdict(Caps(per_day=1), made, now, AUCKLAND).allowed
    assert not verdict(Caps(per_day=1), made, now, "UTC").allowed


def test_the_cap_opens_at_local_midnight_on_a_short_day() -> None:
    """In Beirut clocks go from 00:00 to 01:00: the day begins at 01:00."""
    zone = "Asia/Beirut"
    found = verdict(
        Caps(per_day=1), attempts("2026-03-28T12:00", zone=zone), at("2026-03-28T13:00", zone), zone
    )
    assert found.opens_at == at("2026-03-29T01:00", zone)


def test_an_unknown_zone_fails_closed() -> None:
    """Days cannot be counted at no place."""
    found = verdict(Caps(), [], at("2026-01-07T12:00"), None)
    assert (found.reason, found.opens_at) == (Reason.ZONE_UNKNOWN, None)


@pytest.mark.parametrize(
    ("guaranteed", "now", "reason"),
    [
        (False, "2026-01-09T12:00", Reason.QUARANTINED),
        (False, "2026-01-10T12:00", Reason.ALLOWED),
        (True, "2026-01-09T12:00", Reason.ALLOWED),
    ],
)
def test_quarantine_after_an_abandoned_call(guaranteed: bool, now: str, reason: Reason) -> None:
    """72 hours of quiet, unless an RM is reserved before dialing."""
    made = [Attempt(at=at("2026-01-07T12:00"), abandoned=True)]
    found = verdict(Caps(), made, at(now), LISBON, rm_guaranteed=guaranteed)
    assert found.reason is reason
    if reason is Reason.QUARANTINED:
        assert found.opens_at == at("2026-01-10T12:00")


def test_the_objection_that_opens_last_speaks() -> None:
    """Waiting for the gap alone would not help where the day's cap is reached too."""
    found = verdict(
        Caps(per_day=1, min_gap_s=60), attempts("2026-01-07T12:00"), at("2026-01-07T12:00:30"), LISBON
    )
    assert (found.reason, found.opens_at) == (Reason.CAP_REACHED, at("2026-01-08T00:00"))


def test_an_attempt_in_the_future_counts() -> None:
    """A clock that was set back gives nobody a call too many."""
    assert not verdict(Caps(per_day=1), attempts("2026-01-07T15:00"), at("2026-01-07T12:00"), LISBON).allowed


@pytest.mark.parametrize("wrong", [{"per_day": -1}, {"min_gap_s": -1}])
def test_a_wrong_cap_is_refused(wrong: dict[str, int]) -> None:
    """Caps and gaps are never negative."""
    with pytest.raises(BadPolicy):
        Caps(**wrong)


CAPS = st.builds(
    Caps,
    per_day=st.none() | st.integers(1, 4),
    per_24_hours=st.none() | st.integers(1, 4),
    per_7_days=st.none() | st.integers(1, 8),
    per_30_days=st.none() | st.integers(1, 12),
    min_gap_s=st.integers(0, 90_000),
)
NOW = datetime(2026, 3, 29, 11, 0, tzinfo=UTC)
MADE = st.lists(
    st.builds(
        Attempt,
        at=st.integers(0, 40 * 24 * 60).map(lambda minutes: NOW - timedelta(minutes=minutes)),
        abandoned=st.booleans(),
    ),
    max_size=14,
)


@given(caps=CAPS, made=MADE, zone=st.sampled_from([LISBON, AUCKLAND, "America/New_York"]))
def test_the_opening_is_the_first_allowed_moment(caps: Caps, made: list[Attempt], zone: str) -> None:
    """With no more attempts it is allowed at ``opens_at`` and not a second before."""
    found = verdict(caps, made, NOW, zone)
    if found.allowed:
        return
    assert found.opens_at is not None
    assert found.opens_at > NOW
    assert verdict(caps, made, found.opens_at, zone).allowed
    assert not verdict(caps, made, found.opens_at - timedelta(seconds=1), zone).allowed


@given(caps=CAPS, made=MADE)
def test_more_attempts_never_help(caps: Caps, made: list[Attempt]) -> None:
    """Taking an attempt away never turns an allowed call into a refused one."""
    if made and verdict(caps, made, NOW, LISBON).allowed:
        assert verdict(caps, made[1:], NOW, LISBON).allowed


def test_no_caps_allow_everything() -> None:
    """A policy without caps counts nothing."""
    assert verdict(NO_CAPS, attempts("2026-01-07T11:59"), at("2026-01-07T12:00"), LISBON).allowed
