# SPDX-License-Identifier: GPL-3.0-or-later
"""``offhook campaign``: making campaigns, filling their lists, starting and stopping them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import click

from offhook.cli.jobs import wait_for_job
from offhook.cli.options import client_of, json_option, load_settings, settings_option
from offhook.cli.output import show, show_one
from vocabulary.states import PacingMode


@click.group()
def campaign() -> None:
    """Campaigns: making them, filling their lists, starting and stopping them."""


@campaign.command("list")
@json_option
@settings_option
def list_(settings_path: Path | None, as_json: bool) -> None:
    """All campaigns, oldest first."""
    show(client_of(settings_path).get("/api/v1/campaigns")["campaigns"], as_json=as_json)


@campaign.command()
@click.argument("name")
@click.option("--title", help="What people read; left out: the name.")
@click.option(
    "--mode", type=click.Choice([str(mode) for mode in PacingMode]), default="preview", show_default=True
)
@click.option("--caller-id", help="One of our own numbers; left out: the first of the settings.")
@click.option("--script", help="Id of the script that RMs read from.")
@click.option("--guideline", "guidelines", multiple=True, help="Id of a guideline; may be given again.")
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="TOML file with more of the policy: hours, attempts, skills, ring_s, ...",
)
@json_option
@settings_option
def create(
    name: str,
    title: str | None,
    mode: str,
    caller_id: str | None,
    script: str | None,
    guidelines: tuple[str, ...],
    policy_file: Path | None,
    settings_path: Path | None,
    as_json: bool,
) -> None:
    """Make a campaign. It dials nobody until its lists are built and it is started."""
    from dialer.campaigns import require_built
    from dialer.errors import NotBuiltYet

    try:
        require_built(PacingMode(mode))
    except NotBuiltYet as error:
        raise click.UsageError(str(error)) from None
    policy = _read_policy(policy_file)
    if script is not None:
        policy["script"] = script
    if guidelines:
        policy["guidelines"] = list(guidelines)
    if caller_id is None:
        own = load_settings(settings_path).pbx.caller_ids
        if not own:
            raise click.UsageError("There is no number to call from: set [pbx] caller_ids in the settings.")
        caller_id = own[0]
    body = {"name": name, "title": title or name, "mode": mode, "caller_id": caller_id, "policy": policy}
    show_one(client_of(settings_path).post("/api/v1/campaigns", body), as_json=as_json)


@campaign.command("show")
@click.argument("name")
@json_option
@settings_option
def show_(name: str, settings_path: Path | None, as_json: bool) -> None:
    """One campaign with its policy, its lists and how its calls ended."""
    show_one(client_of(settings_path).get(f"/api/v1/campaigns/{name}"), as_json=as_json)


@campaign.command()
@click.argument("name")
@settings_option
def start(name: str, settings_path: Path | None) -> None:
    """Begin or resume dialing."""
    client_of(settings_path).post(f"/api/v1/campaigns/{name}/start")
    click.echo(f"Campaign {name} runs.")


@campaign.command()
@click.argument("name")
@settings_option
def pause(name: str, settings_path: Path | None) -> None:
    """No new calls; calls in progress go on."""
    client_of(settings_path).post(f"/api/v1/campaigns/{name}/pause")
    click.echo(f"Campaign {name} is paused.")


@campaign.command()
@click.argument("name")
@settings_option
def stop(name: str, settings_path: Path | None) -> None:
    """End it for good."""
    client_of(settings_path).post(f"/api/v1/campaigns/{name}/stop")
    click.echo(f"Campaign {name} is over.")


@campaign.command()
@click.argument("name")
@click.option("--segment", help="Only customers of this segment.")
@click.option("--import", "import_id", type=int, help="Only customers of this import.")
@json_option
@settings_option
def build(
    name: str, segment: str | None, import_id: int | None, settings_path: Path | None, as_json: bool
) -> None:
    """Match customers to RMs and put them into the RMs' lists."""
    client = client_of(settings_path)
    body = {"segment": segment, "import_id": import_id}
    started = client.post(f"/api/v1/campaigns/{name}/lists", body)
    show_one(wait_for_job(client, started["job"]), as_json=as_json)


def _read_policy(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path} is no TOML: {error}") from None
