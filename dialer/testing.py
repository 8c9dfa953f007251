# SPDX-License-Identifier: GPL-3.0-or-later
"""``FakeTelephony``: the telephony port without a PBX, for tests and simulation, under real or virtual time.

Customers behave by a script per number; RM phones answer at once. It remembers every dial, so that a test
can show that nobody was dialed twice, and it keeps living when the dialer is killed: hand the same fake to
the next dialer and it finds its legs by ``survey``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from dialer.telephony import (
    BridgeId,
    ConnectRm,
    DialCustomer,
    Digit,
    Fenced,
    HangUpReason,
    InboundCall,
    LegAnswered,
    LegEnded,
    LegId,
    LegJoined,
    LegRinging,
    LinkDown,
    LinkUp,
    NotDone,
    NotYet,
    PlaybackFinished,
    Refusal,
    RmLegAlive,
    RmLegSilent,
    RmLegUp,
    RtpCounts,
    SurveyedLeg,
    SurveyedState,
    TelephonyEvent,
    Unknown,
)
from foundation.clock import Clock
from foundation.tasks import TaskOwner
from vocabulary.dispositions import EndedBy, LegEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What the far end of one dial does, in seconds since the INVITE; None: never."""

    rings_after_s: float | None = 0.2
    answers_after_s: float | None = None
    talks_s: float | None = 60.0  #: until the customer hangs up; None: never
    refuses_after_s: float | None = None
    sip_code: int | None = None
    cause: int | None = None


ANSWERS = Behaviour(answers_after_s=5.0)
RINGS_FOR_EVER = Behaviour()
SILENT_TRUNK = Behaviour(rings_after_s=None)
BUSY = Behaviour(rings_after_s=None, refuses_after_s=0.3, sip_code=486, cause=17)
DECLINES = Behaviour(refuses_after_s=4.0, sip_code=603, cause=21)
WRONG_NUMBER = Behaviour(rings_after_s=None, refuses_after_s=0.2, sip_code=404, cause=1)
HANGS_UP_AT_ONCE = Behaviour(answers_after_s=3.0, talks_s=0.1)


@dataclass(slots=True)
class _Leg:
    id: LegId
    customer: bool
    created_at: datetime
    state: SurveyedState = SurveyedState.DOWN
    bridge: BridgeId | None = None
    rang: bool = False
    up_at: float | None = None
    ended: bool = False
    rm: str = ""


