# SPDX-License-Identifier: GPL-3.0-or-later
"""The desk of an RM under everything that can happen to it, in any order: never stuck, never free without a phone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dialer.desk import Desk, DeskRm, PhoneState, Wish
from vocabulary.errors import IllegalMove
from vocabulary.outcomes import BreakReason
from vocabulary.states import RmState

ANNA = DeskRm(id=1, name="anna", display_name="Anna", endpoint="PJSIP/rm-anna")
IDLE = (RmState.READY, RmState.PHONE_CONNECTING, RmState.BREAK, RmState.AWAY)


class DeskLife(RuleBasedStateMachine):
    """What the RM, the phone, the pacer and a call do to a desk, as the dialer does it."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[RmState] = []
        self.desk = Desk(
            ANNA,
            1,
            1,
            on_move=lambda desk, state, reason: self.told.append(state),
            monotonic=lambda: 0.0,
            state=RmState.PHONE_CONNECTING,
        )

    # --- the phone ------------------------------------------------------------------------------------

    @rule()
    def phone_up(self) -> None:
        self.desk.phone_changed(PhoneState.UP)

    @rule()
    def phone_silent(self) -> None:
        self.desk.phone_changed(PhoneState.SILENT, "no audio")

    @rule()
    def phone_down(self) -> None:
        self.desk.phone_changed(PhoneState.DOWN, "hung up")

    # --- the RM ---------------------------------------------------------------------------------------

    @precondition(lambda self: self.desk.state is not RmState.OFFLINE)
    @rule()
    def wants_a_break(self) -> None:
        self.desk.wish, self.desk.wish_reason = Wish.BREAK, BreakReason.LUNCH
        if not self.desk.busy:
            self.desk.grant_wish()

    @precondition(lambda self: self.desk.state is not RmState.OFFLINE)
    @rule()
    def wants_to_leave(self) -> None:
        self.desk.wish = Wish.LEAVE
        if not self.desk.busy:
            self.desk.grant_wish()

    @precondition(lambda self: self.desk.state in (RmState.BREAK, RmState.AWAY) and not self.desk.busy)
    @rule()
    def comes_back(self) -> None:
        self.desk.come_back()

    # --- a call ---------------------------------------------------------------------------------------

    @precondition(lambda self: self.desk.free)
    @rule()
    def claim_begins(self) -> None:
        self.desk.claiming = True

    @precondition(lambda self: self.desk.claiming)
    @rule()
    def claim_brings_nobody(self) -> None:
        self.desk.claim_over()
        assert self.desk.wish is None

    @precondition(lambda self: self.desk.claiming)
    @rule()
    def claim_brings_a_customer(self) -> None:
        call: Any = object()
        self.desk.call, self.desk.claiming = call, False

    @precondition(lambda self: self.desk.call is not None and self.desk.phone is PhoneState.UP)
    @rule()
    def call_reviews(self) -> None:
        if self.desk.state is RmState.READY:
            self.desk.move(RmState.REVIEWING)

    @precondition(lambda self: self.desk.call is not None and self.desk.phone is PhoneState.UP)
    @rule()
    def call_dials(self) -> None:
        if self.desk.state in (RmState.READY, RmState.REVIEWING):
            self.desk.move(RmState.DIALING)

    @precondition(lambda self: self.desk.state is RmState.DIALING)
    @rule()
    def call_is_answered(self) -> None:
        self.desk.move(RmState.TALKING)

    @precondition(lambda self: self.desk.state is RmState.TALKING)
    @rule()
    def talk_ends(self) -> None:
        self.desk.move(RmState.WRAP_UP)

    @precondition(lambda self: self.desk.state is RmState.WRAP_UP and self.desk.wish is None)
    @rule()
    def falls_asleep(self) -> None:
        self.desk.move(RmState.AWAY)
        self.desk.between_calls()

    @precondition(lambda self: self.desk.call is not None and self.desk.state is not RmState.TALKING)
    @rule()
    def call_is_over(self) -> None:
        self.desk.between_calls()
        assert self.desk.wish is None

    # --- what always holds ----------------------------------------------------------------------------

    @invariant()
    def free_only_with_a_phone_and_without_a_customer(self) -> None:
        """A customer is never dialed for an RM who cannot hear them."""
        if self.desk.free:
            assert self.desk.phone is PhoneState.UP
            assert not self.desk.busy

    @invariant()
    def ready_only_with_a_phone(self) -> None:
        """READY is a promise to the pacer and to the supervisor's screen."""
        if self.desk.state is RmState.READY:
            assert self.desk.phone is PhoneState.UP

    @invariant()
    def between_calls_nobody_is_left_in_the_middle(self) -> None:
        """Without a customer every state is one to rest in."""
        if not self.desk.busy and self.desk.state is not RmState.OFFLINE:
            assert self.desk.state in IDLE

    @invariant()
    def a_wish_waits_only_for_a_customer(self) -> None:
        """Who asked for a break has it as soon as nothing is in hand."""
        if not self.desk.busy:
            assert self.desk.wish is None

    @invariant()
    def every_move_is_told(self) -> None:
        """Screens and records show the state the desk has."""
        if self.told:
            assert self.told[-1] is self.desk.state


TestDeskLife = DeskLife.TestCase


def test_a_move_that_is_not_in_the_table_changes_nothing() -> None:
    """The desk stays as it is, and nobody is told."""
    told: list[RmState] = []
    desk = Desk(ANNA, 1, 1, on_move=lambda desk, state, reason: told.append(state), monotonic=lambda: 0.0)
    with pytest.raises(IllegalMove, match="RM anna cannot go from offline to talking"):
        desk.move(RmState.TALKING)
    assert (desk.state, told) == (RmState.OFFLINE, [])


@pytest.mark.parametrize("state", RmState)
def test_a_phone_is_called_only_for_who_works(state: RmState) -> None:
    """Nobody's phone rings on a break."""
    desk = Desk(ANNA, 1, 1, on_move=lambda *_: None, monotonic=lambda: 0.0, state=state)
    assert desk.phone_wanted is (state not in (RmState.OFFLINE, RmState.BREAK, RmState.AWAY))
