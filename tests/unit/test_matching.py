# SPDX-License-Identifier: GPL-3.0-or-later
"""Which RM gets which customer, and the lists that come of it."""

from __future__ import annotations

import multiprocessing
import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, update

from crm.customers import ERASED
from crm.tables import customer
from foundation.db.inline import Inline
from foundation.db.sqlite import SqliteWriter
from foundation.testing import MONDAY_TEN as NOW
from profiler import lists
from profiler.building import (
    Built,
    add_customer,
    build,
    build_in_units,
    candidates,
    refresh_in_units,
    refresh_order,
)
from profiler.errors import NotPlaced, UnknownRm
from profiler.learning import consume
from profiler.lists import Taken
from profiler.matching import Assignment, CampaignNeeds, Candidate, WhyUnplaced, assign
from profiler.reach import prior_rates
from profiler.rms import Rm, RmStanding, set_standing
from profiler.score import CustomerFeatures, speaks
from profiler.testing import add_customers, add_rm
from vocabulary.call_id import CallId
from vocabulary.dispositions import Disposition
from vocabulary.events import CallEnded
from vocabulary.states import EntryState

CAMPAIGN = CampaignNeeds(campaign_id=7)
PRIOR = prior_rates({})


def rm(rm_id: int, languages: str = "en", skills: str = "", licences: str = "", limit: int = 1000) -> Rm:
    return Rm(
        rm_id=rm_id,
        name=f"rm{rm_id}",
        display_name=f"RM {rm_id}",
        account_id=None,
        endpoint=f"PJSIP/rm-rm{rm_id}",
        languages=frozenset(languages.split()),
        skills=frozenset(skills.split()),
        licences=frozenset(licences.split()),
        max_open_entries=limit,
        sends_audio=True,
        standing=RmStanding.ACTIVE,
    )


def matched(
    customers: list[CustomerFeatures], floor: list[Rm] | list[Candidate], needs: CampaignNeeds = CAMPAIGN
) -> Assignment:
    free = [one if isinstance(one, Candidate) else Candidate(rm=one) for one in floor]
    return assign(customers, free, needs, NOW, PRIOR)


def homes(assignment: Assignment) -> dict[int, int]:
    return {placement.customer_id: placement.rm_id for placement in assignment.placements}


def english(*customer_ids: int) -> list[CustomerFeatures]:
    return [CustomerFeatures(customer_id=customer_id, language="en") for customer_id in customer_ids]


def test_a_customer_goes_to_an_rm_who_speaks_their_language() -> None:
    """And is left out, with the reason, when nobody does."""
    customers = [CustomerFeatures(customer_id=n, language=tag) for n, tag in enumerate(("pt", "en", "ja"))]
    assignment = matched(customers, [rm(1, "en"), rm(2, "pt")])
    assert homes(assignment) == {0: 2, 1: 1}
    assert assignment.unplaced == {2: WhyUnplaced.LANGUAGE}


def test_a_campaign_may_not_mind_the_customers_language() -> None:
    """Where everybody is spoken to in the campaign's own."""
    needs = CampaignNeeds(campaign_id=7, match_customer_language=False)
    assert matched([CustomerFeatures(customer_id=1, language="ja")], [rm(1)], needs).unplaced == {}


@pytest.mark.parametrize(
    "needs",
    [
        CampaignNeeds(campaign_id=7, language="pt"),
        CampaignNeeds(campaign_id=7, skills=frozenset({"mortgage", "cards"})),
        CampaignNeeds(campaign_id=7, licences=frozenset({"broker"})),
    ],
)
def test_only_rms_with_what_the_campaign_requires_get_customers(needs: CampaignNeeds) -> None:
    """Language, every skill, every licence."""
    able = rm(2, "en pt", "mortgage cards", "broker")
    assert homes(matched(english(1, 2), [rm(1, skills="mortgage"), able], needs)) == {1: 2, 2: 2}
    nobody = matched(english(1, 2), [rm(1, skills="mortgage")], needs)
    assert nobody.unplaced == {1: WhyUnplaced.NOBODY_QUALIFIED, 2: WhyUnplaced.NOBODY_QUALIFIED}


