# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m asterisk up``: a PBX and the simulated carrier for development, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import sys
from dataclasses import replace
from pathlib import Path

import click
import structlog

from asterisk.carrier.mix import Mix, Rule
from asterisk.carrier.mix_file import SAMPLE, behaviour, read_mix
from asterisk.errors import PbxError
from asterisk.lab import Lab, lab_specs, start_lab
from asterisk.program import find_program


@click.group()
def main() -> None:
    """The PBX and the simulated carrier, without the rest of Offhook."""


@main.command()
@click.option(
    "--state", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for everything."
)
@click.option("--rms", default="anna,ben", show_default=True, help="Names of RMs' phones.")
@click.option("--caller-ids", default="+4930123456", show_default=True, help="Our own numbers.")
@click.option(
    "--mix", "mix_file", type=click.Path(path_type=Path), default=SAMPLE, help="How customers behave."
)
@click.option("--seed", type=int, help="Instead of the mix file's.")
@click.option("--time-scale", type=float, default=1.0, show_default=True, help="Multiplies customers' times.")
@click.option(
    "--rule", "rules", multiple=True, metavar="NUMBERS=BEHAVIOUR", help="Before the mix file's rules."
)
def up(
    state: Path,
    rms: str,
    caller_ids: str,
    mix_file: Path,
    seed: int | None,
    time_scale: float,
    rules: tuple[str, ...],
) -> None:
    """Start both on free ports, print where they are as one JSON document, stop both at Ctrl-C."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        mix = read_mix(mix_file)
        mix = replace(
            mix,
            seed=mix.seed if seed is None else seed,
            times=mix.times.scaled(time_scale),
            rules=tuple(_rule(rule) for rule in rules) + mix.rules,
        )
        asyncio.run(_run(state.absolute(), rms.split(","), tuple(caller_ids.split(",")), mix))
    except PbxError as error:
        raise click.ClickException(str(error)) from error


def _rule(text: str) -> Rule:
    numbers, _, name = text.partition("=")
    return Rule(numbers=numbers, behaviour=behaviour(f"--rule {text}", name))


async def _run(state: Path, rms: list[str], caller_ids: tuple[str, ...], mix: Mix) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for wanted in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(wanted, stop.set)
    program = find_program(Path(sys.prefix))
    specs = lab_specs(state=state, rms=rms, mix=mix, randomness=random.SystemRandom(), caller_ids=caller_ids)
    lab = await start_lab(*specs, program)
    try:
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(_said(lab), indent=2), flush=True)
        await stop.wait()
    finally:
        await lab.stop()


def _said(lab: Lab) -> dict[str, object]:
    pbx, carrier = lab.pbx_spec, lab.carrier_spec
    return {
        "ari": {"url": pbx.ari.url, "user": pbx.ari.user, "password": pbx.ari.password, "app": pbx.app},
        "node": pbx.node,
        "sip": {"host": pbx.sip.host, "port": pbx.sip.port},
        "rms": {
            rm.name: {"user": rm.endpoint, "password": rm.password, "endpoint": f"PJSIP/{rm.endpoint}"}
            for rm in pbx.rms
        },
        "trunks": [trunk.name for trunk in pbx.trunks],
        "caller_ids": pbx.caller_ids,
        "sounds": {path.stem: str(path.with_suffix("")) for path in sorted(pbx.sounds.glob("*.wav"))},
        "pbx": {"pid": lab.pbx.pid, "conf": str(pbx.instance.main_file), "log": str(pbx.instance.log)},
        "carrier": {
            "pid": lab.carrier.pid,
            "sip_port": carrier.sip_port,
            "conf": str(carrier.instance.main_file),
            "log": str(carrier.instance.log),
            "calls": str(carrier.calls_file),
            "recordings": str(carrier.instance.spool / "recording"),
        },
    }


if __name__ == "__main__":
    main()
