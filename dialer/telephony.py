# SPDX-License-Identifier: GPL-3.0-or-later
"""The telephony port: everything the dialer asks of a PBX, and everything a PBX tells it.

Adapters: ``ari_bridge`` (a real Asterisk) and ``dialer.testing.FakeTelephony``. Contract:

* Every request names a leg or bridge by an id the *caller* chose (``dialer.legs``) and registered before
  asking; events about it may come before the request returns, and may come twice.
* A request ends in one of three ways: it returns (done), raises ``NotDone`` (it did not and will not
  happen) or raises ``Unknown`` (it may have happened; the adapter has asked the PBX and still cannot
  say). An unknown request is never sent again as new: its leg is settled by an event, or by ``survey``.
* Per leg, events come in the order in which they happened. ``LegEnded`` is the last event of a leg and
  comes exactly once, even if the leg was lost in a gap (``EndedBy.EVENTS_LOST``).
* ``LinkDown`` means events may be missed from here on: dial nobody until ``LinkUp``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from vocabulary.dispositions import LegEnd


@dataclass(frozen=True, slots=True)
class LegId:
    """One channel on one PBX node: resources are keyed (node, kind, id) from day one."""

    node: str
    id: str


@dataclass(frozen=True, slots=True)
class BridgeId:
    """One bridge on one PBX node."""

    node: str
    id: str


# --- requests ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectRm:
    """Call an RM's phone, with auto-answer, into a mixing bridge of its own, and keep it there.

    The bridge is made first. Answered: ``RmLegUp``. The leg is kept alive and watched: a phone whose
    audio stands still gives ``RmLegSilent``, and ``RmLegAlive`` when it comes back.
    """

    leg: LegId
    bridge: BridgeId
    rm: str  #: the RM's name, for the PBX's own records
    endpoint: str  #: for example ``PJSIP/rm-anna``
    answer_timeout_s: float
    sends_audio: bool = True  #: a phone known to send RTP all the time: silence means it is gone


@dataclass(frozen=True, slots=True, kw_only=True)
class DialCustomer:
    """Dial a customer; ``bridge`` given: joined to it *before* dialing (early bridge), so that the RM hears
    it ring and the answer needs no request. ``bridge`` None: through the fail-safe context, to be joined
    by ``bridge()`` at the answer; if nobody does, the PBX itself plays the identification message.
    """

    leg: LegId
    pii_number: str  #: E.164 with the plus sign
    trunk: str  #: the trunk's name
    caller_id: str  #: E.164, or as the trunk wants it
    bridge: BridgeId | None
    backstop_s: float  #: the PBX's own last resort, should the dialer die; the dialer's timers come first
    headers: Mapping[str, str] = field(default_factory=dict)


class HangUpReason(StrEnum):
    """Why we end a leg; the adapter turns it into the PBX's own cause."""

    NORMAL = "normal"  #: the talk is over, or the call is cancelled
    NO_ANSWER = "no_answer"  #: it rang long enough


# --- events -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TelephonyEvent:
    """Something the PBX said. ``at`` is the PBX's own time stamp where it gives one."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LegEvent(TelephonyEvent):
    """Something about one leg."""

    leg: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class RmLegUp(LegEvent):
    """The RM's phone is up and in its bridge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RmLegSilent(LegEvent):
    """The RM's phone sends no audio, or put us on hold: not free."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RmLegAlive(LegEvent):
    """The RM's phone is heard again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegRinging(LegEvent):
    """Ringing or Progress was seen for a customer's leg. Comes once."""

    early_media: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LegAnswered(LegEvent):
    """The customer answered. ``joined``: it is in the RM's bridge already. Comes once."""

    joined: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LegJoined(LegEvent):
    """The leg entered a bridge after its answer (no event of its own for early bridges)."""

    bridge: BridgeId


@dataclass(frozen=True, slots=True, kw_only=True)
class LegEnded(LegEvent):
    """The leg is gone: its last event. Holds for RM legs too. The dialer adds what it knows (``ended_by``)."""

    end: LegEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class Digit(LegEvent):
    """A key was pressed."""

    digit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundCall(LegEvent):
    """Somebody calls one of our caller IDs back. The leg is not answered yet."""

    pii_number: str | None  #: the calling party, E.164, when the trunk gave one
    called: str  #: the caller ID that was dialed
    trunk: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackFinished(LegEvent):
    """An announcement came to its end."""

    playback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDown(TelephonyEvent):
    """The event stream of a node is cut: dial nobody there."""

    node: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkUp(TelephonyEvent):
    """The event stream is back, subscriptions and filter are renewed, legs are surveyed."""

    node: str
    restarted: bool  #: the PBX itself was restarted: every earlier leg has ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Fenced(TelephonyEvent):
    """Another dialer took this node over: stop, do not reconnect."""

    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkHealth(TelephonyEvent):
    """A trunk's breaker opened or closed."""

    trunk: str
    usable: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StrangerHungUp(TelephonyEvent):
    """A channel nobody here asked for entered our application and was hung up: an alarm."""

    node: str
    channel: str
    why: str


# --- results ----------------------------------------------------------------------------------------


class TelephonyError(Exception):
    """Base of what a telephony request may raise."""


