# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a call as one unit: one disposition, and for number, list, profile and alarms what follows from it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from crm.interactions import timeline
from crm.tables import customer_number
from dialer.campaigns import CampaignPolicy
from dialer.finish import GHOST_RING
from dialer.salvage import close_open_call
from profiler.sessions import CloseReason, find_session
from tests.dialer_book import Book, book
from vocabulary.call_id import CallId
from vocabulary.dispositions import RULES, Disposition, EndedBy, LegEnd
from vocabulary.events import AlarmRaised, CallAnswered, CallEnded, ListFinished, NumberCondemned
from vocabulary.outcomes import Outcome
from vocabulary.states import CallState, EntryState, NumberState

D = Disposition
ENDS = {
    D.NO_ANSWER: LegEnd(ended_by=EndedBy.RING_TIMER, rang=True),
    D.BUSY: LegEnd(ended_by=EndedBy.NETWORK, tech_cause=486),
    D.DECLINED: LegEnd(ended_by=EndedBy.NETWORK, rang=True, tech_cause=603),
    D.BLOCKED_AS_UNWANTED: LegEnd(ended_by=EndedBy.NETWORK, tech_cause=607),
    D.INVALID_NUMBER: LegEnd(ended_by=EndedBy.NETWORK, tech_cause=404),
    D.CARRIER_REJECTED: LegEnd(ended_by=EndedBy.NETWORK, tech_cause=403),
    D.CARRIER_FAILED: LegEnd(ended_by=EndedBy.NETWORK, tech_cause=503),
    D.MEDIA_FAILED: LegEnd(ended_by=EndedBy.NETWORK, was_up=True, media_failed=True),
    D.MACHINE: LegEnd(ended_by=EndedBy.SCREENING, was_up=True),
    D.ABANDONED: LegEnd(ended_by=EndedBy.ABANDON_TIMER, was_up=True, up_s=2.0),
    D.HUNG_UP_EARLY: LegEnd(ended_by=EndedBy.NETWORK, was_up=True, up_s=0.5),
    D.CANCELLED: LegEnd(ended_by=EndedBy.RM),
    D.LOST: LegEnd(ended_by=EndedBy.EVENTS_LOST),
}


@pytest.mark.parametrize("disposition", ENDS)
def test_a_call_without_a_talk_is_settled_whole(disposition: Disposition) -> None:
    """Final, counted by its rule, number free, session closed, told once, tried again when its rule says."""
    with book() as it:
        customer_id = it.customer()
        claim = it.dialed()
        assert it.finish(claim, ENDS[disposition]) is disposition
        row = it.call(claim.call_id)
        rule = RULES[disposition]
        assert (row.state, row.disposition) == (CallState.NOT_CONNECTED, disposition)
        assert row.counted == rule.counts_as_attempt
        assert it.locked(it.now + GHOST_RING) == []
        session = find_session(it.conn, claim.call_id)
        assert session is not None
        assert session.close_reason is CloseReason.NOT_CONNECTED
        assert [event.disposition for event in it.events(CallEnded)] == [disposition]
        assert [event.alarm for event in it.events(AlarmRaised)] == ([str(disposition)] if rule.alarm else [])
        entry = it.entry(customer_id)
        assert entry is not None
        assert (entry.state, entry.attempts) == (EntryState.PENDING, int(rule.counts_as_attempt))
        assert entry.last_disposition is disposition
        assert rule.retry_after_s is not None
        assert entry.next_at >= it.now + timedelta(seconds=rule.retry_after_s)
        assert len(timeline(it.conn, it.rules.cipher, customer_id)) == 1


def test_every_disposition_but_the_talk_is_tried_above() -> None:
    """No disposition is left without its effects."""
    assert set(ENDS) == set(Disposition) - {D.ANSWERED}


@pytest.mark.parametrize(
    ("second", "condemned"),
    [
        pytest.param((0, "carrier"), False, id="the same day and trunk: nothing new"),
        pytest.param((1, "carrier"), True, id="another day"),
        pytest.param((0, "carrier2"), True, id="another trunk"),
    ],
)
def test_a_number_said_invalid_twice_is_condemned(second: tuple[int, str], condemned: bool) -> None:
    """Only on another day or trunk does the second saying count; then an event tells it."""
    with book(CampaignPolicy(retry_s={D.INVALID_NUMBER: 0})) as it:
        it.customer()
        it.finish(it.dialed("carrier"), ENDS[D.INVALID_NUMBER])
        days, trunk = second
        it.later(days=days)
        it.finish(it.dialed(trunk), ENDS[D.INVALID_NUMBER])
        state = it.conn.execute(select(customer_number.c.state)).scalar_one()
        assert state == (NumberState.INVALID if condemned else NumberState.SUSPECT)
        assert len(it.events(NumberCondemned)) == int(condemned)


def test_an_answer_clears_a_suspect_number() -> None:
    """Somebody was there, so the network was wrong."""
    with book(CampaignPolicy(retry_s={D.INVALID_NUMBER: 0})) as it:
        it.customer()
        it.finish(it.dialed(), ENDS[D.INVALID_NUMBER])
        it.talked()
        assert it.conn.execute(select(customer_number.c.state)).scalar_one() == NumberState.ACTIVE


