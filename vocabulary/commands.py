# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands: what somebody asks the dialer to do. Request and reply, with an idempotency key and a deadline.

The reply to every command is a ``Reply``; a refusal carries a sentence for the screen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final

from vocabulary.call_id import CallId
from vocabulary.outcomes import BreakReason, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """The common part of every command. ``kind`` is its stable name on the wire.

    Who asks is no part of what is asked: the same command from two people is the same command.
    """

    kind: ClassVar[str] = "command"
    by: str = field(default="system", compare=False)  #: the account's name, for the audit; or ``system``


@dataclass(frozen=True, slots=True, kw_only=True)
class RmCommand(Command):
    """A command of, or about, one RM."""

    kind: ClassVar[str] = "rm"
    rm_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartShift(RmCommand):
    """Go to work in a campaign: the RM's phone is called and kept."""

    kind: ClassVar[str] = "rm.start_shift"
    campaign_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GoReady(RmCommand):
    """Back from a break, or still here: ready for the next customer."""

    kind: ClassVar[str] = "rm.ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeBreak(RmCommand):
    """No calls until ready again; during a call it takes effect after wrap-up."""

    kind: ClassVar[str] = "rm.break"
    reason: BreakReason


@dataclass(frozen=True, slots=True, kw_only=True)
class EndShift(RmCommand):
    """Leave work; during a call it takes effect after wrap-up."""

    kind: ClassVar[str] = "rm.end_shift"


@dataclass(frozen=True, slots=True, kw_only=True)
class NextCustomer(RmCommand):
    """Claim the next customer for review (preview), or a chosen one of the own list (manual)."""

    kind: ClassVar[str] = "rm.next_customer"
    customer_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmCall(RmCommand):
    """Dial the customer under review."""

    kind: ClassVar[str] = "rm.confirm"
    call_id: CallId


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelCall(RmCommand):
    """Give the customer under review back, or stop a call that is not answered yet."""

    kind: ClassVar[str] = "rm.cancel"
    call_id: CallId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipCustomer(RmCommand):
    """Not this customer now: back in the list for later, with a reason."""

    kind: ClassVar[str] = "rm.skip"
    call_id: CallId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAgain(RmCommand):
    """A new call to the customer of a call just ended: a new call ID, all checks again."""

    kind: ClassVar[str] = "rm.call_again"
    call_id: CallId


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp(RmCommand):
    """End the talk; the RM's own phone stays connected."""

    kind: ClassVar[str] = "rm.hang_up"
    call_id: CallId


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOutcome(RmCommand):
    """Say how it went; ends the wrap-up."""

    kind: ClassVar[str] = "rm.outcome"
    call_id: CallId
    outcome: Outcome
    note: str = ""
    callback_at: datetime | None = None
    answers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoreTime(RmCommand):
    """Extend the wrap-up; also the answer to *Are you there?*."""

    kind: ClassVar[str] = "rm.more_time"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceCall(RmCommand):
    """Dial a number that is in no list for an RM: ``offhook call``. All checks of lists apply."""

    kind: ClassVar[str] = "rm.place_call"
    pii_number: str
    zone: str | None = None  #: the called person's time zone, where the number is not known yet


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCampaign(Command):
    """Begin or resume dialing."""

    kind: ClassVar[str] = "campaign.start"
    campaign_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseCampaign(Command):
    """No new calls; calls in progress go on."""

    kind: ClassVar[str] = "campaign.pause"
    campaign_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StopCampaign(Command):
    """Over: no new calls, and it cannot be started again."""

    kind: ClassVar[str] = "campaign.stop"
    campaign_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt(Command):
    """Stop everything: no INVITE leaves any process, ringing calls end, talking calls stay."""

    kind: ClassVar[str] = "halt"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftHalt(Command):
    """Dialing is allowed again."""

    kind: ClassVar[str] = "halt.lift"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer to a command: done, or refused with a stable reason and a sentence for the screen."""

    done: bool
    reason: str = ""
    sentence: str = ""
    call_id: CallId | None = None


COMMAND_TYPES: Final[dict[str, type[Command]]] = {
    command_type.kind: command_type
    for command_type in (
        StartShift,
        GoReady,
        TakeBreak,
        EndShift,
        NextCustomer,
        ConfirmCall,
        CancelCall,
        SkipCustomer,
        CallAgain,
        HangUp,
        RecordOutcome,
        MoreTime,
        PlaceCall,
        StartCampaign,
        PauseCampaign,
        StopCampaign,
        Halt,
        LiftHalt,
    )
}
