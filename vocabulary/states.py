# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of calls, RMs, campaigns, list entries and numbers, value by value, with their legal moves."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar

from vocabulary.errors import IllegalMove


class CallState(StrEnum):
    """Where one attempt to reach one customer stands."""

    CLAIMED = "claimed"  #: taken from a list, snapshot and call ID issued; nobody is dialed yet
    REVIEWING = "reviewing"  #: an RM reads the snapshot before confirming (preview and manual only)
    DIALING = "dialing"  #: the row is durable; the request to the PBX is about to leave or has left
    RINGING = "ringing"  #: the customer's phone rings, or the network plays progress
    ANSWERED = "answered"  #: the customer's leg is up, not yet joined to an RM
    SCREENING = "screening"  #: the answer is being told apart from a machine
    BRIDGED = "bridged"  #: customer and RM are in one bridge
    ENDED = "ended"  #: the talk is over; the RM wraps up
    WRAPPED_UP = "wrapped_up"  #: the outcome is recorded (final)
    NOT_CONNECTED = "not_connected"  #: it ended with no talk; the disposition says why (final)


CALL_MOVES: Final[dict[CallState, frozenset[CallState]]] = {
    CallState.CLAIMED: frozenset({CallState.REVIEWING, CallState.DIALING, CallState.NOT_CONNECTED}),
    CallState.REVIEWING: frozenset({CallState.DIALING, CallState.NOT_CONNECTED}),
    CallState.DIALING: frozenset(
        {CallState.RINGING, CallState.ANSWERED, CallState.BRIDGED, CallState.NOT_CONNECTED}
    ),
    CallState.RINGING: frozenset({CallState.ANSWERED, CallState.BRIDGED, CallState.NOT_CONNECTED}),
    CallState.ANSWERED: frozenset({CallState.SCREENING, CallState.BRIDGED, CallState.NOT_CONNECTED}),
    CallState.SCREENING: frozenset({CallState.BRIDGED, CallState.NOT_CONNECTED}),
    CallState.BRIDGED: frozenset({CallState.ENDED}),
    CallState.ENDED: frozenset({CallState.WRAPPED_UP}),
    CallState.WRAPPED_UP: frozenset(),
    CallState.NOT_CONNECTED: frozenset(),
}

#: States in which a customer's channel may exist on a PBX.
LIVE_CALL_STATES: Final = frozenset(
    {
        CallState.DIALING,
        CallState.RINGING,
        CallState.ANSWERED,
        CallState.SCREENING,
        CallState.BRIDGED,
    }
)
FINAL_CALL_STATES: Final = frozenset({CallState.WRAPPED_UP, CallState.NOT_CONNECTED})


class RmState(StrEnum):
    """What an RM is doing."""

    OFFLINE = "offline"  #: not at work
    PHONE_CONNECTING = "phone_connecting"  #: the RM's phone is being called, or called again
    READY = "ready"  #: phone up in its bridge, waiting for a customer
    REVIEWING = "reviewing"  #: reading the next customer's snapshot (preview and manual)
    DIALING = "dialing"  #: the customer is being dialed and may ring
    TALKING = "talking"  #: joined to a customer
    WRAP_UP = "wrap_up"  #: recording the outcome
    BREAK = "break"  #: on a break, with a reason
    AWAY = "away"  #: gave no sign of life when wrap-up ran out


