# SPDX-License-Identifier: GPL-3.0-or-later
"""The main process: dialer, console, jobs and upkeep on one event loop, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
from collections.abc import Sequence
from typing import Final

import structlog

from asterisk.errors import PbxError
from config.settings import Settings
from console.jobs import JobParts, job_handlers
from console.logins import worker_passwords
from console.parts import Condition, ConsoleParts
from console.serving import ConsoleServer, listen_tcp
from dialer.telephony import TelephonyError
from foundation.errors import CommandTimedOut
from foundation.jobs import JobRunner
from offhook.errors import CannotStart
from offhook.pbx import access_of, start_embedded
from offhook.robots import RobotRm, Temper
from offhook.system import System
from offhook.upkeep import REORDER_EVERY_S, TIDY_EVERY_S, reorder_lists, repeat, tidy
from offhook.workers import worker_pool
from profiler import rms
from profiler.rms import Rm
from vocabulary.commands import StartShift
from vocabulary.outcomes import Outcome
from vocabulary.states import PacingMode

log = structlog.get_logger()

MAIN_NICE: Final = -10
"""Above the jobs, below the PBX, which runs at real-time priority."""


class MainProcess:
    """Everything that ``offhook serve`` runs. ``start`` and ``stop`` once each."""

    def __init__(
        self, settings: Settings, robots: Sequence[str] = (), listening: socket.socket | None = None
    ) -> None:
        """What is needed, and nothing of it started.

        Args:
            robots: names of RMs who are simulated; for the sample floor.
            listening: the console's socket, where a supervisor holds it; closed in the end.

        Raises:
            CannotListen: the console's port is taken.
            SecondInstance: another process runs on this database.
            BadFiles: a script does not hold up.
            PbxError: the PBX's password cannot be had.
        """
        self._settings = settings
        self._robots = robots
        self._stopping = False
        self._pbx_lock = asyncio.Lock()
        self._tcp = listening or listen_tcp(settings.console.host, settings.console.port)
        try:
            self.system = System.open(settings, access_of(settings))
        except BaseException:
            self._tcp.close()
            raise
        system = self.system
        # A login must not wait behind an import.
        self._password_workers = worker_pool(0)
        self._jobs = JobRunner(
            system.db,
            system.clock,
            job_handlers(
                JobParts(
                    db=system.db,
                    ring=system.ring,
                    clock=system.clock,
                    executor=system.workers,
                    state_dir=settings.state_dir,
                )
            ),
        )
        self._console = ConsoleServer(
            ConsoleParts(
                db=system.db,
                bus=system.bus,
                live=system.live,
                settings=settings,
                cipher=system.cipher,
                ids=system.ids,
                clock=system.clock,
                passwords=worker_passwords(self._password_workers, system.ids),
                condition=self.condition,
                wake_jobs=self._jobs.wake,
                rms_changed=self._rms_changed,
            ),
            self._tcp,
        )

    async def start(self) -> None:
        """Connect to the PBX, settle what an earlier process left, then take requests.

        Raises:
            CannotStart: the PBX does not answer.
            CannotListen: the operator's socket cannot be made.
        """
        system = self.system
        try:
            await system.start()
        except TelephonyError as error:
            raise CannotStart(
                f"The PBX cannot be used ({error}); nobody was dialed. Start it, or start everything with: "
                "offhook up"
            ) from None
        await self._console.start()
        self._jobs.start()
        owner = system.owner
        owner.spawn(repeat(system, REORDER_EVERY_S, reorder_lists), name="reorder-lists")
        owner.spawn(repeat(system, TIDY_EVERY_S, tidy), name="tidy")
        for name in self._robots:
            owner.spawn(self._robot(name), name=f"robot-{name}")
        log.info("offhook_runs", pid=os.getpid(), nice=os.getpriority(os.PRIO_PROCESS, 0))

    async def stop(self) -> None:
        """A graceful stop: nobody new is dialed; talks stay up on the PBX and are adopted by the next start."""
        self._stopping = True
        await self._jobs.close()
        await self._console.stop()
        await self.system.stop()
        self._password_workers.shutdown(wait=False, cancel_futures=True)
        self._tcp.close()

    def condition(self) -> Condition:
        """How the installation is, for ``offhook status`` and load balancers."""
        engine = self.system.dialer.engine
        blocked = engine.dialing_blocked()
        reasons = [] if blocked is None else [blocked]
        reasons += [f"Trunk {trunk} is not used: {why}" for trunk, why in engine.trunk_problems.items()]
        return Condition(reasons=tuple(reasons), stopping=self._stopping)

    def _rms_changed(self) -> None:
        if self._settings.pbx.mode == "embedded":
            self.system.owner.spawn(self._tell_pbx(), name="tell-pbx")

    async def _tell_pbx(self) -> None:
        """Have the PBX know the phones of the RMs as they are now."""
        async with self._pbx_lock:
            names = [rm.name for rm in await self.system.db.read(rms.everybody)]
            try:
                # Rendering and writing take tens of milliseconds: on a loop of their own, in a thread.
                await asyncio.to_thread(asyncio.run, start_embedded(self._settings, names))
            except PbxError as error:
                log.error("phones_not_changed", error=str(error))

    async def _robot(self, name: str) -> None:
        """A simulated RM: comes to work in the campaign that dials by itself, and works."""
        system = self.system
        rm = await system.db.read(rms.by_name, name)
        campaign = next(
            (one for one in system.dialer.engine.campaigns.values() if one.mode is PacingMode.PROGRESSIVE),
            None,
        )
        if rm is None or campaign is None:
            log.error("robot_has_no_work", rm=name)
            return
        try:
            await system.bus.send(StartShift(rm_id=rm.rm_id, campaign_id=campaign.id))
        except CommandTimedOut:
            log.warning("robot_shift_unknown", rm=name)
        await self._robot_of(rm, campaign.policy.outcomes, campaign.mode).work()

    def _robot_of(self, rm: Rm, outcomes: tuple[Outcome, ...], mode: PacingMode) -> RobotRm:
        return RobotRm(
            rm.rm_id,
            bus=self.system.bus,
            live=self.system.live,
            clock=self.system.clock,
            mode=mode,
            temper=Temper().scaled(self._settings.dialing.time_scale),
            outcomes=outcomes,
            dice=random.Random(),
        )


async def serve(
    settings: Settings, robots: Sequence[str] = (), listening: socket.socket | None = None
) -> None:
    """Run the main process until SIGTERM or SIGINT. Raises as ``MainProcess`` and its ``start`` do."""
    loop = asyncio.get_running_loop()
    raise_priority()
    main = MainProcess(settings, robots, listening)
    running = loop.create_task(_run(main), name="main")
    for number in (signal.SIGTERM, signal.SIGINT):
        # Also while it starts: a PBX that is not there is waited for.
        loop.add_signal_handler(number, running.cancel)
    try:
        await asyncio.wait({running})
        if not running.cancelled():
            await running
        log.info("offhook_stops", pid=os.getpid())
    finally:
        await main.stop()


async def _run(main: MainProcess) -> None:
    await main.start()
    await asyncio.Event().wait()


def raise_priority() -> None:
    """Calls come before whatever else the machine does; without the right to it they go on as they are."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, MAIN_NICE)
    except PermissionError:
        log.info("priority_not_raised", why="only root, or a process with CAP_SYS_NICE, may")
