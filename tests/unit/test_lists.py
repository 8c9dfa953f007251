# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a target-list entry."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event, insert
from sqlalchemy.exc import IntegrityError

from foundation.db.inline import Inline
from foundation.db.testing import memory_database
from foundation.testing import MONDAY_TEN as NOW
from profiler import lists
from profiler.lists import EndOfList, NothingNow, Taken
from profiler.tables import target_entry
from profiler.testing import add_customers, add_rm
from vocabulary.call_id import CallId
from vocabulary.dispositions import Disposition
from vocabulary.errors import IllegalMove
from vocabulary.outcomes import Outcome
from vocabulary.states import EntryState

CAMPAIGN = 7
HOUR = timedelta(hours=1)
LEASE = NOW + timedelta(minutes=5)


def call(number: int) -> CallId:
    return CallId(f"CALL{number:04}")


def fill(
    conn: Connection, scores: Sequence[float], rm_id: int | None = None, campaign_id: int = CAMPAIGN
) -> tuple[int, Sequence[int]]:
    """One RM's list with a customer for every score: the RM's id and the customers' ids."""
    rm_id = rm_id or add_rm(conn).rm_id
    customers = add_customers(conn, len(scores), NOW, source=f"test-{rm_id}-{campaign_id}")
    conn.execute(
        insert(target_entry),
        [
            {
                "campaign_id": campaign_id,
                "rm_id": rm_id,
                "customer_id": customer_id,
                "state": EntryState.PENDING,
                "score": score,
                "reasons": ["no contact yet"],
                "next_at": NOW,
                "attempts": 0,
                "changed_at": NOW,
            }
            for customer_id, score in zip(customers, scores, strict=True)
        ],
    )
    return rm_id, customers


def taken(conn: Connection, rm_id: int, call_number: int, now: datetime = NOW) -> int:
    """The customer the next take gives."""
    result = lists.take(conn, rm_id, CAMPAIGN, call(call_number), now, now + HOUR)
    assert isinstance(result, Taken)
    return result.entry.customer_id


def settle(
    conn: Connection,
    call_number: int,
    state: EntryState = EntryState.DONE,
    next_at: datetime | None = None,
    callback_at: datetime | None = None,
    counted: bool = True,
) -> lists.Settled | None:
    return lists.settle(
        conn, call(call_number), NOW, state, next_at, Disposition.ANSWERED, None, callback_at, counted
    )


async def test_the_best_score_is_taken_first(inline_db: Inline) -> None:
    """A list is worked through by score, ties by age of the entry."""

    def scenario(conn: Connection) -> tuple[list[int], Sequence[int]]:
        rm_id, customers = fill(conn, [10, 30, 20, 30])
        return [taken(conn, rm_id, number) for number in range(4)], customers

    order, customers = await inline_db.write(scenario)
    assert order == [customers[1], customers[3], customers[2], customers[0]]


async def test_a_taken_entry_says_whose_it_is_and_why(inline_db: Inline) -> None:
    """The lease carries the call, its end, the score and its reasons."""
    rm_id, customers = await inline_db.write(fill, [12.5])
    result = await inline_db.write(lists.take, rm_id, CAMPAIGN, call(1), NOW, LEASE)
    assert isinstance(result, Taken)
    entry = result.entry
    assert (entry.customer_id, entry.state, entry.score) == (customers[0], EntryState.LEASED, 12.5)
    assert (entry.lease_call_id, entry.lease_until) == (call(1), LEASE)
    assert entry.reasons == ("no contact yet",)
    assert await inline_db.read(lists.of_call, call(1)) == entry
    assert await inline_db.read(lists.open_entry, customers[0]) == entry


async def test_a_callback_that_is_due_comes_before_any_score(inline_db: Inline) -> None:
    """What was promised to a customer comes first, the longest overdue before others."""

    def scenario(conn: Connection) -> tuple[list[int], Sequence[int]]:
        rm_id, customers = fill(conn, [30, 20, 10])
        for number, late in ((1, 2 * HOUR), (2, HOUR)):
            lists.take(conn, rm_id, CAMPAIGN, call(number), NOW, LEASE, customers[number])
            settle(conn, number, EntryState.PENDING, NOW + 3 * HOUR - late, NOW + 3 * HOUR - late)
        return [taken(conn, rm_id, 10 + n, NOW + 3 * HOUR) for n in range(3)], customers

    order, customers = await inline_db.write(scenario)
    assert order == [customers[1], customers[2], customers[0]]


