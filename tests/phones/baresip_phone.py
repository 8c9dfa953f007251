# SPDX-License-Identifier: GPL-3.0-or-later
"""baresip 1.0 as an RM's phone: a second make of SIP phone, so that nothing here fits pjsua2 alone.

baresip 1.0 knows no automatic answering by header (that came in 1.1): it answers every call (``auto``) or
none until it is told to over its control port.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from softphone.account import PhoneAccount
from tests.phones.eventually import eventually
from tests.phones.ports import free_port

MODULES = Path("/usr/lib/baresip/modules")
REGISTERED_WITHIN_S = 10.0
REPLY_WITHIN_S = 5.0

_CONFIG = """\
poll_method epoll
net_interface 127.0.0.1
sip_listen 127.0.0.1:{sip_port}
rtp_ports {rtp_port}-{last_rtp_port}
audio_source ausine,{tone_hz}
ausrc_srate 48000
ausrc_channels 2
audio_player aubridge,sink
audio_alert aubridge,alert
snd_path {folder}
module_path {modules}
module g711.so
module ausine.so
module aubridge.so
module sndfile.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control_port}
"""
_ACCOUNT = (
    "<sip:{user}@{server}>;auth_user={user};auth_pass={password}"
    ";answermode={answer_mode};regint=60;audio_codecs=pcmu\n"
)


class BaresipPhone:
    """One baresip process with one account, its tone playing in every call."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        folder: Path,
    ) -> None:
        """Use ``baresip_phone``."""
        self.folder = folder
        self.events: list[dict[str, Any]] = []
        self._process = process
        self._reader = reader
        self._writer = writer
        self._moved = asyncio.Condition()
        self._replies: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read(), name="baresip-reader")

    async def command(self, name: str, parameters: str = "") -> str:
        """Have a command of baresip's menu carried out; returns what it says.

        Raises:
            RuntimeError: baresip says that it went wrong.
        """
        message = json.dumps({"command": name, "params": parameters}).encode()
        self._writer.write(b"%d:%s," % (len(message), message))
        async with asyncio.timeout(REPLY_WITHIN_S):
            reply = await self._replies.get()
        if not reply["ok"]:
            raise RuntimeError(f"baresip did not {name}: {reply['data']}")
        return str(reply["data"])

    async def answer(self) -> None:
        await self.command("accept")

    async def hang_up(self) -> None:
        await self.command("hangup")

    async def until(self, kind: str, *, count: int = 1) -> dict[str, Any]:
        """Wait for the ``count``-th event of a kind (``CALL_INCOMING``, ``CALL_ESTABLISHED``, ``CALL_CLOSED``)."""
        async with asyncio.timeout(REPLY_WITHIN_S), self._moved:
            await self._moved.wait_for(lambda: len(self._of(kind)) >= count)
            return self._of(kind)[count - 1]

    def heard(self) -> Path:
        """The WAV file of what the latest call heard; whole once the call is closed."""
        return max(self.folder.glob("dump-*-dec.wav"))

    def _of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    async def _read(self) -> None:
        try:
            while True:
                length = int((await self._reader.readuntil(b":"))[:-1])
                message = json.loads(await self._reader.readexactly(length))
                await self._reader.readexactly(1)
                if message.get("event"):
                    async with self._moved:
                        self.events.append(message)
                        self._moved.notify_all()
                else:
                    self._replies.put_nowait(message)
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    async def _end(self) -> None:
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.wait()
        await self._reading
        self._writer.close()


@asynccontextmanager
async def baresip_phone(
    account: PhoneAccount, folder: Path, *, tone_hz: int = 1000, auto_answer: bool = False
) -> AsyncIterator[BaresipPhone]:
    """A registered baresip; ``folder`` is its own and empty. Ends it on leaving."""
    program = shutil.which("baresip")
    if program is None:
        raise FileNotFoundError("baresip is not installed: run ./run setup.")
    sip_port = free_port(2)  # baresip listens for TLS on the port after its own
    rtp_port = free_port(4)
    control_port = free_port()
    (folder / "config").write_text(
        _CONFIG.format(
            sip_port=sip_port,
            rtp_port=rtp_port,
            last_rtp_port=rtp_port + 3,
            tone_hz=tone_hz,
            folder=folder,
            modules=MODULES,
            control_port=control_port,
        )
    )
    (folder / "accounts").write_text(
        _ACCOUNT.format(
            user=account.user,
            server=account.server,
            password=account.password,
            answer_mode="auto" if auto_answer else "manual",
        )
    )
    (folder / "contacts").touch()
    log = (folder / "log").open("wb")
    process = await asyncio.create_subprocess_exec(
        program, "-f", str(folder), "-v", stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
    )
    log.close()
    try:
        reader, writer = await _connected(control_port)
        phone = BaresipPhone(process, reader, writer, folder)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    try:
        await _registered(phone)
        yield phone
    finally:
        await phone._end()


async def _connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(REGISTERED_WITHIN_S):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)


async def _registered(phone: BaresipPhone) -> None:
    """Its event may have come before the control port was open: ask."""

    async def is_registered() -> bool:
        return "OK" in await phone.command("reginfo")

    await eventually(is_registered)
