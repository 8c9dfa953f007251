# SPDX-License-Identifier: GPL-3.0-or-later
"""The shapes of ARI that we use, decoded tolerantly: an unknown event is generic, an unknown field ignored.

Field names are Asterisk's. A missing field has a default, so that an older or newer PBX does not stop us.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec


def read_time(text: str) -> datetime:
    """Asterisk's ``2026-11-21T09:38:35.042+0000`` as aware UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


class Caller(msgspec.Struct, frozen=True):
    """A party's name and number."""

    name: str = ""
    number: str = ""


class Dialplan(msgspec.Struct, frozen=True):
    """Where a channel stands."""

    context: str = ""
    exten: str = ""
    app_name: str = ""
    app_data: str = ""


class Channel(msgspec.Struct, frozen=True):
    """A channel as every event and listing shows it. ``state``: Down, Ring, Ringing, Up, ..."""

    id: str
    name: str = ""
    state: str = ""
    caller: Caller = Caller()
    dialplan: Dialplan = Dialplan()
    creationtime: str = ""
    protocol_id: str = ""


class Bridge(msgspec.Struct, frozen=True):
    """A bridge as a listing shows it."""

    id: str
    bridge_type: str = ""
    technology: str = ""
    channels: tuple[str, ...] = ()
    creationtime: str = ""


class Event(msgspec.Struct, frozen=True):
    """Any event. Those we do not know stay this."""

    type: str
    timestamp: str = ""

    @property
    def at(self) -> datetime:
        """Asterisk's own time stamp."""
        return read_time(self.timestamp)


class ChannelEvent(Event, frozen=True, kw_only=True):
    """An event about one channel."""

    channel: Channel


class StasisStart(ChannelEvent, frozen=True, kw_only=True):
    """A channel entered our application."""

    args: tuple[str, ...] = ()


class ChannelStateChange(ChannelEvent, frozen=True, kw_only=True):
    """A channel began to ring or came up."""


class ChannelDestroyed(ChannelEvent, frozen=True, kw_only=True):
    """A channel is gone. The only event whose cause may be believed."""

    cause: int = 0
    tech_cause: int | None = None


class ChannelHold(ChannelEvent, frozen=True, kw_only=True):
    """A phone put us on hold."""


class ChannelUnhold(ChannelEvent, frozen=True, kw_only=True):
    """A phone took us back from hold."""


class ChannelDtmfReceived(ChannelEvent, frozen=True, kw_only=True):
    """A key was pressed."""

    digit: str


class Dial(Event, frozen=True, kw_only=True):
    """How a dialed channel gets on. ``dialstatus`` empty: the INVITE leaves. Its failures are not to be believed."""

    peer: Channel
    dialstatus: str = ""


class Playback(msgspec.Struct, frozen=True):
    """An announcement. ``target_uri``: ``channel:<id>`` or ``bridge:<id>``."""

    id: str
    target_uri: str = ""


class PlaybackFinished(Event, frozen=True, kw_only=True):
    """An announcement came to its end."""

    playback: Playback


class ApplicationReplaced(Event, frozen=True, kw_only=True):
    """Somebody else opened an event socket for our application."""


class _Head(msgspec.Struct):
    type: str


_DECODERS: dict[str, msgspec.json.Decoder[Event]] = {
    shape.__name__: msgspec.json.Decoder(shape)
    for shape in (
        StasisStart,
        ChannelStateChange,
        ChannelDestroyed,
        ChannelHold,
        ChannelUnhold,
        ChannelDtmfReceived,
        Dial,
        PlaybackFinished,
        ApplicationReplaced,
    )
}
#: Everything we want to hear; the rest is filtered out on the PBX. The filter holds for ApplicationReplaced too:
#: left out here, another dialer would take over unheard.
WANTED_EVENTS: tuple[str, ...] = tuple(_DECODERS)
_HEAD = msgspec.json.Decoder(_Head)
_GENERIC = msgspec.json.Decoder(Event)


def read_event(raw: str | bytes) -> Event:
    """Decode one message of the event socket.

    Raises:
        msgspec.DecodeError: it is not an ARI event, or a field that we need has another type.
    """
    return _DECODERS.get(_HEAD.decode(raw).type, _GENERIC).decode(raw)


class RtpStatistics(msgspec.Struct, frozen=True):
    """Packets of one channel since it began; jitter in seconds."""

    rxcount: int = 0
    txcount: int = 0
    rxploss: int = 0
    rxjitter: float = 0.0


class InfoStatus(msgspec.Struct, frozen=True):
    """When the PBX started: another value means that it was restarted."""

    startup_time: str = ""


class InfoSystem(msgspec.Struct, frozen=True):
    """Which PBX it is."""

    version: str = ""
    entity_id: str = ""


class Info(msgspec.Struct, frozen=True):
    """What ``GET /asterisk/info`` says."""

    status: InfoStatus = InfoStatus()
    system: InfoSystem = InfoSystem()
