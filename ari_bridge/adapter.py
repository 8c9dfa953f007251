# SPDX-License-Identifier: GPL-3.0-or-later
"""``AriTelephony``: the telephony port on one Asterisk. It wires the parts and owns their tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from datetime import datetime
from typing import Any

import phonenumbers
import structlog

from ari_bridge import gc, numbers, rm_leg
from ari_bridge.access import AriAccess, Timings, TrunkLimits
from ari_bridge.ari import Ari, Liveness
from ari_bridge.customer_leg import CustomerLeg
from ari_bridge.dialing import Outgoing, Placing, call_rm, dial_failsafe, dial_into_bridge, refusal
from ari_bridge.dispatch import Dispatcher
from ari_bridge.errors import NotConnected, PbxTooOld, WontConnect
from ari_bridge.http import AriHttp, Done, Outcome, Refused
from ari_bridge.ids import InboundArgs
from ari_bridge.legs import Leg, LegBook, LegState
from ari_bridge.link import Link, LinkState, Randomness
from ari_bridge.mailbox import Mailbox
from ari_bridge.messages import Channel, StasisStart
from ari_bridge.rm_leg import RmLeg
from ari_bridge.survey import Stock, our_legs, take_stock
from ari_bridge.trunks import Edge, Trunk, Trunks, Verdict, judge
from dialer.telephony import (
    BridgeId,
    ConnectRm,
    DialCustomer,
    Fenced,
    HangUpReason,
    InboundCall,
    LegId,
    LinkDown,
    LinkUp,
    NotDone,
    NotYet,
    Refusal,
    RtpCounts,
    StrangerHungUp,
    SurveyedLeg,
    TelephonyError,
    TelephonyEvent,
    TrunkHealth,
    Unknown,
)
from foundation.clock import Clock
from foundation.tasks import TaskOwner
from vocabulary.dispositions import LegEnd

log = structlog.get_logger()


class AriTelephony:
    """One PBX node. See ``dialer.telephony`` for what every method promises."""

    def __init__(
        self,
        access: AriAccess,
        trunks: Sequence[TrunkLimits],
        *,
        clock: Clock,
        randomness: Randomness,
        timings: Timings | None = None,
    ) -> None:
        self._access = access
        self._clock = clock
        self._timings = timings or Timings()
        self._http = AriHttp(access, self._timings)
        self._ari = Ari(self._http, access.app, self._timings)
        self._book = LegBook()
        self._bridges: set[str] = set()
        self._trunks = Trunks(trunks, clock.monotonic())
        self._events: asyncio.Queue[TelephonyEvent | None] = asyncio.Queue()
        self._dispatcher = Dispatcher(access.node, self._book, self._events.put_nowait, self)
        self._mailbox = Mailbox(self._dispatcher.handle, clock)
        self._link = Link(
            access,
            self._ari,
            self._mailbox,
            clock=clock,
            randomness=randomness,
            timings=self._timings,
            resync=self._resync,
            on_move=self._link_moved,
        )
        self._placing = Placing(self._ari, lambda: self._link.gaps, self._lose)
        self._work = TaskOwner("ari_work")
        self._link_owner = TaskOwner("ari_link", on_crash=self._link_crashed)
        self._first_up = asyncio.Event()
        self._life = ""
        self._restarted = False
        self._stock: Stock | None = None

    # --- life ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        await self._http.open()
        self._link_owner.spawn(self._mailbox.pump(), name="pump")
        link = self._link_owner.spawn(self._link.run(), name="link")
        first_up = self._work.spawn(self._first_up.wait(), name="first_up")
        await asyncio.wait(
            {link, first_up}, timeout=self._timings.start_s, return_when=asyncio.FIRST_COMPLETED
        )
        if self._link.state is not LinkState.UP:
            error = link.exception() if link.done() else None
            await self.stop()
            if isinstance(error, WontConnect):
                raise NotDone(Refusal.REJECTED, str(error))
            raise NotDone(Refusal.LINK_DOWN, f"{self._access.url} did not answer in time.")
        self._work.spawn(self._sweep_for_ever(), name="gc")
        self._work.spawn(self._tick_for_ever(), name="trunks")

    async def stop(self) -> None:
        await self._work.close()
        await self._link_owner.close()
        await self._http.close()
        self._events.put_nowait(None)

    async def events(self) -> AsyncIterator[TelephonyEvent]:
        while (event := await self._events.get()) is not None:
            yield event

    # --- placing calls ------------------------------------------------------------------------------

    async def connect_rm(self, request: ConnectRm) -> None:
        self._check_link()
        leg = RmLeg(
            request.leg,
            request.bridge,
            self._events.put_nowait,
            no_media_s=self._timings.no_media_s,
            sends_audio=request.sends_audio,
            on_answered=self._join_rm,
        )
        self._bridges.add(request.bridge.id)
        try:
            await self._place(leg, call_rm(self._placing, leg, request))
        except NotDone:
            self._bridges.discard(request.bridge.id)
            raise

    async def dial(self, request: DialCustomer) -> None:
        self._check_link()
        trunk = self._trunks.find(request.trunk)
        call = self._outgoing(request, trunk)
        trunk.admit(self._clock.monotonic())
        leg = self._customer_leg(request.leg, request.bridge, trunk)
        if request.bridge is None:
            placed = dial_failsafe(self._placing, leg, call)
        else:
            placed = dial_into_bridge(self._placing, leg, request.bridge, call)
        await self._place(leg, placed)

    def _outgoing(self, request: DialCustomer, trunk: Trunk) -> Outgoing:
        try:
            number = numbers.dialed(request.pii_number, trunk.limits)
            caller_id = numbers.written(request.caller_id, trunk.limits)
        except phonenumbers.NumberParseException:
            raise NotDone(Refusal.REJECTED, "The number or caller ID is not E.164.") from None
        return Outgoing(
            endpoint=f"PJSIP/{number}@trunk-{request.trunk}",
            pii_caller_id=caller_id,
            headers=request.headers,
            backstop_s=request.backstop_s,
        )

    def _customer_leg(self, leg: LegId, bridge: BridgeId | None, trunk: Trunk | None) -> CustomerLeg:
        return CustomerLeg(
            leg,
            self._events.put_nowait,
            no_media_s=self._timings.no_media_s,
            bridge=bridge,
            trunk=trunk,
            rm_present=self._rm_present,
            alive=self._alive,
        )

    async def _place(self, leg: Leg, placed: Coroutine[Any, Any, None]) -> None:
        """Register, then request. A caller that is cancelled leaves no half-made call behind."""
        self._book.register(leg)
        leg.pending = True
        placing = self._work.spawn(self._finish(leg, placed), name=f"place-{leg.leg.id}")
        error = await asyncio.shield(placing)
        if error is not None:
            raise error

    async def _finish(self, leg: Leg, placed: Coroutine[Any, Any, None]) -> TelephonyError | None:
        try:
            await placed
        except Unknown as error:
            return error
        except NotDone as error:
            if leg.ended:
                # Its last event is out already: that is the answer.
                return None
            self._book.forget(leg)
            failed = error.refusal in (Refusal.UNKNOWN_ENDPOINT, Refusal.REJECTED)
            self._left_trunk(leg, Verdict.FAILED if failed else Verdict.NOTHING)
            return error
        finally:
            leg.pending = False
        return None

    def _check_link(self) -> None:
        match self._link.state:
            case LinkState.UP:
                return
            case LinkState.FENCED:
                raise NotDone(Refusal.FENCED, self._access.node)
            case state:
                raise NotDone(Refusal.LINK_DOWN, f"{self._access.node} is {state}")

    # --- legs and bridges ---------------------------------------------------------------------------

    async def bridge(self, leg: LegId, bridge: BridgeId) -> None:
        _settled(
            await self._twice(lambda: self._ari.add_to_bridge(bridge.id, leg.id)), gone=(400, 404, 409, 422)
        )
        known = self._book.find(leg.id)
        if isinstance(known, CustomerLeg):
            known.on_joined(self._clock.now(), bridge)

    async def unbridge(self, leg: LegId, bridge: BridgeId) -> None:
        _settled(
            await self._twice(lambda: self._ari.remove_from_bridge(bridge.id, leg.id)), gone=(400, 404, 422)
        )
        known = self._book.find(leg.id)
        if isinstance(known, CustomerLeg):
            known.on_parted()

    async def answer(self, leg: LegId) -> None:
        _settled(await self._twice(lambda: self._ari.answer(leg.id)))

    async def hang_up(self, leg: LegId, reason: HangUpReason = HangUpReason.NORMAL) -> None:
        known = self._book.find(leg.id)
        if known is not None:
            known.hang_up_asked = True
        if isinstance(known, CustomerLeg):
            known.gave_up = known.gave_up or reason is HangUpReason.NO_ANSWER
            known.cancelled = known.cancelled or reason is HangUpReason.NORMAL
        outcome = await self._twice(lambda: self._ari.hang_up(leg.id, reason.value))
        if not (isinstance(outcome, Refused) and outcome.status == 404):
            _settled(outcome)
        elif known is not None and not known.pending and not known.ended:
            self._work.spawn(self._lose_if_absent(known), name=f"absent-{leg.id}")

    async def release_bridge(self, bridge: BridgeId) -> None:
        self._bridges.discard(bridge.id)
        outcome = await self._twice(lambda: self._ari.delete_bridge(bridge.id))
        if not (isinstance(outcome, Refused) and outcome.status == 404):
            _settled(outcome)

    async def play(self, leg: LegId, playback: str, media: str) -> None:
        _settled(await self._ari.play(leg.id, playback, media))

    async def stop_playback(self, playback: str) -> None:
        outcome = await self._twice(lambda: self._ari.stop_playback(playback))
        if not (isinstance(outcome, Refused) and outcome.status == 404):
            _settled(outcome)

    async def mute(self, leg: LegId, muted: bool) -> None:
        _settled(await self._twice(lambda: self._ari.mute(leg.id, muted)))

    async def dtmf(self, leg: LegId, digits: str) -> None:
        _settled(await self._ari.send_dtmf(leg.id, digits))

    async def rtp_counts(self, leg: LegId) -> RtpCounts:
        statistics = await self._ari.rtp_statistics(leg.id)
        if statistics is None:
            raise NotDone(Refusal.GONE, leg.id)
        return RtpCounts(
            received=statistics.rxcount,
            sent=statistics.txcount,
            lost=statistics.rxploss,
            jitter_ms=statistics.rxjitter * 1000,
        )

    async def hold(self, leg: LegId, held: bool) -> None:
        raise NotYet("hold")

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

    async def _twice(self, request: Any) -> Outcome:
        """For what may be repeated: an unclear answer is asked for once more."""
        outcome: Outcome = await request()
        return outcome if isinstance(outcome, Done | Refused) else await request()

    # --- what exists --------------------------------------------------------------------------------

    async def survey(self) -> list[SurveyedLeg]:
        try:
            self._stock = await take_stock(self._ari)
        except (NotConnected, PbxTooOld) as error:
            raise Unknown(str(error)) from None
        return our_legs(self._stock, self._access.node, self._access.app)

    async def adopt(self, leg: LegId, *, customer: bool, bridge: BridgeId | None) -> None:
        surveyed = self._stock.channels.get(leg.id) if self._stock is not None else None
        trunk = self._trunk_of(surveyed.name) if surveyed is not None else None
        machine: Leg
        if customer:
            machine = self._customer_leg(leg, bridge, trunk)
        else:
            if bridge is None:
                raise NotDone(Refusal.GONE, f"{leg.id} has no bridge")
            self._bridges.add(bridge.id)
            machine = RmLeg(
                leg,
                bridge,
                self._events.put_nowait,
                no_media_s=self._timings.no_media_s,
                sends_audio=True,
                on_answered=self._join_rm,
            )
        now = self._clock.now()
        if surveyed is not None and surveyed.state == "Up":
            machine.resume(LegState.UP if bridge is None else LegState.JOINED, now)
        elif surveyed is not None and surveyed.state == "Ringing":
            machine.resume(LegState.RINGING, now)
        self._book.register(machine)
        if trunk is not None:
            trunk.adopt()
        match await self._ari.channel(leg.id):
            case Liveness.ABSENT:
                self._lose(machine)
            case Channel() as channel:
                machine.on_seen(channel, now)
            case _:
                raise Unknown(f"{leg.id}: the PBX did not answer")
        if isinstance(machine, RmLeg) and machine.state is LegState.JOINED:
            self._watch(machine)

    def _trunk_of(self, channel_name: str) -> Trunk | None:
        name = channel_name.removeprefix("PJSIP/trunk-").rpartition("-")[0]
        return self._trunks.find(name) if self._trunks.limits(name) is not None else None

    # --- what the dispatcher asks for (dispatch.Hands) ----------------------------------------------

    def inbound(self, event: StasisStart, args: InboundArgs) -> None:
        leg = LegId(self._access.node, event.channel.id)
        self._book.register(self._customer_leg(leg, None, None))
        self._events.put_nowait(
            InboundCall(
                at=event.at,
                leg=leg,
                pii_number=numbers.read_caller(event.channel.caller.number, self._trunks.limits(args.trunk)),
                called=args.called,
                trunk=args.trunk,
            )
        )

    def stranger(self, event: StasisStart) -> None:
        channel = event.channel
        why = f"nobody asked for {channel.name} in {channel.dialplan.context}"
        log.warning("stranger_hung_up", channel=channel.id, why=why)
        self._work.spawn(self._ari.hang_up(channel.id), name=f"stranger-{channel.id}")
        self._events.put_nowait(
            StrangerHungUp(at=event.at, node=self._access.node, channel=channel.id, why=why)
        )

    def too_late(self, channel_id: str) -> None:
        log.warning("leg_came_too_late", leg=channel_id)
        self._work.spawn(self._ari.hang_up(channel_id), name=f"late-{channel_id}")

    def closed(self, leg: Leg, end: LegEnd) -> None:
        self._book.forget(leg)
        if isinstance(leg, CustomerLeg):
            self._left_trunk(leg, judge(end, gave_up=leg.gave_up, cancelled=leg.cancelled))
        elif leg.bridge is not None:
            # Nobody's now: released by the dialer, else swept when it is old and empty.
            self._bridges.discard(leg.bridge.id)

    # --- inside -------------------------------------------------------------------------------------

    def _join_rm(self, leg: RmLeg) -> None:
        self._work.spawn(self._join_and_watch(leg), name=f"rm-{leg.leg.id}")

    async def _join_and_watch(self, leg: RmLeg) -> None:
        await rm_leg.join(leg, self._ari, self._clock)
        if leg.sends_audio:
            await rm_leg.watch(leg, self._ari, self._clock, self._timings)

    def _watch(self, leg: RmLeg) -> None:
        watching = rm_leg.watch(leg, self._ari, self._clock, self._timings)
        self._work.spawn(watching, name=f"rm-{leg.leg.id}")

    def _rm_present(self, bridge: BridgeId) -> bool:
        return any(
            isinstance(leg, RmLeg) and leg.bridge == bridge and leg.state is LegState.JOINED
            for leg in self._book.all()
        )

    def _alive(self, leg: CustomerLeg, at: datetime) -> None:
        if leg.trunk is not None:
            self._tell(leg.trunk.sign_of_life(), at)

    def _left_trunk(self, leg: Leg, verdict: Verdict) -> None:
        if isinstance(leg, CustomerLeg) and leg.trunk is not None:
            self._tell(leg.trunk.left(verdict, self._clock.monotonic()), self._clock.now())

    def _tell(self, edge: Edge | None, at: datetime) -> None:
        if edge is not None:
            self._events.put_nowait(TrunkHealth(at=at, trunk=edge.trunk, usable=edge.usable, why=edge.why))

    def _lose(self, leg: Leg) -> None:
        end = leg.on_lost(self._clock.now())
        if end is not None:
            self.closed(leg, end)

    async def _lose_if_absent(self, leg: Leg) -> None:
        """The PBX says that a leg is gone, and its last event may have been missed."""
        told = await self._ari.liveness(leg.leg.id)
        if told is Liveness.ABSENT and not leg.ended:
            self._lose(leg)

    async def _resync(self) -> None:
        """What was missed: listed legs catch up, then what was kept is replayed, then the missing are lost."""
        stock = await take_stock(self._ari)
        self._restarted = self._life not in ("", stock.life)
        self._life = stock.life
        now = self._clock.now()
        known = self._book.all()
        if not self._restarted:
            for leg in known:
                if (channel := stock.channels.get(leg.leg.id)) is not None:
                    leg.on_seen(channel, now)
        await self._mailbox.replay()
        for leg in known:
            gone = self._restarted or leg.leg.id not in stock.channels
            if gone and not leg.ended and not leg.pending:
                self._lose(leg)

    def _link_moved(self, old: LinkState, new: LinkState, why: str) -> None:
        now, node = self._clock.now(), self._access.node
        if new is LinkState.UP and self._first_up.is_set():
            self._events.put_nowait(LinkUp(at=now, node=node, restarted=self._restarted))
        elif new is LinkState.UP:
            self._first_up.set()
        elif new is LinkState.FENCED:
            self._events.put_nowait(Fenced(at=now, node=node))
            self._events.put_nowait(None)
        elif old is LinkState.UP:
            self._events.put_nowait(LinkDown(at=now, node=node, why=why))

    def _link_crashed(self, task: str, error: BaseException) -> None:
        if self._first_up.is_set():
            now, node = self._clock.now(), self._access.node
            self._events.put_nowait(
                LinkDown(at=now, node=node, why=f"{task} crashed: {type(error).__name__}")
            )

    async def _sweep_for_ever(self) -> None:
        suspects: frozenset[str] = frozenset()
        while True:
            await self._clock.sleep(self._timings.gc_every_s)
            if self._link.state is not LinkState.UP:
                continue
            try:
                stock = await take_stock(self._ari)
            except (NotConnected, PbxTooOld):
                continue
            found = gc.sweep(
                stock,
                node=self._access.node,
                app=self._access.app,
                leg_known=self._book.__contains__,
                bridge_known=self._bridges.__contains__,
                suspects=suspects,
                now=self._clock.now(),
                bridge_age_s=self._timings.bridge_age_s,
            )
            suspects = found.suspects
            for channel in found.channels:
                log.warning("orphan_channel_hung_up", leg=channel)
                await self._ari.hang_up(channel)
            for bridge in found.bridges:
                log.info("orphan_bridge_deleted", bridge=bridge)
                await self._ari.delete_bridge(bridge)

    async def _tick_for_ever(self) -> None:
        while True:
            await self._clock.sleep(self._timings.trunk_tick_s)
            for edge in self._trunks.tick(self._clock.monotonic()):
                self._tell(edge, self._clock.now())


def _settled(outcome: Outcome, *, gone: tuple[int, ...] = (404,)) -> None:
    """Done, or the exception that says otherwise. ``gone``: statuses that mean leg or bridge is not there."""
    match outcome:
        case Done():
            return
        case Refused(status=status, message=message) if status in gone:
            raise NotDone(Refusal.GONE, message)
        case Refused():
            raise refusal(outcome)
        case _:
            raise Unknown(outcome.why)
