# SPDX-License-Identifier: GPL-3.0-or-later
"""Review: the RM reads who comes next and confirms, cancels or skips; silence gives the customer back."""

from __future__ import annotations

import asyncio

from dialer.call_in_hand import CallInHand, answer, not_now
from dialer.desk import PhoneState
from dialer.orders import Cancel, Confirm, Order, PhoneLost, Stop
from vocabulary.commands import Reply
from vocabulary.dispositions import EndedBy, LegEnd
from vocabulary.states import CallState, RmState


async def review(call: CallInHand) -> LegEnd | asyncio.Future[Reply] | None:
    """Until the RM decides. Returns the end of the call, or who waits for the answer to the confirmation."""
    if call.desk.phone is not PhoneState.UP:
        # Lost while the claim was being written: the desk is waiting for its phone again.
        return _nobody_dialed(call, EndedBy.RM, "Your phone is not connected, so nobody was dialed.")
    call.desk.move(RmState.REVIEWING)
    call.step(CallState.REVIEWING)
    written = call.note()
    deadline = call.clock.monotonic() + call.timing.review_s
    while True:
        match await call.next(deadline):
            case None:
                return _nobody_dialed(call, EndedBy.RM, "The review time ran out; nobody was dialed.")
            case Confirm(reply=reply):
                call.decided_at = call.clock.monotonic()
                # The row that follows is not written through the journal: it must not overtake this note.
                await asyncio.shield(written)
                return reply
            case Cancel(reason=reason, skip=skip, reply=reply):
                call.skipped = skip
                answer(reply, Reply(done=True, call_id=call.call_id))
                return _nobody_dialed(call, EndedBy.RM, reason)
            case Stop(reason=reason):
                return _nobody_dialed(call, EndedBy.CAMPAIGN, reason)
            case PhoneLost(reason=reason):
                return _nobody_dialed(call, EndedBy.RM, reason)
            case Order() as order:
                not_now(order, "The customer is not dialed yet: confirm or cancel first.")
            case _:
                pass


def _nobody_dialed(call: CallInHand, by: EndedBy, reason: str) -> LegEnd:
    call.reason = reason
    return LegEnd(ended_by=by)