def test_lists_do_not_grow_over_their_limits() -> None:
    """An RM's own limit counts all campaigns, the campaign's only its own; the best customers go first."""
    customers = [
        CustomerFeatures(customer_id=n, language="en", purchases=n, last_purchase_at=NOW) for n in range(9)
    ]
    floor = [
        Candidate(rm=rm(1, limit=10), open_here=2, open_everywhere=8),
        Candidate(rm=rm(2), open_here=2, open_everywhere=50),
        Candidate(rm=rm(3, limit=5), open_here=5, open_everywhere=5),
    ]
    assignment = matched(customers, floor, CampaignNeeds(campaign_id=7, max_per_rm=5))
    assert Counter(homes(assignment).values()) == {1: 2, 2: 3}
    assert set(assignment.unplaced) == {0, 1, 2, 3}
    assert set(assignment.unplaced.values()) == {WhyUnplaced.NO_ROOM}


def test_equal_rms_get_equal_lists_of_equal_worth() -> None:
    """Nobody gets all the good ones."""
    customers = [
        CustomerFeatures(customer_id=n, language="en", last_purchase_at=NOW - timedelta(days=n))
        for n in range(90)
    ]
    assignment = matched(customers, [rm(1), rm(2), rm(3)])
    assert Counter(homes(assignment).values()) == {1: 30, 2: 30, 3: 30}
    worth = Counter[int]()
    for placement in assignment.placements:
        worth[placement.rm_id] += round(placement.score.value * 1000)
    assert max(worth.values()) - min(worth.values()) < 0.01 * sum(worth.values()) / 3


def test_who_knows_the_subject_gets_the_customer_within_a_fair_share() -> None:
    """Expertise decides until the expert's share is full; then the others take over."""
    experts = [
        CustomerFeatures(customer_id=n, language="en", topics=frozenset({"mortgage"})) for n in range(4)
    ]
    assert homes(matched([*experts[:2], *english(8, 9)], [rm(1), rm(2, skills="mortgage")])) == {
        0: 2,
        1: 2,
        8: 1,
        9: 1,
    }
    assert Counter(homes(matched(experts, [rm(1), rm(2, skills="mortgage")])).values()) == {1: 2, 2: 2}


def test_who_spoke_with_the_customer_goes_on_with_them() -> None:
    """A relation is worth as much as expertise, and is lost when the customer never answered."""
    knows = CustomerFeatures(customer_id=1, language="en", answers=1, last_rm_id=2)
    never = CustomerFeatures(customer_id=2, language="en", answers=0, last_rm_id=2)
    assert homes(matched([knows], [rm(1), rm(2), rm(3)])) == {1: 2}
    assert homes(matched([never], [rm(1), rm(2), rm(3)])) == {2: 1}


def test_the_only_speaker_of_a_language_is_kept_for_those_who_need_them() -> None:
    """Customers with the fewest choices choose first."""
    portuguese = [CustomerFeatures(customer_id=n, language="pt") for n in (50, 51)]
    assignment = matched([*english(1, 2), *portuguese], [rm(1, "en pt", limit=2), rm(2, "en", limit=2)])
    assert homes(assignment) == {1: 2, 2: 2, 50: 1, 51: 1}


