# SPDX-License-Identifier: GPL-3.0-or-later
"""How a call is placed: the requests in their order, and what each of their outcomes means.

A request without a clear answer is never sent again as new: the PBX is asked what became of it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from ari_bridge.ari import Ari, Liveness
from ari_bridge.customer_leg import CustomerLeg
from ari_bridge.http import ALLOCATION_FAILED, Done, Outcome, Refused, Unsure
from ari_bridge.ids import FAILSAFE_CONTEXT, FAILSAFE_VARIABLE, call_of, rm_args
from ari_bridge.legs import Leg
from ari_bridge.rm_leg import RmLeg
from dialer.telephony import BridgeId, ConnectRm, NotDone, Refusal, Unknown

log = structlog.get_logger()

#: How long, and how often, the entry of a channel into our application is waited for.
ENTRY_WAIT_S, ENTRY_TRIES = 0.2, 4
AUTO_ANSWER = "<sip:offhook>;answer-after=0"
#: What an RM's phone shows as its caller.
OUR_NAME = "Offhook <offhook>"


@dataclass(frozen=True, slots=True)
class Placing:
    """What placing a call needs of the bridge."""

    ari: Ari
    gaps: Callable[[], int]  #: how often the event stream was cut so far
    lose: Callable[[Leg], None]  #: end a leg whose end was missed
    rm_heard: Callable[[BridgeId], Awaitable[bool]]  #: whether the RM in a bridge is heard now


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A customer's call as the trunk wants it."""

    endpoint: str  #: ``PJSIP/<number>@trunk-<trunk>``
    pii_caller_id: str  #: as the trunk wants it
    headers: Mapping[str, str]
    backstop_s: float

    @property
    def timeout_s(self) -> int:
        """ARI's time-out is in whole seconds; rounded up, so that our own timers come first."""
        return math.ceil(self.backstop_s)


def refusal(outcome: Refused) -> NotDone:
    """What a refused placement means to the dialer."""
    if outcome.status is None or outcome.status == 503:
        return NotDone(Refusal.LINK_DOWN, outcome.message)
    if ALLOCATION_FAILED in outcome.message:
        return NotDone(Refusal.UNKNOWN_ENDPOINT, outcome.message)
    if outcome.status == 404:
        return NotDone(Refusal.GONE, outcome.message)
    return NotDone(Refusal.REJECTED, f"{outcome.status} {outcome.message}")


async def dial_into_bridge(means: Placing, leg: CustomerLeg, bridge: BridgeId, call: Outgoing) -> None:
    """Early bridge: make the channel, join it, dial it. The answer then needs no request of ours, and connects
    even when the event socket is cut at that moment.

    The caller ID travels as the *connected* line of the new channel: that is what the PBX writes into From.
    ``CALLERID(num)`` there gives an anonymous call.

    Raises:
        NotDone: no INVITE left or will leave.
        Unknown: the INVITE may have left.
    """
    ari, before = means.ari, means.gaps()
    variables = {"CONNECTEDLINE(num,i)": call.pii_caller_id, "CONNECTEDLINE(pres,i)": "allowed_not_screened"}
    variables |= _header_variables(call.headers)
    app_args = f"customer,{call_of(leg.leg.id)}"
    outcome, heard = await asyncio.gather(
        ari.create(leg.leg.id, call.endpoint, app_args=app_args, variables=variables), means.rm_heard(bridge)
    )
    if isinstance(outcome, Refused):
        raise refusal(outcome)
    # A created channel rings nobody: whatever became of it, without the dial below it is safely undone.
    if isinstance(outcome, Unsure) and await ari.liveness(leg.leg.id) is not Liveness.LIVE:
        await _undo(ari, leg)
        raise NotDone(Refusal.REJECTED, f"The channel was not made: {outcome.why}")
    outcome = await join(ari, leg, bridge)
    if not isinstance(outcome, Done):
        await _undo(ari, leg)
        raise NotDone(Refusal.GONE, f"The customer could not be joined to {bridge.id}: {outcome}")
    if leg.hang_up_asked or not leg.rm_waits or not heard:
        await _undo(ari, leg)
        raise NotDone(Refusal.GONE, "It was hung up, or its RM went or fell silent, before it was dialed.")
    if means.gaps() != before:
        await _undo(ari, leg)
        raise NotDone(Refusal.LINK_DOWN, "The event stream was cut before it was dialed.")
    outcome = await ari.dial(leg.leg.id, timeout_s=call.timeout_s)
    match outcome:
        case Refused():
            await _undo(ari, leg)
            raise refusal(outcome)
        case Unsure(why=why):
            await ari.liveness(leg.leg.id)
            if not leg.dialed:
                raise Unknown(f"{leg.leg.id}: {why}")