async def test_a_callback_is_not_called_before_its_time(inline_db: Inline) -> None:
    """The list says when the next one is due."""

    def scenario(conn: Connection) -> Any:
        rm_id, _customers = fill(conn, [30])
        taken(conn, rm_id, 1)
        settle(conn, 1, EntryState.PENDING, NOW + HOUR, NOW + HOUR)
        return lists.take(conn, rm_id, CAMPAIGN, call(2), NOW + HOUR / 2, LEASE)

    assert await inline_db.write(scenario) == NothingNow(next_at=NOW + HOUR)


async def test_a_callback_survives_a_call_that_never_reached_the_customer(inline_db: Inline) -> None:
    """A failed trunk does not break a promise; a call that counted has kept it."""

    def scenario(conn: Connection) -> list[datetime | None]:
        rm_id, _customers = fill(conn, [30])
        kept = []
        for number, (counted, callback_at) in enumerate([(True, NOW), (False, None), (True, None)]):
            taken(conn, rm_id, number)
            settled = settle(conn, number, EntryState.PENDING, NOW, callback_at, counted)
            assert settled is not None
            kept.append(settled.entry.callback_at)
        return kept

    assert await inline_db.write(scenario) == [NOW, NOW, None]


async def test_an_rm_may_choose_a_customer_of_the_own_list(inline_db: Inline) -> None:
    """A chosen customer is taken even before the time; one of another list, or under way, is not."""

    def scenario(conn: Connection) -> None:
        rm_id, customers = fill(conn, [30, 20])
        other_id, others = fill(conn, [50], add_rm(conn, "ben").rm_id)
        lists.take(conn, rm_id, CAMPAIGN, call(1), NOW, LEASE, customers[1])
        lists.give_back(conn, call(1), NOW, NOW + HOUR, "not now")
        again = lists.take(conn, rm_id, CAMPAIGN, call(2), NOW, LEASE, customers[1])
        assert isinstance(again, Taken)
        assert again.entry.customer_id == customers[1]
        for customer_id in (others[0], customers[1], 999):
            refused = lists.take(conn, rm_id, CAMPAIGN, call(3), NOW, LEASE, customer_id)
            assert refused == NothingNow(next_at=None)
        assert taken(conn, other_id, 4) == others[0]

    await inline_db.write(scenario)


async def test_an_empty_list_is_at_its_end_and_one_with_a_call_under_way_is_not(inline_db: Inline) -> None:
    """End of list means that no entry is open; whoever settled the last one is told."""

    def scenario(conn: Connection) -> None:
        rm_id, _customers = fill(conn, [30, 20])
        taken(conn, rm_id, 1)
        taken(conn, rm_id, 2)
        nothing = lists.take(conn, rm_id, CAMPAIGN, call(3), NOW, LEASE)
        assert nothing == NothingNow(next_at=None)
        first, last = settle(conn, 1), settle(conn, 2, EntryState.EXHAUSTED)
        assert first is not None
        assert last is not None
        assert (first.list_finished, last.list_finished) == (False, True)
        assert lists.take(conn, rm_id, CAMPAIGN, call(3), NOW, LEASE) == EndOfList()

    await inline_db.write(scenario)


async def test_given_back_waits_with_its_reason_and_without_an_attempt(inline_db: Inline) -> None:
    """Nobody was dialed: the entry is as it was, for later."""

    def scenario(conn: Connection) -> None:
        rm_id, customers = fill(conn, [30, 20])
        assert taken(conn, rm_id, 1) == customers[0]
        entry = lists.give_back(conn, call(1), NOW, NOW + HOUR, "outside calling hours")
        assert entry is not None
        assert (entry.state, entry.next_at, entry.attempts) == (EntryState.PENDING, NOW + HOUR, 0)
        assert entry.wait_reason == "outside calling hours"
        assert lists.give_back(conn, call(1), NOW, NOW, "again") is None
        assert taken(conn, rm_id, 2) == customers[1]
        assert taken(conn, rm_id, 3, NOW + HOUR) == customers[0]

    await inline_db.write(scenario)


