# SPDX-License-Identifier: GPL-3.0-or-later
"""What the RM said of a call: outcome codes. A campaign chooses which of them its RMs are offered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from vocabulary.dispositions import Disposition


class Outcome(StrEnum):
    """The result of a call in the RM's words."""

    SALE = "sale"  #: the customer bought
    INTERESTED = "interested"  #: wants to know more; goes on by a follow-up
    CALLBACK = "callback"  #: asked to be called at a given time
    NOT_INTERESTED = "not_interested"  #: said no to this campaign
    DO_NOT_CALL = "do_not_call"  #: asked never to be called: recorded as suppression
    WRONG_PERSON = "wrong_person"  #: the number reaches somebody else
    LANGUAGE = "language"  #: no common language; goes to an RM who speaks it
    MACHINE = "machine"  #: a machine had answered: corrects the disposition and the ledger
    DEAD_AIR = "dead_air"  #: nothing was heard: corrects the disposition
    DROPPED = "dropped"  #: the talk broke off before a result
    NO_OUTCOME = "no_outcome"  #: the RM gave none; set by the system when wrap-up ends without one


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRule:
    """What an outcome does to the entry and the record."""

    closes_entry: bool  #: the customer leaves the target list
    retry_after_s: int | None = None  #: otherwise the next try; None with an open entry: now
    corrects_to: Disposition | None = None  #: the disposition it puts right
    suppresses: bool = False  #: the customer may not be called any more
    marks_number: bool = False  #: the number is not this customer's
    needs_callback_time: bool = False
    sentence: str


_HOUR: Final = 3600

OUTCOME_RULES: Final[dict[Outcome, OutcomeRule]] = {
    Outcome.SALE: OutcomeRule(closes_entry=True, sentence="Sale"),
    Outcome.INTERESTED: OutcomeRule(closes_entry=True, sentence="Interested"),
    Outcome.CALLBACK: OutcomeRule(closes_entry=False, needs_callback_time=True, sentence="Call back later"),
    Outcome.NOT_INTERESTED: OutcomeRule(closes_entry=True, sentence="Not interested"),
    Outcome.DO_NOT_CALL: OutcomeRule(closes_entry=True, suppresses=True, sentence="Do not call again"),
    Outcome.WRONG_PERSON: OutcomeRule(closes_entry=False, marks_number=True, sentence="Wrong person"),
    Outcome.LANGUAGE: OutcomeRule(closes_entry=True, sentence="No common language"),
    Outcome.MACHINE: OutcomeRule(
        closes_entry=False,
        retry_after_s=6 * _HOUR,
        corrects_to=Disposition.MACHINE,
        sentence="Answering machine",
    ),
    Outcome.DEAD_AIR: OutcomeRule(
        closes_entry=False,
        retry_after_s=_HOUR,
        corrects_to=Disposition.MEDIA_FAILED,
        sentence="Nothing was heard",
    ),
    Outcome.DROPPED: OutcomeRule(closes_entry=False, retry_after_s=60, sentence="The call broke off"),
    Outcome.NO_OUTCOME: OutcomeRule(
        closes_entry=False, retry_after_s=24 * _HOUR, sentence="No outcome given"
    ),
}


class BreakReason(StrEnum):
    """Why an RM is on a break."""

    LUNCH = "lunch"  #: a meal
    PAUSE = "pause"  #: a short rest
    MEETING = "meeting"  #: a meeting
    TRAINING = "training"  #: training or coaching
    ADMIN = "admin"  #: other work
    TECHNICAL = "technical"  #: headset, phone or computer trouble
