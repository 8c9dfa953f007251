# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines of calls, RMs and campaigns: no dead ends, and no move that is not in the table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest

from vocabulary.errors import IllegalMove
from vocabulary.states import (
    CALL_MOVES,
    CAMPAIGN_MOVES,
    FINAL_CALL_STATES,
    LIVE_CALL_STATES,
    RM_MOVES,
    CallState,
    CampaignState,
    RmState,
    check_move,
)

MACHINES: list[Any] = [
    pytest.param(CALL_MOVES, CallState, FINAL_CALL_STATES, id="call"),
    pytest.param(RM_MOVES, RmState, {RmState.OFFLINE}, id="rm"),
    pytest.param(CAMPAIGN_MOVES, CampaignState, {CampaignState.STOPPED}, id="campaign"),
]


def _reachable(moves: Mapping[Any, frozenset[Any]], start: Any) -> set[Any]:
    found, todo = {start}, [start]
    while todo:
        for state in moves[todo.pop()] - found:
            found.add(state)
            todo.append(state)
    return found


@pytest.mark.parametrize(("moves", "states", "final"), MACHINES)
def test_every_state_has_its_moves_and_a_way_to_the_end(
    moves: Mapping[Any, frozenset[Any]], states: type[StrEnum], final: set[Any]
) -> None:
    """From every state an end can be reached."""
    assert set(moves) == set(states)
    for state in states:
        assert _reachable(moves, state) & final


@pytest.mark.parametrize(("moves", "states", "final"), MACHINES)
def test_every_state_can_be_reached_from_the_first(
    moves: Mapping[Any, frozenset[Any]], states: type[StrEnum], final: set[Any]
) -> None:
    """No state is only a word."""
    assert _reachable(moves, next(iter(states))) == set(states)


def test_the_ends_of_a_call_are_ends() -> None:
    """A final call never moves again; every other one does."""
    assert {state for state, onward in CALL_MOVES.items() if not onward} == FINAL_CALL_STATES
    assert not LIVE_CALL_STATES & FINAL_CALL_STATES


def test_nobody_is_ready_by_falling_asleep() -> None:
    """Away leads on only by the RM's own doing, and nobody goes away in the middle of a talk."""
    assert RmState.AWAY in RM_MOVES[RmState.WRAP_UP]
    assert RmState.AWAY not in RM_MOVES[RmState.TALKING] | RM_MOVES[RmState.DIALING]
    assert RM_MOVES[RmState.TALKING] == {RmState.WRAP_UP}


@pytest.mark.parametrize(("moves", "states", "final"), MACHINES)
def test_every_move_outside_the_table_is_refused(
    moves: Mapping[Any, frozenset[Any]], states: type[StrEnum], final: set[Any]
) -> None:
    """The refusal names who, from where and to where."""
    for old in states:
        for new in states:
            if new in moves[old]:
                check_move(moves, old, new, "It")
            else:
                with pytest.raises(IllegalMove, match=f"It cannot go from {old} to {new}"):
                    check_move(moves, old, new, "It")
