# SPDX-License-Identifier: GPL-3.0-or-later
"""The desk of one RM at work: state, phone and the call in hand. One function makes and logs every move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog

from dialer.telephony import BridgeId, LegId
from vocabulary.outcomes import BreakReason
from vocabulary.states import RM_MOVES, RmState, check_move

if TYPE_CHECKING:
    from dialer.call_in_hand import CallInHand

log = structlog.get_logger()


class PhoneState(StrEnum):
    """The RM's phone as the PBX sees it."""

    DOWN = "down"  #: not connected, and nobody is calling it now
    CALLING = "calling"  #: being called
    UP = "up"  #: in its bridge and heard
    SILENT = "silent"  #: in its bridge, but no audio comes from it, or it put us on hold


class Wish(StrEnum):
    """What an RM asked for during a call: granted after wrap-up."""

    BREAK = "break"  #: a break
    LEAVE = "leave"  #: the end of the shift


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskRm:
    """Who sits here."""

    id: int
    name: str
    display_name: str
    endpoint: str
    sends_audio: bool = True


class Desk:
    """Changes only through its methods, all of them synchronous: nobody sees it half changed."""

    def __init__(
        self,
        rm: DeskRm,
        shift_id: int,
        campaign_id: int,
        *,
        on_move: Callable[[Desk, RmState, str], None],
        monotonic: Callable[[], float],
        state: RmState = RmState.OFFLINE,
    ) -> None:
        """``on_move(desk, new_state, reason)`` is told of every move, after it; ``state``: as found at the start."""
        self.rm = rm
        self.shift_id = shift_id
        self.campaign_id = campaign_id
        self.state = state
        self.noted = RmState.OFFLINE  #: the state last written to the shift's record
        self.since = monotonic()
        self.reason = ""
        self.why_not = ""
        self.last_result = ""
        self.phone = PhoneState.DOWN
        self.leg: LegId | None = None
        self.bridge: BridgeId | None = None
        self.call: CallInHand | None = None
        self.claiming = False  #: a customer is being claimed, or handed over, for this desk
        self.look_at = 0.0  #: monotonic; the pacer claims for this desk at or after it
        self.wish: Wish | None = None
        self.wish_reason: BreakReason | None = None
        self._on_move = on_move
        self._monotonic = monotonic

    @property
    def free(self) -> bool:
        """Ready for a customer right now."""
        return (
            self.state is RmState.READY
            and self.phone is PhoneState.UP
            and self.call is None
            and not self.claiming
        )

    @property
    def phone_wanted(self) -> bool:
        """Whether a phone that is down should be called: not on breaks, not away, not off."""
        return self.state not in (RmState.OFFLINE, RmState.BREAK, RmState.AWAY)

    def move(self, new: RmState, reason: str = "") -> None:
        """The one place where an RM changes state. The same state again is no move.

        Raises:
            IllegalMove: and nothing changed.
        """
        if new is self.state:
            return
        check_move(RM_MOVES, self.state, new, f"RM {self.rm.name}")
        log.info("rm_moved", rm=self.rm.name, old=self.state, new=new, reason=reason)
        self.state = new
        self.reason = reason
        self.since = self._monotonic()
        if new is RmState.READY:
            self.why_not = ""
        self._on_move(self, new, reason)

    def say_why_not(self, sentence: str) -> None:
        """Why no customer comes, in words; told only when it changes."""
        if sentence != self.why_not:
            self.why_not = sentence
            self._on_move(self, self.state, self.reason)

    def phone_changed(self, phone: PhoneState, reason: str = "") -> None:
        """The phone came or went: a waiting RM is ready only with a phone that is heard."""
        self.phone = phone
        if phone is PhoneState.UP and self.state is RmState.PHONE_CONNECTING:
            self.move(RmState.READY)
        elif phone is not PhoneState.UP and self.state in (RmState.READY, RmState.REVIEWING):
            self.move(RmState.PHONE_CONNECTING, reason)
        else:
            self._on_move(self, self.state, self.reason)

    @property
    def busy(self) -> bool:
        """A customer is in hand, on the line (a call-back) or being claimed: wishes wait."""
        return self.call is not None or self.claiming or self.state is RmState.TALKING

    def claim_over(self) -> None:
        """The claim brought no customer: a wish waits no longer."""
        self.claiming = False
        if not self.busy:
            self.grant_wish()

    def between_calls(self) -> None:
        """After a call is wrapped up or not connected: the wish first, then ready, or the phone before it."""
        self.call = None
        if self.state is RmState.OFFLINE:
            return
        if self.wish is not None:
            self.grant_wish()
        elif self.state in (RmState.REVIEWING, RmState.DIALING, RmState.WRAP_UP):
            if self.phone is PhoneState.UP:
                self.move(RmState.READY)
            else:
                self.move(RmState.PHONE_CONNECTING, "phone not connected")

    def come_back(self) -> None:
        """From a break or from away: ready, or the phone first."""
        if self.phone is PhoneState.UP:
            self.move(RmState.READY)
        else:
            self.move(RmState.PHONE_CONNECTING)

    def grant_wish(self) -> None:
        """What the RM asked for while busy."""
        wish, reason = self.wish, self.wish_reason
        self.wish = self.wish_reason = None
        if wish is Wish.LEAVE:
            self.move(RmState.OFFLINE, "end of shift")
        elif wish is Wish.BREAK:
            self.move(RmState.BREAK, reason or "")
