# SPDX-License-Identifier: GPL-3.0-or-later
"""The call ID: what a person reads wrong is noticed, what a person types freely is understood."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from foundation.ids import SeededIds
from vocabulary.call_id import (
    ALPHABET,
    LENGTH,
    CallId,
    check_symbol,
    new_call_id,
    parse_call_id,
    show_call_id,
)
from vocabulary.errors import BadCallId

call_ids = st.text(alphabet=ALPHABET, min_size=7, max_size=7).map(
    lambda body: CallId(body + check_symbol(body))
)
places = st.integers(min_value=0, max_value=LENGTH - 1)


@given(call_ids, places, st.sampled_from(ALPHABET))
def test_every_single_wrong_symbol_is_caught(call_id: CallId, place: int, wrong: str) -> None:
    """One symbol read wrong, wherever it stands and whatever it becomes, is no call ID."""
    assume(call_id[place] != wrong)
    with pytest.raises(BadCallId, match="a symbol is wrong"):
        parse_call_id(call_id[:place] + wrong + call_id[place + 1 :])


@given(call_ids, places, places)
def test_every_swap_of_two_symbols_is_caught(call_id: CallId, one: int, other: int) -> None:
    """Two symbols that changed places, neighbours or not, are no call ID."""
    assume(call_id[one] != call_id[other])
    symbols = list(call_id)
    symbols[one], symbols[other] = symbols[other], symbols[one]
    with pytest.raises(BadCallId, match="two are swapped"):
        parse_call_id("".join(symbols))


@given(call_ids)
def test_the_shown_form_is_read_back(call_id: CallId) -> None:
    """What a screen shows, typed again in small letters, is the same call."""
    assert parse_call_id(show_call_id(call_id).lower()) == call_id


@pytest.mark.parametrize(
    "typed",
    ["4F7K-0Q18", "4f7k0q18", " 4F7K 0Q18 ", "4F7K--0Q-18", "4F7K-OQI8", "4f7k-oql8"],
    ids=["as shown", "small", "with blanks", "with more hyphens", "O for 0, I for 1", "o for 0, l for 1"],
)
def test_a_call_id_is_read_as_people_type_it(typed: str) -> None:
    """Case, blanks, hyphens and look-alikes do not matter."""
    check = check_symbol("4F7K0Q1")
    assert parse_call_id(typed.rstrip()[:-1] + check) == "4F7K0Q1" + check


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("", "8 symbols.*has 0"),
        ("4F7K-2QX", "8 symbols.*has 7"),
        ("4F7K-2QX9-1", "8 symbols.*has 9"),
        ("4F7K-2Q!9", "not '!'"),
        ("4F7K-2QU9", "not 'U'"),
        ("4F7K-2QÄ9", "not 'Ä'"),
    ],
)
def test_what_is_no_call_id_is_told_why(typed: str, says: str) -> None:
    """The refusal names what is wrong with it."""
    with pytest.raises(BadCallId, match=says):
        parse_call_id(typed)


def test_new_call_ids_are_whole_and_repeat_with_their_source() -> None:
    """A new call ID passes its own check; the same randomness gives the same one."""
    made = [new_call_id(SeededIds(5)), new_call_id(SeededIds(5)), new_call_id(SeededIds(6))]
    assert [parse_call_id(call_id) for call_id in made] == made
    assert made[0] == made[1] != made[2]
