# SPDX-License-Identifier: GPL-3.0-or-later
"""``offhook audit``: what people did, and whether the record of it is whole."""

from __future__ import annotations

from pathlib import Path

import click

from offhook.cli.options import client_of, json_option, load_settings, settings_option
from offhook.cli.output import show


@click.group()
def audit() -> None:
    """What people did: reading it, and checking that nobody altered it."""


@audit.command("list")
@click.option("--actor", help="Only acts of this account.")
@click.option("--action", help="Only this act, like campaign.start.")
@click.option("--subject", help="Only acts on this, like campaign:spring.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@json_option
@settings_option
def list_(
    actor: str | None,
    action: str | None,
    subject: str | None,
    limit: int,
    settings_path: Path | None,
    as_json: bool,
) -> None:
    """The newest acts first."""
    asked = {"actor": actor, "action": action, "subject": subject, "limit": str(limit)}
    query = {key: value for key, value in asked.items() if value is not None}
    show(client_of(settings_path).get("/api/v1/audit", query)["entries"], as_json=as_json)


@audit.command()
@settings_option
def verify(settings_path: Path | None) -> None:
    """Check every entry and every seal. Exit code 1: something was altered. Offhook need not run."""
    from foundation.audit import verify as find_fault
    from foundation.db.sqlite_engine import sqlite_engine
    from foundation.encryption import KeyRing

    settings = load_settings(settings_path)
    if not settings.database_path.exists():
        raise click.ClickException(f"There is no database {settings.database_path}.")
    ring = KeyRing.load(settings.state_dir / "keys.json")
    engine = sqlite_engine(settings.database_path, busy_timeout_ms=30_000, read_only=True)
    try:
        with engine.begin() as conn:
            fault = find_fault(conn, ring.audit_key)
    finally:
        engine.dispose()
    if fault is not None:
        raise click.ClickException(fault)
    click.echo("The audit is whole.")