async def join(ari: Ari, leg: CustomerLeg, bridge: BridgeId) -> Outcome:
    """Join a channel that is about to enter our application: it is told when it did, and refused (422) before."""
    outcome: Outcome = Unsure("")
    for _ in range(ENTRY_TRIES):
        await entry(leg)
        outcome = await ari.add_to_bridge(bridge.id, leg.leg.id)
        if isinstance(outcome, Done) or leg.ended:
            break
        if isinstance(outcome, Refused) and outcome.status != 422:
            break
        leg.entered.clear()
    return outcome


async def entry(leg: CustomerLeg) -> None:
    """Wait a moment for a leg's entry into our application. Its event may be late or lost, so whoever waits
    asks the PBX all the same."""
    try:
        async with asyncio.timeout(ENTRY_WAIT_S):
            await leg.entered.wait()
    except TimeoutError:
        pass


async def dial_failsafe(means: Placing, leg: CustomerLeg, call: Outgoing) -> None:
    """Through the fail-safe context: if nobody here is alive at the answer, the PBX says who called.

    Raises as ``dial_into_bridge``.
    """
    before = means.gaps()
    outcome = await means.ari.originate(
        leg.leg.id,
        call.endpoint,
        timeout_s=call.timeout_s,
        context=FAILSAFE_CONTEXT,
        caller_id=call.pii_caller_id,
        variables={FAILSAFE_VARIABLE: call_of(leg.leg.id)} | _header_variables(call.headers),
    )
    await _settle(means, leg, outcome, before, lambda: leg.dialed)


async def call_rm(means: Placing, leg: RmLeg, request: ConnectRm) -> None:
    """Make the RM's bridge, then call the phone, which answers by itself. Raises as ``dial_into_bridge``."""
    ari, before = means.ari, means.gaps()
    made = await ari.make_bridge(leg.bridge.id)
    if isinstance(made, Unsure):
        # Asking again is harmless: a 409 then says that it was made the first time.
        made = await ari.make_bridge(leg.bridge.id)
        if isinstance(made, Refused) and made.status == 409:
            made = Done(b"")
    if not isinstance(made, Done):
        raise NotDone(Refusal.REJECTED, f"The bridge {leg.bridge.id} was not made: {made}")
    outcome = await ari.originate(
        leg.leg.id,
        request.endpoint,
        timeout_s=math.ceil(request.answer_timeout_s),
        app_args=rm_args(leg.leg.id),
        caller_id=OUR_NAME,
        variables=_header_variables(
            {"Call-Info": AUTO_ANSWER, "X-Offhook-Session": leg.leg.id.split("-", 3)[3]}
        ),
    )
    try:
        await _settle(means, leg, outcome, before, lambda: leg.up or leg.rang)
    except NotDone:
        await ari.delete_bridge(leg.bridge.id)
        raise


async def _settle(
    means: Placing, leg: Leg, outcome: Outcome, gaps_before: int, seen: Callable[[], bool]
) -> None:
    """What became of an originate. After a gap in the events *absent* means lost, never *not placed*."""
    match outcome:
        case Refused():
            raise refusal(outcome)
        case Unsure(why=why):
            match await means.ari.liveness(leg.leg.id):
                case Liveness.LIVE:
                    pass
                case Liveness.ABSENT if leg.ended or seen():
                    pass
                case Liveness.ABSENT if means.gaps() == gaps_before:
                    raise NotDone(Refusal.REJECTED, f"{leg.leg.id} was never placed: {why}")
                case Liveness.ABSENT:
                    means.lose(leg)
                    raise Unknown(f"{leg.leg.id}: {why}, and events were missed")
                case _:
                    raise Unknown(f"{leg.leg.id}: {why}")
    if leg.hang_up_asked and not leg.ended:
        # The hang-up came before the channel was there.
        await means.ari.hang_up(leg.leg.id)


async def _undo(ari: Ari, leg: Leg) -> None:
    if not leg.ended:
        outcome = await ari.hang_up(leg.leg.id)
        if isinstance(outcome, Unsure):
            log.warning("undo_unsure", leg=leg.leg.id, why=outcome.why)


def _header_variables(headers: Mapping[str, str]) -> dict[str, str]:
    return {f"PJSIP_HEADER(add,{name})": value for name, value in headers.items()}
