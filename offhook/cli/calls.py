# SPDX-License-Identifier: GPL-3.0-or-later
"""``offhook calls``: the newest calls, and one call's whole story."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from offhook.cli.options import client_of, json_option, settings_option
from offhook.cli.output import show, show_one, shown
from vocabulary.dispositions import Disposition


@click.group()
def calls() -> None:
    """Calls: the newest ones, and one call's whole story."""


@calls.command("list")
@click.option("--campaign", help="Only calls of this campaign.")
@click.option("--rm", help="Only calls of this RM.")
@click.option(
    "--disposition", type=click.Choice([str(one) for one in Disposition]), help="Only calls that ended so."
)
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="How many at most.")
@json_option
@settings_option
def list_(
    campaign: str | None,
    rm: str | None,
    disposition: str | None,
    limit: int,
    settings_path: Path | None,
    as_json: bool,
) -> None:
    """The newest calls first; no customer is named."""
    wanted = {"campaign": campaign, "rm": rm, "disposition": disposition, "limit": str(limit)}
    query = {key: value for key, value in wanted.items() if value is not None}
    found = client_of(settings_path).get("/api/v1/calls", query)["calls"]
    show(
        found if as_json else [_line(one) for one in found],
        as_json=as_json,
    )


@calls.command("show")
@click.argument("call_id")
@json_option
@settings_option
def show_(call_id: str, settings_path: Path | None, as_json: bool) -> None:
    """One call's whole story, in order, with times. CALL_ID is read out like 4F7K-2QX4."""
    from vocabulary.call_id import parse_call_id
    from vocabulary.errors import BadCallId

    try:
        parse_call_id(call_id)
    except BadCallId as error:
        raise click.UsageError(str(error)) from None
    story = client_of(settings_path).get(f"/api/v1/calls/{call_id}")
    if as_json:
        show_one(story, as_json=True)
    else:
        _tell(story)


def _line(one: dict[str, Any]) -> dict[str, Any]:
    """A call as a table shows it."""
    rest = {key: value for key, value in one.items() if key != "claimed_at"}
    return {"claimed_at_utc": _time(one["claimed_at"])[:19], **rest}


def _tell(story: dict[str, Any]) -> None:
    steps = story.pop("steps")
    facts = {key: value for key, value in story.items() if value is not None and not key.endswith("_at")}
    show_one(facts, as_json=False)
    click.echo()
    for step in steps:
        click.echo(
            f"{_time(step['at'])}  {shown(step['state']).replace('_', ' '):<14}{step['detail']}".rstrip()
        )


def _time(at: str) -> str:
    """``2026-11-21 10:38:13.558 UTC``."""
    from datetime import datetime

    return f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC"
