# SPDX-License-Identifier: GPL-3.0-or-later
"""The command bus: one reply per key, a deadline that admits not knowing, faults that become replies."""

from __future__ import annotations

import asyncio

import pytest

from foundation import commands
from foundation.commands import CommandBus
from foundation.errors import CommandTimedOut, NoHandler, OwnerClosed
from foundation.testing import run_virtual
from vocabulary.commands import Halt, LiftHalt, Reply

HALT = Halt(reason="fire drill")


class Desk:
    """A handler that counts what it did."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.done = 0
        self.takes_s = takes_s

    async def __call__(self, _command: Halt) -> Reply:
        await asyncio.sleep(self.takes_s)
        self.done += 1
        return Reply(done=True, sentence=f"halt {self.done}")


async def test_a_command_goes_to_the_handler_of_its_kind() -> None:
    """And its reply comes back."""
    bus, desk = CommandBus(), Desk()
    bus.handle(Halt.kind, desk)
    assert await bus.send(HALT) == Reply(done=True, sentence="halt 1")


async def test_nobody_to_handle_it_is_said() -> None:
    """Definitely not done."""
    with pytest.raises(NoHandler, match=r"halt\.lift"):
        await CommandBus().send(LiftHalt())


async def test_the_same_key_gives_the_same_reply() -> None:
    """The work is done once, also when the second comes while the first is at work; no key, no memory."""
    bus, desk = CommandBus(), Desk()
    bus.handle(Halt.kind, desk)
    first, second = await asyncio.gather(bus.send(HALT, key="k"), bus.send(HALT, key="k"))
    assert first == second == await bus.send(HALT, key="k")
    assert desk.done == 1
    await bus.send(HALT)
    assert desk.done == 2


async def test_a_key_used_for_another_command_is_refused() -> None:
    """A reply that belongs to something else must not be taken for this one's."""
    bus, desk = CommandBus(), Desk()
    bus.handle(Halt.kind, desk)
    await bus.send(HALT, key="k")
    reply = await bus.send(Halt(reason="another"), key="k")
    assert (reply.done, reply.reason, desk.done) == (False, "key_reused", 1)


def test_no_reply_in_time_is_unknown_and_can_be_asked_again() -> None:
    """The work goes on; the same key learns how it ended."""

    async def story() -> None:
        bus, desk = CommandBus(), Desk(takes_s=5)
        bus.handle(Halt.kind, desk)
        with pytest.raises(CommandTimedOut, match="not known"):
            await bus.send(HALT, key="k", deadline_s=1)
        assert (await bus.send(HALT, key="k", deadline_s=10)).done
        assert desk.done == 1

    run_virtual(story())


def test_a_sender_who_gives_up_does_not_stop_the_work() -> None:
    """Cancelling the wait is not cancelling the command."""

    async def story() -> None:
        bus, desk = CommandBus(), Desk(takes_s=5)
        bus.handle(Halt.kind, desk)
        sender = asyncio.create_task(bus.send(HALT))
        await asyncio.sleep(1)
        sender.cancel()
        await asyncio.sleep(10)
        assert desk.done == 1

    run_virtual(story())


async def test_a_fault_in_a_handler_becomes_a_reply() -> None:
    """The sender gets a sentence, not a traceback, and the bus goes on."""
    bus = CommandBus()

    async def broken(_command: Halt) -> Reply:
        raise ZeroDivisionError

    bus.handle(Halt.kind, broken)
    reply = await bus.send(HALT)
    assert (reply.done, reply.reason) == (False, "failed")
    assert "fault" in reply.sentence


async def test_the_memory_of_keys_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest key is forgotten first."""
    monkeypatch.setattr(commands, "REMEMBERED", 2)
    bus, desk = CommandBus(), Desk()
    bus.handle(Halt.kind, desk)
    for key in ("a", "b", "c", "b"):
        await bus.send(HALT, key=key)
    assert desk.done == 3
    await bus.send(HALT, key="a")
    assert desk.done == 4


async def test_a_closed_bus_takes_nothing() -> None:
    """After close nothing is begun."""
    bus = CommandBus()
    bus.handle(Halt.kind, Desk())
    await bus.close()
    with pytest.raises(OwnerClosed):
        await bus.send(HALT)
