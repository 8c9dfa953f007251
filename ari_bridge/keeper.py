# SPDX-License-Identifier: GPL-3.0-or-later
"""Who keeps the legs: makes their machines, begins and ends their part in trunks and bridges, and settles
those whose end was missed."""

from __future__ import annotations

from datetime import datetime

import structlog

from ari_bridge import numbers, rm_leg
from ari_bridge.access import AriAccess, Timings
from ari_bridge.ari import Ari, Liveness
from ari_bridge.customer_leg import CustomerLeg
from ari_bridge.ids import InboundArgs
from ari_bridge.legs import Emit, Leg, LegBook, LegState
from ari_bridge.messages import Channel, StasisStart
from ari_bridge.rm_leg import RmLeg
from ari_bridge.survey import Stock
from ari_bridge.trunks import Edge, Trunk, Trunks, Verdict, judge
from dialer.telephony import BridgeId, InboundCall, LegId, StrangerHungUp, TrunkHealth, Unknown
from foundation.clock import Clock
from foundation.tasks import TaskOwner
from vocabulary.dispositions import LegEnd

log = structlog.get_logger()


class Keeper:
    """The legs of one node. What it does not wait for runs in ``work``."""

    def __init__(
        self,
        access: AriAccess,
        ari: Ari,
        trunks: Trunks,
        emit: Emit,
        *,
        clock: Clock,
        timings: Timings,
        work: TaskOwner,
    ) -> None:
        self.book = LegBook()
        #: Bridges somebody here needs.
        self.bridges: set[str] = set()
        self._access = access
        self._ari = ari
        self._trunks = trunks
        self._emit = emit
        self._clock = clock
        self._timings = timings
        self._work = work

    # --- machines -----------------------------------------------------------------------------------

    def rm_leg(self, leg: LegId, bridge: BridgeId, *, sends_audio: bool = True) -> RmLeg:
        """A machine for an RM's leg; not registered yet."""
        return RmLeg(
            leg,
            bridge,
            self._emit,
            no_media_s=self._timings.no_media_s,
            sends_audio=sends_audio,
            on_answered=self._join_rm,
        )

    def customer_leg(
        self, leg: LegId, bridge: BridgeId | None, trunk: Trunk | None, ticket: int = 0
    ) -> CustomerLeg:
        """A machine for a customer's leg; not registered yet."""
        return CustomerLeg(
            leg,
            self._emit,
            no_media_s=self._timings.no_media_s,
            bridge=bridge,
            trunk=trunk,
            ticket=ticket,
            rm_present=self._rm_present,
            alive=self._alive,
        )

    def _join_rm(self, leg: RmLeg) -> None:
        self._work.spawn(self._join_and_watch(leg), name=f"rm-{leg.leg.id}")

    async def _join_and_watch(self, leg: RmLeg) -> None:
        await rm_leg.join(leg, self._ari, self._clock)
        await self._watch(leg)

    async def _watch(self, leg: RmLeg) -> None:
        if leg.sends_audio:
            await rm_leg.watch(leg, self._ari, self._clock, self._timings)

    def _rm_in(self, bridge: BridgeId) -> RmLeg | None:
        for leg in self.book.all():
            if isinstance(leg, RmLeg) and leg.bridge == bridge and leg.state is LegState.JOINED:
                return leg
        return None

    def _rm_present(self, bridge: BridgeId) -> bool:
        return self._rm_in(bridge) is not None

    async def rm_heard(self, bridge: BridgeId) -> bool:
        """Whether the RM in a bridge is heard, asked when a customer is dialed into it. A second look follows
        while it rings: together they find a phone that died before, long before the next polls would."""
        leg = self._rm_in(bridge)
        if leg is None or not await rm_leg.look(leg, self._ari, self._clock):
            return False
        self._work.spawn(self._look_again(leg), name=f"heard-{leg.leg.id}")
        return True

    async def _look_again(self, leg: RmLeg) -> None:
        await self._clock.sleep(rm_leg.UNHEARD_S)
        await rm_leg.look(leg, self._ari, self._clock)

    def _alive(self, leg: CustomerLeg, at: datetime) -> None:
        if leg.trunk is not None:
            self._tell(leg.trunk.sign_of_life(), at)

    # --- what the dispatcher asks for (dispatch.Hands) ----------------------------------------------

    def inbound(self, event: StasisStart, args: InboundArgs) -> None:
        leg = LegId(self._access.node, event.channel.id)
        machine = self.customer_leg(leg, None, None)
        machine.on_in_application(event.at)
        self.book.register(machine)
        self._emit(
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
        # Not the whole name: that of a Local channel is the number it was redirected to.
        why = f"nobody asked for a {channel.name.partition('/')[0]} channel in {channel.dialplan.context}"
        log.warning("stranger_hung_up", channel=channel.id, why=why)
        self._work.spawn(self._ari.hang_up(channel.id), name=f"stranger-{channel.id}")
        self._emit(StrangerHungUp(at=event.at, node=self._access.node, channel=channel.id, why=why))

    def too_late(self, channel_id: str) -> None:
        log.warning("leg_came_too_late", leg=channel_id)
        self._work.spawn(self._ari.hang_up(channel_id), name=f"late-{channel_id}")

    def closed(self, leg: Leg, end: LegEnd) -> None:
        self.book.forget(leg)
        if isinstance(leg, CustomerLeg):
            self.left_trunk(leg, judge(end, gave_up=leg.gave_up, cancelled=leg.cancelled))
        elif leg.bridge is not None:
            # Nobody's now: released by the dialer, else swept when it is old and empty.
            self.bridges.discard(leg.bridge.id)

    # --- ends ---------------------------------------------------------------------------------------

    def not_placed(self, leg: Leg, verdict: Verdict) -> None:
        """The request that should have made a leg was not done: there is no leg and no event of it."""
        self.book.forget(leg)
        self.left_trunk(leg, verdict)

    def lose(self, leg: Leg) -> None:
        """The leg is not there any more and its end was missed."""
        end = leg.on_lost(self._clock.now())
        if end is not None:
            self.closed(leg, end)

    def lose_if_absent(self, leg: Leg) -> None:
        """The PBX said that a leg is gone: if its last event does not come, it was missed."""
        self._work.spawn(self._lose_if_absent(leg), name=f"absent-{leg.leg.id}")

    async def _lose_if_absent(self, leg: Leg) -> None:
        if await self._ari.liveness(leg.leg.id) is Liveness.ABSENT and not leg.ended:
            self.lose(leg)

    def left_trunk(self, leg: Leg, verdict: Verdict) -> None:
        """A customer's leg uses its trunk no more."""
        if isinstance(leg, CustomerLeg) and leg.trunk is not None:
            self._tell(leg.trunk.left(leg.ticket, verdict, self._clock.monotonic()), self._clock.now())

    async def tick_for_ever(self) -> None:
        """Let time pass for the trunks."""
        while True:
            await self._clock.sleep(self._timings.trunk_tick_s)
            for edge in self._trunks.tick(self._clock.monotonic()):
                self._tell(edge, self._clock.now())

    def _tell(self, edge: Edge | None, at: datetime) -> None:
        if edge is not None:
            self._emit(TrunkHealth(at=at, trunk=edge.trunk, usable=edge.usable, why=edge.why))

    # --- after a gap or a restart -------------------------------------------------------------------

    def catch_up(self, stock: Stock) -> None:
        """Listed legs learn what they missed."""
        now = self._clock.now()
        for leg in self.book.all():
            channel = stock.channels.get(leg.leg.id)
            if channel is not None:
                leg.on_seen(channel, now)

    def lose_missing(self, known: list[Leg], stock: Stock, *, restarted: bool) -> None:
        """Of the legs known before ``stock`` was taken, those that are not in it are lost. One whose request
        is still out is left to that request."""
        for leg in known:
            gone = restarted or leg.leg.id not in stock.channels
            if gone and not leg.ended and not leg.pending:
                self.lose(leg)

    async def adopt(self, leg: Leg, surveyed: Channel | None) -> None:
        """Take over a leg as ``surveyed``; what changed since is told.

        Raises:
            Unknown: the PBX did not answer; the leg is kept, and its events come.
        """
        now = self._clock.now()
        if surveyed is not None and surveyed.state == "Up":
            leg.resume(LegState.UP if leg.bridge is None else LegState.JOINED, now)
        elif surveyed is not None and surveyed.state == "Ringing":
            leg.resume(LegState.RINGING, now)
        self.book.register(leg)
        if isinstance(leg, CustomerLeg) and leg.trunk is not None:
            leg.ticket = leg.trunk.adopt()
        if isinstance(leg, RmLeg) and leg.bridge is not None:
            self.bridges.add(leg.bridge.id)
            if leg.state is LegState.JOINED:
                self._work.spawn(self._watch(leg), name=f"rm-{leg.leg.id}")
        match await self._ari.channel(leg.leg.id):
            case Liveness.ABSENT:
                self.lose(leg)
            case Channel() as channel:
                leg.on_seen(channel, now)
            case _:
                raise Unknown(f"{leg.leg.id}: the PBX did not answer")
