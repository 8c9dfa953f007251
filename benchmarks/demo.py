# SPDX-License-Identifier: GPL-3.0-or-later
"""A short campaign of real calls against its bars: nothing lost, nothing doubled, everybody connected in time.

The same demonstration as ``offhook demo``: Asterisk, the simulated carrier, real phones; all times scaled alike, so
that it takes a minute. The bars of the issue are for 200 customers at full length: ``--customers 200 --time-scale 1``.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from rich.console import Console

from asterisk.carrier.mix_file import read_mix
from benchmarks.results import Row, report
from config.logging import configure_logging
from config.settings import LoggingSettings
from offhook.demo.plan import DemoPlan
from offhook.demo.run import run_demo
from vocabulary.states import PacingMode

LOOP_HELD_MS = 10.0
"""No callback holds the loop for longer."""


def rows(json: dict[str, Any]) -> Iterator[Row]:
    """The figures of a demonstration's report that have a bar, and those that tell how it went."""
    promise, overhead = json["promise"], json["overhead_ms"]
    yield Row(name="calls", unit="", ours=json["calls"], limit=json["customers"], better="more")
    for name, key in (
        ("orphan channels", "orphan_channels"),
        ("duplicate dials", "duplicate_dials"),
        ("undelivered events", "undelivered_events"),
        ("calls that are not final", "unfinished_calls"),
        ("calls without a disposition", "without_disposition"),
    ):
        yield Row(name=name, unit="", ours=json[key], limit=0)
    yield Row(
        name="answered calls bridged within 30 s (scaled)",
        unit="%",
        ours=100 * (promise["answered_within_30s"] or 0.0),
        limit=100,
        better="more",
    )
    yield Row(
        name="cut while ringing, under 15 s (scaled)", unit="", ours=promise["cut_while_ringing"], limit=0
    )
    yield Row(name="abandoned", unit="", ours=json["abandonment"]["abandoned"])
    for path, figures in overhead.items():
        for which, value in figures.items():
            if value is not None:
                yield Row(name=f"{path.replace('_', ' ')}, {which}", unit="ms", ours=value)
    lag = json["loop_lag_ms"]
    yield Row(name="event loop late, p99", unit="ms", ours=lag["p99"], limit=LOOP_HELD_MS)
    yield Row(name="event loop late, most", unit="ms", ours=lag["max"])


def main(argv: Sequence[str] = ()) -> int:
    """Run one demonstration."""
    parser = argparse.ArgumentParser(prog="benchmarks demo", description=__doc__)
    parser.add_argument("--customers", type=int, default=40)
    parser.add_argument("--rms", type=int, default=4)
    parser.add_argument("--mode", choices=("progressive", "preview"), default="progressive")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--time-scale", type=float, default=0.1)
    asked = parser.parse_args(argv)
    mix = read_mix(Path(str(files("asterisk.carrier").joinpath("sample.toml"))))
    plan = DemoPlan(
        customers=asked.customers,
        rms=asked.rms,
        mode=PacingMode(asked.mode),
        seed=asked.seed,
        mix=replace(mix, seed=asked.seed, times=mix.times.scaled(asked.time_scale)),
        time_scale=asked.time_scale,
    )
    configure_logging(LoggingSettings(level="error"))
    facts = asyncio.run(run_demo(plan, Console()))
    return report("demo", list(rows(facts.json)))
