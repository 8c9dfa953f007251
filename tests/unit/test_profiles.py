# SPDX-License-Identifier: GPL-3.0-or-later
"""Profiles learn from call events: once in effect, in any order, blaming nobody wrongly, with the reason kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Table, insert, select

from foundation.db.inline import Inline
from foundation.db.testing import memory_database
from foundation.testing import MONDAY_TEN as NOW
from profiler import lists, profiles
from profiler.learning import consume
from profiler.profiles import CustomerProfile, Subject
from profiler.reach import DayKind, Slot, Tally
from profiler.tables import (
    customer_profile,
    profiled_call,
    reach,
    reach_prior,
    rm_profile,
    target_entry,
)
from profiler.testing import add_customers, add_rm
from vocabulary.call_id import CallId
from vocabulary.dispositions import RULES, Blame, Disposition
from vocabulary.events import (
    AlarmRaised,
    CallAnswered,
    CallClaimed,
    CallDialed,
    CallEnded,
    CustomerSuppressed,
    Event,
    ListFinished,
    NumberCondemned,
    OutcomeRecorded,
)
from vocabulary.outcomes import OUTCOME_RULES, Outcome
from vocabulary.states import EntryState

CUSTOMER, ANNA, BEN, CAMPAIGN = 1, 1, 2, 7
TEN = Slot(DayKind.WORKDAY, 10)
Story = list[tuple[str, Event]]


def ended(
    number: int = 1,
    disposition: Disposition = Disposition.ANSWERED,
    rm_id: int | None = ANNA,
    customer_id: int = CUSTOMER,
    at: datetime = NOW,
    dialed: bool = True,
    hour: int | None = 10,
) -> CallEnded:
    return CallEnded(
        at=at,
        call_id=CallId(f"CALL{number:04}"),
        campaign_id=CAMPAIGN,
        customer_id=customer_id,
        rm_id=rm_id,
        disposition=disposition,
        number_id=1,
        trunk="main",
        dialed=dialed,
        local_hour=hour,
        weekday=0,
        rang_s=5.0,
        talk_s=120.1 if disposition is Disposition.ANSWERED else 0.0,
    )


def said(
    outcome: Outcome,
    number: int = 1,
    corrected_from: Disposition | None = None,
    rm_id: int | None = ANNA,
    customer_id: int = CUSTOMER,
    at: datetime = NOW + timedelta(minutes=1),
) -> OutcomeRecorded:
    return OutcomeRecorded(
        at=at,
        call_id=CallId(f"CALL{number:04}"),
        campaign_id=CAMPAIGN,
        customer_id=customer_id,
        rm_id=rm_id,
        outcome=outcome,
        corrected_from=corrected_from,
        talk_s=120.1,
        wrap_up_s=30.3,
    )


def hear(conn: Connection, story: Iterable[tuple[str, Event]]) -> None:
    for event_id, event in story:
        consume(conn, event_id, event)


def heard(*events: Event) -> Story:
    return [(f"EVENT{number:021}", event) for number, event in enumerate(events)]


async def test_an_answer_raises_reachability_at_its_hour(inline_db: Inline) -> None:
    """The customer's profile, everybody's tally and the RM's profile learn from one talk."""
    await inline_db.write(hear, heard(ended(), said(Outcome.SALE)))
    customer = await inline_db.read(profiles.of_customer, CUSTOMER)
    assert (customer.attempts, customer.answers, customer.talk_ms) == (1, 1, 120_100)
    assert customer.reach == {TEN: Tally(tries=1, answers=1)}
    assert (customer.last_rm_id, customer.last_ended_at) == (ANNA, NOW)
    assert (customer.last_disposition, customer.last_outcome) == (Disposition.ANSWERED, Outcome.SALE)
    rm = await inline_db.read(profiles.of_rm, ANNA)
    assert (rm.calls, rm.answered, rm.talk_ms, rm.wrap_up_ms) == (1, 1, 120_100, 30_300)
    assert rm.outcomes == {Outcome.SALE: 1}
    prior = await inline_db.read(profiles.prior)
    assert prior[TEN] > prior[Slot(DayKind.WORKDAY, 11)]


