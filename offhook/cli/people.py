# SPDX-License-Identifier: GPL-3.0-or-later
"""``offhook rm`` and ``offhook accounts``: who works here, and who logs in."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from accounts.permissions import Role
from offhook.cli.options import client_of, json_option, load_settings, settings_option
from offhook.cli.output import show, show_one

ability_options = (
    click.option("--language", "languages", multiple=True, help="Like pt or en; may be given again."),
    click.option("--skill", "skills", multiple=True, help="A word of your own; may be given again."),
    click.option("--licence", "licences", multiple=True, help="A word of your own; may be given again."),
    click.option("--max-customers", type=click.IntRange(1), help="Customers in this RM's lists at most."),
)


def abilities(command: Any) -> Any:
    """What an RM can do, as options."""
    for option in reversed(ability_options):
        command = option(command)
    return command


@click.group()
def rm() -> None:
    """RMs: who they are and what they can do."""


@rm.command("list")
@json_option
@settings_option
def list_rms(settings_path: Path | None, as_json: bool) -> None:
    """The active RMs, by name."""
    show(client_of(settings_path).get("/api/v1/rms")["rms"], as_json=as_json)


@rm.command("add")
@click.argument("name")
@click.option("--display-name", help="What people read; left out: the name.")
@abilities
@json_option
@settings_option
def add_rm(
    name: str,
    display_name: str | None,
    languages: tuple[str, ...],
    skills: tuple[str, ...],
    licences: tuple[str, ...],
    max_customers: int | None,
    settings_path: Path | None,
    as_json: bool,
) -> None:
    """Take a new RM in, with an account of the same name and a one-time password."""
    body: dict[str, Any] = {
        "name": name,
        "display_name": display_name or name.title(),
        "languages": list(languages),
        "skills": list(skills),
        "licences": list(licences),
    }
    if max_customers is not None:
        body["max_open_entries"] = max_customers
    show_one(client_of(settings_path).post("/api/v1/rms", body), as_json=as_json)


@rm.command("set")
@click.argument("name")
@abilities
@click.option("--left/--back", "left", default=None, help="Works here no more, or again.")
@json_option
@settings_option
def set_rm(
    name: str,
    languages: tuple[str, ...],
    skills: tuple[str, ...],
    licences: tuple[str, ...],
    max_customers: int | None,
    left: bool | None,
    settings_path: Path | None,
    as_json: bool,
) -> None:
    """Change what an RM can do. What is given replaces what was there; the rest stays."""
    body: dict[str, Any] = {
        key: list(words)
        for key, words in (("languages", languages), ("skills", skills), ("licences", licences))
        if words
    }
    if max_customers is not None:
        body["max_open_entries"] = max_customers
    if left is not None:
        body["standing"] = "left" if left else "active"
    if not body:
        raise click.UsageError("Say what shall be otherwise.")
    show_one(client_of(settings_path).post(f"/api/v1/rms/{name}", body), as_json=as_json)


@rm.command()
@click.argument("name")
@json_option
@settings_option
def phone(name: str, settings_path: Path | None, as_json: bool) -> None:
    """What to enter into an RM's SIP phone, the password too."""
    from offhook.pbx import known_rms, spec_of

    settings = load_settings(settings_path)
    if name not in known_rms(settings):
        raise click.ClickException(f"There is no RM named {name}; take them in with: offhook rm add {name}")
    spec = spec_of(settings, [name])
    told = {
        "server": f"{spec.sip.host}:{spec.sip.port}",
        "user": spec.rms[0].endpoint,
        "password": spec.rms[0].password,
    }
    show_one(told, as_json=as_json)


_ROLES: Final = tuple(str(role) for role in Role if role is not Role.RM)


@click.group()
def accounts() -> None:
    """Accounts of the people who log in."""


@accounts.command("list")
@json_option
@settings_option
def list_accounts(settings_path: Path | None, as_json: bool) -> None:
    """All accounts, by name."""
    show(client_of(settings_path).get("/api/v1/accounts")["accounts"], as_json=as_json)


@accounts.command("add")
@click.argument("name")
@click.option("--display-name", help="What people read; left out: the name.")
@click.option(
    "--role",
    type=click.Choice(_ROLES),
    required=True,
    help="RMs are made with: offhook rm add.",
)
@json_option
@settings_option
def add_account(
    name: str, display_name: str | None, role: str, settings_path: Path | None, as_json: bool
) -> None:
    """Make an account; its one-time password is told this once."""
    body = {"name": name, "display_name": display_name or name.title(), "role": role}
    show_one(client_of(settings_path).post("/api/v1/accounts", body), as_json=as_json)


@accounts.command("reset")
@click.argument("name")
@json_option
@settings_option
def reset_account(name: str, settings_path: Path | None, as_json: bool) -> None:
    """A new one-time password, told this once; whoever is logged in under this name is logged out."""
    show_one(client_of(settings_path).post(f"/api/v1/accounts/{name}/reset"), as_json=as_json)


@accounts.command("set")
@click.argument("name")
@click.option("--role", type=click.Choice(_ROLES), help="Another role. An RM's account stays an RM's.")
@click.option("--lock/--unlock", "locked", default=None, help="May not log in any more, or again.")
@json_option
@settings_option
def set_account(
    name: str, role: str | None, locked: bool | None, settings_path: Path | None, as_json: bool
) -> None:
    """Give another role, or lock an account; whoever is logged in with it is out at once."""
    body = {"role": role, "state": None if locked is None else ("disabled" if locked else "active")}
    asked = {key: value for key, value in body.items() if value is not None}
    if not asked:
        raise click.UsageError("Say what shall be otherwise.")
    show_one(client_of(settings_path).post(f"/api/v1/accounts/{name}", asked), as_json=as_json)