def test_a_talk_keeps_its_entry_until_the_outcome() -> None:
    """Ended, not final: the entry stays leased, the number is free, the answer is told."""
    with book() as it:
        customer_id = it.customer()
        claim = it.talked()
        row = it.call(claim.call_id)
        assert (row.state, row.disposition, row.counted) == (CallState.ENDED, D.ANSWERED, True)
        entry = it.entry(customer_id)
        assert entry is not None
        assert entry.state is EntryState.LEASED
        assert it.locked() == []
        assert len(it.events(CallAnswered)) == len(it.events(CallEnded)) == 1


@pytest.mark.parametrize(("skipped", "wait_h"), [(False, 0), (True, 1)])
def test_a_customer_who_was_not_dialed_goes_back(skipped: bool, wait_h: int) -> None:
    """Given back at once, skipped for an hour; no attempt, no call told to the profiler, no interaction."""
    with book() as it:
        customer_id = it.customer()
        claim = it.claimed()
        it.finish(claim, LegEnd(ended_by=EndedBy.RM), dialed=False, skipped=skipped)
        entry = it.entry(customer_id)
        assert entry is not None
        assert (entry.state, entry.attempts) == (EntryState.PENDING, 0)
        assert entry.next_at == it.now + timedelta(hours=wait_h)
        session = find_session(it.conn, claim.call_id)
        assert session is not None
        assert session.close_reason is CloseReason.GIVEN_BACK
        assert not it.events(CallEnded)
        assert not timeline(it.conn, it.rules.cipher, customer_id)


def test_cancelling_counts_once_it_rang() -> None:
    """Before the ringing the customer noticed nothing; after it they were disturbed."""
    with book() as it:
        it.customer()
        claim = it.dialed()
        it.finish(claim, LegEnd(ended_by=EndedBy.RM, rang=True))
        assert it.call(claim.call_id).counted


@pytest.mark.parametrize(("rang", "wait_min"), [(True, 15), (False, 0)])
def test_who_was_rung_and_cut_is_left_alone_for_a_while(rang: bool, wait_min: int) -> None:
    """Two short rings in a row are a nuisance; before the first ring nobody was disturbed."""
    with book() as it:
        customer_id = it.customer()
        it.finish(it.dialed(), LegEnd(ended_by=EndedBy.CAMPAIGN, rang=rang))
        entry = it.entry(customer_id)
        assert entry is not None
        assert entry.next_at == it.now + timedelta(minutes=wait_min)


def test_the_last_attempt_exhausts_the_entry_and_ends_the_list() -> None:
    """With the attempts used up the customer leaves the list, and its end is told once."""
    with book(CampaignPolicy(max_attempts=1)) as it:
        customer_id = it.customer()
        it.finish(it.dialed(), ENDS[D.NO_ANSWER])
        assert it.entry_state(customer_id) == EntryState.EXHAUSTED
        assert len(it.events(ListFinished)) == 1


def test_dials_that_never_rang_do_not_go_on_for_ever() -> None:
    """They count as no attempt, yet after three in a day the next is a day away, and one day it ends."""
    with book(CampaignPolicy(max_attempts=1, retry_s={D.CARRIER_FAILED: 0})) as it:
        customer_id = it.customer()
        for _ in range(2):
            it.finish(it.dialed(), ENDS[D.CARRIER_FAILED])
            entry = it.entry(customer_id)
            assert entry is not None
            assert entry.next_at == it.now
        it.finish(it.dialed(), ENDS[D.CARRIER_FAILED])
        assert it.entry_state(customer_id) == EntryState.EXHAUSTED


def _leave(it: Book, state: str) -> CallId:
    claim = it.claimed()
    if state != "claimed":
        assert it.begin(claim) is None
    if state == "ended":
        end = LegEnd(ended_by=EndedBy.NETWORK, was_up=True, bridged=True)
        it.finish(claim, end)
    return claim.call_id


@pytest.mark.parametrize(
    ("left_in", "disposition", "closed_in", "outcome"),
    [
        ("claimed", D.CANCELLED, CallState.NOT_CONNECTED, None),
        ("dialing", D.LOST, CallState.NOT_CONNECTED, None),
        ("ended", D.ANSWERED, CallState.WRAPPED_UP, Outcome.NO_OUTCOME),
    ],
)
def test_what_nobody_follows_is_closed_from_its_row(
    left_in: str, disposition: Disposition, closed_in: CallState, outcome: Outcome | None
) -> None:
    """Whatever state a dead process left it in, it ends once; closing it again changes nothing."""
    with book() as it:
        it.customer()
        call_id = _leave(it, left_in)
        for _ in range(2):
            close_open_call(it.conn, call_id, EndedBy.EVENTS_LOST, "x", it.now, it.ids, it.rules)
        row = it.call(call_id)
        assert (row.disposition, row.state, row.outcome) == (disposition, closed_in, outcome)
        assert len(it.events(CallEnded)) == (0 if left_in == "claimed" else 1)
