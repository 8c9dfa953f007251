# SPDX-License-Identifier: GPL-3.0-or-later
"""An answered customer without an RM: joined to their own RM's bridge, or to that of the next free one.

There are two seconds for it (``Timing.abandon_after_s``); after them the call counts as abandoned and the
customer hears who had called.
"""

from __future__ import annotations

from typing import Final

import structlog

from dialer.call_in_hand import CallInHand
from dialer.desk import Desk, PhoneState
from dialer.telephony import TelephonyError
from vocabulary.dispositions import EndedBy
from vocabulary.states import RmState

log = structlog.get_logger()

NO_RM_IN_TIME: Final = "No RM was there in time."
#: A message that has not come to its end by then is cut.
MESSAGE_LIMIT_S: Final = 20.0


async def rescue(call: CallInHand) -> None:
    """Join somebody, if anybody is there; ``call.joined`` tells."""
    own = call.desk if call.desk.phone is PhoneState.UP else None
    desk = own or call.floor.free_desk(call.desk.campaign_id, call.desk)
    if desk is None or desk.bridge is None:
        return
    bridge = desk.bridge
    desk.claiming = True
    try:
        await call.means.telephony.bridge(call.leg, bridge)
    except TelephonyError as error:
        log.warning("rescue_failed", rm=desk.rm.name, error=str(error))
        desk.claim_over()
        return
    if desk.phone is not PhoneState.UP or desk.bridge != bridge:
        # That phone went too, while the PBX was joining them: nobody is there.
        log.warning("rescue_failed", rm=desk.rm.name, error="the phone went")
        desk.claim_over()
        return
    desk.claiming = False
    if desk is not call.desk:
        _hand_over(call, desk)
    call.join(call.clock.now())


async def apologise(call: CallInHand) -> float:
    """Nobody joined an answered customer within the two seconds: the recorded message, then the end.

    Returns until when (monotonic) it must be over.
    """
    call.ended_by, call.reason = EndedBy.ABANDON_TIMER, NO_RM_IN_TIME
    telephony = call.means.telephony
    try:
        if call.bridge is not None:
            await telephony.unbridge(call.leg, call.bridge)
        await telephony.play(call.leg, f"p-{call.leg.id}", call.means.announcements.identification)
    except TelephonyError as error:
        log.warning("message_not_played", error=str(error))
        return await call.end_leg(EndedBy.ABANDON_TIMER, NO_RM_IN_TIME)
    return call.clock.monotonic() + MESSAGE_LIMIT_S


def _hand_over(call: CallInHand, desk: Desk) -> None:
    """Another RM takes the customer: the change of owner is recorded with the call."""
    log.info("call_handed_over", old=call.desk.rm.name, new=desk.rm.name)
    old, call.desk = call.desk, desk
    old.between_calls()
    desk.call = call
    desk.move(RmState.DIALING, "took over an answered call")
    call.learn(rm_id=desk.rm.id, shift_id=desk.shift_id)
