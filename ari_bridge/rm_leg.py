# SPDX-License-Identifier: GPL-3.0-or-later
"""An RM's leg: answered, put into its bridge, and watched for as long as it lives.

A phone that answered can die without a word: no BYE comes from a machine that lost power. So its audio is
counted, and a count that stands still makes the RM not free. ``why`` is ``hold`` or ``no_audio``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog

from ari_bridge.access import Timings
from ari_bridge.ari import Ari
from ari_bridge.http import Done, Refused
from ari_bridge.legs import Emit, Leg, LegState
from ari_bridge.messages import Channel
from dialer.telephony import BridgeId, LegId, RmLegAlive, RmLegSilent, RmLegUp
from foundation.clock import Clock

HOLD = "hold"
NO_AUDIO = "no_audio"
#: So many polls in a row without a packet: one may fall into a hiccup of the network.
STILL_POLLS = 2
#: A phone that sends audio sends a packet every 20 or 30 ms: without one for so long it is not heard now.
UNHEARD_S = 0.3

log = structlog.get_logger()


class RmLeg(Leg):
    """One call to an RM's phone."""

    def __init__(
        self,
        leg: LegId,
        bridge: BridgeId,
        emit: Emit,
        *,
        no_media_s: float,
        sends_audio: bool,
        on_answered: Callable[[RmLeg], None],
    ) -> None:
        """``on_answered`` is called once when the phone is up in our application: it must be joined now."""
        super().__init__(leg, emit, no_media_s=no_media_s)
        self.bridge: BridgeId = bridge
        self.sends_audio = sends_audio
        self._on_answered = on_answered
        self._entered = False
        self._silent: set[str] = set()
        self._received = -1
        self._received_at = 0.0

    def on_ringing(self, at: datetime, *, early_media: bool) -> None:
        self.rang = True

    def on_up(self, at: datetime) -> None:
        if self.up or self.ended:
            return
        self.move(LegState.UP)
        self._answered_at = at

    def on_in_application(self, at: datetime) -> None:
        if self._entered or self.state is LegState.JOINED or self.ended:
            return
        self._entered = True
        self.on_up(at)
        self._on_answered(self)

    def on_seen(self, channel: Channel, at: datetime) -> None:
        super().on_seen(channel, at)
        if channel.state == "Up" and channel.dialplan.app_name == "Stasis":
            self.on_in_application(at)

    def on_joined(self, at: datetime) -> None:
        """It is in its bridge."""
        if self.ended or not self.move(LegState.JOINED):
            return
        self.bridged = True
        self._emit(RmLegUp(at=at, leg=self.leg))

    def on_hold(self, at: datetime, held: bool) -> None:
        self.on_silent(at, HOLD, held)

    def on_counted(self, received: int, now_s: float) -> float:
        """So many packets came from it so far. Returns for how long, in seconds, the count is known to stand."""
        if received != self._received:
            self._received, self._received_at = received, now_s
        return now_s - self._received_at

    def on_silent(self, at: datetime, why: str, silent: bool) -> None:
        """One reason for silence came or went. Told at the first that comes and the last that goes."""
        if self.ended or silent is (why in self._silent):
            return
        was_silent = bool(self._silent)
        if silent:
            self._silent.add(why)
        else:
            self._silent.discard(why)
        if was_silent is bool(self._silent):
            return
        log.info("rm_leg_silent" if silent else "rm_leg_alive", leg=self.leg.id, why=why)
        if silent:
            self._emit(RmLegSilent(at=at, leg=self.leg, why=why))
        else:
            self._emit(RmLegAlive(at=at, leg=self.leg))


async def join(leg: RmLeg, ari: Ari, clock: Clock) -> None:
    """Put an answered RM into its bridge; one that cannot be joined is hung up, and its end tells the rest."""
    for _ in range(2):
        outcome = await ari.add_to_bridge(leg.bridge.id, leg.leg.id)
        if isinstance(outcome, Done):
            leg.on_joined(clock.now())
            return
        if isinstance(outcome, Refused):
            break
    if not leg.ended:
        log.warning("rm_leg_not_joined", leg=leg.leg.id, bridge=leg.bridge.id, outcome=str(outcome))
        await ari.hang_up(leg.leg.id)


async def watch(leg: RmLeg, ari: Ari, clock: Clock, timings: Timings) -> None:
    """Count an RM's audio until the leg is over."""
    still = 0
    while not leg.ended:
        await clock.sleep(timings.rtp_poll_s)
        statistics = await ari.rtp_statistics(leg.leg.id)
        if statistics is None or leg.ended:
            # No answer says nothing of the phone; the link watches over the PBX.
            continue
        still = still + 1 if leg.on_counted(statistics.rxcount, clock.monotonic()) > 0 else 0
        if still >= STILL_POLLS:
            leg.on_silent(clock.now(), NO_AUDIO, True)
        elif still == 0:
            leg.on_silent(clock.now(), NO_AUDIO, False)


async def look(leg: RmLeg, ari: Ari, clock: Clock) -> bool:
    """Whether the phone is heard, as far as one look at its count can tell; if not, it is told at once.

    For the moments in which a customer is dialed to it: a phone that died since the last poll looks alive.
    """
    statistics = await ari.rtp_statistics(leg.leg.id) if leg.sends_audio else None
    if statistics is None or leg.ended:
        return not leg.ended
    # A phone that has just answered may still be opening its microphone: that is for the polls to judge.
    if statistics.rxcount == 0 or leg.on_counted(statistics.rxcount, clock.monotonic()) < UNHEARD_S:
        return True
    leg.on_silent(clock.now(), NO_AUDIO, True)
    return False
