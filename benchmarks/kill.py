# SPDX-License-Identifier: GPL-3.0-or-later
"""``kill -9`` of the dialer with 20 live calls on a real PBX, then a restart: is anything lost or doubled?

Every run is a floor of its own: 20 RMs with real phones, 20 customers who are called at once and ring or talk
when the dialer is killed, and more who are called after the restart. A run is clean when every call has one
disposition, no number was dialed more often than the records say, nothing is left open, locked or undelivered,
and no channel is left on the PBX.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from asterisk.carrier.carrier_log import invites, read_events
from asterisk.carrier.mix import Behaviour
from benchmarks.results import Row, percentile, report
from offhook.demo.plan import NAMES
from offhook.lab_floor import LabFloor
from tests.pbx.campaign_audit import Audit
from tests.pbx.dialer_process import DialerProcess
from tests.pbx.recovery_floor import CALLER_ID, MIX, Kill, Site, kill_and_restart, make_site, number, until

CALLS = 20
LATER = 20
STORM_KILLS = 8
STORM_CALLS = 100
#: The first customers: who answers talks until the RM hangs up or for 1.5 s at least.
FIRST = (Behaviour.ANSWER,) * 14 + (Behaviour.NO_ANSWER,) * 6


@asynccontextmanager
async def campaign(numbers: Sequence[str], seed: int) -> AsyncIterator[tuple[LabFloor, Site, Path]]:
    """A floor of its own with phones, a campaign nobody works on yet, and the file for its dialer process."""
    names = NAMES[:CALLS]
    with tempfile.TemporaryDirectory(prefix="offhook-kill-") as name:
        folder = Path(name)
        floor = await LabFloor.start(
            state=folder / "lab", rms=names, mix=MIX, caller_ids=(CALLER_ID,), company="Test Bank"
        )
        try:
            site = await make_site(folder / "site", floor.access, rm_names=names, numbers=numbers)
            config = folder / "dialer.json"
            site.config(seed=seed).write(config)
            await floor.start_phones(names)
            yield floor, site, config
        finally:
            await floor.stop()


async def every_complaint(found: Audit, floor: LabFloor) -> list[str]:
    """What is wrong when everybody has gone home: in the records, in the lists, on the PBX."""
    channels = await floor.lab.pbx.command("core show channels concise")
    return [
        *found.broken,
        *(f"{number} was forgotten" for number in found.forgotten),
        *(f"a channel is left: {line.split('!')[0]}" for line in channels.splitlines()),
    ]


async def one_kill(seed: int) -> tuple[Kill, list[str]]:
    """Kill with 20 live calls, restart, let the lists come to their end. The kill, and the promises it broke."""
    dice = random.Random(seed)
    numbers = [number(behaviour, serial) for serial, behaviour in enumerate(FIRST)]
    numbers += [number(None, seed * 1000 + serial) for serial in range(LATER)]
    async with campaign(numbers, seed) as (floor, site, config):
        kill = await kill_and_restart(
            floor,
            site,
            config,
            live=CALLS,
            kill_after_s=dice.uniform(0.0, 0.4),
            # Some restarts come late: customers answered, or hung up, with nobody looking.
            dead_s=dice.choice((0.0, 0.0, 1.5, 3.0)),
        )
        return kill, await every_complaint(kill.found, floor)


async def one_storm(seed: int) -> tuple[Audit, list[str]]:
    """Kill again and again at any moment, mostly while 20 calls are being placed at once."""
    dice = random.Random(seed)
    numbers = [number(None, seed * 1000 + serial) for serial in range(STORM_CALLS)]
    async with campaign(numbers, seed) as (floor, site, config):
        records = site.records()
        dialer = await DialerProcess.start(config)
        try:
            for _ in range(STORM_KILLS):
                await asyncio.sleep(dice.uniform(0.0, 1.2))
                await dialer.kill()
                dialer = await DialerProcess.start(config)
            await until(lambda: records.now().over)
            await dialer.go_home()
            found = records.audit(invites(read_events(floor.lab.carrier_spec.calls_file)))
            return found, await every_complaint(found, floor)
        finally:
            await dialer.kill()
            records.close()


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks kill", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="how often the dialer is killed")
    parser.add_argument("--first", type=int, default=1, help="the first run's number, which is its seed")
    parser.add_argument("--storms", type=int, default=2, help=f"campaigns with {STORM_KILLS} kills each")
    given = parser.parse_args(argv)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    kills, clean = [], 0
    for seed in range(given.first, given.first + given.runs):
        began = time.monotonic()
        kill, broken = asyncio.run(one_kill(seed))
        kills.append(kill)
        clean += not broken
        print(
            f"run {seed}: {broken or 'clean'}; {kill.ringing} rang, {kill.talking} talked, {kill.adopted} adopted, "
            f"blind {kill.blind_s:.1f} s, {dict(kill.found.dispositions)}, {time.monotonic() - began:.0f} s",
            flush=True,
        )
    storms, calm = [], 0
    for seed in range(given.first, given.first + given.storms):
        storm, broken = asyncio.run(one_storm(seed))
        storms.append(storm)
        calm += not broken
        print(f"storm {seed}: {broken or 'clean'}; {dict(storm.dispositions)}", flush=True)
    blind = [kill.blind_s for kill in kills]
    live = [kill.ringing + kill.talking for kill in kills]
    adopted = 100 * sum(kill.adopted for kill in kills) / sum(live)
    unseen = sum(found.unseen for found in (*(kill.found for kill in kills), *storms))
    return report(
        "kill",
        [
            Row(name="runs that were clean", unit="", ours=clean, limit=len(kills), better="more"),
            Row(name="live calls at the kill, least", unit="", ours=min(live), limit=CALLS, better="more"),
            Row(name="of the live calls, adopted", unit="%", ours=adopted),
            Row(name="kill to ready again, p50", unit="s", ours=percentile(blind, 0.5)),
            Row(name="kill to ready again, max", unit="s", ours=max(blind)),
            Row(
                name=f"campaigns of {STORM_KILLS} kills at any moment that were clean",
                unit="",
                ours=calm,
                limit=len(storms),
                better="more",
            ),
            Row(name="calls in the records whose INVITE never left", unit="", ours=unseen),
        ],
    )