async def test_settling_writes_what_came_of_the_call_once(inline_db: Inline) -> None:
    """Settling a call again changes nothing."""

    def scenario(conn: Connection) -> None:
        rm_id, _customers = fill(conn, [30])
        taken(conn, rm_id, 1)
        settled = lists.settle(
            conn,
            call(1),
            NOW,
            EntryState.PENDING,
            NOW + HOUR,
            Disposition.ANSWERED,
            Outcome.INTERESTED,
            None,
            True,
        )
        assert settled is not None
        entry = settled.entry
        assert (entry.attempts, entry.next_at, entry.lease_call_id) == (1, NOW + HOUR, None)
        assert (entry.last_disposition, entry.last_outcome) == (Disposition.ANSWERED, Outcome.INTERESTED)
        assert settle(conn, 1) is None
        assert lists.page(conn, rm_id, CAMPAIGN, EntryState.PENDING) == [entry]

    await inline_db.write(scenario)


async def test_an_entry_cannot_be_settled_into_nowhere(inline_db: Inline) -> None:
    """LEASED is no end of a call, and waiting needs a time."""
    rm_id, _customers = await inline_db.write(fill, [30])
    await inline_db.write(taken, rm_id, 1)
    with pytest.raises(IllegalMove, match="stays leased"):
        await inline_db.write(settle, 1, EntryState.LEASED)
    with pytest.raises(ValueError, match="needs a time"):
        await inline_db.write(settle, 1, EntryState.PENDING)
    assert await inline_db.read(lists.of_call, call(1)) is not None


async def test_only_leases_of_dead_calls_that_ran_out_are_released(inline_db: Inline) -> None:
    """A live call keeps its entry however long it lasts; a fresh lease is left alone."""

    def scenario(conn: Connection) -> list[CallId]:
        rm_id, _customers = fill(conn, [30, 20, 10])
        for number, lease_until in ((1, NOW), (2, NOW), (3, NOW + HOUR)):
            lists.take(conn, rm_id, CAMPAIGN, call(number), NOW, lease_until)
        released = lists.release_expired(conn, NOW, {call(2)})
        assert [entry.state for _call_id, entry in released] == [EntryState.PENDING]
        assert lists.release_expired(conn, NOW, {call(2)}) == []
        return [call_id for call_id, _entry in released]

    assert await inline_db.write(scenario) == [call(1)]


async def test_a_customer_is_open_in_one_list_only(inline_db: Inline) -> None:
    """The database itself refuses a second open entry, in whatever list, until the first is over."""

    def second(conn: Connection, customer_id: int, rm_id: int) -> None:
        conn.execute(
            insert(target_entry).values(
                campaign_id=CAMPAIGN + 1,
                rm_id=rm_id,
                customer_id=customer_id,
                state=EntryState.PENDING,
                score=1,
                reasons=[],
                next_at=NOW,
                attempts=0,
                changed_at=NOW,
            )
        )

    rm_id, customers = await inline_db.write(fill, [30])
    with pytest.raises(IntegrityError):
        await inline_db.write(second, customers[0], rm_id)
    await inline_db.write(taken, rm_id, 1)
    with pytest.raises(IntegrityError):
        await inline_db.write(second, customers[0], rm_id)
    await inline_db.write(settle, 1)
    await inline_db.write(second, customers[0], rm_id)


async def test_withdrawing_leaves_a_call_under_way_alone(inline_db: Inline) -> None:
    """Who waits is out at once; who is on the line is settled by that call."""

    def scenario(conn: Connection) -> None:
        rm_id, customers = fill(conn, [30, 20])
        taken(conn, rm_id, 1)
        assert lists.withdraw(conn, customers[0], NOW, "asked not to be called") is None
        gone = lists.withdraw(conn, customers[1], NOW, "asked not to be called")
        assert gone is not None
        assert (gone.state, gone.wait_reason) == (EntryState.WITHDRAWN, "asked not to be called")
        assert lists.withdraw(conn, customers[1], NOW, "again") is None
        assert lists.counts(conn, CAMPAIGN) == {rm_id: {EntryState.LEASED: 1, EntryState.WITHDRAWN: 1}}

    await inline_db.write(scenario)


