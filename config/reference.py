# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings reference as Markdown, made from the models: ``python -m config.reference`` prints the page."""

from __future__ import annotations

import json
import sys
import types
import typing
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from config.settings import Settings

_WORDS: Final = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
    Path: "path",
    date: "date",
}

_HEAD: Final = """# Settings

Read from the TOML file given with `--settings`; the environment wins over the file:
`OFFHOOK_DIALING__RING_S=20` sets `ring_s` in `[dialing]`, `OFFHOOK_STATE_DIR` the key without a table.
Relative paths count from the folder of the settings file. A wrong key or value is refused with file, line
and key before anything starts. Names end in their unit: `_s` seconds, `_h` hours.

This page is made from `config/settings.py` by `python -m config.reference`.
"""


def reference() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_page()])


def _page() -> Iterator[str]:
    yield from _table("Before the first table", Settings, "")
    for name, field in Settings.model_fields.items():
        model, many = _model(field.annotation)
        if model is not None:
            yield from _table(
                f"`[[{name}]]`" if many else f"`[{name}]`", model, (model.__doc__ or "").strip()
            )


def _table(title: str, model: type[BaseModel], intro: str) -> Iterator[str]:
    yield f"## {title}\n"
    if intro:
        yield f"{intro}\n"
    yield "| setting | meaning | value | default |"
    yield "|---|---|---|---|"
    for name, field in model.model_fields.items():
        if _model(field.annotation)[0] is None:
            yield f"| `{name}` | {field.description} | {_value(field.annotation)} | {_default(field)} |"
    yield ""


def _model(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The table a setting is, if it is one, and whether there may be many."""
    many = typing.get_origin(annotation) is list
    inner = typing.get_args(annotation)[0] if many else annotation
    return (inner, many) if isinstance(inner, type) and issubclass(inner, BaseModel) else (None, False)


def _value(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _value(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is list:
        return f"list of {_value(arguments[0])}"
    if origin is dict:
        return f"table of {_value(arguments[1])}"
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_value(part) for part in arguments if part is not type(None))
    return _WORDS[annotation]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    value = field.default
    if value is None:
        return "none"
    return f"`{json.dumps(str(value) if isinstance(value, Path) else value)}`"


if __name__ == "__main__":
    sys.stdout.write(reference())
