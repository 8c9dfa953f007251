# SPDX-License-Identifier: GPL-3.0-or-later
"""What the simulated carrier saw: the witness for *nobody was dialed twice* that is not our own."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from asterisk.carrier.mix import Behaviour


class Seen(StrEnum):
    """What happened to a call at the carrier."""

    INVITE = "invite"  #: it came
    RINGING = "ringing"  #: 180 is sent
    ANSWERED = "answered"  #: 200 is sent, if no CANCEL comes before it
    ENDED = "ended"  #: it is over, whoever ended it


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierEvent:
    """One line of the carrier's file."""

    at: datetime
    seen: Seen
    sip_call_id: str  #: ``protocol_id`` of the PBX's channel
    pii_number: str  #: as dialed, digits only
    caller_id: str
    behaviour: Behaviour
    attempt: int  #: calls to this number so far, this one included


def read_events(path: Path) -> list[CarrierEvent]:
    """All events so far, in the order written; no file: none."""
    try:
        with path.open(encoding="ascii", newline="") as file:
            lines = list(csv.reader(file))
    except FileNotFoundError:
        return []
    return [
        CarrierEvent(
            at=datetime.fromisoformat(at),
            seen=Seen(seen),
            sip_call_id=call,
            pii_number=number,
            caller_id=caller_id,
            behaviour=Behaviour(behaviour),
            attempt=int(attempt),
        )
        for at, seen, call, number, caller_id, behaviour, attempt in lines
    ]


def invites(events: Iterable[CarrierEvent]) -> Counter[str]:
    """How many calls came for each number."""
    return Counter(event.pii_number for event in events if event.seen is Seen.INVITE)