@pytest.mark.parametrize(
    ("disposition", "attempts", "tally"),
    [
        (Disposition.NO_ANSWER, 1, Tally(1, 0)),
        (Disposition.MACHINE, 1, Tally(1, 0)),
        (Disposition.DECLINED, 1, Tally(1, 0)),
        (Disposition.HUNG_UP_EARLY, 1, Tally(1, 1)),
        (Disposition.BUSY, 1, None),
        (Disposition.INVALID_NUMBER, 0, None),
        (Disposition.BLOCKED_AS_UNWANTED, 0, None),
        (Disposition.CARRIER_REJECTED, 0, None),
        (Disposition.CARRIER_FAILED, 0, None),
        (Disposition.MEDIA_FAILED, 0, None),
        (Disposition.ABANDONED, 0, None),
        (Disposition.CANCELLED, 0, None),
        (Disposition.LOST, 0, None),
    ],
)
async def test_only_what_says_something_of_the_customer_touches_the_customer(
    inline_db: Inline, disposition: Disposition, attempts: int, tally: Tally | None
) -> None:
    """A trunk's failure is never the customer's, and a busy line says nothing of the hour."""
    await inline_db.write(hear, heard(ended(disposition=disposition)))
    customer = await inline_db.read(profiles.of_customer, CUSTOMER)
    assert customer.attempts == attempts
    assert customer.reach == ({} if tally is None else {TEN: tally})
    touched = RULES[disposition].blame is Blame.CUSTOMER
    assert bool(await inline_db.read(profiles.explain, Subject.CUSTOMER, CUSTOMER)) == touched


async def test_a_call_that_was_never_dialed_teaches_nothing(inline_db: Inline) -> None:
    """Claimed and cancelled: no profile knows of it."""
    await inline_db.write(hear, heard(ended(disposition=Disposition.CANCELLED, dialed=False)))
    assert await inline_db.read(profiles.of_customer, CUSTOMER) == CustomerProfile(customer_id=CUSTOMER)
    assert (await inline_db.read(profiles.of_rm, ANNA)).calls == 0


@pytest.mark.parametrize(
    ("outcome", "answers", "tally"),
    [
        (Outcome.MACHINE, 0, {TEN: Tally(1, 0)}),
        (Outcome.DEAD_AIR, 0, {TEN: Tally(0, 0)}),
        (Outcome.WRONG_PERSON, 0, {TEN: Tally(0, 0)}),
        (Outcome.NOT_INTERESTED, 1, {TEN: Tally(1, 1)}),
    ],
)
async def test_an_outcome_that_corrects_the_record_takes_the_earlier_effect_back(
    inline_db: Inline, outcome: Outcome, answers: int, tally: dict[Slot, Tally]
) -> None:
    """A machine, dead air or a stranger was counted as an answer: it is not one any more."""
    corrects = OUTCOME_RULES[outcome].corrects_to is not None
    await inline_db.write(
        hear, heard(ended(), said(outcome, corrected_from=Disposition.ANSWERED if corrects else None))
    )
    customer = await inline_db.read(profiles.of_customer, CUSTOMER)
    assert (customer.answers, customer.reach) == (answers, tally)
    assert (await inline_db.read(profiles.of_rm, ANNA)).outcomes == {outcome: 1}


async def test_a_correction_of_the_last_talk_gives_the_talk_before_its_place_back(inline_db: Inline) -> None:
    """The last contact is the last call that says something of the customer."""
    later = NOW + timedelta(days=1)
    story = heard(
        ended(1),
        said(Outcome.INTERESTED, 1),
        ended(2, rm_id=BEN, at=later),
        said(Outcome.WRONG_PERSON, 2, rm_id=BEN, at=later),
    )
    await inline_db.write(hear, story)
    customer = await inline_db.read(profiles.of_customer, CUSTOMER)
    assert (customer.last_call_id, customer.last_rm_id) == ("CALL0001", ANNA)
    assert customer.last_outcome is Outcome.INTERESTED


