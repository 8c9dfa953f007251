# SPDX-License-Identifier: GPL-3.0-or-later
"""Every event to its leg; and what to do with a channel that belongs to no leg.

One reader, one order: events are handled one after the other as the PBX sent them, and nothing here waits.
What needs a request is handed to ``Hands``.
"""

from __future__ import annotations

from typing import Protocol

import structlog

from ari_bridge.customer_leg import CustomerLeg
from ari_bridge.ids import InboundArgs, is_our_leg, read_inbound
from ari_bridge.legs import Emit, Leg, LegBook
from ari_bridge.messages import (
    Channel,
    ChannelDestroyed,
    ChannelDtmfReceived,
    ChannelHold,
    ChannelStateChange,
    ChannelUnhold,
    Dial,
    Event,
    PlaybackFinished,
    StasisStart,
)
from dialer.telephony import LegId
from dialer.telephony import PlaybackFinished as PlaybackOver
from vocabulary.dispositions import LegEnd

log = structlog.get_logger()


class Hands(Protocol):
    """What the dispatcher asks for and does not wait for."""

    def inbound(self, event: StasisStart, args: InboundArgs) -> None:
        """Somebody calls us."""

    def stranger(self, event: StasisStart) -> None:
        """A channel nobody here asked for entered our application."""

    def too_late(self, channel_id: str) -> None:
        """A leg that was given up came to life after all: it must go."""

    def closed(self, leg: Leg, end: LegEnd) -> None:
        """A leg is over, and its last event is out."""


class Dispatcher:
    """Routes the events of one node."""

    def __init__(self, node: str, book: LegBook, emit: Emit, hands: Hands) -> None:
        self._node = node
        self._book = book
        self._emit = emit
        self._hands = hands

    def handle(self, event: Event) -> None:
        """One event. Unknown ones are ignored."""
        match event:
            case StasisStart():
                self._start(event)
            case Dial(peer=peer, dialstatus=status):
                self._dial(event, peer, status)
            case ChannelStateChange(channel=channel):
                self._state(event, channel)
            case ChannelDestroyed(channel=channel, cause=cause, tech_cause=tech_cause):
                leg = self._book.find(channel.id)
                if leg is not None:
                    end = leg.on_destroyed(event.at, cause, tech_cause)
                    if end is not None:
                        self._hands.closed(leg, end)
            case ChannelHold(channel=channel) | ChannelUnhold(channel=channel):
                leg = self._book.find(channel.id)
                if leg is not None:
                    leg.on_hold(event.at, isinstance(event, ChannelHold))
            case ChannelDtmfReceived(channel=channel, digit=digit):
                leg = self._book.find(channel.id)
                if leg is not None:
                    leg.on_digit(event.at, digit)
            case PlaybackFinished(playback=playback):
                kind, _, target = playback.target_uri.partition(":")
                if kind == "channel" and target in self._book:
                    leg_id = LegId(self._node, target)
                    self._emit(PlaybackOver(at=event.at, leg=leg_id, playback=playback.id))

    def _start(self, event: StasisStart) -> None:
        channel = event.channel.id
        leg = self._book.find(channel)
        if leg is not None:
            leg.on_in_application(event.at)
        elif self._book.is_over(channel):
            self._hands.too_late(channel)
        elif (args := read_inbound(event.args)) is not None and event.channel.state != "Up":
            self._hands.inbound(event, args)
        elif is_our_leg(self._node, channel):
            # Of an earlier life of ours: taken over by ``adopt``, or swept.
            log.info("leg_unclaimed", leg=channel)
        else:
            self._hands.stranger(event)

    def _dial(self, event: Event, peer: Channel, status: str) -> None:
        leg = self._book.find(peer.id)
        if leg is None:
            if status == "" and self._book.is_over(peer.id):
                self._hands.too_late(peer.id)
            return
        if isinstance(leg, CustomerLeg):
            leg.on_dialed()
        match status:
            case "RINGING":
                leg.on_ringing(event.at, early_media=False)
            case "PROGRESS":
                leg.on_ringing(event.at, early_media=True)
            case "ANSWER":
                leg.on_up(event.at)

    def _state(self, event: Event, channel: Channel) -> None:
        leg = self._book.find(channel.id)
        if leg is None:
            return
        match channel.state:
            case "Ringing":
                leg.on_ringing(event.at, early_media=False)
            case "Up":
                leg.on_up(event.at)
