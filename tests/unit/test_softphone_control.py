# SPDX-License-Identifier: GPL-3.0-or-later
"""A phone process told what to do by JSON lines: every line has its reply, and bad ones change nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.account import AutoAnswer
from softphone.control import Control
from softphone.messages import (
    AnyCommand,
    AnyEvent,
    AnyReply,
    Done,
    Dtmf,
    Figures,
    FiguresReply,
    GetFigures,
    HangUp,
    Mute,
    NotDone,
    Quit,
    Register,
    Unplug,
    Unregister,
    decode_command,
    decode_line,
    encode,
)
from softphone.phone import Hook
from softphone.testing import FakePhone


class Desk:
    """One fake phone under control, and what was written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.quitting = asyncio.Event()
        self.control = Control(self.written.append, self.quitting)
        self.phone = FakePhone("rm-anna", self.control.tell, auto_answer=AutoAnswer.WHEN_ASKED)
        self.unplugged: list[bool] = []

    async def told(self, *commands: AnyCommand | bytes) -> list[Any]:
        """The replies to some lines; the input ends after them."""
        before = len(self.written)

        async def lines() -> AsyncIterator[bytes]:
            for command in commands:
                yield command if isinstance(command, bytes) else encode(command)

        async def unplug(on: bool) -> None:
            self.unplugged.append(on)

        await self.control.follow(lines(), {"rm-anna": self.phone}, unplug)
        told = [decode_line(line) for line in self.written[before:]]
        return [message for message in told if isinstance(message, Done | NotDone | FiguresReply)]


async def test_a_call_worked_by_lines():
    """Register, mute, keys, figures and hang-up reach the phone, and each is confirmed by its number."""
    desk = Desk()
    assert await desk.told(Register(ref=1, phone="rm-anna")) == [Done(ref=1)]
    desk.phone.pbx_calls(asks_auto_answer=True)
    replies = await desk.told(
        Mute(ref=2, phone="rm-anna", on=True),
        Dtmf(ref=3, phone="rm-anna", digits="1#"),
        GetFigures(ref=4, phone="rm-anna"),
        Unplug(ref=5, on=True),
        HangUp(ref=6, phone="rm-anna"),
        Unregister(ref=7, phone="rm-anna"),
    )
    assert [reply.ref for reply in replies] == [2, 3, 4, 5, 6, 7]
    assert [type(reply) for reply in replies] == [Done, Done, FiguresReply, Done, Done, Done]
    assert (desk.phone.keys, desk.unplugged, desk.phone.line.hook) == ("1#", [True], Hook.IDLE)


async def test_events_are_lines_of_their_own():
    """Each is one JSON object that names the event and the phone."""
    desk = Desk()
    await desk.phone.register()
    assert [json.loads(line) for line in desk.written] == [
        {"event": "registration", "phone": "rm-anna", "state": state, "sip_code": 0, "why": ""}
        for state in ("registering", "registered")
    ]
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in desk.written)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"\n", "no command"),
        (b"{", "no command"),
        (b"[]", "no command"),
        (b'{"command":"dance","ref":1}', "no command"),
        (b'{"command":"hangup","ref":1}', "no command"),
        (b'{"command":"hangup","phone":"rm-anna"}', "no command"),
        (b'{"command":"mute","phone":"rm-anna","ref":1,"on":"yes"}', "no command"),
        (b'{"command":"hangup","phone":"rm-ben","ref":1}', "There is no phone 'rm-ben'"),
        (b'{"command":"hangup","phone":"rm-anna","ref":1}', "rm-anna is idle"),
        (b'{"command":"dtmf","phone":"rm-anna","ref":1,"digits":"x"}', "no key presses"),
    ],
)
async def test_a_line_that_cannot_be_obeyed(line, why):
    """It is answered with the reason, and the lines after it are obeyed."""
    desk = Desk()
    refused, done = await desk.told(line, Register(ref=2, phone="rm-anna"))
    assert isinstance(refused, NotDone)
    assert why in refused.why
    assert done == Done(ref=2)


async def test_quit_ends_the_process_and_obeys_nothing_more():
    """It is confirmed first."""
    desk = Desk()
    assert await desk.told(Quit(ref=1), Register(ref=2, phone="rm-anna")) == [Done(ref=1)]
    assert desk.quitting.is_set()


async def test_the_end_of_input_ends_the_process():
    """Whoever was in charge is gone."""
    desk = Desk()
    await desk.told()
    assert desk.quitting.is_set()


async def test_a_reader_that_is_gone_ends_the_process():
    """Nobody hears the events any more."""
    quitting = asyncio.Event()

    def write(line: bytes) -> None:
        raise BrokenPipeError

    Control(write, quitting).tell(Done(ref=1))
    assert quitting.is_set()


FINITE = st.floats(allow_nan=False, allow_infinity=False)
FIGURES = st.builds(Figures, jitter_ms=FINITE, level_sent=FINITE, level_received=FINITE)


def any_of(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    return st.builds(kind, figures=FIGURES) if kind is FiguresReply else st.from_type(kind)


@pytest.mark.parametrize("kind", get_args(AnyCommand))
@given(data=st.data())
def test_every_command_survives_the_wire(kind, data):
    """What the driver writes is what the process reads."""
    command = data.draw(any_of(kind))
    assert decode_command(encode(command)) == command


@pytest.mark.parametrize("kind", [*get_args(AnyEvent), *get_args(AnyReply)])
@given(data=st.data())
def test_every_event_and_reply_survives_the_wire(kind, data):
    """What the process writes is what the driver reads."""
    message = data.draw(any_of(kind))
    assert decode_line(encode(message)) == message


@pytest.mark.parametrize("kind", [*get_args(AnyCommand), *get_args(AnyEvent), *get_args(AnyReply)])
def test_every_line_is_documented(kind):
    """Every command, event, reply and field stands in the reference."""
    text = (Path(__file__).parents[2] / "docs/reference/softphone.md").read_text()
    assert f"`{kind.__struct_config__.tag}`" in text
    assert [field for field in kind.__struct_fields__ if f"`{field}`" not in text] == []
