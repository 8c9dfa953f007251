# SPDX-License-Identifier: GPL-3.0-or-later
"""``AriTelephony``: the telephony port on one Asterisk. It wires the parts and owns their tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any

from ari_bridge import gc, numbers
from ari_bridge.access import AriAccess, Timings, TrunkLimits
from ari_bridge.ari import Ari
from ari_bridge.customer_leg import CustomerLeg
from ari_bridge.dialing import (
    Outgoing,
    Placing,
    call_rm,
    dial_failsafe,
    dial_into_bridge,
    entry,
    join,
    refusal,
)
from ari_bridge.dispatch import Dispatcher
from ari_bridge.errors import BadNumber, NotConnected, PbxTooOld, WontConnect
from ari_bridge.http import AriHttp, Done, Outcome, Refused
from ari_bridge.keeper import Keeper
from ari_bridge.legs import Leg
from ari_bridge.link import Link, LinkState, Randomness
from ari_bridge.mailbox import Mailbox
from ari_bridge.survey import Stock, our_legs, take_stock
from ari_bridge.trunks import Trunk, Trunks, Verdict
from dialer.telephony import (
    BridgeId,
    ConnectRm,
    DialCustomer,
    Fenced,
    HangUpReason,
    LegId,
    LinkDown,
    LinkUp,
    NotDone,
    NotYet,
    Refusal,
    RtpCounts,
    SurveyedLeg,
    Telephony,
    TelephonyError,
    TelephonyEvent,
    Unknown,
)
from foundation.clock import Clock
from foundation.tasks import TaskOwner

#: What ARI says of a channel or bridge that is not there, or not in our application any more.
_NOT_THERE = (400, 404, 409, 422)


class AriTelephony(Telephony):
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
        self._trunks = Trunks(trunks, clock.monotonic())
        self._events: asyncio.Queue[TelephonyEvent | None] = asyncio.Queue()
        self._work = TaskOwner("ari_work")
        self._keeper = Keeper(
            access,
            self._ari,
            self._trunks,
            self._events.put_nowait,
            clock=clock,
            timings=self._timings,
            work=self._work,
        )
        self._dispatcher = Dispatcher(access.node, self._keeper.book, self._events.put_nowait, self._keeper)
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
        self._placing = Placing(self._ari, lambda: self._link.gaps, self._keeper.lose, self._keeper.rm_heard)
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
        sweeping = gc.sweep_for_ever(
            self._ari,
            self._access,
            leg_known=self._keeper.book.__contains__,
            bridge_known=self._keeper.bridges.__contains__,
            link_up=lambda: self._link.state is LinkState.UP,
            clock=self._clock,
            timings=self._timings,
        )
        self._work.spawn(sweeping, name="gc")
        self._work.spawn(self._keeper.tick_for_ever(), name="trunks")

    async def stop(self) -> None:
        await self._work.close()
        await self._link_owner.close()
        self._link.close()
        await self._http.close()
        self._events.put_nowait(None)

    async def events(self) -> AsyncIterator[TelephonyEvent]:
        while (event := await self._events.get()) is not None:
            yield event

    # --- placing calls ------------------------------------------------------------------------------

    async def connect_rm(self, request: ConnectRm) -> None:
        self._check_link()
        self._keeper.book.must_be_new(request.leg)
        leg = self._keeper.rm_leg(request.leg, request.bridge, sends_audio=request.sends_audio)
        self._keeper.bridges.add(request.bridge.id)
        try:
            await self._place(leg, call_rm(self._placing, leg, request))
        except NotDone:
            self._keeper.bridges.discard(request.bridge.id)
            raise

    async def dial(self, request: DialCustomer) -> None:
        self._check_link()
        self._keeper.book.must_be_new(request.leg)
        trunk = self._trunks.find(request.trunk)
        call = self._outgoing(request, trunk)
        ticket = trunk.admit(self._clock.monotonic())
        leg = self._keeper.customer_leg(request.leg, request.bridge, trunk, ticket)
        if request.bridge is None:
            placed = dial_failsafe(self._placing, leg, call)
        else:
            placed = dial_into_bridge(self._placing, leg, request.bridge, call)
        await self._place(leg, placed)

    def _outgoing(self, request: DialCustomer, trunk: Trunk) -> Outgoing:
        try:
            return Outgoing(
                endpoint=f"PJSIP/{numbers.dialed(request.pii_number, trunk.limits)}@trunk-{request.trunk}",
                pii_caller_id=numbers.written(request.caller_id, trunk.limits),
                headers=request.headers,
                backstop_s=request.backstop_s,
            )
        except BadNumber as error:
            raise NotDone(Refusal.REJECTED, str(error)) from None

    async def _place(self, leg: Leg, placed: Coroutine[Any, Any, None]) -> None:
        """Register, then request. A caller that is cancelled leaves no half-made call behind."""
        self._keeper.book.register(leg)
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
            failed = error.refusal in (Refusal.UNKNOWN_ENDPOINT, Refusal.REJECTED)
            self._keeper.not_placed(leg, Verdict.FAILED if failed else Verdict.NOTHING)
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
        known = self._keeper.book.find(leg.id)
        if isinstance(known, CustomerLeg):
            _settled(await join(self._ari, known, bridge), gone=_NOT_THERE)
            known.on_joined(self._clock.now(), bridge)
        else:
            _settled(await self._twice(lambda: self._ari.add_to_bridge(bridge.id, leg.id)), gone=_NOT_THERE)

    async def unbridge(self, leg: LegId, bridge: BridgeId) -> None:
        _settled(await self._twice(lambda: self._ari.remove_from_bridge(bridge.id, leg.id)), gone=_NOT_THERE)
        known = self._keeper.book.find(leg.id)
        if isinstance(known, CustomerLeg):
            known.on_parted()

    async def answer(self, leg: LegId) -> None:
        _settled(await self._twice(lambda: self._ari.answer(leg.id)))

    async def hang_up(self, leg: LegId, reason: HangUpReason = HangUpReason.NORMAL) -> None:
        known = self._keeper.book.find(leg.id)
        if known is not None:
            known.hang_up_asked = True
        if isinstance(known, CustomerLeg):
            known.gave_up = known.gave_up or reason is HangUpReason.NO_ANSWER
            known.cancelled = known.cancelled or reason is HangUpReason.NORMAL
        outcome = await self._twice(lambda: self._ari.hang_up(leg.id, reason.value))
        if not (isinstance(outcome, Refused) and outcome.status == 404):
            _settled(outcome)
        elif known is not None and not known.pending and not known.ended:
            self._keeper.lose_if_absent(known)

    async def release_bridge(self, bridge: BridgeId) -> None:
        self._keeper.bridges.discard(bridge.id)
        outcome = await self._twice(lambda: self._ari.delete_bridge(bridge.id))
        if not (isinstance(outcome, Refused) and outcome.status == 404):
            _settled(outcome)

    async def play(self, leg: LegId, playback: str, media: str) -> None:
        known = self._keeper.book.find(leg.id)
        if isinstance(known, CustomerLeg):
            await entry(known)
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

    async def _twice(self, request: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """For what may be repeated: an unclear answer is asked for once more."""
        outcome = await request()
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
        if customer:
            trunk = self._trunks.of_channel(surveyed.name) if surveyed is not None else None
            await self._keeper.adopt(self._keeper.customer_leg(leg, bridge, trunk), surveyed)
        elif bridge is not None:
            await self._keeper.adopt(self._keeper.rm_leg(leg, bridge), surveyed)
        else:
            raise NotDone(Refusal.GONE, f"The RM's leg {leg.id} is in no bridge.")

    # --- the link -----------------------------------------------------------------------------------

    async def _resync(self) -> None:
        """What was missed: listed legs catch up, then what was kept is replayed, then the missing are lost."""
        known = self._keeper.book.all()
        stock = await take_stock(self._ari)
        self._restarted = self._life not in ("", stock.life)
        self._life = stock.life
        if not self._restarted:
            self._keeper.catch_up(stock)
        await self._mailbox.replay()
        self._keeper.lose_missing(known, stock, restarted=self._restarted)

    def _link_moved(self, old: LinkState, new: LinkState, why: str) -> None:
        now, node = self._clock.now(), self._access.node
        if new is LinkState.UP and self._first_up.is_set():
            self._events.put_nowait(LinkUp(at=now, node=node, restarted=self._restarted))
        elif new is LinkState.UP:
            self._first_up.set()
        elif new is LinkState.FENCED:
            self._events.put_nowait(Fenced(at=now, node=node))
            self._events.put_nowait(None)
            self._link_owner.spawn(self._work.close(), name="fenced")
        elif old is LinkState.UP and new is LinkState.DOWN:
            self._events.put_nowait(LinkDown(at=now, node=node, why=why))

    def _link_crashed(self, task: str, error: BaseException) -> None:
        if self._first_up.is_set():
            now, node = self._clock.now(), self._access.node
            self._events.put_nowait(
                LinkDown(at=now, node=node, why=f"{task} crashed: {type(error).__name__}")
            )


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
