# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs phones in a process of their own and speaks to them: for the demo's floor and for tests.

A failed assertion in the SIP stack ends its whole process, so phones never share one with the dialer. The
process holds no phone once its standard input is closed: a driver that dies leaves no phone behind.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from softphone.account import AutoAnswer, PhoneAccount, check_together
from softphone.errors import BadAccount, NotPossible, ProcessLost
from softphone.messages import (
    AnyCommand,
    AnyEvent,
    AnyReply,
    Figures,
    FiguresReply,
    GetFigures,
    NotDone,
    PhoneEvent,
    Registration,
    RegistrationChanged,
    decode_line,
    encode,
)

REPLY_TIMEOUT_S: Final = 5.0
CLOSE_TIMEOUT_S: Final = 10.0
_CHECKOUT: Final = Path(__file__).resolve().parent.parent
_LAST_WORDS: Final = 20  #: lines of standard error kept for the message about a lost process


def _command_line(
    accounts: Sequence[PhoneAccount], recordings: Path | None
) -> tuple[list[str], dict[str, str]]:
    """The arguments after the interpreter, and the environment variables that hold the secrets."""
    check_together(accounts)
    if len({(a.server, a.transport, a.auto_answer, a.tone_hz) for a in accounts}) != 1:
        raise BadAccount("Phones of one process share server, transport, auto-answer and tone.")
    first = accounts[0]
    secrets = {f"OFFHOOK_PHONE_{n}": account.password for n, account in enumerate(accounts)}
    arguments = ["-m", "softphone", "--headless", "--control", "-"]
    arguments += ["--server", str(first.server), "--transport", str(first.transport)]
    for variable, account in zip(secrets, accounts, strict=True):
        arguments += ["--account", f"{account.user}:env:{variable}"]
    if first.auto_answer is AutoAnswer.WHEN_ASKED:
        arguments.append("--auto-answer")
    if first.tone_hz is not None:
        arguments += ["--tone", str(first.tone_hz)]
    if recordings is not None:
        arguments += ["--record", str(recordings.resolve())]
    return arguments, secrets


