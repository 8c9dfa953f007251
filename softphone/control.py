# SPDX-License-Identifier: GPL-3.0-or-later
"""A phone process told what to do by JSON lines: one command in, one reply out, events in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import msgspec

from softphone.errors import NotPossible, PhoneError
from softphone.messages import (
    Answer,
    AnyCommand,
    AnyEvent,
    AnyReply,
    Done,
    Dtmf,
    FiguresReply,
    GetFigures,
    HangUp,
    Mute,
    NotDone,
    PhoneCommand,
    Quit,
    Register,
    Unplug,
    Unregister,
    decode_command,
    encode,
)
from softphone.phone import Phone


class Control:
    """Reads command lines, has the phones carry them out in order, writes replies and events."""

    def __init__(self, write: Callable[[bytes], object], quitting: asyncio.Event) -> None:
        self._write = write
        self._quitting = quitting

    def tell(self, message: AnyEvent | AnyReply) -> None:
        """Write one line. A reader that has gone away ends the process: nobody is in charge any more."""
        try:
            self._write(encode(message) + b"\n")
        except BrokenPipeError:
            self._quitting.set()

    async def follow(
        self,
        lines: AsyncIterator[bytes],
        phones: Mapping[str, Phone],
        unplug: Callable[[bool], Awaitable[None]],
    ) -> None:
        """Obey line after line; returns at the end of input or at ``quit``, and has the process end.

        ``unplug`` stops the audio of all phones, or lets it go on.
        """
        async for line in lines:
            try:
                command = decode_command(line)
            except msgspec.DecodeError as error:
                self.tell(NotDone(ref=None, why=f"That line is no command: {error}."))
                continue
            if isinstance(command, Quit):
                self.tell(Done(ref=command.ref))
                break
            try:
                self.tell(await _carry_out(command, phones, unplug))
            except PhoneError as error:
                self.tell(NotDone(ref=command.ref, why=str(error)))
        self._quitting.set()


async def _carry_out(
    command: AnyCommand, phones: Mapping[str, Phone], unplug: Callable[[bool], Awaitable[None]]
) -> AnyReply:
    if isinstance(command, Unplug):
        await unplug(command.on)
        return Done(ref=command.ref)
    assert isinstance(command, PhoneCommand)
    if command.phone not in phones:
        raise NotPossible(f"There is no phone {command.phone!r} in this process; nothing was done.")
    phone = phones[command.phone]
    match command:
        case Register():
            await phone.register()
        case Unregister():
            await phone.unregister()
        case Answer():
            await phone.answer()
        case HangUp():
            await phone.hang_up()
        case Mute():
            await phone.mute(command.on)
        case Dtmf():
            await phone.dtmf(command.digits)
        case GetFigures():
            return FiguresReply(ref=command.ref, figures=await phone.figures())
    return Done(ref=command.ref)