floors = st.lists(
    st.tuples(st.sampled_from(["en", "pt", "en pt"]), st.sampled_from(["", "a", "a b"]), st.integers(0, 6)),
    max_size=5,
)
crowds = st.lists(
    st.builds(
        lambda language, topics, purchases, last_rm, answers: {
            "language": language,
            "topics": frozenset(topics.split()),
            "purchases": purchases,
            "last_rm_id": last_rm,
            "answers": answers,
        },
        st.sampled_from(["en", "pt", "ja", None]),
        st.sampled_from(["", "a", "b", "a b"]),
        st.integers(0, 3),
        st.sampled_from([None, 0, 1, 9]),
        st.integers(0, 1),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(crowds, floors, st.randoms(use_true_random=False))
def test_an_assignment_is_lawful_complete_and_the_same_in_any_order(
    crowd: list[dict[str, object]], floor: list[tuple[str, str, int]], shuffler: random.Random
) -> None:
    """Everybody is placed once or has a reason; no list is over its limit; nobody waits beside free room."""
    customers = [
        CustomerFeatures(customer_id=n, **one)  # type: ignore[arg-type]
        for n, one in enumerate(crowd)
    ]
    rms = [rm(n, languages, skills, limit=limit) for n, (languages, skills, limit) in enumerate(floor)]
    assignment = matched(customers, rms)
    home = homes(assignment)
    assert len(home) == len(assignment.placements)
    assert home.keys() | assignment.unplaced.keys() == set(range(len(customers)))
    assert not home.keys() & assignment.unplaced.keys()
    loads = Counter(home.values())
    for one in customers:
        able = [who for who in rms if speaks(who, one.language)]
        if one.customer_id in home:
            assert home[one.customer_id] in {who.rm_id for who in able}
        else:
            assert all(loads[who.rm_id] == who.max_open_entries for who in able)
    assert all(loads[who.rm_id] <= who.max_open_entries for who in rms)
    shuffler.shuffle(customers)
    shuffler.shuffle(rms)
    assert matched(customers, rms) == assignment


async def test_building_puts_every_customer_into_one_list(inline_db: Inline) -> None:
    """Placed, already open, finished before, unknown or without an RM: the numbers add up."""

    def scenario(conn: Connection) -> None:
        anna, ben = add_rm(conn, "anna"), add_rm(conn, "ben")
        customers = list(add_customers(conn, 6, NOW))
        strangers = list(add_customers(conn, 1, NOW, language="ja", source="far"))
        first = build(conn, CAMPAIGN, [*customers[:4], customers[0]], NOW)
        assert first == Built(entries=4, already_open=0, already_finished=0, unknown=0, unplaced={})
        assert lists.counts(conn, 7) == {
            anna.rm_id: {EntryState.PENDING: 2},
            ben.rm_id: {EntryState.PENDING: 2},
        }
        lists.withdraw(conn, customers[0], NOW, "why not")
        conn.execute(update(customer).where(customer.c.id == customers[5]).values(state=ERASED))
        again = build(conn, CAMPAIGN, [*customers, *strangers, 999], NOW)
        assert again == Built(
            entries=1, already_open=3, already_finished=1, unknown=2, unplaced={WhyUnplaced.LANGUAGE: 1}
        )
        assert again.customers == 8

    await inline_db.write(scenario)


async def test_a_customer_open_elsewhere_is_skipped_and_may_come_back_when_that_is_over(
    inline_db: Inline,
) -> None:
    """One campaign at a time calls a customer."""
    other = CampaignNeeds(campaign_id=8)

    def scenario(conn: Connection) -> None:
        add_rm(conn)
        customers = add_customers(conn, 1, NOW)
        build(conn, CAMPAIGN, customers, NOW)
        assert build(conn, other, customers, NOW).already_open == 1
        lists.withdraw(conn, customers[0], NOW, "moved")
        assert build(conn, other, customers, NOW).entries == 1

    await inline_db.write(scenario)


async def test_who_left_gets_no_customers(inline_db: Inline) -> None:
    """Only active RMs have lists built."""

    def scenario(conn: Connection) -> Built:
        set_standing(conn, add_rm(conn).rm_id, RmStanding.LEFT)
        return build(conn, CAMPAIGN, add_customers(conn, 2, NOW), NOW)

    assert (await inline_db.write(scenario)).unplaced == {WhyUnplaced.NOBODY_QUALIFIED: 2}


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_large_build_goes_in_units_and_can_be_repeated(db: SqliteWriter, elsewhere: bool) -> None:
    """The real writer, more customers than one unit takes, matched here or in a worker process."""
    await db.write(add_rm, "anna")
    await db.write(add_rm, "ben")
    customers = await db.write(add_customers, 1200, NOW)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        place = executor if elsewhere else None
        assert (await build_in_units(db, CAMPAIGN, customers, NOW, place)).entries == 1200
        assert (await build_in_units(db, CAMPAIGN, customers, NOW, place)).already_open == 1200
    floor = await db.read(candidates, 7)
    assert [(one.rm.name, one.open_here, one.open_everywhere) for one in floor] == [
        ("anna", 600, 600),
        ("ben", 600, 600),
    ]


async def test_the_order_follows_what_was_learned(inline_db: Inline) -> None:
    """A refresh scores the waiting entries anew, from a profile that has changed since."""

    def scenario(conn: Connection) -> tuple[int, list[int], int]:
        anna = add_rm(conn)
        customers = add_customers(conn, 3, NOW)
        build(conn, CAMPAIGN, customers, NOW)
        missed = CallEnded(
            at=NOW,
            call_id=CallId("CALL0001"),
            campaign_id=7,
            customer_id=customers[0],
            rm_id=anna.rm_id,
            disposition=Disposition.DECLINED,
            number_id=1,
            trunk="main",
            dialed=True,
            local_hour=10,
            weekday=0,
            rang_s=9.0,
            talk_s=0.0,
        )
        consume(conn, "EVENT1", missed)
        changed = refresh_order(conn, 7, anna.rm_id, NOW)
        order = [entry.customer_id for entry in lists.page(conn, anna.rm_id, 7, EntryState.PENDING)]
        return changed, [list(customers).index(one) for one in order], refresh_order(conn, 7, anna.rm_id, NOW)

    changed, order, changed_again = await inline_db.write(scenario)
    assert order == [1, 2, 0]
    assert (changed, changed_again) == (3, 0)


async def test_a_refresh_in_units_is_the_same_and_leaves_calls_alone(db: SqliteWriter) -> None:
    """An entry with a call under way keeps the score it was taken with."""
    anna = await db.write(add_rm)
    customers = await db.write(add_customers, 300, NOW, None)
    await build_in_units(db, CAMPAIGN, customers, NOW)
    took = await db.write(lists.take, anna.rm_id, 7, CallId("CALL0001"), NOW, NOW)
    assert isinstance(took, Taken)

    def give_language(conn: Connection) -> None:
        conn.execute(update(customer).values(language="en"))

    await db.write(give_language)
    assert await refresh_in_units(db, 7, anna.rm_id, NOW) == 299
    assert await refresh_in_units(db, 7, anna.rm_id, NOW) == 0
    leased = await db.read(lists.of_call, CallId("CALL0001"))
    assert leased is not None
    assert leased.score == took.entry.score


async def test_one_customer_is_added_to_the_best_list_or_the_one_named(inline_db: Inline) -> None:
    """A person may name any RM; otherwise the match decides."""

    def scenario(conn: Connection) -> None:
        anna, ben = add_rm(conn, "anna", ["en"]), add_rm(conn, "ben", ["pt"])
        first, second, third = add_customers(conn, 3, NOW, language="pt")
        assert add_customer(conn, CAMPAIGN, first, NOW).rm_id == ben.rm_id
        named = add_customer(conn, CAMPAIGN, second, NOW, anna.rm_id)
        assert (named.rm_id, named.state, named.reasons) == (
            anna.rm_id,
            EntryState.PENDING,
            ("no contact yet",),
        )
        with pytest.raises(NotPlaced, match="can be in one list only"):
            add_customer(conn, CAMPAIGN, first, NOW)
        with pytest.raises(NotPlaced, match="There is no customer 999"):
            add_customer(conn, CAMPAIGN, 999, NOW)
        with pytest.raises(UnknownRm, match="no RM with the id 99"):
            add_customer(conn, CAMPAIGN, third, NOW, 99)
        set_standing(conn, ben.rm_id, RmStanding.LEFT)
        with pytest.raises(NotPlaced, match="No RM fits customer"):
            add_customer(conn, CAMPAIGN, third, NOW)

    await inline_db.write(scenario)
