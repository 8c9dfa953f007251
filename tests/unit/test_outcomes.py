# SPDX-License-Identifier: GPL-3.0-or-later
"""What the RM says of a talk: each outcome's effect on call, list, record and suppression."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from crm.suppression import Source, standing
from crm.tables import customer_number
from dialer.campaigns import CampaignPolicy
from dialer.claim import Claim
from tests.dialer_book import NUMBER, OTHER, book
from vocabulary.dispositions import Disposition, EndedBy, LegEnd
from vocabulary.events import CustomerSuppressed, ListFinished, OutcomeRecorded
from vocabulary.outcomes import OUTCOME_RULES, Outcome
from vocabulary.states import CallState, EntryState, NumberState

TABLE = {
    Outcome.SALE: EntryState.DONE,
    Outcome.INTERESTED: EntryState.DONE,
    Outcome.CALLBACK: EntryState.PENDING,
    Outcome.NOT_INTERESTED: EntryState.DONE,
    Outcome.DO_NOT_CALL: EntryState.DONE,
    Outcome.WRONG_PERSON: EntryState.PENDING,
    Outcome.LANGUAGE: EntryState.DONE,
    Outcome.MACHINE: EntryState.PENDING,
    Outcome.DEAD_AIR: EntryState.PENDING,
    Outcome.DROPPED: EntryState.PENDING,
    Outcome.NO_OUTCOME: EntryState.PENDING,
}


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_ends_the_call_and_settles_the_entry(outcome: Outcome) -> None:
    """The call is final, the entry goes where the outcome says, and one event tells it."""
    with book() as it:
        customer_id = it.customer()
        claim = it.talked()
        rule = OUTCOME_RULES[outcome]
        callback_at = it.now + timedelta(hours=3) if rule.needs_callback_time else None
        assert it.outcome(claim, outcome, callback_at=callback_at) is None
        row = it.call(claim.call_id)
        assert (row.state, row.outcome) == (CallState.WRAPPED_UP, outcome)
        assert it.entry_state(customer_id) == TABLE[outcome]
        assert len(it.events(ListFinished)) == int(TABLE[outcome] is EntryState.DONE)
        (event,) = it.events(OutcomeRecorded)
        assert (event.outcome, event.corrected_from) == (
            outcome,
            Disposition.ANSWERED if rule.corrects_to else None,
        )
        assert row.disposition == (rule.corrects_to or Disposition.ANSWERED)
        assert row.network_disposition == Disposition.ANSWERED
        entry = it.entry(customer_id)
        if entry is not None and rule.retry_after_s is not None:
            assert entry.next_at >= it.now + timedelta(seconds=rule.retry_after_s)


def test_do_not_call_holds_for_the_person_and_the_phone() -> None:
    """Whoever else has this phone is not called on it either."""
    with book() as it:
        customer_id = it.customer(NUMBER)
        it.outcome(it.talked(), Outcome.DO_NOT_CALL)
        blind = it.conn.execute(select(customer_number.c.e164_blind)).scalar_one()
        for who in (
            {"customer_id": customer_id, "e164_blind": None},
            {"customer_id": None, "e164_blind": blind},
        ):
            (found,) = standing(it.conn, channel="phone", now=it.now, **who)
            assert found.source is Source.OPT_OUT
        assert len(it.events(CustomerSuppressed)) == 1
        sharing = it.customer(NUMBER)
        it.claim(sharing)
        assert it.entry_state(sharing) == EntryState.WITHDRAWN


def test_a_wrong_person_is_tried_on_the_next_number() -> None:
    """The number is not this customer's; the customer has another one, and may be called on it at once."""
    with book() as it:
        it.customer(NUMBER, OTHER)
        it.outcome(it.talked(), Outcome.WRONG_PERSON)
        states = it.conn.execute(select(customer_number.c.state).order_by(customer_number.c.position))
        assert list(states.scalars()) == [NumberState.INVALID, NumberState.ACTIVE]
        assert it.claimed().pii_number == OTHER


def test_a_promised_call_comes_before_the_best_score() -> None:
    """At its time, and not earlier, the call-back is the next customer of the list."""
    with book(CampaignPolicy(attempts_per_day=None)) as it:
        promised = it.customer(NUMBER)
        at = it.now + timedelta(hours=2)
        it.outcome(it.talked(), Outcome.CALLBACK, callback_at=at)
        other = it.customer(OTHER)
        first = it.claimed()
        assert first.customer_id == other
        it.finish(first, LegEnd(ended_by=EndedBy.RM), dialed=False)
        it.later(hours=2)
        assert it.claimed().customer_id == promised


@pytest.mark.parametrize(
    ("outcome", "hours", "says"),
    [
        (Outcome.CALLBACK, None, "Say when"),
        (Outcome.CALLBACK, -1, "has passed already"),
        (Outcome.SALE, None, "has no outcome sale"),
    ],
)
def test_what_cannot_be_recorded_is_told_why_and_changes_nothing(
    outcome: Outcome, hours: int | None, says: str
) -> None:
    """The RM may give another one: the call still waits for it."""
    with book(CampaignPolicy(outcomes=(Outcome.CALLBACK,))) as it:
        it.customer()
        claim = it.talked()
        callback_at = None if hours is None else it.now + timedelta(hours=hours)
        refusal = it.outcome(claim, outcome, callback_at=callback_at)
        assert refusal is not None
        assert says in refusal
        assert it.call(claim.call_id).state == CallState.ENDED
        assert not it.events(OutcomeRecorded)


def test_an_outcome_is_recorded_once() -> None:
    """Said twice, the first stands."""
    with book() as it:
        it.customer()
        claim = it.talked()
        assert it.outcome(claim, Outcome.SALE) is None
        assert it.outcome(claim, Outcome.DO_NOT_CALL) == "The outcome of this call is recorded already."
        assert it.call(claim.call_id).outcome == Outcome.SALE


def test_a_call_without_a_talk_takes_no_outcome() -> None:
    """There is nothing to say of a customer nobody reached."""
    with book() as it:
        it.customer()
        claim: Claim = it.dialed()
        refusal = it.outcome(claim, Outcome.SALE)
        assert refusal is not None
        assert "takes no outcome" in refusal


def test_a_machine_put_right_by_the_rm_is_no_live_answer_any_more() -> None:
    """The record says machine, the network's word is kept beside it, and the attempt still counts."""
    with book() as it:
        customer_id = it.customer()
        claim = it.talked()
        it.outcome(claim, Outcome.MACHINE)
        row = it.call(claim.call_id)
        assert (row.disposition, row.network_disposition, row.counted) == ("machine", "answered", True)
        entry = it.entry(customer_id)
        assert entry is not None
        assert (entry.attempts, entry.last_disposition) == (1, Disposition.MACHINE)
