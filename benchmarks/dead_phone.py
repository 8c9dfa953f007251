# SPDX-License-Identifier: GPL-3.0-or-later
"""RM phones die without a word while they are idle: how soon is it noticed, and is a customer joined to a dead leg?

Every phone is a process of its own on a real PBX and ends by SIGKILL. In one kind of round nobody is dialed and
the time to notice counts; in the other the campaign begins within 1.5 s after the deaths, customers answer after
0.2 to 2 s, and the customers who are joined to a dead leg count.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import structlog

from asterisk.carrier.mix import Behaviour
from asterisk.lab import start_lab
from asterisk.ports import free_port
from asterisk.program import find_program
from benchmarks.results import Row, percentile, report
from dialer.desk import PhoneState
from offhook.demo.plan import NAMES
from offhook.lab_floor import LabFloor
from tests.pbx.recovery_floor import House, at_work, house_specs, phones_of, until
from vocabulary.commands import StartCampaign
from vocabulary.states import RmState

PHONES = 8
NOTICED_WITHIN_S = 5.0


async def one_round(house: House, dice: random.Random, *, dial: bool) -> tuple[list[float], int]:
    """All phones die. After how many seconds each was noticed, and how many customers met a dead leg."""
    names = NAMES[:PHONES]
    numbers = house.numbers(Behaviour.ANSWER, PHONES)
    async with AsyncExitStack() as stack:
        phones = {name: await stack.enter_async_context(phones_of(house, [name])) for name in names}
        work = await stack.enter_async_context(at_work(house, names, numbers, dial=False))
        clock = work.system.clock
        await until(lambda: all(desk.state is RmState.READY for desk in work.desks.values()))
        await asyncio.sleep(2.0)
        died_at, noticed_s = {}, {}
        for name, phone in phones.items():
            phone.kill()
            died_at[name] = clock.monotonic()
            await asyncio.sleep(dice.uniform(0.0, 0.2))

        def all_noticed() -> bool:
            for name, desk in work.desks.items():
                if desk.phone is not PhoneState.UP:
                    noticed_s.setdefault(name, clock.monotonic() - died_at[name])
            return len(noticed_s) == len(names)

        if dial:
            await asyncio.sleep(dice.uniform(0.0, 1.5))
            await work.system.bus.send(StartCampaign(campaign_id=work.site.campaign_id))
        await until(all_noticed)
        await until(lambda: work.records.now().open == 0)
        return list(noticed_s.values()), sum(row.bridged_at is not None for row in work.records.rows())


async def measure(rounds: int) -> tuple[list[float], int, int]:
    """The times to notice idle deaths; then of the customers dialed to the dead, how many were joined."""
    dice = random.Random(5)
    with tempfile.TemporaryDirectory(prefix="offhook-dead-") as name:
        folder = Path(name)
        specs = house_specs(folder / "lab", NAMES[:PHONES], free_port())
        house = House(floor=LabFloor(await start_lab(*specs, find_program(Path(sys.prefix)))), folder=folder)
        try:
            noticed_s: list[float] = []
            joined = 0
            for _ in range(rounds):
                noticed_s += (await one_round(house, dice, dial=False))[0]
            for _ in range(rounds):
                joined += (await one_round(house, dice, dial=True))[1]
            return noticed_s, joined, rounds * PHONES
        finally:
            await house.floor.stop()


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks dead_phone", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of each kind, with eight phones each")
    rounds = parser.parse_args(argv).rounds
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    noticed_s, joined, dialed = asyncio.run(measure(rounds))
    limit_s = NOTICED_WITHIN_S
    return report(
        "dead_phone",
        [
            Row(name="idle phones that died", unit="", ours=len(noticed_s)),
            Row(name="noticed after, p50", unit="s", ours=percentile(noticed_s, 0.5)),
            Row(name="noticed after, max", unit="s", ours=max(noticed_s), limit=limit_s),
            Row(name="dead phones customers came due for", unit="", ours=dialed),
            Row(name="customers joined to a dead leg", unit="", ours=joined, limit=0),
        ],
    )
