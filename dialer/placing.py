# SPDX-License-Identifier: GPL-3.0-or-later
"""Placing a call: the durable row first, then the one request to the PBX, each only while nothing speaks against it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import structlog

from dialer.begin import Beginning, begin_dialing
from dialer.call_in_hand import CallInHand
from dialer.desk import PhoneState
from dialer.telephony import DialCustomer, NotDone, Refusal, Unknown
from vocabulary.dispositions import EndedBy, LegEnd
from vocabulary.states import CallState, RmState

log = structlog.get_logger()

#: Refusals that say nothing of the customer's number: the customer is open again at once.
_OUR_SIDE: Final = frozenset(
    {Refusal.TRUNK_FULL, Refusal.TRUNK_BREAKER_OPEN, Refusal.LINK_DOWN, Refusal.FENCED, Refusal.GONE}
)
_FULL_TRUNK_STEP_S: Final = 0.1

NO_PHONE = "Your phone is not connected, so nobody was dialed."


async def begin(call: CallInHand) -> str | None:
    """The durable row that comes before the INVITE. Returns why nobody may be dialed, in words.

    Raises ``DatabaseError``: the row could not be written, so nobody may be dialed either.
    """
    desk, clock = call.desk, call.clock
    call.trunk = call.floor.pick_trunk(call.claim.trunks)
    blocked = call.floor.dialing_blocked()
    if blocked is not None:
        return blocked
    if desk.phone is not PhoneState.UP or desk.bridge is None:
        return NO_PHONE
    if call.trunk is None:
        return "No trunk can be used right now, so nobody was dialed."
    call.bridge = desk.bridge
    # Before the row: from here on a phone that goes does not move the desk, it is told to the call.
    desk.move(RmState.DIALING)
    now = clock.now()
    refusal = await call.means.db.write(
        begin_dialing,
        Beginning(
            call_id=call.call_id,
            customer_id=call.claim.customer_id,
            number_id=call.claim.number_id,
            leg=call.leg.id,
            bridge=call.bridge.id,
            node=call.leg.node,
            trunk=call.trunk,
            decided_at=now - timedelta(seconds=clock.monotonic() - call.decided_at),
        ),
        now,
        call.means.ids,
        call.means.rules,
    )
    if refusal is None:
        call.state, call.dialed = CallState.DIALING, True
    return refusal


async def place(call: CallInHand) -> LegEnd | None:
    """Ask the PBX. Returns the end when the request definitely did not happen."""
    assert call.trunk is not None
    blocked = call.floor.dialing_blocked()
    if blocked is not None:
        # A halt ordered while the row was being written: nothing has left.
        call.reason, call.sent = blocked, False
        return LegEnd(ended_by=EndedBy.CAMPAIGN)
    if call.desk.phone is not PhoneState.UP or call.desk.bridge != call.bridge:
        call.reason, call.sent = NO_PHONE, False
        return LegEnd(ended_by=EndedBy.RM)
    call.floor.listen(call.leg, call.give)
    try:
        await _ask(call, call.trunk)
    except NotDone as refused:
        call.floor.forget(call.leg)
        call.reason = (
            f"The PBX did not place the call ({refused.refusal}); the customer's phone did not ring."
        )
        log.warning("dial_refused", refusal=refused.refusal, detail=refused.detail, trunk=call.trunk)
        ours = refused.refusal in _OUR_SIDE
        call.sent = False
        return LegEnd(ended_by=EndedBy.CAMPAIGN if ours else EndedBy.REFUSED)
    except Unknown:
        log.warning("dial_unknown", trunk=call.trunk)
    call.learn(confirm_to_invite_ms=call.since_decided_ms())
    return None


async def _ask(call: CallInHand, trunk: str) -> None:
    """The request; a trunk that has no line or no rate to spare is asked again for a moment.

    Raises ``NotDone``, ``Unknown``. Asking again is safe: a full trunk refuses before anything is sent.
    """
    request = DialCustomer(
        leg=call.leg,
        pii_number=call.claim.pii_number,
        trunk=trunk,
        caller_id=call.claim.caller_id,
        bridge=call.bridge,
        backstop_s=call.timing.backstop(),
    )
    deadline = call.clock.monotonic() + call.timing.full_trunk_s
    while True:
        try:
            return await call.means.telephony.dial(request)
        except NotDone as refused:
            patient = refused.refusal is Refusal.TRUNK_FULL and call.clock.monotonic() < deadline
            if not patient or call.floor.dialing_blocked() is not None:
                raise
        await call.clock.sleep(_FULL_TRUNK_STEP_S)
