# SPDX-License-Identifier: GPL-3.0-or-later
"""The small process above the others: starts PBX and main process, starts again what is lost, ends all in order.

It holds no calls and no records. Talks are on the PBX, so they go on while the main process is started anew.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from asterisk.carrier.spec import CarrierSpec
from asterisk.errors import PbxError
from asterisk.lab import start_carrier
from asterisk.process import AsteriskProcess
from asterisk.program import find_program
from asterisk.spec import PbxSpec
from config.settings import Settings
from console.client import OperatorClient
from console.errors import OperatorError
from console.parts import operator_socket
from console.serving import listen_tcp
from foundation.clock import SystemClock
from foundation.db.open import InstanceLock
from foundation.tasks import TaskOwner
from offhook.down_page import DownPage
from offhook.errors import CannotStart
from offhook.pbx import known_rms, spec_of, start_embedded
from softphone.account import AutoAnswer, PhoneAccount, Server
from softphone.driver import PhoneProcess
from softphone.errors import PhoneError

log = structlog.get_logger()

LOOK_EVERY_S: Final = 1.0
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0
STABLE_S: Final = 60.0  #: a main process that lived so long was well: the next wait is the first again
GOODBYE_S: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What is to be kept running."""

    settings: Settings
    serve_arguments: tuple[str, ...]  #: for ``offhook serve``
    carrier: CarrierSpec | None = None  #: the simulated carrier; None: there are real ones
    phones: tuple[str, ...] = ()  #: RMs with a headless phone on this machine