async def test_the_last_contact_is_the_latest_in_time_whatever_its_call_id(inline_db: Inline) -> None:
    """Call IDs are random: their order says nothing."""
    later = NOW + timedelta(days=1)
    await inline_db.write(hear, heard(ended(1, rm_id=BEN, at=later), ended(2, rm_id=ANNA)))
    customer = await inline_db.read(profiles.of_customer, CUSTOMER)
    assert (customer.last_call_id, customer.last_ended_at, customer.last_rm_id) == ("CALL0001", later, BEN)


async def test_the_newest_outcome_holds(inline_db: Inline) -> None:
    """An outcome put right later moves the RM's count, and an old one that comes again does not come back."""
    first = said(Outcome.MACHINE, corrected_from=Disposition.ANSWERED)
    second = replace(first, outcome=Outcome.SALE, corrected_from=None, at=first.at + timedelta(hours=1))
    story = heard(ended(), first, second)
    await inline_db.write(hear, [*story, story[1]])
    assert (await inline_db.read(profiles.of_rm, ANNA)).outcomes == {Outcome.SALE: 1}
    assert (await inline_db.read(profiles.of_customer, CUSTOMER)).answers == 1


async def test_a_call_counts_for_the_rm_who_had_it(inline_db: Inline) -> None:
    """Claimed for one RM and talked to by another: the call is the other's."""
    story = heard(ended(rm_id=BEN), said(Outcome.SALE, rm_id=BEN))
    claimed = CallClaimed(
        at=NOW, call_id=CallId("CALL0001"), campaign_id=CAMPAIGN, customer_id=CUSTOMER, rm_id=ANNA
    )
    await inline_db.write(hear, [("EVENT-LATE", claimed), *story])
    assert (await inline_db.read(profiles.of_rm, ANNA)).calls == 0
    ben = await inline_db.read(profiles.of_rm, BEN)
    assert (ben.calls, ben.outcomes) == (1, {Outcome.SALE: 1})


async def test_every_change_is_kept_with_its_reason_newest_first(inline_db: Inline) -> None:
    """Why the profile is what it is can be read back, field by field."""
    correction = said(Outcome.MACHINE, corrected_from=Disposition.ANSWERED)
    await inline_db.write(hear, heard(ended(), correction))
    newest, oldest = await inline_db.read(profiles.explain, Subject.CUSTOMER, CUSTOMER)
    assert (oldest.reason, oldest.sentence) == ("call_answered", "Called at 10h on a workday: answered.")
    assert (oldest.before["answers"], oldest.after["answers"]) == (0, 1)
    assert (oldest.before["reach_workday_10h"], oldest.after["reach_workday_10h"]) == ([0, 0], [1, 1])
    assert newest.reason == "outcome_machine"
    assert newest.sentence == ("The RM said: answering machine. This corrects answered at 10h on a workday.")
    assert (newest.before["answers"], newest.after["answers"]) == (1, 0)
    assert newest.after["reach_workday_10h"] == [1, 0]
    assert len(await inline_db.read(profiles.explain, Subject.RM, ANNA)) == 2


async def test_a_suppressed_customer_leaves_the_list(inline_db: Inline) -> None:
    """Who may not be called any more is not waiting for a call; told twice, it happens once."""

    def listed(conn: Connection) -> int:
        (customer_id,) = add_customers(conn, 1, NOW)
        conn.execute(
            insert(target_entry).values(
                campaign_id=CAMPAIGN,
                rm_id=add_rm(conn).rm_id,
                customer_id=customer_id,
                state=EntryState.PENDING,
                score=1,
                reasons=[],
                next_at=NOW,
                attempts=0,
                changed_at=NOW,
            )
        )
        return customer_id

    customer_id = await inline_db.write(listed)
    story = heard(CustomerSuppressed(at=NOW, customer_id=customer_id, source="opt_out"))
    await inline_db.write(hear, story * 2)
    assert await inline_db.read(lists.open_entry, customer_id) is None
    assert (await inline_db.read(profiles.of_customer, customer_id)).suppressed_at == NOW
    (change,) = await inline_db.read(profiles.explain, Subject.CUSTOMER, customer_id)
    assert (change.reason, change.after) == ("suppressed", {"suppressed_at": NOW.isoformat()})


