# SPDX-License-Identifier: GPL-3.0-or-later
"""What leaves the house of a live topic: chosen field by field, so that nothing new slips out unseen.

Numbers are masked here: an RM calls a customer without being shown the number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vocabulary.states import RmState

_CUSTOMER: Final = (
    "customer_id",
    "name",
    "first_name",
    "language",
    "zone",
    "country",
    "region",
    "local_time",
    "preferred_channel",
    "preferred_hours",
    "segment",
    "attributes",
    "consents",
    "purchases",
    "interactions",
)
_DESK: Final = ("rm", "campaign_id", "state", "reason", "why_not", "last_result", "phone", "wish")
_CALL: Final = ("call_id", "shown", "state", "disposition", "are_you_there")
_SNAPSHOT: Final = ("call", "campaign", "why_chosen", "outcomes", "script", "guidelines")

#: The desk of an RM who has not been at work since the dialer started.
OFFLINE: Final[Mapping[str, Any]] = {
    "state": RmState.OFFLINE,
    "phone": "down",
    "reason": "",
    "why_not": "",
    "last_result": "",
    "wish": None,
    "campaign_id": None,
    "call": None,
    "in_state_s": None,
}


def desk_screen(data: Mapping[str, Any], now_s: float) -> dict[str, Any]:
    """A snapshot or a change of topic ``rm:<id>`` for the RM's own screen.

    ``since_monotonic`` means nothing outside the process: it becomes ``in_state_s``, seconds until now.
    """
    shown = {key: data[key] for key in _DESK if key in data}
    if "since_monotonic" in data:
        shown["in_state_s"] = round(max(0.0, now_s - data["since_monotonic"]), 1)
    if "call" in data:
        call = data["call"]
        shown["call"] = None if call is None else _call_screen(call)
    return shown


def _call_screen(call: Mapping[str, Any]) -> dict[str, Any]:
    snapshot = call["snapshot"]
    return {
        **{key: call[key] for key in _CALL},
        "snapshot": {
            "customer": customer_screen(snapshot["customer"]),
            **{key: snapshot[key] for key in _SNAPSHOT if key in snapshot},
        },
    }


def customer_screen(customer: Mapping[str, Any]) -> dict[str, Any]:
    """A customer's snapshot as an RM may see it: numbers masked, no address, no foreign id.

    Of the birth date only ``birthday``, as ``--03-05``: enough to compare with what a customer says.
    """
    shown = {key: customer[key] for key in _CUSTOMER if key in customer}
    born = customer.get("birth_date")
    shown["birthday"] = f"--{born[5:]}" if born else None
    shown["numbers"] = [
        {"masked": number["masked"], "state": number["state"]} for number in customer.get("numbers", ())
    ]
    return shown


def masked_name(name: str) -> str:
    """A name of which only each word's first letter is left: ``A. F.``."""
    return " ".join(f"{word[0]}." for word in name.split())