class Supervisor:
    """Runs a floor until a signal: the first ends everything in good order, the second in a hurry."""

    def __init__(self, floor: Floor, *, on_up: Callable[[], None], on_stop: Callable[[], None]) -> None:
        """``on_up`` is called once, when the console answers for the first time; ``on_stop`` at the first signal."""
        self._floor = floor
        self._settings = floor.settings
        self._on_up = on_up
        self._on_stop = on_stop
        self._clock = SystemClock()
        self._owner = TaskOwner("supervisor")
        self._hurry = asyncio.Event()
        self._pbx: AsteriskProcess | None = None
        self._carrier: AsteriskProcess | None = None
        self._phones: PhoneProcess | None = None
        self._main: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        """Everything, until it is told to stop.

        Raises:
            SecondInstance, CannotListen: found before anything is started.
            PbxError, CannotStart: what was started has been ended.
        """
        loop = asyncio.get_running_loop()
        running = asyncio.current_task()
        assert running is not None
        told = False

        def on_signal() -> None:
            nonlocal told
            if told:
                self._hurry.set()
            else:
                told = True
                running.cancel()
                self._on_stop()

        ends = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as it is under nohup
            ends.append(signal.SIGHUP)  # the terminal was closed: nothing may dial on unseen
        for number in ends:
            loop.add_signal_handler(number, on_signal)
        with InstanceLock(self._settings.state_dir / "supervisor", self._clock):
            check_free(self._settings)
            console = self._settings.console
            # Ours over every restart of the main process: visitors wait, and nobody else takes the port.
            listening = listen_tcp(console.host, console.port)
            down_page = DownPage(listening)
            try:
                await down_page.open()
                await self._start_parts()
                await self._keep_main(listening, down_page)
            except asyncio.CancelledError:
                if not told:
                    raise
            finally:
                await down_page.close()
                listening.close()
                await self._stop_parts()

    async def _start_parts(self) -> None:
        if self._floor.carrier is not None:
            self._carrier = await start_carrier(self._floor.carrier, find_program(Path(sys.prefix)))
        if self._settings.pbx.mode == "embedded":
            self._pbx = await start_embedded(self._settings, known_rms(self._settings))
        if self._floor.phones:
            self._owner.spawn(self._keep_phones(), name="phones")
        self._owner.spawn(self._keep_pbx(), name="pbx")

    async def _stop_parts(self) -> None:
        """The main process first, so that it ends what is not answered; then phones, PBX and carrier."""
        await self._owner.close()
        await self._stop_main()
        if self._phones is not None:
            if self._hurry.is_set():
                self._phones.kill()
            await self._phones.close()
        for process in (self._pbx, self._carrier):
            if process is not None:
                await process.stop()

    # --- the main process ---------------------------------------------------------------------------

    async def _keep_main(self, listening: socket.socket, down_page: DownPage) -> None:
        """Start it again whenever it ends, each time after a longer wait.

        Raises:
            CannotStart: it never came up; it has said why.
        """
        was_up, wait_s = False, FIRST_WAIT_S
        while True:
            began = self._clock.monotonic()
            self._main = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # the folder we were started in may hold packages of our names
                "-m",
                "offhook",
                "serve",
                *self._floor.serve_arguments,
                "--console-fd",
                str(listening.fileno()),
                pass_fds=(listening.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                # A Ctrl-C in the terminal is for us; we then end it in its turn.
                start_new_session=True,
            )
            if await self._came_up(self._main):
                await down_page.close()
                if not was_up:
                    was_up = True
                    self._on_up()
            code = await self._main.wait()
            if not was_up:
                raise CannotStart("The main process did not start; what was started has been ended.")
            log.error("main_process_lost", code=code)
            await down_page.open()
            if self._clock.monotonic() - began >= STABLE_S:
                wait_s = FIRST_WAIT_S
            await self._clock.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def _came_up(self, process: asyncio.subprocess.Process) -> bool:
        """Wait until it answers the operator, or ends."""
        client = OperatorClient(operator_socket(self._settings))
        while process.returncode is None:
            try:
                await client.ask("GET", "/api/v1/health")
            except OperatorError:
                await self._clock.sleep(0.1)
            else:
                return True
        return False

    async def _stop_main(self) -> None:
        process = self._main
        if process is None or process.returncode is not None:
            return
        process.terminate()
        ended = asyncio.ensure_future(process.wait())
        hurry = asyncio.ensure_future(self._hurry.wait())
        await asyncio.wait({ended, hurry}, timeout=GOODBYE_S, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not ended.done():
            log.warning("main_process_killed", pid=process.pid)
            process.kill()
        await ended

    # --- PBX, carrier and phones --------------------------------------------------------------------

    async def _keep_pbx(self) -> None:
        while True:
            await self._clock.sleep(LOOK_EVERY_S)
            try:
                if self._carrier is not None and self._carrier.pid is None:
                    log.error("carrier_lost")
                    await self._carrier.start()
                if self._pbx is not None and self._pbx.pid is None:
                    log.error("pbx_lost")
                    self._pbx = await start_embedded(self._settings, known_rms(self._settings))
            except PbxError as error:
                log.error("pbx_not_started", error=str(error))

    async def _keep_phones(self) -> None:
        while True:
            self._phones = await PhoneProcess.start(_accounts(spec_of(self._settings, self._floor.phones)))
            try:
                await self._phones.registered(timeout_s=30)
            except PhoneError as error:
                log.error("phones_not_registered", error=str(error))
            async for _ in self._phones.events():
                pass
            log.error("phones_lost")
            await self._phones.close()
            await self._clock.sleep(LOOK_EVERY_S)


def check_free(settings: Settings) -> None:
    """Before anything is started for nothing: nobody else has the console's port or the database.

    Raises:
        CannotListen, SecondInstance
    """
    listen_tcp(settings.console.host, settings.console.port).close()
    with InstanceLock(settings.database_path, SystemClock()):
        pass


def _accounts(spec: PbxSpec) -> list[PhoneAccount]:
    server = Server(host=spec.sip.host, port=spec.sip.port)
    return [
        PhoneAccount(user=rm.endpoint, password=rm.password, server=server, auto_answer=AutoAnswer.WHEN_ASKED)
        for rm in spec.rms
    ]
