# SPDX-License-Identifier: GPL-3.0-or-later
"""``offhook status`` and ``offhook stop``: how the running system is, and stopping everything at once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from offhook.cli.options import client_of, json_option, load_settings, settings_option
from offhook.cli.output import EXIT_DEGRADED, show, show_one

if TYPE_CHECKING:
    from config.settings import Settings

ANSWER_WITHIN_S: Final = 1.0
"""A main process that takes longer to stop is not waited for: the halt is written past it."""


@click.command()
@json_option
@settings_option
def status(settings_path: Path | None, as_json: bool) -> None:
    """How the running system is. Exit code 3: it works, but somebody should look; the reasons say at what."""
    client = client_of(settings_path)
    health = client.get("/api/v1/health")
    floor = client.get("/api/v1/floor")
    show_one(
        {
            **health,
            "campaigns": floor["campaigns"],
            "rms": {name: desk["state"] for name, desk in floor["rms"].items()},
        },
        as_json=as_json,
    )
    if health["status"] != "ok":
        raise click.exceptions.Exit(EXIT_DEGRADED)


@click.command()
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True)
@json_option
@settings_option
def alarms(limit: int, settings_path: Path | None, as_json: bool) -> None:
    """What an administrator should look at, the newest first. Exit code 3: the effect of an event is missing."""
    found = client_of(settings_path).get("/api/v1/alarms", {"limit": str(limit)})
    show(found["alarms"], as_json=as_json)
    if found["set_aside"]:
        click.echo(
            f"{found['set_aside']} events could not be handled and were set aside; the log says why.",
            err=True,
        )
        raise click.exceptions.Exit(EXIT_DEGRADED)


@click.command()
@click.option("--now", is_flag=True, help="Nobody is dialed any more, ringing calls end, talks go on.")
@click.option("--lift", is_flag=True, help="Allow dialing again.")
@click.option("--reason", default="no reason given", help="Why, for everybody's screen and the audit.")
@settings_option
def stop(settings_path: Path | None, now: bool, lift: bool, reason: str) -> None:
    """Stop all dialing at once, or allow it again. Works also when the main process does not answer."""
    if now == lift:
        raise click.UsageError("Say --now to stop all dialing, or --lift to allow it again.")
    settings = load_settings(settings_path)
    if now:
        answered = asyncio.run(_ask(settings, "/api/v1/floor/halt", {"reason": reason}))
    else:
        answered = asyncio.run(_ask(settings, "/api/v1/floor/lift", {}))
    if not answered:
        _write_past_it(settings, reason if now else None)
    click.echo("Dialing is stopped; talks go on." if now else "Dialing is allowed again.")
    if not answered:
        click.echo(
            "The main process did not answer: it was written into the database, which it obeys.", err=True
        )


async def _ask(settings: Settings, path: str, body: dict[str, Any]) -> bool:
    """Whether the running system did it in time."""
    from console.client import OperatorClient
    from console.errors import NobodyRuns, OutcomeUnknown
    from console.parts import operator_socket

    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await OperatorClient(operator_socket(settings)).ask("POST", path, body=body)
    except (TimeoutError, NobodyRuns, OutcomeUnknown):
        return False
    return True


def _write_past_it(settings: Settings, reason: str | None) -> None:
    """The halt's own row (``reason``), or its lifting (None): no unit of work begins a call while one stands."""
    from sqlalchemy import create_engine
    from sqlalchemy.exc import OperationalError

    from dialer.halts import lift_halt, order_halt
    from foundation.clock import SystemClock

    if not settings.database_path.exists():
        raise click.ClickException(f"There is no database {settings.database_path}: nothing dials from it.")
    now = SystemClock().now()
    engine = create_engine(f"sqlite:///{settings.database_path}", connect_args={"timeout": 30})
    try:
        with engine.begin() as conn:
            # Takes the write lock first: the audit's next number is read under it.
            if reason is not None:
                order_halt(conn, "operator", reason, now, chain="operator")
            else:
                lift_halt(conn, "operator", now, chain="operator")
    except OperationalError as error:
        raise click.ClickException(
            f"It could not be written ({error.orig}): the main process stands still in the middle of a write. "
            "While it stands still nobody is dialed. End it (kill -9), then type this again."
        ) from None
    finally:
        engine.dispose()
