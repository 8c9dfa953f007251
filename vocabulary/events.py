# SPDX-License-Identifier: GPL-3.0-or-later
"""Domain events: what happened, written to the outbox in the same transaction as the change.

Delivered at least once; a consumer handles each idempotently by its event id. Events carry ids and
facts, never names or numbers: whoever needs those asks the record by id.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from vocabulary.call_id import CallId
from vocabulary.dispositions import Disposition
from vocabulary.outcomes import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The common part of every event. ``kind`` is its stable name on the wire."""

    kind: ClassVar[str] = "event"
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent(Event):
    """Something that happened in the life of one call."""

    kind: ClassVar[str] = "call"
    call_id: CallId
    campaign_id: int
    customer_id: int
    rm_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallClaimed(CallEvent):
    """A customer was taken from a list and a call ID was issued."""

    kind: ClassVar[str] = "call.claimed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDialed(CallEvent):
    """The call is about to leave for the PBX: the row is durable."""

    kind: ClassVar[str] = "call.dialed"
    trunk: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswered(CallEvent):
    """The customer answered."""

    kind: ClassVar[str] = "call.answered"
    rang_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(CallEvent):
    """The customer's leg is gone and the call has its one disposition.

    ``local_hour`` is the hour of dialing at the customer's place (0 to 23), ``weekday`` 0 for Monday.
    """

    kind: ClassVar[str] = "call.ended"
    disposition: Disposition
    number_id: int
    trunk: str | None
    dialed: bool
    local_hour: int | None
    weekday: int | None
    rang_s: float
    talk_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRecorded(CallEvent):
    """The RM said how it went. ``corrected_from`` is set where the outcome put the disposition right."""

    kind: ClassVar[str] = "call.outcome"
    outcome: Outcome
    corrected_from: Disposition | None
    talk_s: float
    wrap_up_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberCondemned(Event):
    """A number was marked invalid after the second such answer on another day or trunk."""

    kind: ClassVar[str] = "number.condemned"
    customer_id: int
    number_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerSuppressed(Event):
    """A customer may not be called any more."""

    kind: ClassVar[str] = "customer.suppressed"
    customer_id: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFinished(Event):
    """An RM's target list in a campaign has no open entry left."""

    kind: ClassVar[str] = "list.finished"
    campaign_id: int
    rm_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRaised(Event):
    """Something an administrator should look at."""

    kind: ClassVar[str] = "alarm.raised"
    alarm: str
    subject: str
    sentence: str


EVENT_TYPES: Final[dict[str, type[Event]]] = {
    event_type.kind: event_type
    for event_type in (
        CallClaimed,
        CallDialed,
        CallAnswered,
        CallEnded,
        OutcomeRecorded,
        NumberCondemned,
        CustomerSuppressed,
        ListFinished,
        AlarmRaised,
    )
}
