# SPDX-License-Identifier: GPL-3.0-or-later
"""After a restart: what the database says was going on, beside what the PBX says is there. Pure.

Live calls are adopted where customer and RM still have their legs in one bridge; everything else is closed
with one disposition. A call whose row says *dialing* and whose leg is not there was lost: events were
missed, so it counts as an attempt and is never dialed again inside the cap window.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from dialer.legs import CustomerLegName, RmLegName, read_leg
from dialer.telephony import BridgeId, LegId, SurveyedLeg, SurveyedState
from vocabulary.call_id import CallId
from vocabulary.dispositions import EndedBy
from vocabulary.states import LIVE_CALL_STATES, CallState


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCall:
    """A call that was not final when the dialer went."""

    call_id: CallId
    state: CallState
    rm_id: int | None
    shift_id: int | None
    bridge: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenShift:
    """A shift that had not ended."""

    shift_id: int
    rm_id: int
    rm: str
    campaign_id: int


class Fate(StrEnum):
    """What becomes of an open call."""

    RETURN = "return"  #: nobody was dialed: the customer goes back into the list
    ADOPT = "adopt"  #: both legs are there: go on with it
    HANG_UP = "hang_up"  #: the customer's leg is there and the RM's is not: end it, then close
    CLOSE = "close"  #: no leg is there: close it
    WRAP_UP = "wrap_up"  #: the talk is over and only the outcome is missing


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFate:
    """One open call's fate; ``leg`` where the PBX still has it."""

    call: OpenCall
    fate: Fate
    leg: SurveyedLeg | None = None
    ended_by: EndedBy = EndedBy.EVENTS_LOST


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything to do before anybody is dialed."""

    calls: tuple[CallFate, ...]
    #: RM legs to keep, by RM: the leg and its bridge.
    phones: Mapping[int, tuple[LegId, BridgeId]]
    #: Legs of ours that nothing asks for any more.
    orphans: tuple[LegId, ...]


def plan_recovery(
    calls: Iterable[OpenCall], shifts: Iterable[OpenShift], legs: Iterable[SurveyedLeg]
) -> Plan:
    """Match rows and legs. Every leg and every call ends up in exactly one place of the plan."""
    customer_legs: dict[CallId, SurveyedLeg] = {}
    rm_legs: dict[str, SurveyedLeg] = {}
    by_rm = {shift.rm: shift for shift in shifts}
    orphans: list[LegId] = []
    for leg in sorted(legs, key=lambda leg: leg.leg.id):
        match read_leg(leg.leg):
            case CustomerLegName(call_id=call_id) if call_id not in customer_legs:
                customer_legs[call_id] = leg
            case RmLegName(rm=rm, shift_id=shift_id) if (
                rm in by_rm
                and by_rm[rm].shift_id == shift_id
                and leg.state is SurveyedState.UP
                and leg.bridge is not None
                and rm not in rm_legs
            ):
                rm_legs[rm] = leg
            case _:
                orphans.append(leg.leg)
    phones = {by_rm[rm].rm_id: (leg.leg, leg.bridge) for rm, leg in rm_legs.items() if leg.bridge is not None}
    fates = [_fate(call, customer_legs.pop(call.call_id, None), phones) for call in calls]
    orphans.extend(leg.leg for leg in customer_legs.values())
    return Plan(calls=tuple(fates), phones=phones, orphans=tuple(orphans))


def _fate(call: OpenCall, leg: SurveyedLeg | None, phones: Mapping[int, tuple[LegId, BridgeId]]) -> CallFate:
    if call.state is CallState.ENDED:
        return CallFate(call=call, fate=Fate.WRAP_UP, leg=leg)
    if call.state not in LIVE_CALL_STATES:
        # Claimed or under review: the row that precedes the INVITE was never written.
        return CallFate(call=call, fate=Fate.RETURN, leg=leg, ended_by=EndedBy.CAMPAIGN)
    if leg is None:
        return CallFate(call=call, fate=Fate.CLOSE)
    phone = phones.get(call.rm_id) if call.rm_id is not None else None
    joined = phone is not None and leg.bridge == phone[1]
    if joined and leg.state is not SurveyedState.DOWN:
        return CallFate(call=call, fate=Fate.ADOPT, leg=leg)
    by = EndedBy.ABANDON_TIMER if leg.state is SurveyedState.UP else EndedBy.CAMPAIGN
    return CallFate(call=call, fate=Fate.HANG_UP, leg=leg, ended_by=by)
