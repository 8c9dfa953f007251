# SPDX-License-Identifier: GPL-3.0-or-later
"""The score and its reasons, and when people answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.errors import BadWeights
from profiler.reach import (
    ALL_SLOTS,
    FIRST_GUESS,
    DayKind,
    Slot,
    Tally,
    answer_rate,
    local_slot,
    prior_rates,
)
from profiler.rms import Rm, RmStanding
from profiler.score import (
    DEFAULT_WEIGHTS,
    CustomerFeatures,
    Score,
    Term,
    score,
    speaks,
    weights_with,
)
from vocabulary.dispositions import Disposition
from vocabulary.outcomes import Outcome

NOW = datetime(2026, 1, 5, 18, 0, tzinfo=UTC)
SIX_PM = Slot(DayKind.WORKDAY, 18)
PRIOR = prior_rates({})


def rm(languages: str = "en", skills: str = "") -> Rm:
    return Rm(
        rm_id=1,
        name="anna",
        display_name="Anna",
        account_id=None,
        endpoint="PJSIP/rm-anna",
        languages=frozenset(languages.split()),
        skills=frozenset(skills.split()),
        licences=frozenset(),
        max_open_entries=100,
        sends_audio=True,
        standing=RmStanding.ACTIVE,
    )


def scored(
    customer: CustomerFeatures, who: Rm | None = None, weights: dict[str, float] | None = None
) -> Score:
    slot = local_slot(customer.zone, NOW)
    return score(customer, who or rm(), NOW, slot, PRIOR, weights_with(weights or {}))


def points(result: Score) -> dict[Term, float]:
    return {reason.term: round(reason.points, 3) for reason in result.reasons}


def test_an_unknown_customer_scores_for_freshness_alone() -> None:
    """Nothing known, nothing claimed."""
    result = scored(CustomerFeatures(customer_id=1))
    assert points(result) == {Term.FRESH: 10.0}
    assert result.sentences() == ("no contact yet",)


def test_the_reasons_are_told_weightiest_first_and_add_up() -> None:
    """What an RM reads is what the score is made of."""
    result = scored(
        CustomerFeatures(
            customer_id=1,
            language="pt",
            zone="Europe/Lisbon",
            topics=frozenset({"mortgage"}),
            purchases=4,
            last_purchase_at=NOW - timedelta(days=40),
            attempts=5,
            answers=4,
            last_rm_id=1,
            last_outcome=Outcome.INTERESTED,
            reach={SIX_PM: Tally(tries=4, answers=4)},
        ),
        rm("en pt", "mortgage"),
    )
    assert points(result) == {
        Term.LANGUAGE: 20.0,
        Term.INTEREST: 15.0,
        Term.EXPERTISE: 10.0,
        Term.RELATION: 10.0,
        Term.HOUR: 9.375,
        Term.RECENCY: 7.349,
        Term.LOYALTY: 5.714,
        Term.FRESH: 1.667,
    }
    assert result.value == pytest.approx(sum(points(result).values()), abs=0.01)
    assert result.sentences(9) == (
        "speaks Portuguese",
        "was interested last time",
        "knows mortgage",
        "spoke with this RM before",
        "usually answers at 18h",
        "last bought 40 days ago",
        "bought 4 times",
    )


@pytest.mark.parametrize(
    ("customer", "sentence"),
    [
        (CustomerFeatures(customer_id=1, last_purchase_at=NOW), "last bought today"),
        (CustomerFeatures(customer_id=1, last_purchase_at=NOW - timedelta(days=1)), "last bought yesterday"),
        (CustomerFeatures(customer_id=1, attempts=1), "called once, no answer yet"),
        (CustomerFeatures(customer_id=1, attempts=3), "called 3 times, no answer yet"),
        (CustomerFeatures(customer_id=1, last_outcome=Outcome.CALLBACK), "asked to be called back"),
        (CustomerFeatures(customer_id=1, last_outcome=Outcome.DROPPED), "the last call broke off"),
        (CustomerFeatures(customer_id=1, last_outcome=Outcome.NOT_INTERESTED), "said no last time"),
        (CustomerFeatures(customer_id=1, last_disposition=Disposition.DECLINED), "declined the last call"),
        (
            CustomerFeatures(customer_id=1, last_disposition=Disposition.HUNG_UP_EARLY),
            "hung up at once last time",
        ),
        (
            CustomerFeatures(customer_id=1, zone="Europe/Lisbon", reach={SIX_PM: Tally(3, 0)}),
            "seldom answers at 18h",
        ),
        (CustomerFeatures(customer_id=1, language="xx"), "speaks xx"),
    ],
)
def test_each_fact_has_its_sentence(customer: CustomerFeatures, sentence: str) -> None:
    """One fact, one sentence."""
    assert sentence in scored(customer, rm("en xx")).sentences(9)


@pytest.mark.parametrize(
    "bad_sign",
    [
        CustomerFeatures(customer_id=1, last_outcome=Outcome.NOT_INTERESTED),
        CustomerFeatures(customer_id=1, last_disposition=Disposition.DECLINED),
    ],
)
def test_a_bad_sign_costs_points(bad_sign: CustomerFeatures) -> None:
    """Somebody who said no comes after somebody nobody knows."""
    assert scored(bad_sign).value < scored(CustomerFeatures(customer_id=2)).value


def test_the_hour_is_the_customers_own() -> None:
    """18h in Lisbon is 13h in New York; an unknown zone has no hour."""
    assert local_slot("Europe/Lisbon", NOW) == SIX_PM
    assert local_slot("America/New_York", NOW) == Slot(DayKind.WORKDAY, 13)
    assert local_slot("Pacific/Auckland", NOW + timedelta(days=4)) == Slot(DayKind.WEEKEND, 7)
    assert local_slot("Nowhere/At_All", NOW) is local_slot(None, NOW) is None


@pytest.mark.parametrize(
    ("language", "understood"), [("pt", True), ("pt-br", True), ("en-gb", True), ("es", False), (None, True)]
)
def test_regional_tags_understand_each_other(language: str | None, understood: bool) -> None:
    """An RM for Portuguese speaks with Brazil; an unknown language is nothing against anybody."""
    assert speaks(rm("pt-pt en"), language) == understood


def test_a_campaign_weighs_in_its_own_way() -> None:
    """What is not overridden stays; zero takes a term out."""
    customer = CustomerFeatures(customer_id=1, language="en")
    assert points(scored(customer, weights={"language": 50, "fresh": 0})) == {
        Term.LANGUAGE: 50.0,
        Term.FRESH: 0.0,
    }
    assert weights_with({}) == DEFAULT_WEIGHTS


@pytest.mark.parametrize(
    ("wrong", "said"), [({"charm": 5}, "'charm' is no term"), ({"hour": -1}, "hour"), ({"hour": 101}, "hour")]
)
def test_wrong_weights_are_named(wrong: dict[str, float], said: str) -> None:
    """A misspelt term must not be a silent nothing."""
    with pytest.raises(BadWeights, match=said):
        weights_with(wrong)


def test_little_history_is_judged_by_everybodys() -> None:
    """One answer makes no habit; the belief moves with the number of tries."""
    everybody = {SIX_PM: Tally(1000, 600), Slot(DayKind.WORKDAY, 10): Tally(1000, 100)}
    prior = prior_rates(everybody)
    assert prior[SIX_PM] == pytest.approx(0.6, abs=0.01)
    assert prior[Slot(DayKind.WORKDAY, 3)] == pytest.approx(0.35, abs=0.01)
    one, many = {SIX_PM: Tally(1, 0)}, {SIX_PM: Tally(40, 0)}
    assert prior[SIX_PM] > answer_rate(SIX_PM, one, prior) > 0.4 > answer_rate(SIX_PM, many, prior)
    assert set(PRIOR.values()) == {FIRST_GUESS}


tallies = st.integers(0, 50).flatmap(lambda tries: st.builds(Tally, st.just(tries), st.integers(0, tries)))


@given(
    st.dictionaries(st.sampled_from(ALL_SLOTS), tallies), st.dictionaries(st.sampled_from(ALL_SLOTS), tallies)
)
def test_a_rate_is_a_chance_and_grows_with_every_answer(
    everybody: dict[Slot, Tally], own: dict[Slot, Tally]
) -> None:
    """Strictly between 0 and 1, up with an answer, down with a try in vain."""
    prior = prior_rates(everybody)
    for slot in ALL_SLOTS:
        tally = own.get(slot, Tally())
        rate = answer_rate(slot, own, prior)
        assert 0 < rate < 1
        assert answer_rate(slot, {slot: Tally(tally.tries + 1, tally.answers + 1)}, prior) > rate
        assert answer_rate(slot, {slot: Tally(tally.tries + 1, tally.answers)}, prior) < rate
