# SPDX-License-Identifier: GPL-3.0-or-later
"""What screens see of desks and of the floor: plain dictionaries for the live bus. Names only to the RM's own topic."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from vocabulary.call_id import show_call_id
from vocabulary.states import RmState

if TYPE_CHECKING:
    from dialer.desk import Desk
    from dialer.engine import Engine


def desk_view(desk: Desk) -> dict[str, Any]:
    """The whole of what an RM's screen shows."""
    call = desk.call
    return {
        "rm": desk.rm.name,
        "campaign_id": desk.campaign_id,
        "state": desk.state,
        "since_monotonic": desk.since,
        "reason": desk.reason,
        "why_not": desk.why_not,
        "last_result": desk.last_result,
        "phone": desk.phone,
        "wish": desk.wish,
        "call": None
        if call is None
        else {
            "call_id": call.call_id,
            "shown": show_call_id(call.call_id),
            "state": call.state,
            "disposition": call.disposition,
            "are_you_there": call.are_you_there,
            "snapshot": call.snapshot,
        },
    }


def floor_view(engine: Engine) -> dict[str, Any]:
    """What a supervisor sees: no customer is named."""
    states = Counter(str(desk.state) for desk in engine.desks.values())
    return {
        "blocked": engine.dialing_blocked(),
        "rms": {
            desk.rm.name: {
                "state": desk.state,
                "phone": desk.phone,
                "why_not": desk.why_not,
                "call_id": desk.call.call_id if desk.call is not None else None,
            }
            for desk in sorted(engine.desks.values(), key=lambda desk: desk.rm.name)
        },
        "states": {state: states.get(state, 0) for state in RmState},
        "trunk_problems": engine.trunk_problems,
        "campaigns": {campaign.name: campaign.state for campaign in engine.campaigns.values()},
    }
