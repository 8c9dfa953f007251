# SPDX-License-Identifier: GPL-3.0-or-later
"""One running Asterisk: started in a session of its own, asked by its control socket, ended by its pid alone."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

import structlog

from asterisk.errors import CommandFailed, DidNotStart
from asterisk.files import make_folder
from asterisk.ports import Listener, must_be_free
from asterisk.program import Program
from asterisk.spec import Instance

log = structlog.get_logger(__name__)

BOOT_TIMEOUT_S = 30.0
COMMAND_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0  # for each of: the command, SIGTERM, SIGKILL
POLL_S = 0.05
LINES_SHOWN = 12  # of the log, when Asterisk does not start


def running_pid(instance: Instance) -> int | None:
    """The Asterisk that runs in the folders of this instance; None when none does.

    A number in a pid file may meanwhile be another program's: it counts only with our file on its command line.
    """
    try:
        pid = int(instance.pid_file.read_text(encoding="ascii"))
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (OSError, ValueError, IndexError):
        return None
    return pid if os.fsencode(instance.main_file) in command and state != "Z" else None


class AsteriskProcess:
    """Start, ask and stop the Asterisk of one instance; its configuration must have been written.

    An Asterisk outlives the program that started it, so that calls do: ``start`` then finds it by its pid file
    and takes it over as it is.
    """

    def __init__(
        self, *, name: str, program: Program, instance: Instance, listeners: tuple[Listener, ...]
    ) -> None:
        self.name = name
        self.instance = instance
        self._program = program
        self._listeners = listeners
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The running Asterisk of this instance; None when there is none."""
        if self._child is not None and self._child.poll() is None:
            return self._child.pid
        return running_pid(self.instance)

    async def start(self, *, timeout_s: float = BOOT_TIMEOUT_S) -> bool:
        """Start Asterisk and wait until it is fully booted; False when it ran already.

        Raises:
            PortTaken: another program holds one of its ports.
            DidNotStart: it ended, or was not ready within ``timeout_s`` seconds.
        """
        for folder in self.instance.every_folder():
            make_folder(folder)
        async with self._only_starter(timeout_s):
            running = self.pid is not None
            if not running:
                must_be_free(self._listeners)
                self._launch()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._booted()
            except BaseException as error:
                why = self._why(f"was not ready within {timeout_s:g} s")
                if not running:
                    await asyncio.shield(self.stop())
                if isinstance(error, TimeoutError):
                    raise DidNotStart(why) from None
                raise
        log.info("asterisk_taken_over" if running else "asterisk_started", instance=self.name, pid=self.pid)
        return not running

    @contextlib.asynccontextmanager
    async def _only_starter(self, timeout_s: float) -> AsyncIterator[None]:
        with (self.instance.run / "start.lock").open("wb") as lock:
            try:
                async with asyncio.timeout(timeout_s):
                    while not _locked(lock):  # noqa: ASYNC110
                        await asyncio.sleep(POLL_S)
            except TimeoutError:
                raise DidNotStart(
                    f"Another program has been starting Asterisk {self.name} for {timeout_s:g} s."
                ) from None
            yield

    def _launch(self) -> None:
        # What a killed Asterisk left would pass for this one's.
        self.instance.control_socket.unlink(missing_ok=True)
        self.instance.pid_file.unlink(missing_ok=True)
        with self._console.open("wb") as console:
            # Not asyncio's: a child of asyncio is killed when its loop closes, and calls must outlive us.
            self._child = subprocess.Popen(
                [self._program.path, "-f", "-C", self.instance.main_file],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                cwd=self.instance.folder,
                start_new_session=True,
            )

    @property
    def _console(self) -> Path:
        return self.instance.log / "console.log"

    async def _booted(self) -> None:
        while not self.instance.control_socket.exists():
            self._must_run()
            await asyncio.sleep(POLL_S)
        # An Asterisk that ends while it is asked says nothing, and the asker does not mind.
        while "fully booted" not in await self._asked("core waitfullybooted"):
            self._must_run()
            await asyncio.sleep(POLL_S)

    async def _asked(self, text: str) -> str:
        try:
            return await self.command(text, timeout_s=BOOT_TIMEOUT_S)
        except CommandFailed:
            return ""

    def _must_run(self) -> None:
        if self._child is not None and self._child.poll() is not None:
            raise DidNotStart(self._why(f"ended with code {self._child.returncode}"))

    def _why(self, what: str) -> str:
        lines = self._console.read_text(encoding="utf-8", errors="replace").splitlines()[-LINES_SHOWN:]
        return "\n".join([f"Asterisk {self.name} {what}; its last words ({self._console}):", *lines])

    async def command(self, text: str, *, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        """What Asterisk answers to a console command.

        Raises:
            CommandFailed: there is no running Asterisk, or no answer in time.
        """
        asker = await asyncio.create_subprocess_exec(
            self._program.path,
            "-C",
            self.instance.main_file,
            "-rx",
            text,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(timeout_s):
                said, _ = await asker.communicate()
        except TimeoutError:
            raise CommandFailed(
                f"Asterisk {self.name} had no answer to {text!r} in {timeout_s:g} s."
            ) from None
        finally:
            if asker.returncode is None:
                asker.kill()
                await asyncio.shield(asker.wait())
        answer = said.decode(errors="replace")
        if asker.returncode:
            raise CommandFailed(f"Asterisk {self.name} did not answer {text!r}: {answer.strip()}")
        return answer

    async def reload(self) -> None:
        """Take over changed phones, trunks, numbers and music, without touching calls; the rest needs a restart."""
        for command in ("module reload res_pjsip.so", "dialplan reload", "module reload res_musiconhold.so"):
            await self.command(command)

    async def stop(self) -> None:
        """End Asterisk and every call in it; done as well when it does not run."""
        pid = self.pid
        if pid is None:
            return
        try:
            await self.command("core stop now", timeout_s=STOP_TIMEOUT_S)
        except CommandFailed as error:
            log.warning("asterisk_did_not_obey", instance=self.name, pid=pid, error=str(error))
        for next_signal in (signal.SIGTERM, signal.SIGKILL, None):
            if await self._ended(pid):
                break
            if next_signal is not None and self.pid == pid:
                log.warning("asterisk_signalled", instance=self.name, pid=pid, signal=next_signal.name)
                os.kill(pid, next_signal)
        if self.pid is None:
            log.info("asterisk_stopped", instance=self.name, pid=pid)
        else:
            log.error("asterisk_would_not_end", instance=self.name, pid=pid)

    async def _ended(self, pid: int) -> bool:
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                # Taken over, it is no child of ours, and gives no event at its end.
                while self.pid == pid:  # noqa: ASYNC110
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            return False
        return True


def _locked(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
