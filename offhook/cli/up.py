# SPDX-License-Identifier: GPL-3.0-or-later
"""``offhook up`` and ``offhook serve``: the whole system, and its main process alone."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from offhook.cli.options import find_settings, load_settings, settings_option

if TYPE_CHECKING:
    from config.settings import Settings
    from offhook.sample import NewAccount

port_option = click.option(
    "--port", type=click.IntRange(1, 65535), help="Port of the console, instead of the settings'."
)


@click.command()
@settings_option
@port_option
@click.option("--robots", hidden=True, default="", help="RMs who are simulated, comma between them.")
@click.option("--console-fd", hidden=True, type=int, help="The console's listening socket, inherited.")
def serve(settings_path: Path | None, port: int | None, robots: str, console_fd: int | None) -> None:
    """The main process alone: dialer, console and jobs. The PBX must be running."""
    import socket

    import uvloop

    from config.logging import configure_logging
    from offhook.serve import serve as serve_main

    settings = _with_port(load_settings(settings_path), port)
    configure_logging(settings.logging)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        listening = None if console_fd is None else socket.socket(fileno=console_fd)
        runner.run(serve_main(settings, [name for name in robots.split(",") if name], listening))


@click.command()
@click.option(
    "--sample", is_flag=True, help="A floor with invented customers, a simulated carrier and robots."
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var/sample"),
    show_default=True,
    help="Folder of the sample floor.",
)
@settings_option
@port_option
def up(sample: bool, state: Path, settings_path: Path | None, port: int | None) -> None:
    """Everything: the PBX, the main process, and somebody who starts them again. Ctrl-C stops what it started."""
    if sample and settings_path is not None:
        raise click.UsageError("The sample floor has settings of its own: leave out --sample or --settings.")
    asyncio.run(_sample(state.absolute(), port or 8080) if sample else _installation(settings_path, port))


async def _installation(settings_path: Path | None, port: int | None) -> None:
    from config.logging import configure_logging
    from offhook.supervisor import Floor, Supervisor

    path = find_settings(settings_path, sample=False)
    settings = _with_port(load_settings(path, sample=False), port)
    configure_logging(settings.logging)
    arguments = () if path is None else ("--settings", str(path.absolute()))
    if port is not None:
        arguments = (*arguments, "--port", str(port))
    greeting = f"Offhook runs. The console is at {_address(settings)}"
    if not settings.database_path.exists():
        greeting += (
            "\nNobody can log in yet. Make the first account with: offhook accounts add NAME --role admin"
        )
    floor = Floor(settings=settings, serve_arguments=arguments)
    await Supervisor(floor, on_up=lambda: click.echo(greeting), on_stop=_say_stopping).run()


async def _sample(state: Path, port: int) -> None:
    from asterisk.files import make_folder
    from config.logging import configure_logging
    from foundation.clock import SystemClock
    from foundation.db.open import InstanceLock
    from foundation.ids import SystemIds
    from offhook.sample import PERSON, RMS, ROBOTS, sample_specs, set_up, write_settings
    from offhook.supervisor import Floor, Supervisor, check_free

    make_folder(state)
    with InstanceLock(state / "sample", SystemClock()):
        pbx, carrier = sample_specs(state)
        path = write_settings(state, pbx, carrier, "127.0.0.1", port)
        settings = load_settings(path)
        configure_logging(settings.logging)
        check_free(settings)
        found = await set_up(settings, SystemClock(), SystemIds())
        _tell_passwords(found.made)
        if found.over:
            click.echo(
                "The sample campaign has come to its end: every customer was dealt with. For a new floor remove "
                f"the folder {state}, or name another with --state."
            )
        floor = Floor(
            settings=settings,
            serve_arguments=("--settings", str(path), "--robots", ",".join(ROBOTS)),
            carrier=carrier,
            phones=RMS,
        )
        await Supervisor(
            floor, on_up=lambda: _welcome(settings, path, PERSON, ROBOTS), on_stop=_say_stopping
        ).run()


def _say_stopping() -> None:
    # The terminal may be what is gone.
    with contextlib.suppress(OSError):
        click.echo("\nStopping: nobody new is dialed, then PBX and phones end. Ctrl-C again hurries.")


def _with_port(settings: Settings, port: int | None) -> Settings:
    if port is None:
        return settings
    console = settings.console.model_copy(update={"port": port})
    return settings.model_copy(update={"console": console})


def _address(settings: Settings) -> str:
    return f"http://{settings.console.host}:{settings.console.port}/"


def _tell_passwords(made: tuple[NewAccount, ...]) -> None:
    """At once, before anything can fail: they are kept nowhere."""
    if made:
        click.echo("One-time passwords, told only now; the first login asks for a new one:")
        for one in made:
            click.echo(f"    {one.name:<8}{one.one_time_password}    ({one.role})")


def _welcome(settings: Settings, path: Path, person: str, robots: tuple[str, ...]) -> None:
    found = find_settings(None)
    if found is None or not found.samefile(path):
        click.echo(f"\nOther commands find this floor with: --settings {path}")
    click.echo(
        f"""
Offhook runs. The console is at {_address(settings)}

The campaign "sample" dials invented customers; {", ".join(robots)} are simulated RMs.
You can be the RM {person}: log in and start a shift in "sample", or in "sample-preview", where you say when to
call. The phone answers by itself. A new one-time password: offhook accounts reset NAME

The log is {settings.logging.file}. Ctrl-C stops everything that was started here."""
    )
