# SPDX-License-Identifier: GPL-3.0-or-later
"""A customer's leg: dialed by us, or a call from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from ari_bridge.legs import Emit, Leg, LegState
from ari_bridge.messages import Channel
from ari_bridge.trunks import Trunk
from dialer.telephony import BridgeId, LegAnswered, LegId, LegJoined, LegRinging


class CustomerLeg(Leg):
    """Rang, answered, joined, ended: each told once.

    *Rang* is Ringing or Progress: there are carriers that send early media and never signal Ringing.
    """

    def __init__(
        self,
        leg: LegId,
        emit: Emit,
        *,
        no_media_s: float,
        bridge: BridgeId | None = None,
        trunk: Trunk | None = None,
        ticket: int = 0,
        rm_present: Callable[[BridgeId], bool] = lambda bridge: True,
        alive: Callable[[CustomerLeg, datetime], None] = lambda leg, at: None,
    ) -> None:
        """``ticket``: of ``Trunk.admit``; ``rm_present`` says whether an RM is in a bridge; ``alive`` is called
        at every sign of life."""
        super().__init__(leg, emit, no_media_s=no_media_s)
        self.bridge = bridge
        self.trunk = trunk
        self.ticket = ticket
        #: The INVITE has left, as the PBX's own event says.
        self.dialed = False
        self.gave_up = False
        self.cancelled = False
        #: The channel is in our application: only then can it be joined.
        self.entered = asyncio.Event()
        self._rm_present = rm_present
        self._alive = alive

    def on_dialed(self) -> None:
        """The INVITE leaves."""
        self.dialed = True

    @property
    def rm_waits(self) -> bool:
        """An RM is in the bridge that this leg is dialed into."""
        return self.bridge is not None and self._rm_present(self.bridge)

    def on_in_application(self, at: datetime) -> None:
        self.entered.set()

    def on_seen(self, channel: Channel, at: datetime) -> None:
        super().on_seen(channel, at)
        if channel.dialplan.app_name == "Stasis":
            self.entered.set()

    def on_ringing(self, at: datetime, *, early_media: bool) -> None:
        if self.state is not LegState.ASKED:
            return
        self.move(LegState.RINGING)
        self.rang = True
        self._alive(self, at)
        self._emit(LegRinging(at=at, leg=self.leg, early_media=early_media))

    def on_up(self, at: datetime) -> None:
        if self.up or self.ended:
            return
        joined = self.rm_waits
        self.move(LegState.JOINED if joined else LegState.UP)
        self.bridged = joined
        self._answered_at = at
        self._alive(self, at)
        self._emit(LegAnswered(at=at, leg=self.leg, joined=joined))

    def on_joined(self, at: datetime, bridge: BridgeId) -> None:
        """``bridge()`` was done. No event for a leg that was in its bridge before the answer."""
        if not self.up:
            self.bridge = bridge
            return
        news = self.move(LegState.JOINED) or self.bridge != bridge
        self.bridge = bridge
        self.bridged = True
        if news:
            self._emit(LegJoined(at=at, leg=self.leg, bridge=bridge))

    def on_parted(self) -> None:
        """``unbridge()`` was done."""
        self.bridge = None
        if self.up:
            self.move(LegState.UP)
