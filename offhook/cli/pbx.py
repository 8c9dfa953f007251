# SPDX-License-Identifier: GPL-3.0-or-later
"""``offhook pbx`` and ``offhook trunk``: the PBX's configuration, and what carries the calls."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from offhook.cli.options import client_of, json_option, load_settings, settings_option
from offhook.cli.output import EXIT_FAILED, show


@click.group()
def trunk() -> None:
    """Trunks: what each may carry, and whether it is used."""


@trunk.command("list")
@json_option
@settings_option
def list_(settings_path: Path | None, as_json: bool) -> None:
    """All trunks, the first choice first."""
    show(client_of(settings_path).get("/api/v1/trunks")["trunks"], as_json=as_json)


@click.group()
def pbx() -> None:
    """The PBX: rendering and checking its configuration."""


@pbx.command()
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder for the files that a PBX of your own includes; left out: the embedded PBX's own folder.",
)
@settings_option
def render(into: Path | None, settings_path: Path | None) -> None:
    """Write the PBX's configuration from the settings; a file that Offhook did not make is never touched."""
    from asterisk.files import write_files
    from asterisk.program import find_program
    from asterisk.render import lines_to_include, render_own
    from asterisk.render import render as render_all
    from asterisk.sounds import make_sounds, prompts
    from offhook.pbx import known_rms, spec_of

    settings = load_settings(settings_path)
    spec, program = spec_of(settings, known_rms(settings)), find_program(Path(sys.prefix))
    folder = into or spec.instance.conf
    make_sounds(spec.sounds, prompts(settings.company))
    changed = write_files(folder, render_all(spec, program) if into is None else render_own(spec, program))
    click.echo(
        f"{folder}: " + (f"wrote {', '.join(changed)}." if changed else "everything is as it should be.")
    )
    if into is not None:
        click.echo(f"{spec.sounds}: recorded messages, which your PBX must be able to read.")
        click.echo("\nLines for your own files, which are left as they are:")
        for name, lines in lines_to_include().items():
            click.echo(f"\n# {name}\n{lines}")


@pbx.command()
@click.option(
    "--included",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Look also at the files that were rendered into this folder.",
)
@json_option
@settings_option
def check(included: Path | None, settings_path: Path | None, as_json: bool) -> None:
    """Look whether the PBX can do what the settings ask; nothing is changed. Exit code 1: it cannot."""
    import socket

    from asterisk.check import Severity, check_host_name, check_included
    from asterisk.check import check as look
    from asterisk.program import find_program
    from asterisk.render import render_own
    from offhook.pbx import known_rms, spec_of

    settings = load_settings(settings_path)
    spec, program = spec_of(settings, known_rms(settings)), find_program(Path(sys.prefix))
    hosts, host_name = Path("/etc/hosts"), socket.gethostname()
    if settings.pbx.mode == "embedded":
        found = look(spec, program, hosts=hosts, host_name=host_name)
    elif included is None:
        raise click.UsageError("The PBX is not ours: say with --included where its files were rendered to.")
    else:
        found = check_host_name(hosts, host_name)
    if included is not None:
        found += check_included(included, render_own(spec, program))
    rows = [{"severity": str(one.severity), "what": one.what, "mend": one.mend} for one in found]
    if rows or as_json:
        show(rows, as_json=as_json)
    else:
        click.echo("The PBX can do what the settings ask.")
    if any(one.severity is Severity.ERROR for one in found):
        raise click.exceptions.Exit(EXIT_FAILED)
