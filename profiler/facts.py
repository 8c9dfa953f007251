# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of one call, and what that means for the profiles. Pure.

Events come at least once and in any order. So a call's facts are merged field by field, each from the one
event that owns it, and the effect of a call is a function of its facts: after every event the profiles
move by the difference between the new effect and the old one. A correction, whose facts differ, takes the
old effect back in the same step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

from profiler.reach import Slot, slot_of
from vocabulary.call_id import CallId
from vocabulary.dispositions import RULES, Blame, Disposition
from vocabulary.events import CallAnswered, CallClaimed, CallDialed, CallEnded, CallEvent, OutcomeRecorded
from vocabulary.outcomes import OUTCOME_RULES, Outcome

#: Of the RMs that events name for one call, the one named latest in the call's life had it.
_STAGE: Final[Mapping[type[CallEvent], int]] = {
    CallClaimed: 1,
    CallDialed: 2,
    CallAnswered: 3,
    CallEnded: 4,
    OutcomeRecorded: 5,
}
#: A busy line says that somebody is there, and nothing about whether they answer at this hour.
_NO_TRY_AT_THIS_HOUR: Final = frozenset({Disposition.BUSY})
_LIVE_ANSWERS: Final = frozenset({Disposition.ANSWERED, Disposition.HUNG_UP_EARLY})


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """What the events have told of one call so far."""

    call_id: CallId
    customer_id: int
    campaign_id: int
    rm_id: int | None = None
    rm_stage: int = 0  #: how late in the call's life ``rm_id`` was named
    ended_at: datetime | None = None
    dialed: bool = False
    disposition: Disposition | None = None  #: the network's word, before any correction
    local_hour: int | None = None
    weekday: int | None = None
    talk_ms: int = 0
    outcome: Outcome | None = None
    corrects: bool = False  #: the outcome put the disposition right
    outcome_at: datetime | None = None
    outcome_event_id: str | None = None
    wrap_up_ms: int = 0

    @property
    def verdict(self) -> Disposition | None:
        """The disposition that holds: the network's, or the outcome's correction of it."""
        if self.disposition is not None and self.corrects and self.outcome is not None:
            return OUTCOME_RULES[self.outcome].corrects_to or self.disposition
        return self.disposition

    @property
    def blame(self) -> Blame:
        """Whose record this call touches."""
        if self.verdict is None or not self.dialed:
            return Blame.NOBODY
        if self.outcome is not None and OUTCOME_RULES[self.outcome].marks_number:
            return Blame.NUMBER
        return RULES[self.verdict].blame

    @property
    def slot(self) -> Slot | None:
        """The hour of dialing at the customer's place."""
        if self.local_hour is None or self.weekday is None:
            return None
        return slot_of(self.weekday, self.local_hour)


class Effect(NamedTuple):
    """What one call adds to the sums. Zeros are left out."""

    customer: Mapping[str, int]  #: columns of ``customer_profile``
    reach: Mapping[str, int]  #: columns of ``reach`` and ``reach_prior``, at the call's slot
    rm: Mapping[str, int]  #: columns of ``rm_profile``
    outcome: Outcome | None  #: one more of these for the RM


NO_EFFECT: Final = Effect({}, {}, {}, None)


def learn(facts: CallFacts | None, event_id: str, event: CallEvent) -> CallFacts:
    """The facts with one more event merged in; the same event again changes nothing."""
    facts = facts or CallFacts(
        call_id=event.call_id, customer_id=event.customer_id, campaign_id=event.campaign_id
    )
    if isinstance(event, OutcomeRecorded):
        if _is_older(event, event_id, facts):
            return facts
        facts = replace(
            facts,
            outcome=event.outcome,
            corrects=event.corrected_from is not None,
            outcome_at=event.at,
            outcome_event_id=event_id,
            wrap_up_ms=_ms(event.wrap_up_s),
        )
    elif isinstance(event, CallEnded):
        facts = replace(
            facts,
            ended_at=event.at,
            dialed=event.dialed,
            disposition=event.disposition,
            local_hour=event.local_hour,
            weekday=event.weekday,
            talk_ms=_ms(event.talk_s),
        )
    stage = _STAGE[type(event)]
    if stage >= facts.rm_stage:
        facts = replace(facts, rm_id=event.rm_id, rm_stage=stage)
    return facts


def effect(facts: CallFacts | None) -> Effect:
    """What a call adds to the profiles: nothing until it has ended, nothing if nobody was dialed."""
    if facts is None or facts.verdict is None or not facts.dialed:
        return NO_EFFECT
    customer: dict[str, int] = {}
    reach: dict[str, int] = {}
    if facts.blame is Blame.CUSTOMER:
        live = int(facts.verdict in _LIVE_ANSWERS)
        customer = {
            "attempts": 1,
            "answers": live,
            "short_calls": int(facts.verdict is Disposition.HUNG_UP_EARLY),
            "talk_ms": facts.talk_ms * live,
        }
        if facts.verdict not in _NO_TRY_AT_THIS_HOUR:
            reach = {"tries": 1, "answers": live}
    rm = {
        "calls": 1,
        "answered": int(facts.verdict is Disposition.ANSWERED),
        "talk_ms": facts.talk_ms,
        "wrap_up_ms": facts.wrap_up_ms,
    }
    return Effect(_without_zeros(customer), _without_zeros(reach), _without_zeros(rm), facts.outcome)


def difference(new: Mapping[str, int], old: Mapping[str, int]) -> dict[str, int]:
    """What to add to the sums to go from one effect to another."""
    return _without_zeros({name: new.get(name, 0) - old.get(name, 0) for name in sorted({*new, *old})})


def _is_older(event: OutcomeRecorded, event_id: str, facts: CallFacts) -> bool:
    known = (facts.outcome_at, facts.outcome_event_id)
    return known[0] is not None and known[1] is not None and (event.at, event_id) < (known[0], known[1])


def _without_zeros(sums: Mapping[str, int]) -> dict[str, int]:
    return {name: amount for name, amount in sums.items() if amount}


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
