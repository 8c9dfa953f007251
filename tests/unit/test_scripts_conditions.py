# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions of branches."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts_store.conditions import check, fill, holds
from scripts_store.errors import BadCondition

INTERESTED = {"var": "interested"}
AMOUNT = {"var": "amount"}


@pytest.mark.parametrize(
    ("condition", "answers", "expected"),
    [
        ({"==": [INTERESTED, "yes"]}, {"interested": "yes"}, True),
        ({"==": [INTERESTED, "yes"]}, {"interested": "no"}, False),
        ({"==": [INTERESTED, "yes"]}, {}, False),
        ({"!=": [INTERESTED, "yes"]}, {"interested": "no"}, True),
        ({"!=": [INTERESTED, "yes"]}, {}, True),
        ({"==": [AMOUNT, 5]}, {"amount": 5.0}, True),
        ({"==": [AMOUNT, 5]}, {"amount": "5"}, False),
        ({"==": [AMOUNT, 1]}, {"amount": True}, False),
        ({">=": [AMOUNT, 1000]}, {"amount": 1000}, True),
        ({">": [AMOUNT, 1000]}, {"amount": 1000}, False),
        ({"<": [AMOUNT, 1000]}, {"amount": 999}, True),
        ({"<=": [1000, AMOUNT]}, {"amount": 999}, False),
        ({"<": [AMOUNT, 1000]}, {"amount": "many"}, False),
        ({"<": [AMOUNT, 1000]}, {}, False),
        ({"in": [INTERESTED, ["yes", "later"]]}, {"interested": "later"}, True),
        ({"in": [INTERESTED, ["yes", "later"]]}, {"interested": "no"}, False),
        ({"in": [INTERESTED, ["yes"]]}, {}, False),
        ({"!": {"==": [INTERESTED, "yes"]}}, {"interested": "yes"}, False),
        (
            {"and": [{"==": [INTERESTED, "yes"]}, {">": [AMOUNT, 5]}]},
            {"interested": "yes", "amount": 6},
            True,
        ),
        (
            {"and": [{"==": [INTERESTED, "yes"]}, {">": [AMOUNT, 5]}]},
            {"interested": "yes", "amount": 4},
            False,
        ),
        ({"or": [{"==": [INTERESTED, "yes"]}, {">": [AMOUNT, 5]}]}, {"interested": "no", "amount": 6}, True),
        ({"or": [{"==": [INTERESTED, "yes"]}, {">": [AMOUNT, 5]}]}, {}, False),
    ],
)
def test_a_condition_holds_or_not(condition: dict[str, Any], answers: dict[str, Any], expected: bool) -> None:
    """The operators, what is not known, and values of different types."""
    check(condition)
    assert holds(condition, answers) is expected


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ({"=": [INTERESTED, "yes"]}, "'=' is not known"),
        ({"==": [INTERESTED]}, "needs two values, not 1"),
        ({"==": "yes"}, "needs a list"),
        ({"==": [INTERESTED, None]}, "A value is"),
        ({"==": [{"var": 5}, "yes"]}, "A value is"),
        ({"==": [{"cat": ["a"]}, "yes"]}, "A value is"),
        ({"in": [INTERESTED, "yes"]}, "must be a list"),
        ({"in": [INTERESTED, [INTERESTED]]}, "must be a list"),
        ({"and": []}, "needs one condition"),
        ({"and": [INTERESTED]}, "'var'"),
        ({"==": [1, 1], "!=": [1, 1]}, "one operator"),
        ({}, "one operator"),
        ("yes", "one operator"),
        ({"!": {"!": {"!": {"!": {"!": {"!": {"!": {"!": {"!": {"!": {}}}}}}}}}}}, "8 levels"),
    ],
)
def test_what_is_no_condition_is_refused(condition: Any, said: str) -> None:
    """A typing error must not be a branch that never holds."""
    with pytest.raises(BadCondition, match=said):
        check(condition)


def test_the_names_a_condition_asks_for_are_told() -> None:
    """So that the validator can find the one nobody asks."""
    assert check({"and": [{"==": [INTERESTED, "yes"]}, {"!": {">": [AMOUNT, 5]}}]}) == {
        "interested",
        "amount",
    }


def test_known_values_are_filled_in_and_answers_left_open() -> None:
    """The page gets conditions on answers only."""
    condition = {"or": [{"==": [{"var": "customer.segment"}, "private"]}, {"==": [INTERESTED, "yes"]}]}
    assert fill(condition, {"customer.segment": "retail"}) == {
        "or": [{"==": ["retail", "private"]}, {"==": [INTERESTED, "yes"]}]
    }


values = st.sampled_from(["yes", "no", 1, 2.5]) | st.sampled_from([INTERESTED, AMOUNT])
leaves = st.builds(
    lambda operator, left, right: {operator: [left, right]},
    st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
    values,
    values,
)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.builds(
            lambda operator, parts: {operator: parts},
            st.sampled_from(["and", "or"]),
            st.lists(inner, min_size=1),
        )
        | st.builds(lambda part: {"!": part}, inner)
    ),
    max_leaves=6,
)
answers = st.dictionaries(
    st.sampled_from(["interested", "amount"]), st.sampled_from(["yes", "no", 1, 2.5, True, None])
)


@given(trees, answers)
def test_filling_in_first_or_answering_later_is_the_same(
    tree: dict[str, Any], given_answers: dict[str, Any]
) -> None:
    """And no answer whatever makes a checked condition fail."""
    check(tree)
    plain = {name: value for name, value in given_answers.items() if isinstance(value, str | float | int)}
    plain = {name: value for name, value in plain.items() if not isinstance(value, bool)}
    assert holds(fill(tree, plain), given_answers) == holds(tree, given_answers)
    assert holds({"!": tree}, given_answers) != holds(tree, given_answers)
