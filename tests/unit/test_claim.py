# SPDX-License-Identifier: GPL-3.0-or-later
"""The claim takes a whole customer or nothing, and says why; the row before the INVITE checks everything again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from crm.locks import lock_number, unlock_number
from crm.numbers import mark_number
from crm.suppression import Source, suppress, this_customer
from crm.tables import customer_number
from dialer.calls import count_dialed_since
from dialer.campaigns import CampaignPolicy, move_campaign
from dialer.claim import Claim, ListOver, NothingDue
from dialer.halts import lift_halt, order_halt
from lawful.attempts import Caps
from profiler.sessions import find_session, open_sessions
from tests.dialer_book import NUMBER, OTHER, Book, book
from vocabulary.dispositions import EndedBy, LegEnd
from vocabulary.events import CallClaimed, CallDialed, ListFinished
from vocabulary.states import CallState, CampaignState, EntryState, NumberState

NOT_ANSWERED = LegEnd(ended_by=EndedBy.RING_TIMER, rang=True)


def test_a_claim_is_everything_a_call_needs() -> None:
    """Entry leased, number locked, session open, call row and event written, snapshot fetched: one unit."""
    with book() as it:
        customer_id = it.customer()
        claim = it.claimed()
        assert (claim.customer_id, claim.pii_number, claim.zone) == (customer_id, NUMBER, "Europe/Lisbon")
        assert it.call(claim.call_id).state == CallState.CLAIMED
        entry = it.entry(customer_id)
        assert entry is not None
        assert (entry.state, entry.lease_call_id) == (EntryState.LEASED, claim.call_id)
        assert find_session(it.conn, claim.call_id) is not None
        assert it.locked() == [claim.call_id]
        assert [event.call_id for event in it.events(CallClaimed)] == [claim.call_id]
        assert NUMBER not in repr(claim)


def test_an_empty_list_is_over_and_a_leased_one_is_not() -> None:
    """The end of the list is told apart from a list whose last customer is being called."""
    with book() as it:
        assert isinstance(it.claim(), ListOver)
        it.customer()
        it.claimed()
        answer = it.claim()
        assert isinstance(answer, NothingDue)
        assert "being called right now" in answer.sentence


def _suppressed(it: Book, customer_id: int) -> None:
    suppress(it.conn, this_customer(customer_id), Source.OPT_OUT, it.now, actor="t", reason="t")


def _number_invalid(it: Book, customer_id: int) -> None:
    number_id = it.conn.execute(
        select(customer_number.c.id).where(customer_number.c.customer_id == customer_id)
    ).scalar_one()
    mark_number(it.conn, number_id, NumberState.INVALID)


@pytest.mark.parametrize(
    ("number", "spoil", "says"),
    [
        pytest.param(NUMBER, _suppressed, "asked not to be contacted", id="suppressed"),
        pytest.param(NUMBER, _number_invalid, "no number that may be called", id="no number left"),
        pytest.param("+447700900123", None, "", id="prefix not on the allow-list"),
        pytest.param("+351760123456", None, "", id="premium"),
    ],
)
def test_whom_waiting_would_not_help_leaves_the_list(
    number: str, spoil: Callable[[Book, int], None] | None, says: str
) -> None:
    """The customer is withdrawn, the end of the list is told, and nothing of a claim remains."""
    with book() as it:
        customer_id = it.customer(number)
        if spoil is not None:
            spoil(it, customer_id)
        answer = it.claim(customer_id)
        assert isinstance(answer, NothingDue)
        assert answer.sentence
        assert says in answer.sentence
        assert it.entry_state(customer_id) == EntryState.WITHDRAWN
        assert len(it.events(ListFinished)) == 1
        _nothing_remains(it)


def _nothing_remains(it: Book) -> None:
    assert it.locked() == []
    assert not open_sessions(it.conn)
    assert not it.events(CallClaimed)


def test_outside_the_hours_the_customer_waits_for_them() -> None:
    """At seven in the evening in Lisbon the entry waits for nine the next morning."""
    with book() as it:
        customer_id = it.customer()
        it.later(hours=9)
        assert isinstance(it.claim(), NothingDue)
        entry = it.entry(customer_id)
        assert entry is not None
        assert entry.next_at == datetime(2026, 1, 6, 9, 0, tzinfo=UTC)
        assert entry.wait_reason
        _nothing_remains(it)


def test_a_customer_without_a_time_zone_is_not_called_and_not_lost() -> None:
    """The hours cannot be known: looked at again another day, should somebody put it right."""
    with book() as it:
        customer_id = it.customer(zone=None)
        assert isinstance(it.claim(), NothingDue)
        entry = it.entry(customer_id)
        assert entry is not None
        assert entry.next_at == it.now + timedelta(days=1)


def test_the_cap_of_a_day_waits_for_the_next_one() -> None:
    """After as many attempts as a day allows the customer waits for the morning."""
    with book(CampaignPolicy(retry_s={}), caps=Caps(per_day=1)) as it:
        customer_id = it.customer()
        it.finish(it.dialed(), NOT_ANSWERED)
        answer = it.claim(customer_id)
        assert isinstance(answer, NothingDue)
        entry = it.entry(customer_id)
        assert entry is not None
        assert entry.next_at == datetime(2026, 1, 6, 9, 0, tzinfo=UTC)


def test_an_attempt_on_a_shared_phone_counts_for_both() -> None:
    """The cap is the phone's as well: two customers of one household are not called twice as often."""
    with book(caps=Caps(per_day=1)) as it:
        it.customer(NUMBER)
        it.finish(it.dialed(), NOT_ANSWERED)
        it.customer(NUMBER)
        answer = it.claim()
        assert isinstance(answer, NothingDue)
        assert "attempts" in answer.sentence or "called" in answer.sentence


