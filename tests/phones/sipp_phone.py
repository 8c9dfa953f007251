# SPDX-License-Identifier: GPL-3.0-or-later
"""SIPp as a phone that does one thing: an RM's phone, or a stranger's behind a trunk.

The scenarios stand in ``tests/sipp``, what each does in its first comment. ``TONE_FILE`` in a scenario is
replaced by a file with one second of mu-law tone.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from softphone.account import PhoneAccount
from tests.phones.eventually import eventually
from tests.phones.ports import free_port, is_free
from tests.phones.tones import encode_ulaw, sine

SCENARIOS = Path(__file__).resolve().parent.parent / "sipp"
REGISTERED_WITHIN_S = 10.0
_HEADING = "The following events occurred"
_OPTIONS = "Automatic response mode"  #: to the PBX's OPTIONS: SIPp counts its own service as an error


@dataclass(frozen=True, slots=True, kw_only=True)
class SippPhone:
    """A running SIPp that waits for calls."""

    process: asyncio.subprocess.Process
    port: int
    folder: Path

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def errors(self) -> str:
        """What went against the scenario, in SIPp's words; empty while all goes as written."""
        lines = [
            line
            for path in sorted(self.folder.glob("*_errors.log"))
            for line in path.read_text().splitlines()
        ]
        return "\n".join(line for line in lines if not line.startswith(_HEADING) and _OPTIONS not in line)


@asynccontextmanager
async def sipp_phone(
    scenario: str,
    folder: Path,
    *,
    account: PhoneAccount | None = None,
    tone_hz: int = 1000,
    keys: Mapping[str, str] | None = None,
) -> AsyncIterator[SippPhone]:
    """A SIPp that plays ``tests/sipp/<scenario>.xml`` to every call, registered first if it has an account.

    ``folder`` is its own; ``keys`` fill the scenario's keywords. Ends it on leaving.

    Raises:
        RuntimeError: it could not register, or did not start.
    """
    program = shutil.which("sipp")
    if program is None:
        raise FileNotFoundError("SIPp is not installed: run ./run setup.")
    port, media_port = free_port(), free_port(4)
    if account is not None:
        await _register(program, account, port, folder)
    text = (SCENARIOS / f"{scenario}.xml").read_text()
    for key, value in (
        keys or {}
    ).items():  # not by SIPp's -key: it wants a response code when it reads the file
        text = text.replace(f"[{key}]", value)
    tone = folder / "tone.ulaw"
    tone.write_bytes(encode_ulaw(sine(tone_hz, 1.0)))
    played = folder / f"{scenario}.xml"
    played.write_text(text.replace("TONE_FILE", str(tone)))
    arguments = ["-sf", str(played), "-i", "127.0.0.1", "-mi", "127.0.0.1"]
    arguments += ["-p", str(port), "-mp", str(media_port), "-nostdin", "-trace_err"]
    arguments += ["-aa"]  # answers OPTIONS, NOTIFY and the like by itself
    # What speaks must not echo as well: Asterisk counts no packets of two streams that come from one port.
    if "TONE_FILE" not in text:
        arguments += ["-rtp_echo"]
    process = await _start(program, arguments, folder)
    try:
        await eventually(lambda: process.returncode is not None or not is_free(port))
        if process.returncode is not None:
            raise RuntimeError(f"SIPp did not start: {(folder / 'output').read_text()[-500:]}")
        yield SippPhone(process=process, port=port, folder=folder)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _register(program: str, account: PhoneAccount, port: int, folder: Path) -> None:
    """Register the port from which the phone will listen, then leave it to the phone."""
    arguments = ["-sf", str(SCENARIOS / "register.xml"), "-m", "1", "-i", "127.0.0.1", "-p", str(port)]
    arguments += ["-s", account.user, "-au", account.user, "-ap", account.password, "-nostdin", "-trace_err"]
    process = await _start(program, [*arguments, str(account.server)], folder)
    try:
        async with asyncio.timeout(REGISTERED_WITHIN_S):
            code = await process.wait()
    except TimeoutError:
        process.kill()
        code = await process.wait()
    if code != 0:
        raise RuntimeError(
            f"SIPp could not register {account.user} ({code}): {(folder / 'output').read_text()[-500:]}"
        )


async def _start(program: str, arguments: list[str], folder: Path) -> asyncio.subprocess.Process:
    with (folder / "output").open("wb") as output:
        return await asyncio.create_subprocess_exec(
            program, *arguments, cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
        )