RM_MOVES: Final[dict[RmState, frozenset[RmState]]] = {
    RmState.OFFLINE: frozenset({RmState.PHONE_CONNECTING}),
    RmState.PHONE_CONNECTING: frozenset({RmState.READY, RmState.BREAK, RmState.OFFLINE, RmState.AWAY}),
    RmState.READY: frozenset(
        {
            RmState.REVIEWING,
            RmState.DIALING,
            RmState.TALKING,
            RmState.PHONE_CONNECTING,
            RmState.BREAK,
            RmState.AWAY,
            RmState.OFFLINE,
        }
    ),
    RmState.REVIEWING: frozenset(
        {
            RmState.READY,
            RmState.DIALING,
            RmState.PHONE_CONNECTING,
            RmState.BREAK,
            RmState.AWAY,
            RmState.OFFLINE,
        }
    ),
    RmState.DIALING: frozenset(
        {
            RmState.TALKING,
            RmState.READY,
            RmState.WRAP_UP,
            RmState.PHONE_CONNECTING,
            RmState.BREAK,
            RmState.OFFLINE,
        }
    ),
    RmState.TALKING: frozenset({RmState.WRAP_UP}),
    RmState.WRAP_UP: frozenset(
        {RmState.READY, RmState.PHONE_CONNECTING, RmState.BREAK, RmState.AWAY, RmState.OFFLINE}
    ),
    RmState.BREAK: frozenset({RmState.PHONE_CONNECTING, RmState.READY, RmState.OFFLINE}),
    RmState.AWAY: frozenset({RmState.PHONE_CONNECTING, RmState.READY, RmState.BREAK, RmState.OFFLINE}),
}


class PacingMode(StrEnum):
    """How a campaign decides when to dial."""

    MANUAL = "manual"  #: the RM picks the customer from the own list
    PREVIEW = "preview"  #: the next customer is shown; the RM confirms
    PROGRESSIVE = "progressive"  #: one customer is dialed for each ready RM
    POWER = "power"  #: a fixed ratio of lines to RMs (not built yet)
    PREDICTIVE = "predictive"  #: over-dials within the abandonment limit (not built yet)


class CampaignState(StrEnum):
    """Whether a campaign dials."""

    DRAFT = "draft"  #: being set up; has never dialed
    RUNNING = "running"  #: dials within its schedule
    PAUSED = "paused"  #: no new calls; calls in progress go on
    STOPPED = "stopped"  #: over; may not be started again
    EXHAUSTED = "exhausted"  #: every list has come to its end; starts again when customers are added


CAMPAIGN_MOVES: Final[dict[CampaignState, frozenset[CampaignState]]] = {
    CampaignState.DRAFT: frozenset({CampaignState.RUNNING, CampaignState.STOPPED}),
    CampaignState.RUNNING: frozenset({CampaignState.PAUSED, CampaignState.STOPPED, CampaignState.EXHAUSTED}),
    CampaignState.PAUSED: frozenset({CampaignState.RUNNING, CampaignState.STOPPED}),
    CampaignState.STOPPED: frozenset(),
    CampaignState.EXHAUSTED: frozenset({CampaignState.RUNNING, CampaignState.STOPPED}),
}


class EntryState(StrEnum):
    """Where a customer stands in an RM's target list."""

    PENDING = "pending"  #: waiting for its turn (at or after ``next_at``)
    LEASED = "leased"  #: claimed: a call is under way for it
    DONE = "done"  #: finished by an outcome (final)
    EXHAUSTED = "exhausted"  #: the attempts the campaign allows are used up (final)
    WITHDRAWN = "withdrawn"  #: may not be called any more, or taken out by a person (final)


#: A customer may have one entry in these states, over all lists: a partial unique index holds it.
OPEN_ENTRY_STATES: Final = frozenset({EntryState.PENDING, EntryState.LEASED})


class NumberState(StrEnum):
    """What is known of one phone number of a customer."""

    ACTIVE = "active"  #: may be dialed
    SUSPECT = "suspect"  #: said invalid once; one more try, on another day or trunk, decides
    INVALID = "invalid"  #: said invalid twice; never dialed until corrected
    OPTED_OUT = "opted_out"  #: its holder asked not to be called


_State = TypeVar("_State", CallState, RmState, CampaignState)


def check_move(moves: Mapping[_State, frozenset[_State]], old: _State, new: _State, subject: str) -> None:
    """Hold a machine to its table.

    Raises:
        IllegalMove: the table has no move from ``old`` to ``new``.
    """
    if new not in moves[old]:
        raise IllegalMove(f"{subject} cannot go from {old} to {new}.")
