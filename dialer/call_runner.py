# SPDX-License-Identifier: GPL-3.0-or-later
"""One call from its claim to its wrap-up, as one task: review, placing, following, the end, wrap-up, in their order.

While it runs the call's desk is moved by it and by the RM's phone, and by nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime

import structlog

from dialer.call_in_hand import CallInHand, answer
from dialer.finish import Ending, finish_call
from dialer.following import follow
from dialer.placing import begin, place
from dialer.review import review
from dialer.salvage import close_open_call
from dialer.telephony import LegId, NotDone, Unknown
from dialer.wrap_up import wrap_up
from foundation.errors import DatabaseError
from vocabulary.commands import Reply
from vocabulary.dispositions import RULES, Disposition, EndedBy, LegEnd, decide
from vocabulary.states import CallState, RmState

log = structlog.get_logger()

_NOT_WRITTEN = "The database cannot be written right now, so nobody was dialed."
_FAULT = "A fault in the program ended this call. It was recorded."


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What is known of a call that outlived a restart of the dialer."""

    state: CallState
    leg: LegId
    up: bool  #: the customer's leg is answered, and in the RM's bridge
    ringing_at: datetime | None
    bridged_at: datetime | None
    decided_ago_s: float


class CallRunner:
    """Owns one call in hand. Each of ``run``, ``resume`` and ``wrap_up_only`` is a whole task."""

    def __init__(self, call: CallInHand) -> None:
        self.call = call

    async def run(self, *, review_first: bool) -> None:
        """From the claim to the end."""
        await self._live(self._run(review_first=review_first))

    async def resume(self, adopted: Adopted) -> None:
        """Go on with a call found alive after a restart of the dialer."""
        await self._live(self._resume(adopted))

    async def wrap_up_only(self) -> None:
        """The talk was over before a restart: only the outcome is missing."""
        self.call.state, self.call.joined = CallState.ENDED, True
        self.call.dress()
        await self._live(wrap_up(self.call))

    async def _live(self, life: Coroutine[None, None, None]) -> None:
        """Whatever breaks, the call gets its disposition and the desk its RM; then the fault is an alarm."""
        with structlog.contextvars.bound_contextvars(call_id=self.call.call_id):
            try:
                await life
            except Exception:
                await self._salvage()
                raise

    async def _run(self, *, review_first: bool) -> None:
        waiting: asyncio.Future[Reply] | None = None
        self.call.reason = self.call.dress() or ""
        end: LegEnd | None = LegEnd(ended_by=EndedBy.CAMPAIGN) if self.call.reason else None
        if end is None and review_first:
            decision = await review(self.call)
            if isinstance(decision, LegEnd):
                end = decision
            else:
                waiting = decision
        if end is None:
            end = await self._dial(waiting)
        await self._close(end)

    async def _dial(self, waiting: asyncio.Future[Reply] | None) -> LegEnd:
        """``waiting`` is told as soon as it is certain that the customer is dialed, or is not."""
        try:
            refusal = await begin(self.call)
        except DatabaseError as error:
            log.error("call_not_begun", error=str(error))
            refusal = _NOT_WRITTEN
        if refusal is not None:
            self.call.reason = refusal
            answer(waiting, Reply(done=False, reason="not_allowed", sentence=refusal))
            return LegEnd(ended_by=EndedBy.CAMPAIGN)
        answer(waiting, Reply(done=True, call_id=self.call.call_id))
        return await place(self.call) or await follow(self.call)

    async def _resume(self, adopted: Adopted) -> None:
        call, clock = self.call, self.call.clock
        call.state, call.leg, call.dialed = adopted.state, adopted.leg, True
        call.joined = adopted.bridged_at is not None
        call.dress()
        call.bridge = call.desk.bridge
        call.decided_at = clock.monotonic() - adopted.decided_ago_s
        if adopted.ringing_at is not None:
            call.rang_at = clock.monotonic() - (clock.now() - adopted.ringing_at).total_seconds()
            if call.state is CallState.DIALING and not adopted.up:
                call.step(CallState.RINGING, at=adopted.ringing_at)
                call.learn(ringing_at=adopted.ringing_at)
                call.note()
        if adopted.up:
            call.answered_at = clock.monotonic()
            if not call.joined:
                # Answered while nobody was looking: the early bridge had joined them without us.
                call.learn(answered_at=clock.now())
                call.join(clock.now())
        call.floor.listen(call.leg, call.give)
        try:
            await call.means.telephony.adopt(call.leg, customer=True, bridge=call.bridge)
        except NotDone as error:
            log.warning("adoption_failed", error=str(error))
            call.floor.forget(call.leg)
            await self._close(LegEnd(ended_by=EndedBy.EVENTS_LOST, was_up=adopted.up, bridged=call.joined))
            return
        except Unknown as error:
            # The adapter keeps the leg and its events come; guessing would cut a talk.
            log.warning("adoption_unsure", error=str(error))
        await self._close(await follow(call))

    async def _close(self, end: LegEnd) -> None:
        """Make the one disposition durable, then wrap up or give the desk free."""
        call = self.call
        call.disposition = decide(end) if call.dialed else Disposition.CANCELLED
        if call.knows("ended_at") is None:
            call.learn(ended_at=call.clock.now())
        if call.joined:
            call.step(CallState.ENDED)
            call.desk.move(RmState.WRAP_UP, _who_ended(call, end))
        else:
            call.step(CallState.NOT_CONNECTED, detail=call.reason)
            call.learn(connect_ms=call.since_decided_ms())
        moves, facts = call.unwritten()
        await call.means.journal.write(
            finish_call,
            Ending(
                call_id=call.call_id,
                end=end,
                disposition=call.disposition,
                dialed=call.dialed,
                sent=call.sent,
                reason=call.reason,
                skipped=call.skipped,
                moves=tuple(moves),
                facts=facts,
            ),
            call.clock.now(),
            call.means.ids,
            call.means.rules,
        )
        if call.joined:
            await wrap_up(call)
            return
        if not call.dialed or (end.ended_by in (EndedBy.REFUSED, EndedBy.CAMPAIGN) and not end.rang):
            # What stood against this customer stands against the next one as well: no list is run through.
            call.desk.look_at = call.clock.monotonic() + call.timing.look_again_s
        call.leave_desk(RULES[call.disposition].sentence if call.dialed else call.reason)

    async def _salvage(self) -> None:
        """After a fault: the customer is hung up, the record closed from its row, the RM set free."""
        call = self.call
        if call.dialed:
            await call.end_leg(EndedBy.EVENTS_LOST, _FAULT)
            call.floor.forget(call.leg)
        try:
            await call.means.journal.write(
                close_open_call,
                call.call_id,
                EndedBy.EVENTS_LOST if call.dialed else EndedBy.CAMPAIGN,
                _FAULT,
                call.clock.now(),
                call.means.ids,
                call.means.rules,
            )
        except Exception:
            # The next start closes it; the RM does not wait for that.
            log.exception("call_not_salvaged")
        if call.desk.state is RmState.TALKING:
            call.desk.move(RmState.WRAP_UP, _FAULT)
        call.desk.look_at = call.clock.monotonic() + call.timing.look_again_s
        call.leave_desk(_FAULT)


def _who_ended(call: CallInHand, end: LegEnd) -> str:
    return "The customer hung up." if end.ended_by is EndedBy.NETWORK else (call.reason or "The call ended.")
