# SPDX-License-Identifier: GPL-3.0-or-later
"""Headless RM phones on a real PBX: what twenty in one process cost, and how soon they are up.

The baseline is the obvious other way: a process for each phone. Every phone speaks and hears G.711 all the time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec

from asterisk.carrier.mix import Behaviour, Mix
from benchmarks.results import Row, percentile, report
from offhook.lab_floor import LabFloor
from softphone.account import AutoAnswer, PhoneAccount, Server
from softphone.driver import PhoneProcess

PHONES = 20
ALONE = 4
APP = "bench"
ASKS = {"PJSIP_HEADER(add,Call-Info)": "<sip:offhook>;answer-after=0"}
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one phone."""

    registered_s: float  #: until all were
    up_ms: tuple[float, ...]  #: originate to StasisStart, each phone once, all at once
    cpu_percent: float  #: of one core, in a bridge with another phone
    memory_mb: float


def cpu_s(pids: Sequence[int]) -> float:
    """Processor time these processes have used."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) / _TICKS_PER_S


def memory_mb(pids: Sequence[int]) -> float:
    """Memory these processes hold and share with nobody."""
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() for pid in pids]
    return (
        sum(int(line.split()[1]) for lines in rollups for line in lines if line.startswith("Private_")) / 1024
    )


class Pbx:
    """Plain requests and the moments at which channels came up."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self.up: dict[str, asyncio.Future[float]] = {}

    async def read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            event = msgspec.json.decode(message.data)
            if event["type"] == "StasisStart":
                self.up[event["channel"]["id"]].set_result(time.monotonic())

    async def post(self, path: str, **body: object) -> None:
        async with self._session.post(self._url + path, json=body) as answer:
            answer.raise_for_status()

    async def delete(self, path: str) -> None:
        async with self._session.delete(self._url + path) as answer:
            await answer.read()

    async def call(self, rm: str) -> float:
        """Call a phone; milliseconds until it is up."""
        begun = time.monotonic()
        self.up[rm] = asyncio.get_running_loop().create_future()
        await self.post("/channels", endpoint=f"PJSIP/rm-{rm}", app=APP, channelId=rm, variables=ASKS)
        return (await self.up[rm] - begun) * 1000


async def cost(floor: LabFloor, rms: Sequence[str], *, share_a_process: bool, seconds: float) -> Cost:
    """Register the phones, call them all at once, join them in pairs, and look for some seconds."""
    spec = floor.lab.pbx_spec
    secrets = {rm.name: rm.password for rm in spec.rms}
    accounts = [
        PhoneAccount(
            user=f"rm-{rm}",
            password=secrets[rm],
            server=Server(host=spec.sip.host, port=spec.sip.port),
            auto_answer=AutoAnswer.WHEN_ASKED,
            tone_hz=440,
        )
        for rm in rms
    ]
    headers = {"Authorization": aiohttp.encode_basic_auth(spec.ari.user, spec.ari.password)}
    begun = time.monotonic()
    groups = [accounts] if share_a_process else [[account] for account in accounts]
    processes = [await PhoneProcess.start(group) for group in groups]
    try:
        for process in processes:
            await process.registered(timeout_s=30)
        registered_s = time.monotonic() - begun
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.ws_connect(f"{spec.ari.url}/events?app={APP}") as socket,
        ):
            pbx = Pbx(session, spec.ari.url)
            reader = asyncio.create_task(pbx.read(socket), name="events")
            up_ms = await asyncio.gather(*(pbx.call(rm) for rm in rms))
            for one, other in zip(rms[::2], rms[1::2], strict=True):
                await pbx.post("/bridges", bridgeId=one, type="mixing")
                await pbx.post(f"/bridges/{one}/addChannel", channel=[one, other])
            pids = [process.pid for process in processes]
            before, since = cpu_s(pids), time.monotonic()
            await asyncio.sleep(seconds)
            used = (cpu_s(pids) - before) / (time.monotonic() - since)
            held = memory_mb(pids)
            for rm in rms:
                await pbx.delete(f"/channels/{rm}")
            for one in rms[::2]:
                await pbx.delete(f"/bridges/{one}")
            reader.cancel()
    finally:
        for process in processes:
            await process.close()
    return Cost(
        registered_s=registered_s,
        up_ms=tuple(up_ms),
        cpu_percent=100 * used / len(rms),
        memory_mb=held / len(rms),
    )


async def measure(seconds: float) -> list[Row]:
    rms = [f"rm{number:02}" for number in range(PHONES)]
    folder = Path(tempfile.mkdtemp(prefix="phones-"))
    floor = await LabFloor.start(
        state=folder,
        rms=rms,
        mix=Mix(chance={Behaviour.BUSY: 1}),
        caller_ids=("+4930123456",),
        company="Test Bank",
    )
    try:
        ours = await cost(floor, rms, share_a_process=True, seconds=seconds)
        alone = await cost(floor, rms[:ALONE], share_a_process=False, seconds=seconds)
    finally:
        await floor.stop()
        shutil.rmtree(folder)
    return [
        Row(
            name="CPU of a phone in a talk",
            unit="% of a core",
            ours=ours.cpu_percent,
            baseline=alone.cpu_percent,
        ),
        Row(name="memory of a phone", unit="MB", ours=ours.memory_mb, baseline=alone.memory_mb),
        Row(
            name=f"{PHONES} phones registered ({ALONE} alone)",
            unit="s",
            ours=ours.registered_s,
            baseline=alone.registered_s,
        ),
        Row(
            name="all called at once: up, p50",
            unit="ms",
            ours=percentile(ours.up_ms, 0.5),
            baseline=percentile(alone.up_ms, 0.5),
        ),
        Row(name="all called at once: up, last", unit="ms", ours=max(ours.up_ms), baseline=max(alone.up_ms)),
    ]


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks phones", description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="how long to look")
    arguments = parser.parse_args(argv)
    return report("phones", asyncio.run(measure(arguments.seconds)))
