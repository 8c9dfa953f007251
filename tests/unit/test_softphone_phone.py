# SPDX-License-Identifier: GPL-3.0-or-later
"""The phone's states, and the fake phone held against the interface and against the real one's shape."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.account import AutoAnswer
from softphone.errors import NotPossible, PhoneError, StackFailed
from softphone.messages import (
    Answered,
    AnyEvent,
    Ended,
    EndedBy,
    Registration,
    RegistrationChanged,
    Ringing,
)
from softphone.phone import HOOK_MOVES, Hook, Line, Phone, check_digits
from softphone.pjsua_phone import PjsuaPhone
from softphone.testing import FakePhone
from vocabulary.errors import IllegalMove

COMMANDS = sorted(name for name in vars(Phone) if not name.startswith("_"))


def fake(events: list[AnyEvent] | None = None, **more: object) -> FakePhone:
    return FakePhone("rm-anna", [].append if events is None else events.append, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("make", [FakePhone, PjsuaPhone])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_phone_has_the_interface(make, name):
    """Fake and real phone take what the interface says, name by name."""
    wanted, found = inspect.getattr_static(Phone, name), inspect.getattr_static(make, name)
    if isinstance(wanted, property):
        assert isinstance(found, property)
    else:
        assert inspect.iscoroutinefunction(found)
        assert inspect.signature(wanted) == inspect.signature(found)


@pytest.mark.parametrize("old", Hook)
@pytest.mark.parametrize("new", Hook)
def test_the_hook_moves_by_its_table(old, new):
    """What the table allows happens and is passed on; anything else raises and changes nothing."""
    heard: list[AnyEvent] = []
    line = Line("rm-anna", heard.append)
    line.hook = old
    event: AnyEvent = {
        Hook.RINGING: Ringing(phone="rm-anna", call="c1"),
        Hook.TALKING: Answered(phone="rm-anna", call="c1"),
        Hook.IDLE: Ended(phone="rm-anna", call="c1", by=EndedBy.PBX),
    }[new]
    if new in HOOK_MOVES[old]:
        line.take(event)
        assert (line.hook, line.call, heard) == (new, "c1", [event])
    else:
        with pytest.raises(IllegalMove, match="rm-anna"):
            line.take(event)
        assert (line.hook, heard) == (old, [])


async def test_a_call_answered_by_itself():
    """Asked and allowed: ringing and answered follow each other, with the session."""
    events: list[AnyEvent] = []
    phone = fake(events, auto_answer=AutoAnswer.WHEN_ASKED)
    await phone.register()
    call = phone.pbx_calls(asks_auto_answer=True, session="s7")
    phone.pbx_hangs_up()
    assert events == [
        RegistrationChanged(phone="rm-anna", state=Registration.REGISTERING),
        RegistrationChanged(phone="rm-anna", state=Registration.REGISTERED),
        Ringing(phone="rm-anna", call=call, session="s7", auto_answer=True),
        Answered(phone="rm-anna", call=call),
        Ended(phone="rm-anna", call=call, by=EndedBy.PBX),
    ]


@pytest.mark.parametrize(
    ("code", "state"),
    [(200, Registration.REGISTERED), (401, Registration.REFUSED), (0, Registration.UNREACHABLE)],
)
async def test_the_registrars_answer_is_told(code, state):
    """Yes, no, or nothing."""
    phone = fake(registrar_code=code)
    await phone.register()
    assert phone.line.registration is state
    await phone.unregister()
    assert phone.line.registration is Registration.OFFLINE


async def test_an_unregistered_phone_is_not_called():
    """The PBX does not know where it is."""
    with pytest.raises(NotPossible, match="not registered"):
        fake().pbx_calls(asks_auto_answer=True)


@pytest.mark.parametrize("command", ["answer", "hang_up", "figures"])
async def test_commands_need_a_call(command):
    """Without one they change nothing and say so."""
    phone = fake()
    await phone.register()
    with pytest.raises(NotPossible, match="rm-anna is idle"):
        await getattr(phone, command)()


@pytest.mark.parametrize("digits", ["", "E", "12 3", "+49", "１"])
def test_what_is_no_key_press(digits):
    """Refused before anything is sent."""
    with pytest.raises(NotPossible, match="no key presses"):
        check_digits(digits)


async def test_mute_figures_and_keys():
    """Muted, packets go on and the level falls to nothing; mute ends with the call."""
    phone = fake(auto_answer=AutoAnswer.WHEN_ASKED)
    await phone.register()
    phone.pbx_calls(asks_auto_answer=True)
    await phone.mute(True)
    await phone.dtmf("19#")
    phone.pass_time(2)
    figures = await phone.figures()
    assert (figures.packets_sent, figures.packets_received, figures.level_sent) == (100, 100, 0)
    assert (phone.muted, phone.keys) == (True, "19#")
    phone.pbx_calls(asks_auto_answer=True)
    assert not phone.muted


async def test_a_stack_that_fails_ends_everything():
    """The call is told as ended, and every command says that there is no stack."""
    events: list[AnyEvent] = []
    phone = fake(events, auto_answer=AutoAnswer.WHEN_ASKED)
    await phone.register()
    phone.pbx_calls(asks_auto_answer=True)
    phone.stack_fails()
    assert [event.by for event in events if isinstance(event, Ended)] == [EndedBy.STACK]
    for command in ("register", "unregister", "answer", "hang_up", "figures"):
        with pytest.raises(StackFailed):
            await getattr(phone, command)()


STEPS = st.sampled_from(
    [
        "register",
        "unregister",
        "answer",
        "hang_up",
        "call",
        "plain_call",
        "pbx_hangs_up",
        "figures",
        "stack_fails",
    ]
)


@given(st.lists(STEPS, max_size=30))
def test_whatever_happens_calls_are_told_whole(steps):
    """In any order of commands and calls: each call rings once, is answered at most once, and ends once, in order."""
    events: list[AnyEvent] = []

    async def live() -> None:
        phone = fake(events, auto_answer=AutoAnswer.WHEN_ASKED)
        for step in steps:
            try:
                if step == "call":
                    phone.pbx_calls(asks_auto_answer=True)
                elif step == "plain_call":
                    phone.pbx_calls(asks_auto_answer=False)
                elif step == "pbx_hangs_up" and phone.line.hook is not Hook.IDLE:
                    phone.pbx_hangs_up()
                elif step == "stack_fails":
                    phone.stack_fails()
                elif step != "pbx_hangs_up":
                    await getattr(phone, step)()
            except PhoneError:
                pass
        if phone.line.hook is not Hook.IDLE:
            phone.pbx_hangs_up()

    asyncio.run(live())
    calls = [event for event in events if not isinstance(event, RegistrationChanged)]
    told: dict[str, list[type]] = {}
    for event in calls:
        told.setdefault(event.call, []).append(type(event))
    assert all(story in ([Ringing, Ended], [Ringing, Answered, Ended]) for story in told.values())
    assert [event.call for event in calls] == [call for call, story in told.items() for _ in story]