class PhoneProcess:
    """One process with one or more headless phones.

    ::

        process = await PhoneProcess.start(accounts)
        await process.registered(timeout_s=5)
        async for event in process.events(): ...
        await process.tell(HangUp(ref=process.next_ref(), phone="rm-anna"))
        await process.close()
    """

    def __init__(self, process: asyncio.subprocess.Process, users: Sequence[str]) -> None:
        """Use ``start``."""
        self._process = process
        self._refs = itertools.count(1)
        self._replies: dict[int, asyncio.Future[AnyReply]] = {}
        self._events: asyncio.Queue[AnyEvent | None] = asyncio.Queue()
        self._registrations: dict[str, RegistrationChanged | None] = dict.fromkeys(users)
        self._registration_moved = asyncio.Event()
        self._last_words: deque[str] = deque(maxlen=_LAST_WORDS)
        self._reader = asyncio.create_task(self._read(), name="phone-process-reader")

    @classmethod
    async def start(
        cls,
        accounts: Sequence[PhoneAccount],
        *,
        recordings: Path | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> PhoneProcess:
        """Start the process; its phones register by themselves (``registered`` waits for that).

        All accounts share server, transport, auto-answer and tone. Secrets travel by environment, which other users
        of the machine cannot read.

        Raises:
            BadAccount: the accounts cannot share a process; nothing was started.
        """
        arguments, secrets = _command_line(accounts, recordings)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=_CHECKOUT,
            env={**environment, **secrets},
            # A Ctrl-C in the terminal is for the driver, which then ends the phones in good order.
            start_new_session=True,
        )
        return cls(process, [account.user for account in accounts])

    @property
    def pid(self) -> int:
        return self._process.pid

    def next_ref(self) -> int:
        """A ``ref`` for the next command."""
        return next(self._refs)

    async def registered(self, *, timeout_s: float) -> None:
        """Wait until every phone is registered.

        Raises:
            NotPossible: a registrar said no, or some phone is not registered in time; the message says which.
            ProcessLost: the process ended.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while waiting := self._unregistered():
                    refused = [user for user, state in waiting.items() if state is Registration.REFUSED]
                    if refused:
                        raise NotPossible(
                            f"The registrar refuses {', '.join(refused)}: {self._why(refused[0])}."
                        )
                    self._demand_alive()
                    self._registration_moved.clear()
                    await self._registration_moved.wait()
        except TimeoutError:
            late = ", ".join(f"{user} ({self._why(user)})" for user in self._unregistered())
            raise NotPossible(f"Not registered within {timeout_s} s: {late}.") from None

    async def tell(self, command: AnyCommand) -> AnyReply:
        """Have a command carried out.

        Raises:
            NotPossible: the phone did not do it; nothing has changed.
            ProcessLost: the process ended, or does not answer: whether it was done is unknown.
        """
        self._demand_alive()
        assert self._process.stdin is not None
        reply: asyncio.Future[AnyReply] = asyncio.get_running_loop().create_future()
        self._replies[command.ref] = reply
        try:
            self._process.stdin.write(encode(command) + b"\n")
            await self._process.stdin.drain()
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                answer = await reply
        except (TimeoutError, ConnectionError):
            raise ProcessLost(f"The phone process does not answer{self._said()}.") from None
        finally:
            del self._replies[command.ref]
        if isinstance(answer, NotDone):
            raise NotPossible(answer.why)
        return answer

    async def figures(self, phone: str) -> Figures:
        """The audio figures of a phone's call. Raises as ``tell`` does."""
        reply = await self.tell(GetFigures(ref=self.next_ref(), phone=phone))
        assert isinstance(reply, FiguresReply)
        return reply.figures

    async def events(self) -> AsyncIterator[AnyEvent]:
        """All events in order; one reader. Ends when the process has ended."""
        while (event := await self._events.get()) is not None:
            yield event
        self._events.put_nowait(None)

    async def close(self) -> int:
        """End the process in good order, by force if it will not; returns its exit code. Safe to call twice."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
        code = await self._process.wait()
        await self._reader
        return code

    def send_signal(self, number: int) -> None:
        """Signal the process; SIGTERM and SIGINT end it in good order."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a power cut would: no BYE, no unregistering. For tests."""
        self._process.kill()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read_errors(self._process.stderr), name="phone-process-errors")
            async for line in self._process.stdout:
                self._take(line)
        await self._process.wait()
        lost = ProcessLost(f"The phone process has ended with {self._process.returncode}{self._said()}.")
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(lost)
        self._registration_moved.set()
        self._events.put_nowait(None)

    def _take(self, line: bytes) -> None:
        try:
            message = decode_line(line)
        except msgspec.DecodeError:
            self._last_words.append(line.decode(errors="replace").rstrip())
            return
        if isinstance(message, PhoneEvent):
            if isinstance(message, RegistrationChanged):
                self._registrations[message.phone] = message
                self._registration_moved.set()
            self._events.put_nowait(message)
        elif message.ref is not None and message.ref in self._replies:
            self._replies[message.ref].set_result(message)

    async def _read_errors(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            self._last_words.append(line.decode(errors="replace").rstrip())

    def _unregistered(self) -> dict[str, Registration]:
        return {
            user: Registration.OFFLINE if last is None else last.state
            for user, last in self._registrations.items()
            if last is None or last.state is not Registration.REGISTERED
        }

    def _why(self, user: str) -> str:
        last = self._registrations[user]
        return "not heard of yet" if last is None else f"{last.state} {last.sip_code} {last.why}".strip()

    def _demand_alive(self) -> None:
        if self._reader.done() or self._process.returncode is not None:
            raise ProcessLost(f"The phone process has ended with {self._process.returncode}{self._said()}.")

    def _said(self) -> str:
        return "; its last words: " + " | ".join(self._last_words) if self._last_words else ""
