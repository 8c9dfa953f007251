# SPDX-License-Identifier: GPL-3.0-or-later
"""How a value goes into an Asterisk configuration file: escaped, on one line, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePath

from jinja2 import Environment, PackageLoader, StrictUndefined

from asterisk.errors import BadSpec
from asterisk.files import MARK


def escape(value: object) -> str:
    """One value of a configuration line. ``;`` begins a comment there, so it is escaped.

    Raises:
        BadSpec: a control character (a line break would begin a line of its own), or no plain value.
    """
    if not isinstance(value, str | int | PurePath):
        raise BadSpec(f"A {type(value).__name__} cannot stand in a configuration file; nothing was written.")
    text = str(value)
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in text):
        raise BadSpec("A value holds a line break or another control character; nothing was written.")
    return text.replace(";", "\\;")


class Templates:
    """The templates of one package."""

    def __init__(self, package: str) -> None:
        # Not HTML: ``escape`` is what this format needs.
        self._environment = Environment(
            loader=PackageLoader(package),
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            finalize=escape,
        )

    def render(self, names: Iterable[str], values: Mapping[str, object]) -> dict[str, str]:
        """File name to text, ``MARK`` first."""
        return {
            name: f"{MARK}\n{self._environment.get_template(f'{name}.j2').render(values)}" for name in names
        }
