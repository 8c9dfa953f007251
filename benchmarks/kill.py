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
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from asterisk.carrier.mix import Behaviour
from benchmarks.results import Row, percentile, report
from offhook.demo.plan import NAMES
from offhook.lab_floor import LabFloor
from tests.pbx.recovery_floor import CALLER_ID, MIX, Kill, kill_and_restart, make_site, number

CALLS = 20
LATER = 20
#: The first customers: who answers talks until the RM hangs up or for 1.5 s at least.
FIRST = (Behaviour.ANSWER,) * 14 + (Behaviour.NO_ANSWER,) * 6


async def one_run(folder: Path, seed: int) -> tuple[Kill, list[str]]:
    """Set up, kill, restart, let the lists come to their end. The kill, and the promises it broke."""
    dice = random.Random(seed)
    names = NAMES[:CALLS]
    floor = await LabFloor.start(
        state=folder / "lab", rms=names, mix=MIX, caller_ids=(CALLER_ID,), company="Test Bank"
    )
    try:
        numbers = [number(behaviour, serial) for serial, behaviour in enumerate(FIRST)]
        numbers += [number(None, seed * 1000 + serial) for serial in range(LATER)]
        site = await make_site(folder / "site", floor.access, rm_names=names, numbers=numbers)
        config = folder / "dialer.json"
        site.config(seed=seed).write(config)
        await floor.start_phones(names)
        kill = await kill_and_restart(
            floor,
            site,
            config,
            live=CALLS,
            kill_after_s=dice.uniform(0.0, 0.4),
            # Some restarts come late: customers answered, or hung up, with nobody looking.
            dead_s=dice.choice((0.0, 0.0, 1.5, 3.0)),
        )
        channels = (await floor.lab.pbx.command("core show channels concise")).splitlines()
        return kill, [*kill.found.broken, *(f"a channel is left: {line.split('!')[0]}" for line in channels)]
    finally:
        await floor.stop()


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks kill", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="how often the dialer is killed")
    parser.add_argument("--first", type=int, default=1, help="the first run's number, which is its seed")
    parser.add_argument("--keep", action="store_true", help="keep the folders of runs that were not clean")
    given = parser.parse_args(argv)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    kills, clean = [], 0
    for seed in range(given.first, given.first + given.runs):
        folder = Path(tempfile.mkdtemp(prefix="offhook-kill-"))
        began = time.monotonic()
        kill, broken = asyncio.run(one_run(folder, seed))
        kills.append(kill)
        clean += not broken
        print(
            f"run {seed}: {broken or 'clean'}; {kill.ringing} rang, {kill.talking} talked, {kill.adopted} adopted, "
            f"blind {kill.blind_s:.1f} s, {dict(kill.found.dispositions)}, {time.monotonic() - began:.0f} s",
            flush=True,
        )
        if broken and given.keep:
            print(f"  kept: {folder}")
        else:
            shutil.rmtree(folder)
    blind = [kill.blind_s for kill in kills]
    live = [kill.ringing + kill.talking for kill in kills]
    adopted = 100 * sum(kill.adopted for kill in kills) / sum(live)
    unseen = sum(kill.found.unseen for kill in kills)
    return report(
        "kill",
        [
            Row(name="runs that were clean", unit="", ours=clean, limit=len(kills), better="more"),
            Row(name="live calls at the kill, least", unit="", ours=min(live), limit=CALLS, better="more"),
            Row(name="of the live calls, adopted", unit="%", ours=adopted),
            Row(name="kill to ready again, p50", unit="s", ours=percentile(blind, 0.5)),
            Row(name="kill to ready again, max", unit="s", ours=max(blind)),
            Row(name="rows whose INVITE never left", unit="", ours=unseen),
        ],
    )
