# SPDX-License-Identifier: GPL-3.0-or-later
"""What the network said: every call ends in exactly one disposition, decided by one table.

The facts are those a PBX can state of a customer's leg that is gone. SIP codes are Asterisk's
``tech_cause``, Q.850 causes its ``cause`` (both from ``ChannelDestroyed``, never from a hang-up request).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Disposition(StrEnum):
    """How a call ended, as far as the network and our own timers know."""

    ANSWERED = "answered"  #: answered and joined to an RM
    NO_ANSWER = "no_answer"  #: it rang and nobody took it
    BUSY = "busy"  #: the customer's line is busy
    DECLINED = "declined"  #: the customer refused the call
    BLOCKED_AS_UNWANTED = "blocked_as_unwanted"  #: marked as unwanted: our caller ID's reputation
    INVALID_NUMBER = "invalid_number"  #: the network says there is no such number
    CARRIER_REJECTED = "carrier_rejected"  #: the trunk refuses us or our caller ID
    CARRIER_FAILED = "carrier_failed"  #: never rang: trunk, route or network failed
    MEDIA_FAILED = "media_failed"  #: answered, but no audio could be agreed or flowed
    MACHINE = "machine"  #: a machine answered
    ABANDONED = "abandoned"  #: a live answer that no RM got within 2 s
    HUNG_UP_EARLY = "hung_up_early"  #: the customer hung up within 2 s of answering, before the bridge
    CANCELLED = "cancelled"  #: an RM, the campaign or a stop ended it before the answer
    LOST = "lost"  #: events were missed and the channel is gone; counted as an attempt


class EndedBy(StrEnum):
    """Who or what ended the customer's leg, as our side knows it."""

    NETWORK = "network"  #: the customer, the trunk or the network
    RING_TIMER = "ring_timer"  #: our own timer, after it rang
    SETUP_TIMER = "setup_timer"  #: our own timer, before it rang: the trunk is too slow
    RM = "rm"  #: the RM hung up or cancelled, or the RM's phone went
    CAMPAIGN = "campaign"  #: a campaign pause, a stop, a shutdown, an administrator
    ABANDON_TIMER = "abandon_timer"  #: no RM within 2 s of a live answer
    SCREENING = "screening"  #: the detector said machine
    REFUSED = "refused"  #: the PBX refused the request: no channel was ever made
    EVENTS_LOST = "events_lost"  #: after a gap in the event stream the channel is not there any more


class Blame(StrEnum):
    """Whose record a disposition touches."""

    CUSTOMER = "customer"  #: says something of this customer's reachability
    NUMBER = "number"  #: says something of this phone number
    TRUNK = "trunk"  #: the trunk, the route or our caller ID; never the customer's fault
    NOBODY = "nobody"  #: our own doing, or not known


@dataclass(frozen=True, slots=True, kw_only=True)
class LegEnd:
    """What is known of a customer's leg that is over."""

    ended_by: EndedBy
    was_up: bool = False  #: it was answered
    rang: bool = False  #: Ringing or Progress was seen
    bridged: bool = False  #: it was joined to an RM while up
    media_failed: bool = False  #: it was up and no usable audio came (RTP time-out at once, no common codec)
    up_s: float = 0.0  #: seconds between answer and end
    tech_cause: int | None = None  #: SIP status code, when Asterisk gave one
    cause: int | None = None  #: Q.850 cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a disposition means for the rest of the house."""

    blame: Blame
    counts_as_attempt: bool  #: against the caps on attempts
    retry_after_s: int | None  #: the default wait before the next try; None: not by itself
    alarm: bool = False  #: an administrator should look
    sentence: str  #: what an RM reads


EARLY_HANG_UP_S: Final = 2.0
ABANDON_AFTER_S: Final = 2.0

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86400

