# SPDX-License-Identifier: GPL-3.0-or-later
"""The score: how good it is that this RM calls this customer now. A scorecard whose every point has a name.

Each term gives a value (most 0 to 1; a bad sign is negative) times its weight in points. The weights a
campaign does not override:

========== ====== ==============================================================================
term       points value
========== ====== ==============================================================================
language   20     1 when the RM speaks the customer's language
hour       15     chance of an answer at this hour, at the customer's place (``profiler.reach``)
interest   15     last outcome: interested 1, call-back 0.8, broken off 0.5; said no -1;
                  declined or hung up at once -0.5
expertise  10     1 when one of the RM's skills is the customer's segment or a product they bought
relation   10     1 when this RM was the last to speak with the customer
recency    10     halves with every 90 days since the last purchase
loyalty    10     n / (n + 3) for n purchases
fresh      10     1 / (1 + n) for n attempts so far
========== ====== ==============================================================================

A scorecard and not a trained model: RMs and auditors read why, and a new floor has nothing to train on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from profiler.errors import BadWeights
from profiler.reach import NOBODY_TRIED, Rates, Slot, Tallies, answer_rate
from profiler.rms import Rm
from vocabulary.dispositions import Disposition
from vocabulary.outcomes import Outcome


class Term(StrEnum):
    """What the score is made of; the table above says how."""

    LANGUAGE = "language"  #: of the pair
    EXPERTISE = "expertise"  #: of the pair
    RELATION = "relation"  #: of the pair
    HOUR = "hour"  #: of the customer, at a time
    INTEREST = "interest"  #: of the customer
    RECENCY = "recency"  #: of the customer, at a time
    LOYALTY = "loyalty"  #: of the customer
    FRESH = "fresh"  #: of the customer


Weights = Mapping[Term, float]

#: A plain dict: it travels to worker processes, which a read-only proxy cannot.
DEFAULT_WEIGHTS: Final[Weights] = {
    Term.LANGUAGE: 20.0,
    Term.HOUR: 15.0,
    Term.INTEREST: 15.0,
    Term.EXPERTISE: 10.0,
    Term.RELATION: 10.0,
    Term.RECENCY: 10.0,
    Term.LOYALTY: 10.0,
    Term.FRESH: 10.0,
}
_MOST_POINTS: Final = 100.0
_RECENCY_HALF_LIFE_DAYS: Final = 90.0
_LOYALTY_HALF_AT: Final = 3
#: Fewer tries than this at an hour are no habit to speak of.
_HABIT_TRIES: Final = 2
_USUALLY: Final = 0.5

_INTEREST: Final[Mapping[Outcome, tuple[float, str]]] = {
    Outcome.INTERESTED: (1.0, "was interested last time"),
    Outcome.CALLBACK: (0.8, "asked to be called back"),
    Outcome.DROPPED: (0.5, "the last call broke off"),
    Outcome.NOT_INTERESTED: (-1.0, "said no last time"),
}
_REFUSAL: Final[Mapping[Disposition, tuple[float, str]]] = {
    Disposition.DECLINED: (-0.5, "declined the last call"),
    Disposition.HUNG_UP_EARLY: (-0.5, "hung up at once last time"),
}
_LANGUAGE_NAMES: Final[Mapping[str, str]] = {
    "ar": "Arabic",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "hi": "Hindi",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "zh": "Chinese",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerFeatures:
    """What the score looks at in a customer: nothing here names a person."""

    customer_id: int
    language: str | None = None  #: lower-case BCP 47 tag
    zone: str | None = None
    topics: frozenset[str] = frozenset()  #: lower case: the segment and the products bought
    purchases: int = 0
    last_purchase_at: datetime | None = None
    attempts: int = 0
    answers: int = 0
    last_rm_id: int | None = None
    last_disposition: Disposition | None = None
    last_outcome: Outcome | None = None
    reach: Tallies = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reason:
    """One term's part in a score. ``sentence`` is empty where the term has nothing worth telling."""

    term: Term
    points: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Score:
    """A score and what it is made of, the weightiest term first."""

    value: float  #: points; with the default weights from -15 to 100
    reasons: tuple[Reason, ...]

    def sentences(self, most: int = 3) -> tuple[str, ...]:
        """What an RM reads: the weightiest reasons that have something to tell."""
        return tuple(reason.sentence for reason in self.reasons if reason.sentence)[:most]


