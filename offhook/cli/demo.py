# SPDX-License-Identifier: GPL-3.0-or-later
"""``offhook demo``."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import click

from offhook.cli.output import EXIT_FAILED, console
from offhook.cli.stopping import stopped_by_sigterm
from vocabulary.states import PacingMode


@click.command()
@click.option(
    "--customers", type=click.IntRange(1, 100_000), default=60, show_default=True, help="How many to call."
)
@click.option("--rms", type=click.IntRange(1, 20), default=4, show_default=True, help="How many RMs work.")
@click.option(
    "--mode", type=click.Choice([str(mode) for mode in PacingMode]), default="progressive", show_default=True
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed, the same customers.")
@click.option("--report", type=click.Path(path_type=Path), help="Write FILE.json and FILE.html.")
@click.option("--trunk", help="sip:HOST:PORT on this machine instead of the built-in carrier.")
@click.option("--customers-file", type=click.Path(path_type=Path), help="CSV of customers (gzip too).")
@click.option(
    "--mapping", default="plain", show_default=True, help="How the file's columns are read: plain, uci_bank."
)
@click.option("--mix", type=click.Path(path_type=Path), help="How the simulated customers behave (TOML).")
@click.option(
    "--time-scale",
    type=click.FloatRange(0.02, 10),
    default=1.0,
    show_default=True,
    help="Scales all times alike.",
)
def demo(
    customers: int,
    rms: int,
    mode: str,
    seed: int,
    report: Path | None,
    trunk: str | None,
    customers_file: Path | None,
    mapping: str,
    mix: Path | None,
    time_scale: float,
) -> None:
    """A whole campaign of real calls on this machine. Ends by itself; the exit code is 1 if a promise was broken."""
    # Heavy rooms are imported only by the commands that need them: `offhook --help` stays quick.
    from asterisk.carrier.mix_file import read_mix
    from config.logging import configure_logging
    from config.settings import LoggingSettings
    from dialer.campaigns import require_built
    from dialer.errors import NotBuiltYet
    from offhook.demo.facts import broken_promises
    from offhook.demo.plan import BadPlan, DemoPlan
    from offhook.demo.report import terminal, write_report
    from offhook.demo.run import run_demo

    try:
        require_built(PacingMode(mode))
    except NotBuiltYet as error:
        raise click.UsageError(str(error)) from None
    if customers_file is not None and mapping == "plain" and "bank-additional" in customers_file.name:
        mapping = "uci_bank"
    chosen = read_mix(mix or Path(str(files("asterisk.carrier").joinpath("sample.toml"))))
    try:
        plan = DemoPlan(
            customers=customers,
            rms=rms,
            mode=PacingMode(mode),
            seed=seed,
            mix=replace(chosen, seed=seed, times=chosen.times.scaled(time_scale)),
            time_scale=time_scale,
            trunk=trunk,
            customers_file=customers_file,
            mapping=mapping,
        )
    except BadPlan as error:
        raise click.UsageError(str(error)) from None
    configure_logging(LoggingSettings(level="error"))
    screen = console()
    try:
        facts = asyncio.run(stopped_by_sigterm(run_demo(plan, screen)))
    except asyncio.CancelledError:
        raise click.Abort from None
    screen.print(terminal(facts))
    if report is not None:
        json_path, page_path = write_report(facts, report)
        click.echo(f"Report: {json_path} and {page_path}")
    if broken_promises(facts):
        raise click.exceptions.Exit(EXIT_FAILED)
