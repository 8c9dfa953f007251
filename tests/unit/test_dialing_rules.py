# SPDX-License-Identifier: GPL-3.0-or-later
"""A campaign narrows the rules of the house and never widens them; its schedule says when it dials at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.campaigns import Campaign, CampaignPolicy
from lawful.attempts import Caps
from lawful.hours import CallingPolicy, verdict
from tests.dialer_book import dialing_rules
from vocabulary.dispositions import Disposition
from vocabulary.states import CampaignState, PacingMode

NOW = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def campaign(state: CampaignState = CampaignState.RUNNING, **policy: object) -> Campaign:
    """A campaign that asks for these things."""
    return Campaign(
        id=1,
        name="spring",
        title="Spring",
        mode=PacingMode.PROGRESSIVE,
        state=state,
        caller_id="+351210000000",
        policy=CampaignPolicy(**policy),  # type: ignore[arg-type]
    )


windows = st.tuples(st.integers(min_value=0, max_value=22), st.integers(min_value=1, max_value=23)).map(
    lambda hours: f"{min(hours):02d}:00-{max(hours[0] + 1, hours[1]):02d}:00"
)
weeks = st.dictionaries(st.sampled_from(DAYS), windows.map(lambda window: (window,)), max_size=7)
moments = st.datetimes(
    min_value=datetime(2026, 1, 1), max_value=datetime(2026, 12, 31), timezones=st.just(UTC)
)


@given(weeks, weeks, moments)
def test_a_campaign_dials_only_when_the_house_and_it_agree(
    house: dict[str, tuple[str, ...]], own: dict[str, tuple[str, ...]], at: datetime
) -> None:
    """The hours are the meeting of both, at every moment of the year."""
    hours = CallingPolicy.from_text(house, national_holidays=False)
    wanted = CallingPolicy.from_text(own, national_holidays=False)
    narrowed = dialing_rules(hours=hours).contact(campaign(hours=own)).hours
    zone = "Europe/Lisbon"
    both = verdict(hours, zone, at).allowed and verdict(wanted, zone, at).allowed
    assert verdict(narrowed, zone, at).allowed == both


@pytest.mark.parametrize(
    ("house", "own", "allowed"),
    [(3, None, 3), (3, 1, 1), (3, 9, 3), (None, 2, 2), (None, None, None)],
)
def test_the_smaller_cap_holds(house: int | None, own: int | None, allowed: int | None) -> None:
    """A campaign may ask for fewer attempts a day, not for more."""
    contact = dialing_rules(caps=Caps(per_day=house)).contact(campaign(attempts_per_day=own))
    assert contact.caps.per_day == allowed


@pytest.mark.parametrize(
    ("house", "own", "kept"), [(True, False, True), (False, True, True), (False, False, False)]
)
def test_holidays_are_kept_if_either_wants_it(house: bool, own: bool, kept: bool) -> None:
    """A campaign cannot take a public holiday away."""
    hours = CallingPolicy.from_text({"mon-fri": "09:00-18:00"}, national_holidays=house)
    assert dialing_rules(hours=hours).contact(campaign(holidays=own)).hours.national_holidays is kept


def test_a_campaign_may_ask_for_consent_that_the_house_does_not_need() -> None:
    """The demand goes through to the check of every contact."""
    assert dialing_rules().contact(campaign(consent_required=True)).consent_required


def test_waits_between_tries_are_scaled_for_demonstrations() -> None:
    """And only they; a wait that means never stays never."""
    policy = campaign(retry_s={Disposition.BUSY: 600, Disposition.LOST: None})
    assert dialing_rules(time_scale=0.1).retry(policy).waits_s == {
        Disposition.BUSY: 60,
        Disposition.LOST: None,
    }


@pytest.mark.parametrize(
    ("state", "schedule", "says"),
    [
        (CampaignState.RUNNING, {}, None),
        (CampaignState.RUNNING, {"start_at": NOW, "stop_at": NOW + timedelta(seconds=1)}, None),
        (CampaignState.RUNNING, {"start_at": NOW + timedelta(seconds=1)}, "not begun yet"),
        (CampaignState.RUNNING, {"stop_at": NOW}, "is over"),
        (CampaignState.DRAFT, {}, "is draft"),
        (CampaignState.PAUSED, {}, "is paused"),
        (CampaignState.STOPPED, {}, "is stopped"),
        (CampaignState.EXHAUSTED, {}, "is exhausted"),
    ],
)
def test_a_campaign_says_why_it_does_not_dial(
    state: CampaignState, schedule: dict[str, datetime], says: str | None
) -> None:
    """From its start to its stop, while it runs."""
    why = campaign(state, **schedule).closed(NOW)
    assert why is None if says is None else says in (why or "")
