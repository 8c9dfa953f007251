# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m softphone``: one or more phones in a process, spoken to by JSON lines.

Exit codes: 0 ended as asked (quit, end of input, SIGTERM, SIGINT), 1 failed, 2 wrong usage.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import click

from config.logging import configure_logging
from config.settings import LoggingSettings
from softphone.account import (
    AutoAnswer,
    PhoneAccount,
    Transport,
    check_together,
    parse_account,
    parse_server,
)
from softphone.control import Control
from softphone.errors import BadAccount, PhoneError, StackFailed, StackMissing
from softphone.phone import Phone


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--server", required=True, metavar="HOST[:PORT]", help="The registrar.")
@click.option(
    "--account",
    "accounts",
    required=True,
    multiple=True,
    metavar="USER:SECRET",
    help="SECRET is a file that only you can read, or env:VARIABLE. Repeat it for more phones in one process.",
)
@click.option("--transport", type=click.Choice([str(t) for t in Transport]), default="udp", show_default=True)
@click.option("--headless", is_flag=True, help="No sound card, no screen: silence or a tone for a voice.")
@click.option(
    "--auto-answer", is_flag=True, help="Answer by itself when our registrar asks (answer-after=0)."
)
@click.option("--tone", "tone_hz", type=click.IntRange(100, 3500), metavar="HZ", help="Say a tone.")
@click.option(
    "--record",
    "recordings",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    help="For tests: write what each call hears into this folder. Recording people needs their consent.",
)
@click.option(
    "--control", type=click.Choice(["-"]), help="Take commands from standard input; its end ends us."
)
def main(
    server: str,
    accounts: tuple[str, ...],
    transport: str,
    headless: bool,
    auto_answer: bool,
    tone_hz: int | None,
    recordings: Path | None,
    control: str | None,
) -> None:
    """The RM's SIP phone. Events go to standard output as JSON lines."""
    if not headless:
        raise click.UsageError("The phone with a headset is not built yet: add --headless.")
    try:
        parsed = [
            parse_account(
                text,
                parse_server(server),
                os.environ,
                transport=Transport(transport),
                auto_answer=AutoAnswer.WHEN_ASKED if auto_answer else AutoAnswer.NEVER,
                tone_hz=tone_hz,
            )
            for text in accounts
        ]
        check_together(parsed)
    except BadAccount as error:
        raise click.UsageError(str(error)) from None
    out = _keep_standard_output()
    configure_logging(LoggingSettings(level="warning"), sys.stderr)
    try:
        asyncio.run(_run(parsed, out, recordings, controlled=control is not None))
    except PhoneError as error:
        raise click.ClickException(str(error)) from None


def _keep_standard_output() -> BinaryIO:
    """The SIP stack prints to standard output as it likes: send that to standard error, keep ours for lines."""
    ours = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return ours


async def _run(
    accounts: list[PhoneAccount], out: BinaryIO, recordings: Path | None, *, controlled: bool
) -> None:
    try:
        from softphone.pjsua_phone import PjsuaPhone
        from softphone.pjsua_thread import PjsuaThread
    except ImportError as error:
        raise StackMissing(f"pjsua2 is not installed here ({error}): run ./run setup.") from None
    quitting = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, quitting.set)
    control = Control(out.write, quitting)
    # A phone of a server on this machine is nobody else's business: the network cannot reach it.
    loopback = all(account.server.is_loopback for account in accounts)
    thread = PjsuaThread(bind_address="127.0.0.1" if loopback else None)
    thread.ended.add_done_callback(lambda _: quitting.set())
    await thread.start()
    follower: asyncio.Task[None] | None = None
    try:
        phones: dict[str, Phone] = {}
        for account in accounts:
            phones[account.user] = await PjsuaPhone.open(account, thread, control.tell, recordings)
        for phone in phones.values():
            await phone.register()
        if controlled:
            lines = _lines(await _standard_input())
            follower = asyncio.create_task(control.follow(lines, phones, thread.unplug), name="control")
            follower.add_done_callback(lambda _: quitting.set())
        await quitting.wait()
    finally:
        failed_by_itself = thread.ended.done()
        await thread.stop()
        if follower is not None:
            follower.cancel()
            with suppress(asyncio.CancelledError):
                await follower
    if failed_by_itself:
        raise StackFailed(f"The SIP stack has ended by itself: {thread.ended.result()}")


async def _standard_input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    try:
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
        )
    except ValueError:
        raise StackFailed("--control - needs a pipe or a terminal as its standard input.") from None
    return reader


async def _lines(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        try:
            line = await reader.readline()
        except ValueError:  # longer than the reader's limit: thrown away, and answered as no command
            line = b"\n"
        if not line:
            return
        yield line


if __name__ == "__main__":
    main(prog_name="python -m softphone")
