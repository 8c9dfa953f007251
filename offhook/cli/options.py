# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that many commands share, and what they lead to: settings, and a client of the running system."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from config.settings import Settings
    from console.client import OperatorClient

OWN_SETTINGS: Final = Path("offhook.toml")
SAMPLE_SETTINGS: Final = Path("var/sample/offhook.toml")

settings_option = click.option(
    "--settings",
    "settings_path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="OFFHOOK_SETTINGS",
    help="The settings file. Left out: offhook.toml here, or else that of the sample floor, if there is one.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def client_of(given: Path | None) -> OperatorClient:
    """Who speaks to the running system. Raises ``BadSettings``."""
    from console.client import OperatorClient
    from console.parts import operator_socket

    return OperatorClient(operator_socket(load_settings(given)))


def find_settings(given: Path | None, *, sample: bool = True) -> Path | None:
    """The settings file to use; None means the defaults. ``sample``: the sample floor's will do."""
    if given is not None:
        return given
    places = (OWN_SETTINGS, SAMPLE_SETTINGS) if sample else (OWN_SETTINGS,)
    return next((place for place in places if place.exists()), None)


def load_settings(given: Path | None, *, sample: bool = True) -> Settings:
    """The settings of a command. Raises ``BadSettings``."""
    from config.load import load

    return load(find_settings(given, sample=sample), os.environ)
