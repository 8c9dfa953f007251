# SPDX-License-Identifier: GPL-3.0-or-later
"""A number dialed by hand becomes a customer of the RM's list, and every check of lists applies to it."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from crm.tables import customer
from dialer.by_hand import prepare_by_hand
from profiler.testing import add_rm
from tests.dialer_book import NUMBER, Book, book
from vocabulary.commands import PlaceCall
from vocabulary.states import EntryState


def prepare(it: Book, number: str = NUMBER, rm_id: int | None = None) -> int | str:
    """Ask for a number by hand, for Anna unless said otherwise."""
    command = PlaceCall(rm_id=rm_id or it.rm.id, pii_number=number, zone="Europe/Lisbon")
    return prepare_by_hand(it.conn, command, it.campaign, it.now, it.rules)


def customers(it: Book) -> int:
    """How many customers there are."""
    return it.conn.execute(select(func.count()).select_from(customer)).scalar_one()


def test_a_new_number_becomes_a_customer_who_can_be_claimed() -> None:
    """Once: asked for again, it is the same customer."""
    with book() as it:
        customer_id = prepare(it)
        assert isinstance(customer_id, int)
        assert prepare(it, "+351 211 234 567") == customer_id
        assert customers(it) == 1
        assert it.claimed().pii_number == NUMBER


def test_a_known_number_is_the_customer_who_has_it() -> None:
    """Nobody is doubled by being dialed by hand."""
    with book() as it:
        known = it.customer(NUMBER)
        assert prepare(it) == known


def test_a_customer_of_another_list_stays_there() -> None:
    """Nobody may be called by two RMs."""
    with book() as it:
        ben = add_rm(it.conn, "ben", languages=("pt",))
        customer_id = it.customer(NUMBER, rm_id=ben.rm_id)
        answer = prepare(it)
        assert isinstance(answer, str)
        assert "another list" in answer
        entry = it.entry(customer_id)
        assert entry is not None
        assert (entry.rm_id, entry.state) == (ben.rm_id, EntryState.PENDING)


@pytest.mark.parametrize(
    "number",
    ["12", "call me", "+351760123456", "+447700900123", "112"],
    ids=["too short", "no number", "premium", "not on the allow-list", "emergency"],
)
def test_what_may_not_be_dialed_is_refused_and_leaves_nothing(number: str) -> None:
    """The refusal is a sentence; no customer is made of it."""
    with book() as it:
        answer = prepare(it, number)
        assert isinstance(answer, str)
        assert answer
        assert customers(it) == 0