def weights_with(overrides: Mapping[str, float]) -> Weights:
    """The default weights with a campaign's own in their place.

    Raises:
        BadWeights: a name that is no term, or points below 0 or above 100.
    """
    known = {term.value: term for term in Term}
    changed = {}
    for name, points in overrides.items():
        if name not in known:
            raise BadWeights(
                f"{name!r} is no term of the score; the weights stay as they were."
                f" The terms are {', '.join(sorted(known))}."
            )
        if not 0 <= points <= _MOST_POINTS:
            raise BadWeights(
                f"The weight of {name} must be from 0 to {_MOST_POINTS:g} points, not {points:g};"
                " the weights stay as they were."
            )
        changed[known[name]] = float(points)
    return {**DEFAULT_WEIGHTS, **changed}


def speaks(rm: Rm, language: str | None) -> bool:
    """Whether the RM speaks a language; ``pt`` and ``pt-br`` understand each other. None: not known, so yes."""
    if language is None:
        return True
    base = language.partition("-")[0]
    return any(spoken.partition("-")[0] == base for spoken in rm.languages)


def score(
    customer: CustomerFeatures, rm: Rm, now: datetime, slot: Slot | None, prior: Rates, weights: Weights
) -> Score:
    """The score of one pair now. ``slot`` is ``reach.local_slot`` of the customer's zone."""
    return total(customer_terms(customer, now, slot, prior, weights), pair_terms(customer, rm, weights))


def total(*parts: tuple[Reason, ...]) -> Score:
    """Put terms together."""
    reasons = sorted(
        (reason for part in parts for reason in part), key=lambda reason: (-abs(reason.points), reason.term)
    )
    return Score(value=round(math.fsum(reason.points for reason in reasons), 3), reasons=tuple(reasons))


def customer_terms(
    customer: CustomerFeatures, now: datetime, slot: Slot | None, prior: Rates, weights: Weights
) -> tuple[Reason, ...]:
    """The part of the score that is the same whoever calls."""
    terms = (
        (Term.HOUR, *_hour(customer, slot, prior)),
        (Term.INTEREST, *_interest(customer)),
        (Term.RECENCY, *_recency(customer, now)),
        (Term.LOYALTY, *_loyalty(customer)),
        (Term.FRESH, *_fresh(customer)),
    )
    return tuple(Reason(term, weights[term] * value, sentence) for term, value, sentence in terms if value)


def pair_terms(customer: CustomerFeatures, rm: Rm, weights: Weights) -> tuple[Reason, ...]:
    """The part of the score that depends on who calls."""
    found = []
    if customer.language is not None and speaks(rm, customer.language):
        base = customer.language.partition("-")[0]
        found.append(
            Reason(
                Term.LANGUAGE,
                weights[Term.LANGUAGE],
                f"speaks {_LANGUAGE_NAMES.get(base, customer.language)}",
            )
        )
    known = sorted(customer.topics & rm.skills)
    if known:
        found.append(Reason(Term.EXPERTISE, weights[Term.EXPERTISE], f"knows {known[0]}"))
    if customer.last_rm_id == rm.rm_id and customer.answers:
        found.append(Reason(Term.RELATION, weights[Term.RELATION], "spoke with this RM before"))
    return tuple(found)


def _hour(customer: CustomerFeatures, slot: Slot | None, prior: Rates) -> tuple[float, str]:
    if slot is None:
        return 0.0, ""
    rate = answer_rate(slot, customer.reach, prior)
    if customer.reach.get(slot, NOBODY_TRIED).tries < _HABIT_TRIES:
        return rate, ""
    if rate >= _USUALLY:
        return rate, f"usually answers at {slot.hour}h"
    return rate, f"seldom answers at {slot.hour}h" if rate < prior[slot] else ""


def _interest(customer: CustomerFeatures) -> tuple[float, str]:
    told = customer.last_outcome and _INTEREST.get(customer.last_outcome)
    refused = customer.last_disposition and _REFUSAL.get(customer.last_disposition)
    return told or refused or (0.0, "")


def _recency(customer: CustomerFeatures, now: datetime) -> tuple[float, str]:
    if customer.last_purchase_at is None:
        return 0.0, ""
    days = max(0.0, (now - customer.last_purchase_at).total_seconds() / 86400)
    return 0.5 ** (days / _RECENCY_HALF_LIFE_DAYS), f"last bought {_days_ago(int(days))}"


def _days_ago(days: int) -> str:
    return {0: "today", 1: "yesterday"}.get(days, f"{days} days ago")


def _loyalty(customer: CustomerFeatures) -> tuple[float, str]:
    n = customer.purchases
    return n / (n + _LOYALTY_HALF_AT), f"bought {n} times" if n > 1 else ""


def _fresh(customer: CustomerFeatures) -> tuple[float, str]:
    n = customer.attempts
    if n == 0:
        return 1.0, "no contact yet"
    if customer.answers == 0:
        return 1 / (1 + n), f"called {n} times, no answer yet" if n > 1 else "called once, no answer yet"
    return 1 / (1 + n), ""
