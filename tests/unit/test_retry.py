# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call that is over means for its list entry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.errors import BadPolicy
from profiler.reach import DayKind, Slot, Tallies, Tally, prior_rates
from profiler.retry import NextTry, RetryPolicy, decide
from vocabulary.dispositions import RULES, Disposition
from vocabulary.outcomes import OUTCOME_RULES, Outcome
from vocabulary.states import EntryState

LISBON = "Europe/Lisbon"
MONDAY_TEN = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)  # Lisbon's winter time is UTC
PRIOR = prior_rates({})
POLICY = RetryPolicy(max_attempts=3)


def after(
    disposition: Disposition,
    outcome: Outcome | None = None,
    attempts: int = 0,
    now: datetime = MONDAY_TEN,
    zone: str | None = LISBON,
    reach: Tallies | None = None,
    callback_at: datetime | None = None,
    policy: RetryPolicy = POLICY,
) -> NextTry:
    return decide(policy, disposition, outcome, attempts, now, zone, reach or {}, PRIOR, callback_at)


@pytest.mark.parametrize(
    ("disposition", "wait"),
    [
        (Disposition.NO_ANSWER, timedelta(hours=4)),
        (Disposition.BUSY, timedelta(minutes=15)),
        (Disposition.DECLINED, timedelta(days=3)),
        (Disposition.BLOCKED_AS_UNWANTED, timedelta(days=7)),
        (Disposition.INVALID_NUMBER, timedelta(days=1)),
        (Disposition.CARRIER_REJECTED, timedelta(hours=1)),
        (Disposition.CARRIER_FAILED, timedelta(minutes=10)),
        (Disposition.MEDIA_FAILED, timedelta(hours=1)),
        (Disposition.MACHINE, timedelta(hours=6)),
        (Disposition.ABANDONED, timedelta(days=3)),
        (Disposition.HUNG_UP_EARLY, timedelta(hours=4)),
        (Disposition.CANCELLED, timedelta()),
        (Disposition.LOST, timedelta(days=1)),
    ],
)
def test_each_disposition_waits_its_time(disposition: Disposition, wait: timedelta) -> None:
    """The table's wait, when nothing is known of the customer's hours."""
    decided = after(disposition)
    assert (decided.state, decided.next_at) == (EntryState.PENDING, MONDAY_TEN + wait)
    assert decided.counted == RULES[disposition].counts_as_attempt


@pytest.mark.parametrize(
    ("outcome", "state", "wait", "disposition"),
    [
        (Outcome.SALE, EntryState.DONE, None, Disposition.ANSWERED),
        (Outcome.INTERESTED, EntryState.DONE, None, Disposition.ANSWERED),
        (Outcome.NOT_INTERESTED, EntryState.DONE, None, Disposition.ANSWERED),
        (Outcome.DO_NOT_CALL, EntryState.DONE, None, Disposition.ANSWERED),
        (Outcome.LANGUAGE, EntryState.DONE, None, Disposition.ANSWERED),
        (Outcome.CALLBACK, EntryState.PENDING, timedelta(days=2), Disposition.ANSWERED),
        (Outcome.WRONG_PERSON, EntryState.PENDING, timedelta(), Disposition.ANSWERED),
        (Outcome.MACHINE, EntryState.PENDING, timedelta(hours=6), Disposition.MACHINE),
        (Outcome.DEAD_AIR, EntryState.PENDING, timedelta(hours=1), Disposition.MEDIA_FAILED),
        (Outcome.DROPPED, EntryState.PENDING, timedelta(minutes=1), Disposition.ANSWERED),
        (Outcome.NO_OUTCOME, EntryState.PENDING, timedelta(days=1), Disposition.ANSWERED),
        (None, EntryState.PENDING, timedelta(days=1), Disposition.ANSWERED),
    ],
)
def test_a_talk_is_followed_up_by_its_outcome(
    outcome: Outcome | None, state: EntryState, wait: timedelta | None, disposition: Disposition
) -> None:
    """The outcome closes the entry, corrects the record, or says when to try again."""
    decided = after(Disposition.ANSWERED, outcome, callback_at=MONDAY_TEN + timedelta(days=2))
    assert (decided.state, decided.disposition) == (state, disposition)
    assert decided.next_at == (None if wait is None else MONDAY_TEN + wait)
    assert (decided.callback_at is not None) == (outcome is Outcome.CALLBACK)