def test_one_phone_of_two_customers_is_locked_for_one_call() -> None:
    """The second customer waits two minutes while the first is being called; nothing of a claim remains."""
    with book() as it:
        it.customer(NUMBER)
        second = it.customer(NUMBER)
        first = it.claimed()
        answer = it.claim()
        assert isinstance(answer, NothingDue)
        assert answer.sentence == "Somebody else is being called on this number right now."
        entry = it.entry(second)
        assert entry is not None
        assert entry.next_at == it.now + timedelta(minutes=2)
        assert it.locked() == [first.call_id]


def test_who_may_not_be_called_now_is_passed_over() -> None:
    """The next one who may is claimed in the same unit."""
    with book() as it:
        first = it.customer(NUMBER)
        second = it.customer(OTHER)
        _suppressed(it, first)
        assert it.claimed().customer_id == second


def test_our_own_caller_id_is_never_dialed() -> None:
    """A customer whose only number is one of ours has no number to call."""
    with book() as it:
        customer_id = it.customer()
        blind = it.conn.execute(select(customer_number.c.e164_blind)).scalar_one()
        it.rules = replace(it.rules, own_blinds=frozenset({blind}))
        assert isinstance(it.claim(customer_id), NothingDue)
        assert it.entry_state(customer_id) == EntryState.WITHDRAWN


@pytest.mark.parametrize(
    "limits",
    [{"max_calls": 0}, {"max_calls_per_minute": 0}, {"max_calls_per_rm_per_hour": 0}],
    ids=["at once", "in a minute", "of one RM in an hour"],
)
def test_at_a_limit_of_the_house_nobody_is_taken_for_nothing(limits: dict[str, int]) -> None:
    """No call ID, no row, no event: the RM is told, and the list stays as it is."""
    with book(**limits) as it:
        customer_id = it.customer()
        answer = it.claim()
        assert isinstance(answer, NothingDue)
        assert "allowed" in answer.sentence
        entry = it.entry(customer_id)
        assert entry is not None
        assert entry.state is EntryState.PENDING
        _nothing_remains(it)


