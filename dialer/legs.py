# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of legs and bridges: they carry role, node and owner, are chosen before the request and never reused.

==============================  ==========================================
``c-<node>-<CALLID>-<attempt>``  a customer's leg
``rm-<node>-<rm>-<shift>-<n>``   an RM's leg, the n-th of a shift
``b-<node>-<rm>-<shift>-<n>``    that RM's bridge for that leg
==============================  ==========================================

Every part is free of hyphens (``settings`` and ``profiler.rms`` hold that for nodes and RM names).
"""

from __future__ import annotations

from dataclasses import dataclass

from dialer.telephony import BridgeId, LegId
from vocabulary.call_id import CallId


def customer_leg(node: str, call_id: CallId, attempt: int = 1) -> LegId:
    """The leg of one attempt to reach one customer."""
    return LegId(node, f"c-{node}-{call_id}-{attempt}")


def rm_leg(node: str, rm: str, shift_id: int, number: int) -> LegId:
    """The ``number``-th leg of an RM in a shift."""
    return LegId(node, f"rm-{node}-{rm}-{shift_id}-{number}")


def rm_bridge(node: str, rm: str, shift_id: int, number: int) -> BridgeId:
    """The bridge that belongs to the RM leg of the same number."""
    return BridgeId(node, f"b-{node}-{rm}-{shift_id}-{number}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerLegName:
    """What a customer leg's name says."""

    call_id: CallId
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RmLegName:
    """What an RM leg's name says."""

    rm: str
    shift_id: int
    number: int

    def bridge(self, node: str) -> BridgeId:
        """The bridge of this leg."""
        return rm_bridge(node, self.rm, self.shift_id, self.number)


def read_leg(leg: LegId) -> CustomerLegName | RmLegName | None:
    """What a leg's name says; None for a name that is not ours or of another node."""
    match leg.id.split("-"):
        case ["c", node, call_id, attempt] if node == leg.node and attempt.isdigit():
            return CustomerLegName(call_id=CallId(call_id), attempt=int(attempt))
        case ["rm", node, rm, shift_id, number] if (
            node == leg.node and shift_id.isdigit() and number.isdigit()
        ):
            return RmLegName(rm=rm, shift_id=int(shift_id), number=int(number))
        case _:
            return None
