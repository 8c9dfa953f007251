# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a demonstration from the set-up to the report."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from asterisk.carrier.carrier_log import invites, read_events
from offhook.demo.facts import Facts, Outside, read_facts
from offhook.demo.plan import DemoPlan
from offhook.demo.stage import Stage, set_stage
from offhook.system import CONSUMERS
from vocabulary.commands import EndShift


async def run_demo(plan: DemoPlan, console: Console, *, state: Path | None = None) -> Facts:
    """Everything; the state folder is a temporary one unless given.

    Raises:
        BadPlan: it cannot be as asked.
    """
    with tempfile.TemporaryDirectory(prefix="offhook-", ignore_cleanup_errors=True) as folder:
        console.print(
            f"Starting PBX, carrier and {plan.rms} RM phones; importing {plan.customers} customers ..."
        )
        async with set_stage(plan, state or Path(folder)) as stage:
            console.print("Everything is up. The campaign dials; it ends by itself.")
            with Live(live_table(stage), console=console, refresh_per_second=4) as live:
                playing = asyncio.create_task(stage.play(), name="demo")
                while not playing.done():
                    await asyncio.wait({playing}, timeout=0.25)
                    live.update(live_table(stage))
                await playing
            return await _wind_up(stage)


async def _wind_up(stage: Stage) -> Facts:
    """The end of the shifts, then the figures: what is left on the PBX now is an orphan."""
    system = stage.system
    ended_at = system.clock.now()
    lag = system.lag.report()
    for robot in stage.robots:
        robot.cancel()
    for rm_id in stage.rm_ids.values():
        await system.bus.send(EndShift(rm_id=rm_id))
    left = 0
    for _ in range(50):
        left = len(await system.telephony.survey())
        if left == 0:
            break
        await asyncio.sleep(0.1)
    await system.outbox.drained()
    calls_file = stage.floor.lab.carrier_spec.calls_file
    seen: Counter[str] | None = None
    if stage.plan.trunk is None:
        seen = invites(read_events(calls_file)) if calls_file.exists() else Counter()
    return await system.db.read(
        read_facts,
        campaign_id=stage.campaign.id,
        started_at=stage.started_at,
        ended_at=ended_at,
        time_scale=stage.plan.time_scale,
        consumers=list(CONSUMERS),
        outside=Outside(
            orphan_channels=left,
            carrier_invites=seen,
            lag_p99_ms=lag.p99_ms,
            lag_max_ms=lag.max_ms,
        ),
    )


def live_table(stage: Stage) -> Table:
    """The floor as it is now."""
    engine = stage.system.dialer.engine
    table = Table(title="Floor", title_justify="left")
    for column in ("RM", "state", "for", "call", "says"):
        table.add_column(column)
    now = stage.system.clock.monotonic()
    for desk in sorted(engine.desks.values(), key=lambda desk: desk.rm.name):
        call = desk.call
        table.add_row(
            desk.rm.display_name,
            str(desk.state).replace("_", " "),
            f"{now - desk.since:.0f} s",
            "" if call is None else f"{call.call_id[:4]}-{call.call_id[4:]}",
            desk.why_not or desk.last_result,
        )
    return table
