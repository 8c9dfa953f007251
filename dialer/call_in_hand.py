# SPDX-License-Identifier: GPL-3.0-or-later
"""A call in hand: what everybody who works on one call shares while it lives, and its one inbox.

What the PBX says and what people order comes in through ``give``; what is durable goes out through the
journal, in order. Every step of the story goes through ``step``.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog

from dialer.calls import Move, move_call
from dialer.claim import Claim
from dialer.desk import Desk
from dialer.floor import Floor, Means
from dialer.legs import customer_leg
from dialer.orders import Order, PhoneLost
from dialer.telephony import BridgeId, HangUpReason, LegEvent, TelephonyError
from vocabulary.commands import Reply
from vocabulary.dispositions import Disposition, EndedBy
from vocabulary.states import CallState, RmState

log = structlog.get_logger()


class CallInHand:
    """One call, its desk and its clocks. Times named ``_at`` without a date are monotonic seconds."""

    def __init__(self, floor: Floor, desk: Desk, claim: Claim, *, decided_at: float) -> None:
        """``decided_at``: monotonic time of the dialer's decision; a confirmation sets it anew."""
        self.floor = floor
        self.means = floor.means
        self.clock = floor.means.clock
        self.desk = desk
        self.claim = claim
        self.call_id = claim.call_id
        self.leg = customer_leg(floor.means.node, claim.call_id)
        self.timing = replace(
            floor.means.timing,
            ring_s=_scaled(claim.ring_s, floor.means) or floor.means.timing.ring_s,
            wrap_up_s=_scaled(claim.wrap_up_s, floor.means) or floor.means.timing.wrap_up_s,
        )
        self.state = CallState.CLAIMED
        self.snapshot: dict[str, object] = claim.snapshot
        self.disposition: Disposition | None = None
        self.are_you_there = False  #: the wrap-up ran out and nobody said a word yet
        self.decided_at = decided_at
        self.bridge: BridgeId | None = None
        self.trunk: str | None = None
        self.dialed = False  #: the row that precedes the INVITE is durable
        self.sent = True  #: a request to dial has left, or may have
        self.skipped = False
        self.rang_at: float | None = None
        self.answered_at: float | None = None
        self.joined = False  #: customer and RM are, or were, in one bridge
        self.ended_by: EndedBy | None = None  #: who of us hung up first
        self.reason = ""
        self._inbox: asyncio.Queue[LegEvent | Order] = asyncio.Queue()
        self._moves: list[Move] = []
        self._facts: dict[str, Any] = {}

    # --- the inbox ----------------------------------------------------------------------------------

    def give(self, item: LegEvent | Order) -> None:
        """An event or an order; handled in turn."""
        self._inbox.put_nowait(item)

    def phone_lost(self, reason: str, *, gone: bool) -> None:
        """The RM's phone went (``gone``) or fell silent; a talk outlives a silence."""
        if gone or not self.joined:
            self.give(PhoneLost(reason=reason))

    async def next(self, deadline: float | None) -> LegEvent | Order | None:
        """The next item, or None at the deadline (monotonic)."""
        if self._inbox.empty() and deadline is not None:
            try:
                async with asyncio.timeout(deadline - self.clock.monotonic()):
                    return await self._inbox.get()
            except TimeoutError:
                return None
        return await self._inbox.get()

    def turn_away(self) -> None:
        """Answer everybody who still waits: the call is over."""
        while not self._inbox.empty():
            item = self._inbox.get_nowait()
            if isinstance(item, Order):
                answer(item.reply, Reply(done=False, reason="over", sentence="This call is over already."))

    # --- the story ----------------------------------------------------------------------------------

    def step(self, state: CallState, *, at: datetime | None = None, detail: str = "") -> None:
        """One step of the story, written with the next note."""
        self.state = state
        self._moves.append(Move(state=state, at=at or self.clock.now(), detail=detail))
        self.floor.desk_changed(self.desk)

    def learn(self, **facts: Any) -> None:
        """Columns of the call's row that became known, written with the next note."""
        self._facts |= facts

    def knows(self, fact: str) -> Any:
        """What is known and not written yet, or None."""
        return self._facts.get(fact)

    def unwritten(self) -> tuple[list[Move], dict[str, Any]]:
        """Hand over what is to be written; whoever takes it writes it."""
        moves, facts, self._moves, self._facts = self._moves, self._facts, [], {}
        return moves, facts

    def note(self) -> asyncio.Future[Any]:
        """Write what became known, after everything noted before."""
        moves, facts = self.unwritten()
        return self.means.journal.note(move_call, self.call_id, moves, **facts)

    # --- what happens to it -------------------------------------------------------------------------

    def dress(self) -> str | None:
        """Script and guidelines for the screen. Returns why they cannot be had: then nobody is dialed."""
        try:
            self.snapshot = self.means.dress(self.claim.snapshot)
        except Exception as error:  # whatever a script's author did wrong, the customer is not called blind
            log.error("snapshot_not_dressed", error=str(error))
            return f"The script or the guidelines could not be retrieved; nobody was dialed. {error}"
        return None

    def join(self, at: datetime) -> None:
        """Customer and RM are in one bridge."""
        if self.joined:
            return
        self.joined = True
        self.step(CallState.BRIDGED, at=at)
        answered_at: datetime = self.knows("answered_at") or at
        self.learn(
            bridged_at=at,
            answer_to_bridge_ms=max(0.0, (at - answered_at).total_seconds() * 1000),
            connect_ms=self.since_decided_ms(),
        )
        self.desk.move(RmState.TALKING)
        self.note()

    def since_decided_ms(self) -> float:
        """Milliseconds since the confirmation, or the dialer's decision."""
        return (self.clock.monotonic() - self.decided_at) * 1000

    async def end_leg(self, by: EndedBy, reason: str, how: HangUpReason = HangUpReason.NORMAL) -> float:
        """Hang the customer up; the first who does is on record.

        Returns until when (monotonic) the leg's last event must have come.
        """
        if self.ended_by is None:
            self.ended_by, self.reason = by, reason
        try:
            await self.means.telephony.hang_up(self.leg, how)
        except TelephonyError as error:
            log.warning("hang_up_unsure", error=str(error))
        return self.clock.monotonic() + self.timing.goodbye_s

    def leave_desk(self, result: str) -> None:
        """The call is over for its RM, who is told ``result``."""
        self.desk.last_result = result
        self.desk.between_calls()
        self.turn_away()
        self.floor.desk_free_again(self.desk)


def _scaled(seconds: float | None, means: Means) -> float | None:
    """A campaign's own timer, scaled like all others."""
    return None if seconds is None else seconds * means.rules.time_scale


def answer(reply: asyncio.Future[Reply] | None, content: Reply) -> None:
    """Answer an order, if anybody waits for it."""
    if reply is not None and not reply.done():
        reply.set_result(content)


def not_now(order: Order, sentence: str) -> None:
    """Refuse an order that makes no sense at this point of the call."""
    answer(order.reply, Reply(done=False, reason="not_now", sentence=sentence))