class Refusal(StrEnum):
    """Why a request definitely did not happen."""

    TRUNK_BREAKER_OPEN = "trunk_breaker_open"  #: the trunk failed too often just now
    TRUNK_FULL = "trunk_full"  #: the trunk's call cap or rate is reached
    UNKNOWN_TRUNK = "unknown_trunk"  #: no such trunk
    UNKNOWN_ENDPOINT = "unknown_endpoint"  #: the PBX has no such endpoint or it is not registered
    LINK_DOWN = "link_down"  #: the event stream is cut
    FENCED = "fenced"  #: another dialer owns the node
    GONE = "gone"  #: the leg or bridge is not there any more
    REJECTED = "rejected"  #: the PBX said no
    NOT_YET = "not_yet"  #: not built yet


class NotDone(TelephonyError):
    """The request did not and will not happen."""

    def __init__(self, refusal: Refusal, detail: str = "") -> None:
        super().__init__(f"{refusal}: {detail}" if detail else str(refusal))
        self.refusal = refusal
        self.detail = detail


class NotYet(NotDone):
    """The port has this request; this adapter does not do it yet."""

    def __init__(self, what: str) -> None:
        super().__init__(Refusal.NOT_YET, what)


class Unknown(TelephonyError):
    """The request may have happened; nobody can say. Settled by an event of its leg, or by ``survey``."""


class SurveyedState(StrEnum):
    """What a leg that exists on the PBX is doing."""

    DOWN = "down"  #: made, not dialed
    RINGING = "ringing"  #: dialed, not answered
    UP = "up"  #: answered


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyedLeg:
    """One of our channels as the PBX lists it."""

    leg: LegId
    state: SurveyedState
    bridge: BridgeId | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RtpCounts:
    """Packets of one leg since it began, as the PBX counted them."""

    received: int
    sent: int
    lost: int
    jitter_ms: float


# --- the port ---------------------------------------------------------------------------------------


class Telephony(Protocol):
    """One PBX node, or a pool of them behind one face."""

    async def start(self) -> None:
        """Connect, renew subscriptions and filter; returns when the link is up or raises ``NotDone``."""

    async def stop(self) -> None:
        """Close the event stream last; legs stay as they are."""

    def events(self) -> AsyncIterator[TelephonyEvent]:
        """All events in order; one reader. Ends after ``stop`` or ``Fenced``."""

    async def survey(self) -> list[SurveyedLeg]:
        """Our channels that exist now, by id, ordered by id. Raises ``Unknown`` when the PBX does not answer."""

    async def adopt(self, leg: LegId, *, customer: bool, bridge: BridgeId | None) -> None:
        """Take over a leg found by ``survey`` after a restart: from now on it has events.

        What changed since the survey is told as events. Raises ``NotDone`` when it certainly has none any
        more, ``Unknown`` when the PBX does not answer: the leg is kept, and its events come.
        """

    async def connect_rm(self, request: ConnectRm) -> None:
        """Call an RM's phone into its bridge (``ConnectRm``); it is up when ``RmLegUp`` says so."""

    async def dial(self, request: DialCustomer) -> None:
        """Dial a customer (``DialCustomer``). Unknown: the leg may ring; its events or ``survey`` settle it."""

    async def bridge(self, leg: LegId, bridge: BridgeId) -> None:
        """Join a leg to an RM's bridge."""

    async def unbridge(self, leg: LegId, bridge: BridgeId) -> None:
        """Take a leg out of a bridge; it stays up, alone."""

    async def answer(self, leg: LegId) -> None:
        """Answer an inbound leg."""

    async def hang_up(self, leg: LegId, reason: HangUpReason = HangUpReason.NORMAL) -> None:
        """End a leg. Done as well when it is gone already."""

    async def release_bridge(self, bridge: BridgeId) -> None:
        """Destroy a bridge, which empties it. Done as well when it is gone already."""

    async def play(self, leg: LegId, playback: str, media: str) -> None:
        """Play an announcement to a leg that is in no bridge (``PlaybackFinished``)."""

    async def stop_playback(self, playback: str) -> None:
        """End an announcement early. Done as well when it is over already."""

    async def hold(self, leg: LegId, held: bool) -> None:
        """Music for the leg instead of the talk, or the talk again."""

    async def mute(self, leg: LegId, muted: bool) -> None:
        """Nothing of what this leg says is heard, or all of it again."""

    async def dtmf(self, leg: LegId, digits: str) -> None:
        """Press keys towards the leg."""

    async def transfer(self, leg: LegId, target: str, *, warm: bool) -> None:
        """Hand the leg over to another number; ``warm``: after a word with it."""

    async def conference(self, bridge: BridgeId, leg: LegId) -> None:
        """A third one joins a talk."""

    async def snoop(self, leg: LegId, snoop: LegId, *, spy: str, whisper: str) -> None:
        """A leg of ours that hears (``spy``) and is heard (``whisper``): ``none``, ``in``, ``out`` or ``both``."""

    async def record(self, leg: LegId, name: str) -> None:
        """Record what the leg says and hears, under a name of ours."""

    async def audio_tap(self, leg: LegId, tap: LegId) -> None:
        """Copy the leg's audio to a program, through a leg of ours."""

    async def rtp_counts(self, leg: LegId) -> RtpCounts:
        """The leg's packets so far. Raises ``NotDone`` when it is gone."""