async def test_waiting_entries_move_to_another_rm_in_portions(inline_db: Inline) -> None:
    """Reassigning is repeated until nothing is left; the call under way stays with its RM."""

    def scenario(conn: Connection) -> None:
        anna, customers = fill(conn, [50, 40, 30, 20])
        fill(conn, [10], anna, CAMPAIGN + 1)
        ben = add_rm(conn, "ben").rm_id
        assert taken(conn, anna, 1) == customers[0]
        assert [lists.reassign(conn, anna, ben, NOW, CAMPAIGN, limit=2) for _ in range(3)] == [2, 1, 0]
        assert lists.counts(conn, CAMPAIGN) == {anna: {EntryState.LEASED: 1}, ben: {EntryState.PENDING: 3}}
        assert lists.reassign(conn, anna, ben, NOW) == 1
        assert lists.owner(conn, customers[1], CAMPAIGN) == ben
        assert lists.owner(conn, customers[0], CAMPAIGN) == anna
        assert lists.owner(conn, customers[0], CAMPAIGN + 1) is None

    await inline_db.write(scenario)


@settings(max_examples=30, deadline=None)
@given(st.data())
async def test_however_it_goes_no_entry_is_lost_or_doubled(data: st.DataObject) -> None:
    """Any mix of moves keeps every customer in exactly one entry, leased at most to one call."""
    db = await memory_database()
    rm_id, customers = await db.write(fill, [3, 2, 1])
    live: set[int] = set()
    for number in range(data.draw(st.integers(1, 12))):
        match data.draw(st.sampled_from(["take", "give_back", "settle", "expire", "withdraw"])):
            case "take":
                result = await db.write(lists.take, rm_id, CAMPAIGN, call(number), NOW, NOW)
                live |= {number} if isinstance(result, Taken) else set()
            case "give_back" if live:
                await db.write(lists.give_back, call(live.pop()), NOW, NOW, "later")
            case "settle" if live:
                state = data.draw(
                    st.sampled_from([EntryState.PENDING, EntryState.DONE, EntryState.EXHAUSTED])
                )
                assert await db.write(settle, live.pop(), state, NOW) is not None
            case "expire" if live:
                dead = live.pop()
                released = await db.write(lists.release_expired, NOW, {call(one) for one in live})
                assert [call_id for call_id, _entry in released] == [call(dead)]
            case "withdraw":
                await db.write(lists.withdraw, data.draw(st.sampled_from(customers)), NOW, "why not")
        leased = await db.read(lists.page, rm_id, CAMPAIGN, EntryState.LEASED)
        assert {entry.lease_call_id for entry in leased} == {call(number) for number in live}
        assert len(leased) == len(live)
        counts = await db.read(lists.counts, CAMPAIGN)
        assert sum(counts[rm_id].values()) == len(customers)
    await db.close()


async def test_no_question_about_a_list_reads_the_whole_table(inline_db: Inline) -> None:
    """With a million entries each of these must go through an index."""
    statements: list[tuple[str, Any]] = []

    def remember(
        conn: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        statements.append((statement, parameters))

    def everything(conn: Connection) -> None:
        rm_id, customers = fill(conn, [30, 20, 10])
        ben = add_rm(conn, "ben").rm_id
        event.listen(conn, "before_cursor_execute", remember)
        lists.take(conn, rm_id, CAMPAIGN, call(1), NOW, LEASE)
        lists.take(conn, rm_id, CAMPAIGN, call(2), NOW, LEASE, customers[1])
        lists.take(conn, ben, CAMPAIGN, call(3), NOW, LEASE)
        lists.of_call(conn, call(1))
        lists.open_entry(conn, customers[0])
        lists.owner(conn, customers[0], CAMPAIGN)
        lists.page(conn, rm_id, CAMPAIGN, EntryState.PENDING)
        lists.counts(conn, CAMPAIGN)
        lists.release_expired(conn, NOW + HOUR, {call(2)})
        settle(conn, 2)
        lists.withdraw(conn, customers[2], NOW, "why not")
        lists.reassign(conn, rm_id, ben, NOW)
        lists.reassign(conn, rm_id, ben, NOW, CAMPAIGN)
        event.remove(conn, "before_cursor_execute", remember)

    def plans(conn: Connection) -> list[tuple[str, str]]:
        return [
            (statement, row[3])
            for statement, parameters in statements
            for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]

    await inline_db.write(everything)
    found = await inline_db.read(plans)
    assert len(statements) > 15
    assert [(statement, plan) for statement, plan in found if plan.startswith("SCAN target_entry")] == []
