# SPDX-License-Identifier: GPL-3.0-or-later
"""What commands print: a table for people, JSON for machines, a sentence for failures."""

from __future__ import annotations

import json
import os
import re
import traceback
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from rich.console import Console

_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)$")

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_DEGRADED: Final = 3


def console() -> Console:
    """Where tables go; as wide as the terminal, 110 columns where there is none."""
    # Imported where it is needed: `offhook --help` stays quick.
    from rich.console import Console

    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=110)


def exit_code(error: Exception) -> int:
    """What a failure is to a program that called us: what was asked does not make sense, or it did not work."""
    from console.errors import OperatorRefused

    wrong = isinstance(error, OperatorRefused) and (error.status == 422 or error.reason == "not_built")
    return EXIT_USAGE if wrong else EXIT_FAILED


def show_one(thing: Mapping[str, Any], *, as_json: bool) -> None:
    """One thing, a line for each fact."""
    if as_json:
        click.echo(json.dumps(thing, indent=2, default=str))
        return
    width = max(map(len, thing))
    for name, value in thing.items():
        click.echo(f"{name.replace('_', ' '):<{width}}  {shown(value)}".rstrip())


def shown(value: Any) -> str:
    """A value as people read it."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.1f}"
        case float():
            return f"{value:.1f}"
        case str() if _MOMENT.match(value):
            return value[:19].replace("T", " ")
        case list() | tuple():
            return ", ".join(map(shown, value))
        case dict():
            return ", ".join(f"{key} {shown(item)}" for key, item in value.items())
    return str(value)


def show(rows: Sequence[Mapping[str, Any]], *, as_json: bool, title: str = "") -> None:
    """A list of like things."""
    if as_json:
        click.echo(json.dumps(list(rows), indent=2, default=str))
        return
    if not rows:
        click.echo("Nothing to show.")
        return
    from rich.table import Table

    table = Table(title=title or None, title_justify="left")
    for column in rows[0]:
        table.add_column(column.replace("_", " "))
    for row in rows:
        table.add_row(*map(shown, row.values()))
    console().print(table)


def fail_sentence(error: Exception) -> str:
    """One sentence for a person; the details for a developer who asks for them."""
    if os.environ.get("OFFHOOK_TRACEBACK"):
        return "".join(traceback.format_exception(error))
    ours = type(error).__module__.split(".", 1)[0] not in ("builtins", "asyncio", "sqlalchemy")
    text = str(error).strip()
    if ours and text:
        return text
    return (
        f"This failed because of {type(error).__name__}: {text or 'no details'}. "
        "Set OFFHOOK_TRACEBACK=1 to see where."
    )