async def test_condemned_numbers_and_finished_lists_are_counted_once(inline_db: Inline) -> None:
    """Events that are no call's are told apart by their event id."""
    story = heard(
        NumberCondemned(at=NOW, customer_id=CUSTOMER, number_id=1),
        NumberCondemned(at=NOW, customer_id=CUSTOMER, number_id=2),
        ListFinished(at=NOW, campaign_id=CAMPAIGN, rm_id=ANNA),
        AlarmRaised(at=NOW, alarm="trunk", subject="main", sentence="The trunk is slow."),
    )
    await inline_db.write(hear, story + story)
    assert (await inline_db.read(profiles.of_customer, CUSTOMER)).numbers_condemned == 2
    assert (await inline_db.read(profiles.of_rm, ANNA)).lists_finished == 1


def call_story(draw: st.DrawFn, number: int) -> Story:
    """The events one call might give, some of which may be missing."""
    rms = st.sampled_from([ANNA, BEN, None])
    customer_id = draw(st.sampled_from([1, 2]))
    at = NOW + timedelta(minutes=draw(st.integers(0, 3)))
    disposition = draw(st.sampled_from(Disposition))
    common: dict[str, Any] = {
        "at": at,
        "call_id": CallId(f"CALL{number:04}"),
        "campaign_id": CAMPAIGN,
        "customer_id": customer_id,
    }
    events: list[Event] = [
        CallClaimed(**common, rm_id=draw(rms)),
        CallDialed(**common, rm_id=draw(rms), trunk="main"),
        CallAnswered(**common, rm_id=draw(rms), rang_s=3.0),
        ended(
            number,
            disposition,
            draw(rms),
            customer_id,
            at,
            dialed=draw(st.booleans()),
            hour=draw(st.sampled_from([9, 18, None])),
        ),
    ]
    for outcome in draw(st.lists(st.sampled_from(Outcome), max_size=2)):
        corrects = OUTCOME_RULES[outcome].corrects_to is not None
        outcome_at = at + timedelta(minutes=draw(st.integers(0, 2)))
        corrected_from = disposition if corrects else None
        events.append(said(outcome, number, corrected_from, draw(rms), customer_id, outcome_at))
    return [(f"CALL{number:04}-{place}", event) for place, event in enumerate(events)]


@st.composite
def stories(draw: st.DrawFn) -> tuple[Story, Story]:
    """What happened, and the same with doubles and in another order."""
    story = [one for number in range(draw(st.integers(1, 4))) for one in call_story(draw, number)]
    story += [
        ("SUPPRESSED", CustomerSuppressed(at=NOW, customer_id=1, source="opt_out")),
        ("SUPPRESSED-2", CustomerSuppressed(at=NOW - timedelta(1), customer_id=1, source="registry")),
        ("CONDEMNED", NumberCondemned(at=NOW, customer_id=2, number_id=5)),
        ("FINISHED", ListFinished(at=NOW, campaign_id=CAMPAIGN, rm_id=ANNA)),
    ]
    doubles = draw(st.lists(st.sampled_from(story), max_size=6))
    return story, draw(st.permutations(story + doubles))


def state_of(conn: Connection) -> dict[str, list[dict[str, Any]]]:
    """All profiles, without rows and counts that are zero."""

    def rows(table: Table) -> list[dict[str, Any]]:
        keys = list(table.primary_key.columns)
        return [
            {name: value for name, value in row._mapping.items() if value not in (0, None, {})}
            for row in conn.execute(select(table).order_by(*keys))
        ]

    def taught(table: Table) -> list[dict[str, Any]]:
        keys = {column.name for column in table.primary_key.columns}
        return [row for row in rows(table) if set(row) - keys]

    return {
        table.name: taught(table)
        for table in (customer_profile, reach, reach_prior, rm_profile, profiled_call)
    }


@settings(max_examples=60, deadline=None)
@given(stories())
async def test_any_order_and_any_doubles_give_the_same_profiles(told: tuple[Story, Story]) -> None:
    """At-least-once delivery in any order is exactly once in effect, for every profile and tally."""
    in_order, shuffled = told
    results = []
    for story in (in_order, shuffled):
        db = await memory_database()
        await db.write(hear, story)
        results.append(await db.read(state_of))
        await db.close()
    assert results[0] == results[1]