class FakeTelephony:
    """One PBX node in memory. Faults are switched on by its public attributes."""

    def __init__(
        self, clock: Clock, *, node: str = "pbx1", behave: Callable[[DialCustomer], Behaviour] | None = None
    ) -> None:
        self.node = node
        self.behave: Callable[[DialCustomer], Behaviour] = behave or (lambda request: ANSWERS)
        self.dialed: list[DialCustomer] = []
        self.rm_calls: list[ConnectRm] = []
        self.played: list[str] = []
        self.registered = True  #: RM phones can be called
        self.refuse_dial: Refusal | None = None
        self.dial_unknown = False  #: requests to dial happen, and the dialer cannot tell
        self.hang_up_unheard = False  #: requests to hang up get no answer and do not happen
        self.mute_events = False  #: the event stream is cut: nothing is told until ``link_up``
        self._clock = clock
        self._surveyed: dict[LegId, SurveyedState] = {}
        self._legs: dict[LegId, _Leg] = {}
        self._bridges: set[BridgeId] = set()
        self._missed: list[LegEnded] = []
        self._events: asyncio.Queue[TelephonyEvent | None] = asyncio.Queue()
        self._owner = TaskOwner("fake-telephony")

    # --- the port -----------------------------------------------------------------------------------

    async def start(self) -> None:
        # A new connection hears from now on; what it missed it finds by ``survey``.
        self._events = asyncio.Queue()
        self._missed.clear()
        self.mute_events = False

    async def stop(self) -> None:
        self._events.put_nowait(None)

    async def events(self) -> AsyncIterator[TelephonyEvent]:
        while (event := await self._events.get()) is not None:
            yield event
            if isinstance(event, Fenced):
                return

    async def survey(self) -> list[SurveyedLeg]:
        if self.mute_events:
            raise Unknown("the link is cut")
        legs = sorted((leg for leg in self._legs.values() if not leg.ended), key=lambda leg: leg.id.id)
        self._surveyed = {leg.id: leg.state for leg in legs}
        return [
            SurveyedLeg(leg=leg.id, state=leg.state, bridge=leg.bridge, created_at=leg.created_at)
            for leg in legs
        ]

    async def adopt(self, leg: LegId, *, customer: bool, bridge: BridgeId | None) -> None:
        found = self._alive(leg)
        if found.state is self._surveyed.get(leg):
            return
        # What changed since the survey is told, as every adapter does.
        if found.state is SurveyedState.UP and customer:
            self._tell(LegAnswered(at=self._clock.now(), leg=leg, joined=found.bridge is not None))
        elif found.state is SurveyedState.RINGING:
            self._tell(LegRinging(at=self._clock.now(), leg=leg))

    async def connect_rm(self, request: ConnectRm) -> None:
        self.rm_calls.append(request)
        if not self.registered:
            raise NotDone(Refusal.UNKNOWN_ENDPOINT, request.endpoint)
        self._bridges.add(request.bridge)
        leg = self._new_leg(request.leg, customer=False)
        leg.rm = request.rm
        self._owner.spawn(self._rm_answers(leg, request.bridge), name=f"answer-{request.leg.id}")

    async def dial(self, request: DialCustomer) -> None:
        if self.refuse_dial is not None:
            raise NotDone(self.refuse_dial)
        if request.bridge is not None and request.bridge not in self._bridges:
            raise NotDone(Refusal.GONE, request.bridge.id)
        self.dialed.append(request)
        leg = self._new_leg(request.leg, customer=True)
        leg.bridge = request.bridge
        self._owner.spawn(self._far_end(leg, self.behave(request)), name=f"far-end-{request.leg.id}")
        if self.dial_unknown:
            raise Unknown("the request timed out")

    async def bridge(self, leg: LegId, bridge: BridgeId) -> None:
        found = self._alive(leg)
        if bridge not in self._bridges:
            raise NotDone(Refusal.GONE, bridge.id)
        found.bridge = bridge
        self._tell(LegJoined(at=self._clock.now(), leg=leg, bridge=bridge))

    async def unbridge(self, leg: LegId, bridge: BridgeId) -> None:
        self._alive(leg).bridge = None

    async def answer(self, leg: LegId) -> None:
        self._alive(leg).state = SurveyedState.UP

    async def hang_up(self, leg: LegId, reason: HangUpReason = HangUpReason.NORMAL) -> None:
        if self.hang_up_unheard:
            raise Unknown("the request timed out")
        found = self._legs.get(leg)
        if found is not None:
            cause = 19 if reason is HangUpReason.NO_ANSWER else 16
            self._end(found, LegEnd(ended_by=EndedBy.NETWORK, cause=cause))

    async def release_bridge(self, bridge: BridgeId) -> None:
        self._bridges.discard(bridge)
        for leg in self._legs.values():
            if leg.bridge == bridge:
                leg.bridge = None

    async def play(self, leg: LegId, playback: str, media: str) -> None:
        self._alive(leg)
        self.played.append(media)
        self._owner.spawn(self._plays(leg, playback), name=f"play-{playback}")

    async def stop_playback(self, playback: str) -> None: ...

    async def hold(self, leg: LegId, held: bool) -> None:
        raise NotYet("hold")

    async def mute(self, leg: LegId, muted: bool) -> None:
        raise NotYet("mute")

    async def dtmf(self, leg: LegId, digits: str) -> None:
        raise NotYet("dtmf")

    async def transfer(self, leg: LegId, target: str, *, warm: bool) -> None:
        raise NotYet("transfer")

    async def conference(self, bridge: BridgeId, leg: LegId) -> None:
        raise NotYet("conference")

    async def snoop(self, leg: LegId, snoop: LegId, *, spy: str, whisper: str) -> None:
        raise NotYet("snoop")

    async def record(self, leg: LegId, name: str) -> None:
        raise NotYet("record")

    async def audio_tap(self, leg: LegId, tap: LegId) -> None:
        raise NotYet("audio tap")

    async def rtp_counts(self, leg: LegId) -> RtpCounts:
        self._alive(leg)
        return RtpCounts(received=0, sent=0, lost=0, jitter_ms=0.0)

    # --- what a test does to the world --------------------------------------------------------------

    async def close(self) -> None:
        """End the far ends."""
        await self._owner.close()

    @property
    def live_legs(self) -> list[LegId]:
        """The channels that exist, by id."""
        return sorted((leg.id for leg in self._legs.values() if not leg.ended), key=lambda leg: leg.id)

    def bridge_of(self, leg: LegId) -> BridgeId | None:
        """The bridge a leg is in."""
        return self._legs[leg].bridge

    def tell(self, event: TelephonyEvent) -> None:
        """Say something nobody asked for: a trunk's breaker, a fence, a stranger."""
        self._tell(event)

    def customer_hangs_up(self, leg: LegId) -> None:
        """The far end says goodbye."""
        self._end(self._legs[leg], LegEnd(ended_by=EndedBy.NETWORK, cause=16))

    def rm_phone_dies(self, rm: str) -> None:
        """The RM's leg is gone."""
        for leg in self._rm_legs(rm):
            self._end(leg, LegEnd(ended_by=EndedBy.NETWORK, cause=16))

    def rm_phone_silent(self, rm: str, why: str = "no audio") -> None:
        """Nothing is heard of the RM's phone."""
        for leg in self._rm_legs(rm):
            self._tell(RmLegSilent(at=self._clock.now(), leg=leg.id, why=why))

    def rm_phone_heard(self, rm: str) -> None:
        """The RM's phone is heard again."""
        for leg in self._rm_legs(rm):
            self._tell(RmLegAlive(at=self._clock.now(), leg=leg.id))

    def link_down(self) -> None:
        """The event stream is cut: nothing is told from here on."""
        self._tell(LinkDown(at=self._clock.now(), node=self.node, why="cut"))
        self.mute_events = True

    def link_up(self) -> None:
        """The stream is back; legs that ended meanwhile are reported lost."""
        self.mute_events = False
        for missed in self._missed:
            lost = replace(missed.end, ended_by=EndedBy.EVENTS_LOST, was_up=False, rang=False)
            self._tell(LegEnded(at=self._clock.now(), leg=missed.leg, end=lost))
        self._missed.clear()
        self._tell(LinkUp(at=self._clock.now(), node=self.node, restarted=False))

    def someone_calls(self, leg: LegId, *, pii_number: str | None, called: str) -> None:
        """A call-back comes in."""
        self._new_leg(leg, customer=True)
        self._tell(
            InboundCall(at=self._clock.now(), leg=leg, pii_number=pii_number, called=called, trunk="carrier")
        )

    def presses(self, leg: LegId, digit: str) -> None:
        """The far end presses a key."""
        self._tell(Digit(at=self._clock.now(), leg=leg, digit=digit))

    # --- how the far ends live ----------------------------------------------------------------------

    async def _rm_answers(self, leg: _Leg, bridge: BridgeId) -> None:
        await self._clock.sleep(0.02)
        if not leg.ended:
            leg.state, leg.bridge = SurveyedState.UP, bridge
            self._tell(RmLegUp(at=self._clock.now(), leg=leg.id))

    async def _far_end(self, leg: _Leg, does: Behaviour) -> None:
        moments: list[tuple[float, str]] = []
        if does.rings_after_s is not None:
            moments.append((does.rings_after_s, "rings"))
        if does.refuses_after_s is not None:
            moments.append((does.refuses_after_s, "refuses"))
        if does.answers_after_s is not None:
            moments.append((does.answers_after_s, "answers"))
            if does.talks_s is not None:
                moments.append((does.answers_after_s + does.talks_s, "hangs up"))
        passed = 0.0
        for moment, what in sorted(moments):
            await self._clock.sleep(moment - passed)
            passed = moment
            if leg.ended:
                return
            match what:
                case "rings":
                    leg.state, leg.rang = SurveyedState.RINGING, True
                    self._tell(LegRinging(at=self._clock.now(), leg=leg.id))
                case "answers":
                    leg.state, leg.up_at = SurveyedState.UP, self._clock.monotonic()
                    joined = leg.bridge is not None
                    self._tell(LegAnswered(at=self._clock.now(), leg=leg.id, joined=joined))
                case _:
                    self._end(
                        leg,
                        LegEnd(ended_by=EndedBy.NETWORK, tech_cause=does.sip_code, cause=does.cause or 16),
                    )

    async def _plays(self, leg: LegId, playback: str) -> None:
        await self._clock.sleep(3.0)
        self._tell(PlaybackFinished(at=self._clock.now(), leg=leg, playback=playback))

    def _new_leg(self, leg: LegId, *, customer: bool) -> _Leg:
        if leg in self._legs:
            raise AssertionError(f"leg id {leg.id} was used twice")
        made = _Leg(leg, customer, self._clock.now())
        self._legs[leg] = made
        return made

    def _rm_legs(self, rm: str) -> list[_Leg]:
        return [leg for leg in self._legs.values() if leg.rm == rm and not leg.ended]

    def _alive(self, leg: LegId) -> _Leg:
        found = self._legs.get(leg)
        if found is None or found.ended:
            raise NotDone(Refusal.GONE, leg.id)
        return found

    def _end(self, leg: _Leg, end: LegEnd) -> None:
        if leg.ended:
            return
        leg.ended = True
        up_s = 0.0 if leg.up_at is None else self._clock.monotonic() - leg.up_at
        full = replace(
            end,
            rang=leg.rang,
            was_up=leg.up_at is not None,
            bridged=leg.up_at is not None and leg.bridge is not None,
            up_s=up_s,
        )
        self._tell(LegEnded(at=self._clock.now(), leg=leg.id, end=full))

    def _tell(self, event: TelephonyEvent) -> None:
        if not self.mute_events:
            self._events.put_nowait(event)
        elif isinstance(event, LegEnded):
            self._missed.append(event)
