# SPDX-License-Identifier: GPL-3.0-or-later
"""A dialer in a process of its own, on a PBX that outlives it: to be killed, and started again on the same records.

``python -m tests.pbx.dialer_process CONFIG.json`` starts a ``System`` with simulated RMs at every desk, prints
``ready`` and dials until it is told otherwise: SIGTERM is a graceful stop, the line ``go home`` ends every shift
and then the process. ``DialerProcess`` is the other side of it.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from ari_bridge.access import AriAccess
from config.logging import configure_logging
from config.settings import Settings
from offhook.robots import RobotRm, Temper
from offhook.system import System
from vocabulary.commands import EndShift, StartCampaign, StartShift
from vocabulary.outcomes import Outcome
from vocabulary.states import CampaignState, PacingMode

READY = "ready"
GO_HOME = "go home"
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 30.0
OUTCOMES = (Outcome.NOT_INTERESTED, Outcome.INTERESTED, Outcome.SALE)
CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class DialerConfig:
    """What a dialer process needs to know. ``temper``: how its simulated RMs work."""

    settings: Settings
    access: AriAccess
    campaign_id: int
    rm_ids: tuple[int, ...]
    temper: Temper
    seed: int = 1

    def write(self, path: Path) -> None:
        """As the file that ``read`` reads."""
        text = {
            "settings": self.settings.model_dump(mode="json"),
            "access": asdict(self.access),
            "campaign_id": self.campaign_id,
            "rm_ids": self.rm_ids,
            "temper": asdict(self.temper),
            "seed": self.seed,
        }
        path.write_text(json.dumps(text), encoding="utf-8")
        path.chmod(0o600)

    @classmethod
    def read(cls, path: Path) -> DialerConfig:
        """From a file of ``write``."""
        text = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            settings=Settings.model_validate(text["settings"]),
            access=AriAccess(**text["access"]),
            campaign_id=text["campaign_id"],
            rm_ids=tuple(text["rm_ids"]),
            temper=Temper(**text["temper"]),
            seed=text["seed"],
        )


async def staff(system: System, config: DialerConfig) -> None:
    """Simulated RMs at every desk, those found at work and those who begin now; the campaign dials."""
    engine = system.dialer.engine
    campaign = engine.campaigns[config.campaign_id]
    for rm_id in config.rm_ids:
        robot = RobotRm(
            rm_id,
            bus=system.bus,
            live=system.live,
            clock=system.clock,
            mode=PacingMode(campaign.mode),
            temper=config.temper,
            outcomes=OUTCOMES,
            dice=random.Random(f"{config.seed}-{rm_id}"),
        )
        system.owner.spawn(robot.work(), name=f"robot-{rm_id}")
        if rm_id not in engine.desks:
            await system.bus.send(StartShift(rm_id=rm_id, campaign_id=config.campaign_id))
    if campaign.state is CampaignState.DRAFT:
        await system.bus.send(StartCampaign(campaign_id=config.campaign_id))


async def send_home(system: System) -> None:
    """End every shift; returns when the desks are empty and the outbox has nothing to deliver."""
    for rm_id in list(system.dialer.engine.desks):
        await system.bus.send(EndShift(rm_id=rm_id))
    while system.dialer.engine.desks or await system.telephony.survey():  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await system.outbox.drained()


async def serve(config: DialerConfig) -> None:
    """The life of the process."""
    stopping, going_home = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_reader(sys.stdin, lambda: _heed(going_home))
    system = System.open(config.settings, config.access)
    await system.start()
    await staff(system, config)
    print(READY, flush=True)
    waits = [asyncio.create_task(event.wait()) for event in (stopping, going_home)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    if going_home.is_set():
        await send_home(system)
    await system.stop()


def _heed(going_home: asyncio.Event) -> None:
    line = sys.stdin.readline()
    if line.strip() == GO_HOME:
        going_home.set()
    elif not line:
        asyncio.get_running_loop().remove_reader(sys.stdin)


class DialerProcess:
    """The process, as a test holds it."""

    def __init__(self, process: asyncio.subprocess.Process, log: IO[bytes]) -> None:
        """Use ``start``."""
        self._process = process
        self._log = log

    @classmethod
    async def start(cls, config: Path) -> DialerProcess:
        """Start it; returns when it is ready. Its log goes on in ``<config>.log``."""
        log = config.with_suffix(".log").open("ab")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.pbx.dialer_process",
            str(config),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            cwd=CHECKOUT,
            start_new_session=True,
        )
        started = cls(process, log)
        assert process.stdout is not None
        async with asyncio.timeout(START_TIMEOUT_S):
            line = await process.stdout.readline()
        if line.decode().strip() != READY:
            await started.kill()
            raise AssertionError(f"The dialer did not start; see {config.with_suffix('.log')}.")
        return started

    async def kill(self) -> None:
        """As a crash of the machine's memory would: nothing more is said or written."""
        if self._process.returncode is None:
            self._process.kill()
        await self._gone()

    async def stop(self) -> None:
        """A graceful stop."""
        self._process.terminate()
        await self._gone()

    async def go_home(self) -> None:
        """Every shift ends, then the process."""
        assert self._process.stdin is not None
        self._process.stdin.write(GO_HOME.encode() + b"\n")
        await self._gone()

    async def _gone(self) -> None:
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            raise
        finally:
            self._log.close()


def main() -> None:
    """Run the process."""
    config = DialerConfig.read(Path(sys.argv[1]))
    configure_logging(config.settings.logging)
    asyncio.run(serve(config))


if __name__ == "__main__":
    main()