RULES: Final[dict[Disposition, Rule]] = {
    Disposition.ANSWERED: Rule(
        blame=Blame.CUSTOMER,
        counts_as_attempt=True,
        retry_after_s=None,
        sentence="You spoke with the customer.",
    ),
    Disposition.NO_ANSWER: Rule(
        blame=Blame.CUSTOMER,
        counts_as_attempt=True,
        retry_after_s=4 * _HOUR,
        sentence="It rang and nobody answered. The customer is tried again at another hour.",
    ),
    Disposition.BUSY: Rule(
        blame=Blame.CUSTOMER,
        counts_as_attempt=True,
        retry_after_s=15 * _MINUTE,
        sentence="The line is busy. The customer is tried again in some minutes.",
    ),
    Disposition.DECLINED: Rule(
        blame=Blame.CUSTOMER,
        counts_as_attempt=True,
        retry_after_s=3 * _DAY,
        sentence="The customer declined the call. The next try is days away.",
    ),
    Disposition.BLOCKED_AS_UNWANTED: Rule(
        blame=Blame.TRUNK,
        counts_as_attempt=True,
        retry_after_s=7 * _DAY,
        alarm=True,
        sentence="The call was blocked as unwanted. An administrator checks the caller ID.",
    ),
    Disposition.INVALID_NUMBER: Rule(
        blame=Blame.NUMBER,
        counts_as_attempt=True,
        retry_after_s=_DAY,
        sentence="The network says there is no such number. It is tried once more on another day.",
    ),
    Disposition.CARRIER_REJECTED: Rule(
        blame=Blame.TRUNK,
        counts_as_attempt=False,
        retry_after_s=_HOUR,
        alarm=True,
        sentence="The trunk refused the call; the customer's phone did not ring. An administrator is told.",
    ),
    Disposition.CARRIER_FAILED: Rule(
        blame=Blame.TRUNK,
        counts_as_attempt=False,
        retry_after_s=10 * _MINUTE,
        sentence="The call did not get through; the customer's phone did not ring. It is tried again soon.",
    ),
    Disposition.MEDIA_FAILED: Rule(
        blame=Blame.TRUNK,
        counts_as_attempt=True,
        retry_after_s=_HOUR,
        alarm=True,
        sentence="The customer answered but no audio came through. An administrator is told.",
    ),
    Disposition.MACHINE: Rule(
        blame=Blame.CUSTOMER,
        counts_as_attempt=True,
        retry_after_s=6 * _HOUR,
        sentence="A machine answered. The customer is tried again at another hour.",
    ),
    Disposition.ABANDONED: Rule(
        blame=Blame.NOBODY,
        counts_as_attempt=True,
        retry_after_s=3 * _DAY,
        alarm=True,
        sentence="The customer answered and no RM was there in time.",
    ),
    Disposition.HUNG_UP_EARLY: Rule(
        blame=Blame.CUSTOMER,
        counts_as_attempt=True,
        retry_after_s=4 * _HOUR,
        sentence="The customer hung up at once after answering.",
    ),
    Disposition.CANCELLED: Rule(
        blame=Blame.NOBODY,
        counts_as_attempt=False,
        retry_after_s=0,
        sentence="The call was cancelled before the customer answered.",
    ),
    Disposition.LOST: Rule(
        blame=Blame.NOBODY,
        counts_as_attempt=True,
        retry_after_s=_DAY,
        alarm=True,
        sentence="The connection to the PBX was lost during this call; how it ended is not known.",
    ),
}

#: SIP final responses whose meaning does not depend on whether it rang.
_BY_SIP: Final[dict[int, Disposition]] = {
    486: Disposition.BUSY,
    600: Disposition.BUSY,
    603: Disposition.DECLINED,
    607: Disposition.BLOCKED_AS_UNWANTED,
    608: Disposition.BLOCKED_AS_UNWANTED,
    404: Disposition.INVALID_NUMBER,
    604: Disposition.INVALID_NUMBER,
    410: Disposition.INVALID_NUMBER,
    484: Disposition.INVALID_NUMBER,
    401: Disposition.CARRIER_REJECTED,
    403: Disposition.CARRIER_REJECTED,
    407: Disposition.CARRIER_REJECTED,
}
#: SIP final responses that mean "nobody took it" once it rang, and a failed trunk when it did not.
_NOBODY_IF_RANG: Final = frozenset({408, 480, 487})

#: Q.850 causes, for PBXs and trunks that give no SIP code.
_BY_CAUSE: Final[dict[int, Disposition]] = {
    1: Disposition.INVALID_NUMBER,
    22: Disposition.INVALID_NUMBER,
    28: Disposition.INVALID_NUMBER,
    17: Disposition.BUSY,
}
_NOBODY_CAUSES: Final = frozenset({18, 19, 20})


def decide(end: LegEnd) -> Disposition:
    """The one disposition of a call, from how its customer's leg ended. Total: every input has an answer."""
    if end.was_up:
        return _decide_answered(end)
    match end.ended_by:
        case EndedBy.EVENTS_LOST:
            return Disposition.LOST
        case EndedBy.RM | EndedBy.CAMPAIGN:
            return Disposition.CANCELLED
        case EndedBy.REFUSED | EndedBy.SETUP_TIMER:
            return Disposition.CARRIER_FAILED
        case EndedBy.RING_TIMER:
            return Disposition.NO_ANSWER if end.rang else Disposition.CARRIER_FAILED
        case _:
            return _decide_unanswered(end)


def _decide_answered(end: LegEnd) -> Disposition:
    if end.bridged:
        return Disposition.MEDIA_FAILED if end.media_failed else Disposition.ANSWERED
    if end.ended_by is EndedBy.SCREENING:
        return Disposition.MACHINE
    if end.media_failed or end.cause == 127 or end.tech_cause in (406, 488):
        return Disposition.MEDIA_FAILED
    if end.ended_by is EndedBy.EVENTS_LOST:
        return Disposition.LOST
    if end.ended_by is EndedBy.NETWORK and end.up_s < EARLY_HANG_UP_S:
        return Disposition.HUNG_UP_EARLY
    return Disposition.ABANDONED


def _decide_unanswered(end: LegEnd) -> Disposition:
    if end.tech_cause is not None:
        if end.tech_cause in _BY_SIP:
            return _BY_SIP[end.tech_cause]
        if end.tech_cause in _NOBODY_IF_RANG and end.rang:
            return Disposition.NO_ANSWER
        return Disposition.CARRIER_FAILED
    if end.cause in _BY_CAUSE:
        return _BY_CAUSE[end.cause]
    if end.cause == 21:
        return Disposition.DECLINED if end.rang else Disposition.CARRIER_REJECTED
    if end.rang and (end.cause in _NOBODY_CAUSES or end.cause in (None, 0, 16)):
        return Disposition.NO_ANSWER
    return Disposition.CARRIER_FAILED
