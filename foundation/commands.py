# SPDX-License-Identifier: GPL-3.0-or-later
"""The command bus: request and reply inside one process, each command done at most once per key."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from foundation.errors import CommandTimedOut, NoHandler
from foundation.tasks import TaskOwner
from vocabulary.commands import Command, Reply

log = structlog.get_logger(__name__)

Handler = Callable[[Any], Awaitable[Reply]]

REMEMBERED: Final = 10_000
"""Keys whose replies are kept; the oldest goes first."""


@dataclass(frozen=True, slots=True)
class _Sent:
    command: Command
    reply: asyncio.Task[Reply]


class CommandBus:
    """Handlers by kind of command.

    The sender's key makes a command safe to send again: the same key gives the same reply, also while
    the first is still being worked on. A sender who gives up or is cancelled does not cancel the work.
    """

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        self._sent: OrderedDict[str, _Sent] = OrderedDict()
        self._owner = TaskOwner("commands")

    def handle(self, kind: str, fn: Handler) -> None:
        """``fn(command)`` answers commands of this kind from now on."""
        self._handlers[kind] = fn

    async def send(self, command: Command, *, key: str | None = None, deadline_s: float = 10.0) -> Reply:
        """Send a command and wait for its reply.

        Raises:
            NoHandler: nobody handles its kind; nothing was done.
            CommandTimedOut: no reply within ``deadline_s``: the outcome is unknown. Send it again with
                the same key to learn it.
        """
        task = self._begin(command, key)
        if isinstance(task, Reply):
            return task
        done, _ = await asyncio.wait({task}, timeout=deadline_s)
        if not done:
            raise CommandTimedOut(
                f"No reply to {command.kind} within {deadline_s:g} s. Whether it was done is not known yet: "
                "look, or ask again."
            )
        return task.result()

    async def close(self) -> None:
        """Take no more commands and end those at work."""
        await self._owner.close()

    def _begin(self, command: Command, key: str | None) -> asyncio.Task[Reply] | Reply:
        if key is not None and (sent := self._sent.get(key)) is not None:
            if sent.command != command:
                return Reply(
                    done=False,
                    reason="key_reused",
                    sentence="This request was used for something else before.",
                )
            return sent.reply
        handler = self._handlers.get(command.kind)
        if handler is None:
            raise NoHandler(f"Nobody handles {command.kind}; nothing was done.")
        task = self._owner.spawn(self._run(handler, command), name=command.kind)
        if key is not None:
            self._sent[key] = _Sent(command, task)
            if len(self._sent) > REMEMBERED:
                self._sent.popitem(last=False)
        return task

    async def _run(self, handler: Handler, command: Command) -> Reply:
        try:
            return await handler(command)
        except Exception:
            log.exception("command_failed", command=command.kind)
            return Reply(
                done=False,
                reason="failed",
                sentence="This did not work because of a fault in the program. It was recorded; please look "
                "at the screen before you try again.",
            )
