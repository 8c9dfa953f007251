# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a channel or bridge is, read from its id and from its application data.

``dialer.legs`` chooses the ids; here they are recognised. Both signs are needed: a channel that Asterisk made
by itself (a call from outside, or one it was redirected to) has an id of Asterisk's own and our application data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ari_bridge.messages import Channel

FAILSAFE_CONTEXT = "offhook-failsafe"
#: The channel variable by which the fail-safe context learns which call it serves.
FAILSAFE_VARIABLE = "OFFHOOK_CALL_ID"


def is_our_leg(node: str, channel_id: str) -> bool:
    """The id is one that ``dialer.legs`` gave on this node."""
    return channel_id.startswith((f"c-{node}-", f"rm-{node}-"))


def is_our_bridge(node: str, bridge_id: str) -> bool:
    """The id is one that ``dialer.legs`` gave on this node: never one of Asterisk's own holding bridges."""
    return bridge_id.startswith(f"b-{node}-")


def is_ours(node: str, app: str, channel: Channel) -> bool:
    """By id, or by the application it is in."""
    plan = channel.dialplan
    in_our_app = plan.app_name == "Stasis" and plan.app_data.split(",", 1)[0] == app
    return is_our_leg(node, channel.id) or in_our_app


def call_of(leg_id: str) -> str:
    """The call ID in a customer leg's id; empty when there is none."""
    parts = leg_id.split("-")
    return parts[2] if len(parts) == 4 and parts[0] == "c" else ""


def rm_args(leg_id: str) -> str:
    """The application arguments of an RM's leg: ``rm,<rm>,<shift>``."""
    parts = leg_id.split("-")
    return ",".join(("rm", *parts[2:4]))


@dataclass(frozen=True, slots=True)
class InboundArgs:
    """What the dialplan says of a call from outside."""

    called: str
    trunk: str


def read_inbound(args: Sequence[str]) -> InboundArgs | None:
    """The arguments of ``Stasis(app,inbound,<caller ID>,<trunk>)``; None for anything else."""
    match list(args):
        case ["inbound", called, trunk]:
            return InboundArgs(called, trunk)
        case _:
            return None
