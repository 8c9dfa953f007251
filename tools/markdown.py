# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of the code as Markdown: what its comments and docstrings say of values, fields and classes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, Final

_ABOVE: Final = re.compile(r"^\s+#: (.+)\n\s+(\w+)", re.MULTILINE)
_VALUE: Final = re.compile(r"^\s+(\w+)(?:: [^=#]+)?(?: = .+?)?  #: (.+)$", re.MULTILINE)


def meanings(cls: type) -> dict[str, str]:
    """What stands behind or above each value or field of a class with ``#:``, by its Python name."""
    source = inspect.getsource(cls)
    notes = [*_VALUE.findall(source), *((name, note) for note, name in _ABOVE.findall(source))]
    return {name: note.replace("``", "`") for name, note in notes}


def meaning(value: StrEnum) -> str:
    """What an enum's value means, as its source says."""
    return meanings(type(value))[value.name]


def prose(thing: Any) -> str:
    """A docstring as one paragraph of Markdown."""
    text = inspect.getdoc(thing)
    if not text:
        raise ValueError(f"{thing} has no docstring.")
    return " ".join(text.split()).replace("``", "`")


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A Markdown table and an empty line."""
    names = list(head)
    yield "| " + " | ".join(names) + " |"
    yield "|" + "---|" * len(names)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
    yield ""


def span(seconds: int | None) -> str:
    """A wait in the largest unit that fits."""
    if seconds is None:
        return "not by itself"
    if seconds == 0:
        return "at once"
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{seconds} s"


def code(values: Iterable[str]) -> str:
    """Names in code type, comma between them; a dash for none."""
    return ", ".join(f"`{value}`" for value in values) or "–"


def page(title: str, intro: str, *parts: Iterable[str]) -> str:
    """A whole page."""
    lines = [f"# {title}", "", intro, "", *(line for part in parts for line in part)]
    return "\n".join(lines).rstrip() + "\n"


def enum_section(title: str, cls: type[StrEnum], intro: str = "") -> Iterator[str]:
    yield from (f"## {title}", "")
    yield from (intro or prose(cls), "")
    yield from table(("value", "meaning"), ((f"`{value}`", meaning(value)) for value in cls))