# --- the row before the INVITE ------------------------------------------------------------------------


def test_the_row_is_written_before_anybody_is_dialed() -> None:
    """It counts as an attempt from that moment, carries leg, bridge and trunk, and is told to the outbox."""
    with book() as it:
        it.customer()
        claim = it.dialed("carrier2")
        row = it.call(claim.call_id)
        assert (row.state, row.trunk, row.counted) == (CallState.DIALING, "carrier2", True)
        assert row.dialed_at == it.now
        assert row.leg
        assert row.bridge
        assert [event.trunk for event in it.events(CallDialed)] == ["carrier2"]


def _halted(it: Book, claim: Claim) -> None:
    order_halt(it.conn, "t", "fire drill", it.now)


def _as_many_as_allowed(it: Book, claim: Claim) -> None:
    it.rules = replace(it.rules, max_calls=0)


def _too_many_a_minute(it: Book, claim: Claim) -> None:
    it.rules = replace(it.rules, max_calls_per_minute=0)


def _too_many_of_one_rm(it: Book, claim: Claim) -> None:
    it.rules = replace(it.rules, max_calls_per_rm_per_hour=0)


def _opted_out(it: Book, claim: Claim) -> None:
    _suppressed(it, claim.customer_id)


def _night(it: Book, claim: Claim) -> None:
    it.later(hours=12)


def _lock_taken(it: Book, claim: Claim) -> None:
    unlock_number(it.conn, claim.call_id)
    blind = it.call(claim.call_id).number_blind
    assert lock_number(it.conn, blind, "SOMEBODY", it.now, it.now + timedelta(minutes=1))


def _paused(it: Book, claim: Claim) -> None:
    move_campaign(it.conn, it.campaign.id, CampaignState.PAUSED, it.now)


def test_one_rms_calls_of_the_last_hour_are_capped() -> None:
    """The cap is reached, another RM is not held up, and after the hour dialing goes on."""
    with book() as it:
        it.rules = replace(it.rules, max_calls_per_rm_per_hour=1)
        it.customer()
        it.finish(it.dialed(), LegEnd(ended_by=EndedBy.NETWORK, tech_cause=486, cause=17))
        it.customer(OTHER)
        answer = it.claim()
        assert isinstance(answer, NothingDue)
        assert "one RM" in answer.sentence
        assert count_dialed_since(it.conn, it.now - timedelta(hours=1), it.rm.id) == 1
        assert count_dialed_since(it.conn, it.now - timedelta(hours=1), it.rm.id + 1) == 0
        it.later(minutes=61)
        assert it.begin(it.claimed()) is None


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_halted, "fire drill"),
        (_as_many_as_allowed, "at once"),
        (_too_many_a_minute, "one minute"),
        (_too_many_of_one_rm, "one RM"),
        (_opted_out, "asked not to be contacted"),
        (_night, "."),
        (_lock_taken, "on this number"),
        (_paused, "paused"),
    ],
)
def test_what_changed_since_the_claim_stops_the_dialing(
    spoil: Callable[[Book, Claim], None], says: str
) -> None:
    """A refusal writes nothing: the call is still only claimed."""
    with book() as it:
        it.customer()
        claim = it.claimed()
        spoil(it, claim)
        refusal = it.begin(claim)
        assert refusal is not None
        assert says in refusal
        row = it.call(claim.call_id)
        assert (row.state, row.dialed_at, row.counted) == (CallState.CLAIMED, None, False)
        assert not it.events(CallDialed)


def test_a_lifted_halt_lets_calls_begin_again() -> None:
    """Two halts stand until one lift takes both away."""
    with book() as it:
        it.customer()
        claim = it.claimed()
        order_halt(it.conn, "a", "one", it.now)
        order_halt(it.conn, "b", "two", it.now)
        assert it.begin(claim) == "Everything is stopped: two"
        assert lift_halt(it.conn, "a", it.now) == 2
        assert it.begin(claim) is None
