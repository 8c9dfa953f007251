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
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from asterisk.carrier.carrier_log import invites, read_events
from asterisk.carrier.mix import Behaviour
from benchmarks.results import Row, percentile, report
from offhook.demo.plan import NAMES
from offhook.lab_floor import LabFloor
from tests.pbx.dialer_process import DialerProcess
from tests.pbx.recovery_floor import CALLER_ID, MIX, Now, Records, make_site, number

CALLS = 20
LATER = 20
DEADLINE_S = 60.0
#: The first customers: who answers talks until the RM hangs up or for 2 s at least.
FIRST = (Behaviour.ANSWER,) * 14 + (Behaviour.NO_ANSWER,) * 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One kill."""

    broken: list[str]
    ringing: int
    talking: int
    adopted: int
    blind_s: float  #: from the kill until the next dialer was ready
    dispositions: Counter[str]
    unseen: int


async def one_run(folder: Path, seed: int) -> Run:
    """Set up, kill, restart, let the lists come to their end, look."""
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
        records = Records(site)
        dialer = await DialerProcess.start(config)
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not _mixed(now := records.now()):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await asyncio.sleep(dice.uniform(0.0, 0.4))
            now = records.now()
            killed_at = time.monotonic()
            await dialer.kill()
            # Some restarts come late: customers answered, or hung up, with nobody looking.
            await asyncio.sleep(dice.choice((0.0, 0.0, 1.5, 3.0)))
            dialer = await DialerProcess.start(config)
            blind_s = time.monotonic() - killed_at
            async with asyncio.timeout(DEADLINE_S):
                while (later := records.now()).campaign_state != "exhausted" or later.open:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            await dialer.go_home()
        finally:
            await dialer.kill()
        found = records.audit(invites(read_events(floor.lab.carrier_spec.calls_file)))
        broken = list(found.broken)
        channels = (await floor.lab.pbx.command("core show channels concise")).strip()
        broken += [f"a channel is left: {line.split('!')[0]}" for line in channels.splitlines()]
        records.close()
        log = config.with_suffix(".log").read_text(errors="replace")
        return Run(
            broken=broken,
            ringing=now.ringing,
            talking=now.talking,
            adopted=log.count("call_adopted"),
            blind_s=blind_s,
            dispositions=found.dispositions,
            unseen=found.unseen,
        )
    finally:
        await floor.stop()


def _mixed(now: Now) -> bool:
    return now.live == CALLS and now.ringing >= 4 and now.talking >= 4


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks kill", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="how often the dialer is killed")
    parser.add_argument("--first", type=int, default=1, help="the first run's number, which is its seed")
    parser.add_argument("--keep", action="store_true", help="keep the folders of runs that were not clean")
    given = parser.parse_args(argv)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    runs = []
    for seed in range(given.first, given.first + given.runs):
        folder = Path(tempfile.mkdtemp(prefix="offhook-kill-"))
        began = time.monotonic()
        run = asyncio.run(one_run(folder, seed))
        runs.append(run)
        print(
            f"run {seed}: {'clean' if not run.broken else run.broken}; {run.ringing} rang, {run.talking} talked, "
            f"{run.adopted} adopted, blind {run.blind_s:.1f} s, {dict(run.dispositions)}, "
            f"{time.monotonic() - began:.0f} s",
            flush=True,
        )
        if run.broken and given.keep:
            print(f"  kept: {folder}")
        else:
            shutil.rmtree(folder)
    blind = [run.blind_s for run in runs]
    live = sum(run.ringing + run.talking for run in runs)
    return report(
        "kill",
        [
            Row(
                name="runs that were clean",
                unit="",
                ours=sum(not r.broken for r in runs),
                limit=len(runs),
                better="more",
            ),
            Row(
                name="live calls at the kill, least",
                unit="",
                ours=min(r.ringing + r.talking for r in runs),
                limit=CALLS,
                better="more",
            ),
            Row(name="of the live calls, adopted", unit="%", ours=100 * sum(r.adopted for r in runs) / live),
            Row(name="kill to ready again, p50", unit="s", ours=percentile(blind, 0.5)),
            Row(name="kill to ready again, max", unit="s", ours=max(blind)),
            Row(name="rows whose INVITE never left", unit="", ours=sum(r.unseen for r in runs)),
        ],
    )