def test_the_cap_ends_the_tries() -> None:
    """The last attempt the campaign allows exhausts the entry; what did not count does not."""
    assert after(Disposition.NO_ANSWER, attempts=1).state is EntryState.PENDING
    assert after(Disposition.NO_ANSWER, attempts=2).state is EntryState.EXHAUSTED
    assert after(Disposition.CARRIER_FAILED, attempts=2).state is EntryState.PENDING


def test_the_cap_does_not_break_a_promised_callback() -> None:
    """The customer asked for the call."""
    decided = after(Disposition.ANSWERED, Outcome.CALLBACK, attempts=9, callback_at=MONDAY_TEN)
    assert (decided.state, decided.next_at, decided.callback_at) == (
        EntryState.PENDING,
        MONDAY_TEN,
        MONDAY_TEN,
    )


def test_a_campaign_may_wait_otherwise_or_not_try_again() -> None:
    """Its own waits stand before the table's; None means no other try."""
    policy = RetryPolicy(waits_s={Disposition.BUSY: 60, Disposition.DECLINED: None})
    assert after(Disposition.BUSY, policy=policy).next_at == MONDAY_TEN + timedelta(minutes=1)
    assert after(Disposition.DECLINED, policy=policy).state is EntryState.EXHAUSTED


def test_nobody_there_leads_to_the_hour_that_suits_the_customer() -> None:
    """Somebody who answers at 18h is tried at 18h, though 14h would be sooner."""
    evening = {Slot(DayKind.WORKDAY, 18): Tally(tries=3, answers=3)}
    decided = after(Disposition.NO_ANSWER, reach=evening)
    assert decided.next_at == MONDAY_TEN.replace(hour=18)


def test_the_hour_just_tried_in_vain_is_not_tried_again_next_day() -> None:
    """A wait of a day from 10h does not lead to 10h."""
    policy = RetryPolicy(waits_s={Disposition.NO_ANSWER: 86_400})
    decided = after(Disposition.NO_ANSWER, policy=policy)
    assert decided.next_at == MONDAY_TEN + timedelta(days=1, hours=1)


def test_a_try_moved_to_another_hour_stays_within_the_campaigns_hours() -> None:
    """From 18h, four hours later is night: the next morning then."""
    decided = after(Disposition.NO_ANSWER, now=MONDAY_TEN.replace(hour=18))
    assert decided.next_at == datetime(2026, 1, 6, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize("zone", [None, "Nowhere/At_All", "../etc/passwd"])
def test_without_a_known_zone_the_hour_is_only_waited_for(zone: str | None) -> None:
    """No guess is made of a customer's local time."""
    assert after(Disposition.NO_ANSWER, zone=zone).next_at == MONDAY_TEN + timedelta(hours=4)


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),
    st.sampled_from([LISBON, "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]),
    st.sampled_from([Disposition.NO_ANSWER, Disposition.MACHINE]),
)
def test_another_hour_is_another_hour_in_every_zone(
    now: datetime, zone: str, disposition: Disposition
) -> None:
    """Within a day after the wait and never at the hour just tried, on days of 23 and 25 hours too."""
    next_at = after(disposition, now=now, zone=zone).next_at
    assert next_at is not None
    wait = timedelta(seconds=RULES[disposition].retry_after_s or 0)
    assert now + wait <= next_at <= now + wait + timedelta(hours=24)
    local = next_at.astimezone(ZoneInfo(zone))
    assert local.hour != now.astimezone(ZoneInfo(zone)).hour
    assert POLICY.first_hour <= local.hour < POLICY.end_hour


@given(
    st.sampled_from(Disposition),
    st.none() | st.sampled_from(Outcome),
    st.integers(0, 5),
)
def test_every_end_of_a_call_is_decided(
    disposition: Disposition, outcome: Outcome | None, attempts: int
) -> None:
    """Whatever the network and the RM say together, the entry waits with a time or is closed."""
    decided = after(disposition, outcome, attempts)
    assert (decided.state is EntryState.PENDING) == (decided.next_at is not None)
    assert decided.state in {EntryState.PENDING, EntryState.DONE, EntryState.EXHAUSTED}
    if outcome is not None and OUTCOME_RULES[outcome].closes_entry:
        assert decided.state is EntryState.DONE


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"waits_s": {Disposition.BUSY: -1}},
        {"first_hour": 20, "end_hour": 9},
        {"end_hour": 25},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    """Before it can misdirect a single call."""
    with pytest.raises(BadPolicy, match="nothing was changed"):
        RetryPolicy(**wrong)  # type: ignore[arg-type]
