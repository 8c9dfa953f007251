# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrap-up: until the RM says how it went. No sign of life leads to *Are you there?* and then away, never to ready."""

from __future__ import annotations

import structlog

from dialer.call_in_hand import CallInHand, answer, not_now
from dialer.orders import Cancel, Extend, GiveOutcome, HangUpOrder, Order
from dialer.outcomes import record_outcome
from foundation.errors import DatabaseError
from vocabulary.commands import Reply
from vocabulary.outcomes import Outcome
from vocabulary.states import RmState

log = structlog.get_logger()


async def wrap_up(call: CallInHand) -> None:
    """The call's end is durable; its RM is in wrap-up, or is put there."""
    call.desk.move(RmState.WRAP_UP)
    deadline = call.clock.monotonic() + call.timing.wrap_up_s
    while True:
        match await call.next(deadline):
            case None if not call.are_you_there:
                call.are_you_there = True
                call.floor.desk_changed(call.desk)
                deadline = call.clock.monotonic() + call.timing.are_you_there_s
            case None:
                await _nobody_there(call)
                return
            case Extend(reply=reply):
                call.are_you_there = False
                deadline = call.clock.monotonic() + call.timing.more_time_s
                call.floor.desk_changed(call.desk)
                answer(reply, Reply(done=True, call_id=call.call_id))
            case GiveOutcome() as given:
                if await _take_outcome(call, given):
                    call.leave_desk("")
                    return
            case HangUpOrder(reply=reply) | Cancel(reply=reply):
                answer(reply, Reply(done=True, call_id=call.call_id))
            case Order() as order:
                not_now(order, "This call is over: say how it went.")
            case _:
                pass


async def _nobody_there(call: CallInHand) -> None:
    """The call is closed without an outcome; the RM is away, or as they had asked while they still spoke."""
    means = call.means
    await means.journal.write(
        record_outcome, call.call_id, Outcome.NO_OUTCOME, means.clock.now(), means.ids, means.rules
    )
    if call.desk.wish is None:
        call.desk.move(RmState.AWAY, "gave no sign of life in wrap-up")
    call.leave_desk("")


async def _take_outcome(call: CallInHand, given: GiveOutcome) -> bool:
    """Record it. False: it could not be, the RM is told why and may give another."""
    try:
        refusal = await call.means.db.write(
            record_outcome,
            call.call_id,
            given.outcome,
            call.clock.now(),
            call.means.ids,
            call.means.rules,
            note=given.note,
            callback_at=given.callback_at,
            answers=given.answers,
        )
    except DatabaseError as error:
        refusal = f"The outcome could not be saved: {error} Please try again; nothing was lost."
    except (
        Exception
    ):  # a fault in the program: another outcome may still be taken, the RM is not left hanging
        log.exception("outcome_failed", outcome=given.outcome)
        refusal = "The outcome could not be saved because of a fault in the program. It was recorded."
    if refusal is not None:
        answer(given.reply, Reply(done=False, reason="not_saved", sentence=refusal))
        return False
    answer(given.reply, Reply(done=True, call_id=call.call_id))
    return True
