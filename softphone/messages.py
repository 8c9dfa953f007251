# SPDX-License-Identifier: GPL-3.0-or-later
"""What a phone says and is told: events, commands and replies, as objects and as JSON lines.

A line is one JSON object. Events carry ``event`` and ``phone`` (the SIP user); commands carry ``command``
and a ``ref`` of the sender's choice, which the reply repeats under ``reply``: ``done``, ``not_done`` (with
``why``) or ``figures``.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Registration(StrEnum):
    """Where a phone stands with its registrar."""

    OFFLINE = "offline"  #: not asked yet, or taken back
    REGISTERING = "registering"  #: asked, no answer yet
    REGISTERED = "registered"  #: the registrar will send us calls
    REFUSED = "refused"  #: the registrar said no (wrong secret or user): not tried again by itself
    UNREACHABLE = "unreachable"  #: no answer, or the server is in trouble: tried again every few seconds


class EndedBy(StrEnum):
    """Who ended a call."""

    PHONE = "phone"  #: this phone hung up or rejected
    PBX = "pbx"  #: the other end hung up, cancelled, or never confirmed
    REPLACED = "replaced"  #: a newer call from the dialer took its place
    STACK = "stack"  #: the SIP stack failed, and the call with it


# --- events -----------------------------------------------------------------------------------------


class PhoneEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    """Something that happened to one phone."""

    phone: str  #: the SIP user


class RegistrationChanged(PhoneEvent, frozen=True, kw_only=True, tag="registration"):
    """The registration moved. Comes on changes, not on every refresh."""

    state: Registration
    sip_code: int = 0  #: 0: no answer came
    why: str = ""


class Ringing(PhoneEvent, frozen=True, kw_only=True, tag="ringing"):
    """A call comes in. ``auto_answer``: it is being answered without a hand."""

    call: str  #: the SIP Call-ID, which the PBX knows as the channel's protocol id
    session: str | None = None  #: the RM's session, when the dialer sent it
    auto_answer: bool = False


class Answered(PhoneEvent, frozen=True, kw_only=True, tag="answered"):
    """The call is up; audio flows."""

    call: str


class Ended(PhoneEvent, frozen=True, kw_only=True, tag="ended"):
    """The call is over. ``recording``: the file with what this phone heard, complete, if one was asked for."""

    call: str
    by: EndedBy
    sip_code: int = 0
    recording: str | None = None


AnyEvent = RegistrationChanged | Ringing | Answered | Ended


# --- commands ---------------------------------------------------------------------------------------


class Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="command"):
    """Something a phone process is told."""

    ref: int


class PhoneCommand(Command, frozen=True, kw_only=True):
    """Something one phone is told."""

    phone: str


class Register(PhoneCommand, frozen=True, kw_only=True, tag="register"):
    """Register (again)."""


class Unregister(PhoneCommand, frozen=True, kw_only=True, tag="unregister"):
    """Take the registration back: no calls come any more; one in progress goes on."""


class Answer(PhoneCommand, frozen=True, kw_only=True, tag="answer"):
    """Answer the ringing call."""


class HangUp(PhoneCommand, frozen=True, kw_only=True, tag="hangup"):
    """End the call, or reject the ringing one."""


class Mute(PhoneCommand, frozen=True, kw_only=True, tag="mute"):
    """Send silence instead of the microphone (packets go on), or the microphone again."""

    on: bool


class Unplug(Command, frozen=True, kw_only=True, tag="unplug"):
    """Stop the audio of every phone of the process, its calls stay up; for tests."""

    on: bool


class Dtmf(PhoneCommand, frozen=True, kw_only=True, tag="dtmf"):
    """Send key presses (RFC 4733)."""

    digits: str


class GetFigures(PhoneCommand, frozen=True, kw_only=True, tag="figures"):
    """Ask for the audio figures of the call."""


class Quit(Command, frozen=True, kw_only=True, tag="quit"):
    """Hang up, unregister and end the process."""


AnyCommand = Register | Unregister | Answer | HangUp | Mute | Unplug | Dtmf | GetFigures | Quit


# --- replies ----------------------------------------------------------------------------------------


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag_field="reply"):
    """The answer to the command with the same ``ref``; ``ref`` is ``None`` for a line that was no command."""

    ref: int | None


class Done(Reply, frozen=True, kw_only=True, tag="done"):
    """It happened."""


class NotDone(Reply, frozen=True, kw_only=True, tag="not_done"):
    """It did not happen; nothing has changed."""

    why: str


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The audio of the call in progress, since it was answered."""

    packets_sent: int
    packets_received: int
    packets_lost: int  #: of those that should have been received
    jitter_ms: float  #: mean, on the receiving side
    level_sent: float  #: 0 to 1, logarithmic, now
    level_received: float  #: 0 to 1, logarithmic, now


class FiguresReply(Reply, frozen=True, kw_only=True, tag="figures"):
    """It happened, and these are the figures."""

    figures: Figures


AnyReply = Done | NotDone | FiguresReply

encode = msgspec.json.Encoder().encode
decode_command = msgspec.json.Decoder(AnyCommand).decode
_decode_reply = msgspec.json.Decoder(AnyReply).decode
_decode_event = msgspec.json.Decoder(AnyEvent).decode


def decode_line(line: bytes) -> AnyEvent | AnyReply:
    """Read a line a phone process wrote.

    Raises:
        msgspec.DecodeError: it is neither an event nor a reply.
    """
    message: AnyEvent | AnyReply
    message = _decode_reply(line) if line.startswith(b'{"reply":') else _decode_event(line)
    return message
