# SPDX-License-Identifier: GPL-3.0-or-later
"""Following a customer's leg from the INVITE to its last event: the timers of ringing, the answer, the talk.

At the answer the talk comes first and the writing after it. Whoever hangs up, the leg's last event is
waited for; where it does not come the PBX is asked.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import structlog

from dialer.call_in_hand import CallInHand, answer, not_now
from dialer.desk import PhoneState
from dialer.orders import Cancel, GiveOutcome, HangUpOrder, Order, PhoneLost, Stop
from dialer.rescue import NO_RM_IN_TIME, apologise, rescue
from dialer.telephony import (
    HangUpReason,
    LegAnswered,
    LegEnded,
    LegEvent,
    LegJoined,
    LegRinging,
    PlaybackFinished,
    TelephonyError,
)
from vocabulary.commands import Reply
from vocabulary.dispositions import EndedBy, LegEnd
from vocabulary.states import CallState

log = structlog.get_logger()


async def follow(call: CallInHand) -> LegEnd:
    """Until the leg is gone. Every event and order moves the one deadline of the moment, or leaves it."""
    deadline = _first_deadline(call)
    while True:
        match await call.next(deadline):
            case None if call.ended_by is not None:
                end = await _missing(call)
                if end is not None:
                    return _complete(call, end)
                deadline = call.clock.monotonic() + call.timing.goodbye_s
            case None:
                deadline = await _time_is_up(call)
            case LegEnded(end=end, at=at):
                call.learn(ended_at=at)
                return _complete(call, end)
            case LegEvent() as event:
                deadline = await _heard(call, event, deadline)
            case Order() as order:
                deadline = await _ordered(call, order, deadline)


def _first_deadline(call: CallInHand) -> float | None:
    if call.joined:
        return None
    if call.rang_at is not None:
        return call.timing.ring_deadline(decided_at=call.decided_at, rang_at=call.rang_at)
    return call.clock.monotonic() + call.timing.setup_s


async def _heard(call: CallInHand, event: LegEvent, deadline: float | None) -> float | None:
    match event:
        case LegRinging(at=at) if call.rang_at is None and call.answered_at is None:
            call.rang_at = call.clock.monotonic()
            call.step(CallState.RINGING, at=at)
            call.learn(ringing_at=at)
            # Written now and not with the end: should the dialer die, a call that rang is an attempt.
            call.note()
            if call.ended_by is None:
                return call.timing.ring_deadline(decided_at=call.decided_at, rang_at=call.rang_at)
        case LegAnswered(at=at, joined=joined):
            return await _answered(call, at, deadline, joined=joined)
        case LegJoined(at=at, bridge=bridge) if bridge == call.desk.bridge:
            call.join(at)
            return deadline if call.ended_by is not None else None
        case PlaybackFinished() if not call.joined:
            return await call.end_leg(EndedBy.ABANDON_TIMER, NO_RM_IN_TIME)
        case _:
            pass
    return deadline


async def _answered(call: CallInHand, at: datetime, deadline: float | None, *, joined: bool) -> float | None:
    """The customer is up, for the first time or told again."""
    if call.answered_at is None:
        call.answered_at = call.clock.monotonic()
        call.learn(answered_at=at)
        if joined and call.desk.phone is not PhoneState.DOWN:
            call.join(at)
        else:
            call.step(CallState.ANSWERED, at=at)
            if call.ended_by is None:
                await rescue(call)
    if call.ended_by is not None:
        # The answer crossed our hang-up, which stands.
        return deadline
    return None if call.joined else call.answered_at + call.timing.abandon_after_s


async def _ordered(call: CallInHand, order: Order, deadline: float | None) -> float | None:
    match order:
        case Cancel(reply=reply) if call.joined:
            answer(reply, Reply(done=False, reason="connected", sentence="The customer has answered."))
        case Cancel(reason=reason, reply=reply):
            deadline = await call.end_leg(EndedBy.RM, reason)
            answer(reply, Reply(done=True, call_id=call.call_id))
        case HangUpOrder(reply=reply):
            deadline = await call.end_leg(EndedBy.RM, "The RM hung up.")
            answer(reply, Reply(done=True, call_id=call.call_id))
        case Stop(reason=reason) if not call.joined:
            deadline = await call.end_leg(EndedBy.CAMPAIGN, reason)
        case PhoneLost(reason=reason):
            deadline = await _without_phone(call, reason, deadline)
        case GiveOutcome(reply=reply):
            answer(reply, Reply(done=False, reason="talking", sentence="The call is not over yet."))
        case _:
            not_now(order, "The customer is being called already.")
    return deadline


async def _time_is_up(call: CallInHand) -> float:
    """A timer of ours fired before the answer, or nobody joined an answered customer."""
    if call.answered_at is not None:
        return await apologise(call)
    if call.rang_at is not None:
        return await call.end_leg(EndedBy.RING_TIMER, "", HangUpReason.NO_ANSWER)
    return await call.end_leg(EndedBy.SETUP_TIMER, "The trunk was too slow.", HangUpReason.NO_ANSWER)


async def _without_phone(call: CallInHand, reason: str, deadline: float | None) -> float | None:
    """The RM's phone is gone: before the answer nobody may be left with silence; in a talk it is the end."""
    if call.ended_by is not None:
        return deadline
    if call.answered_at is None or call.joined:
        return await call.end_leg(EndedBy.RM, reason)
    await rescue(call)
    return None if call.joined else call.answered_at + call.timing.abandon_after_s


async def _missing(call: CallInHand) -> LegEnd | None:
    """We hung up and no last event came: ask the PBX. None: it is still there or cannot be asked."""
    try:
        legs = await call.means.telephony.survey()
    except TelephonyError:
        log.warning("survey_unanswered")
        return None
    if any(surveyed.leg == call.leg for surveyed in legs):
        await call.end_leg(EndedBy.CAMPAIGN, call.reason)
        return None
    log.warning("last_event_missing")
    return LegEnd(ended_by=call.ended_by or EndedBy.EVENTS_LOST)


def _complete(call: CallInHand, end: LegEnd) -> LegEnd:
    """The PBX's facts with what only we know: who ended it."""
    call.floor.forget(call.leg)
    by = end.ended_by
    if call.ended_by is not None and by is EndedBy.NETWORK:
        by = call.ended_by
    return replace(
        end,
        ended_by=by,
        rang=end.rang or call.rang_at is not None,
        was_up=end.was_up or call.answered_at is not None,
        bridged=call.joined,
    )
