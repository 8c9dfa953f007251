# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machines of all legs have in common, and the book in which they are registered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

import structlog

from ari_bridge.messages import Channel
from dialer.telephony import BridgeId, Digit, LegEnded, LegId, TelephonyEvent
from vocabulary.dispositions import EndedBy, LegEnd

log = structlog.get_logger()

Emit = Callable[[TelephonyEvent], None]
RTP_TIME_OUT = 44
INCOMPATIBLE = 127
NO_COMMON_CODEC = (406, 488)
#: Ids of legs that are over, kept so that a late or doubled event does not look like a stranger.
REMEMBERED = 4096


class LegState(StrEnum):
    """The life of a leg."""

    ASKED = "asked"  #: registered, the request is on its way
    RINGING = "ringing"  #: Ringing or Progress was seen
    UP = "up"  #: answered
    JOINED = "joined"  #: answered and in an RM's bridge
    ENDED = "ended"  #: gone


_LEGAL: dict[LegState, frozenset[LegState]] = {
    LegState.ASKED: frozenset({LegState.RINGING, LegState.UP, LegState.JOINED, LegState.ENDED}),
    LegState.RINGING: frozenset({LegState.UP, LegState.JOINED, LegState.ENDED}),
    LegState.UP: frozenset({LegState.JOINED, LegState.ENDED}),
    LegState.JOINED: frozenset({LegState.UP, LegState.ENDED}),
    LegState.ENDED: frozenset(),
}


class IllegalMove(AssertionError):
    """A leg was moved against its life: a mistake of ours."""


class Leg:
    """One leg's state and what is known of it. Every event may come twice and changes something once."""

    def __init__(self, leg: LegId, emit: Emit, *, no_media_s: float) -> None:
        self.leg = leg
        self.state = LegState.ASKED
        self.bridge: BridgeId | None = None
        #: The request that makes the leg has not returned: its end may still be taken back as *not done*.
        self.pending = False
        self.hang_up_asked = False
        self.rang = False
        self.bridged = False
        self._answered_at: datetime | None = None
        self._emit = emit
        self._no_media_s = no_media_s

    @property
    def up(self) -> bool:
        """Answered and not over."""
        return self.state in (LegState.UP, LegState.JOINED)

    @property
    def ended(self) -> bool:
        return self.state is LegState.ENDED

    def move(self, state: LegState) -> bool:
        """The one place where a leg changes state. Returns False when it is there already."""
        if state is self.state:
            return False
        if state not in _LEGAL[self.state]:
            raise IllegalMove(f"{self.leg.id}: {self.state} to {state}")
        log.debug("leg_moved", leg=self.leg.id, old=self.state, new=state)
        self.state = state
        return True

    def resume(self, state: LegState, at: datetime) -> None:
        """Take over a leg that lives already, as ``survey`` showed it: nothing is told."""
        self.state = state
        self.rang = state is LegState.RINGING
        self.bridged = state is LegState.JOINED
        self._answered_at = at if self.up else None

    # --- what the PBX says --------------------------------------------------------------------------

    def on_ringing(self, at: datetime, *, early_media: bool) -> None:
        """Ringing or Progress."""

    def on_up(self, at: datetime) -> None:
        """The channel is up."""

    def on_in_application(self, at: datetime) -> None:
        """The channel entered our application."""

    def on_hold(self, at: datetime, held: bool) -> None:
        """The phone put us on hold, or took us back."""

    def on_seen(self, channel: Channel, at: datetime) -> None:
        """The PBX listed the channel after a gap: catch up with what was missed."""
        if channel.state == "Ringing":
            self.on_ringing(at, early_media=False)
        elif channel.state == "Up":
            self.on_up(at)

    def on_digit(self, at: datetime, digit: str) -> None:
        """A key."""
        if not self.ended:
            self._emit(Digit(at=at, leg=self.leg, digit=digit))

    def on_destroyed(self, at: datetime, cause: int, tech_cause: int | None) -> LegEnd | None:
        """The channel is gone, with its causes. Returns the end when this is news."""
        was_up, up_s = self.up, self._up_s(at)
        if not self.move(LegState.ENDED):
            return None
        no_audio = cause == RTP_TIME_OUT and up_s <= self._no_media_s
        end = LegEnd(
            ended_by=EndedBy.NETWORK,
            was_up=was_up,
            rang=self.rang,
            bridged=self.bridged,
            media_failed=was_up and (cause == INCOMPATIBLE or tech_cause in NO_COMMON_CODEC or no_audio),
            up_s=up_s,
            tech_cause=tech_cause,
            cause=cause,
        )
        return self._over(at, end)

    def on_lost(self, at: datetime) -> LegEnd | None:
        """The channel is not there any more and its end was missed."""
        was_up, up_s = self.up, self._up_s(at)
        if not self.move(LegState.ENDED):
            return None
        end = LegEnd(
            ended_by=EndedBy.EVENTS_LOST, was_up=was_up, rang=self.rang, bridged=self.bridged, up_s=up_s
        )
        return self._over(at, end)

    def _over(self, at: datetime, end: LegEnd) -> LegEnd:
        log.info("leg_ended", leg=self.leg.id, cause=end.cause, tech_cause=end.tech_cause, up_s=end.up_s)
        self._emit(LegEnded(at=at, leg=self.leg, end=end))
        return end

    def _up_s(self, at: datetime) -> float:
        return 0.0 if self._answered_at is None else max(0.0, (at - self._answered_at).total_seconds())


class LegBook:
    """The legs of a node by channel id, and those that are over."""

    def __init__(self) -> None:
        self._legs: dict[str, Leg] = {}
        self._over: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, channel_id: object) -> bool:
        return channel_id in self._legs

    def __len__(self) -> int:
        return len(self._legs)

    def must_be_new(self, leg: LegId) -> None:
        """Raises ``ValueError`` for an id that is or was used: the PBX itself would use it again."""
        if leg.id in self._legs or leg.id in self._over:
            raise ValueError(f"The leg {leg.id} exists or existed; nothing was dialed. Choose a new id.")

    def register(self, leg: Leg) -> None:
        """Before the request that makes it. Raises as ``must_be_new``."""
        self.must_be_new(leg.leg)
        self._legs[leg.leg.id] = leg

    def find(self, channel_id: str) -> Leg | None:
        return self._legs.get(channel_id)

    def all(self) -> list[Leg]:
        """Every registered leg, by id."""
        return [self._legs[key] for key in sorted(self._legs)]

    def forget(self, leg: Leg) -> None:
        """The leg is over, or was never made."""
        if self._legs.pop(leg.leg.id, None) is not None:
            self._over[leg.leg.id] = None
            if len(self._over) > REMEMBERED:
                self._over.popitem(last=False)

    def is_over(self, channel_id: str) -> bool:
        """We had it, and it is over or was given up."""
        return channel_id in self._over
