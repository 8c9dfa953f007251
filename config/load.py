# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading settings from a TOML file and the environment; what is wrong is said with file, line and key.

The environment wins: ``OFFHOOK_DIALING__RING_S=20`` sets ``ring_s`` in ``[dialing]``, and
``OFFHOOK_PROFILE`` and ``OFFHOOK_STATE_DIR`` the keys without a table. Lists are written as in TOML.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.errors import BadSettings
from config.settings import Settings

PREFIX: Final = "OFFHOOK_"
_TABLE: Final = re.compile(r"^\s*\[\[?\s*([A-Za-z0-9_.\s-]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY: Final = re.compile(r"^\s*\"?([A-Za-z0-9_.-]+)\"?\s*=")
_Where = tuple[str | int, ...]


def load(path: Path | None, env: Mapping[str, str]) -> Settings:
    """The settings of ``path`` (none: the defaults) with the environment's on top.

    Raises:
        BadSettings: a file that cannot be read, is no TOML, or has keys or values that are wrong: all of
            them are named.
    """
    text, values = _read(path)
    variables = _overlay(values, env)
    base = Path.cwd() if path is None else path.resolve().parent
    try:
        return Settings.model_validate(values, context={"base": base})
    except ValidationError as error:
        raise BadSettings([_problem(detail, path, text, variables) for detail in error.errors()]) from None


def _read(path: Path | None) -> tuple[str, dict[str, Any]]:
    if path is None:
        return "", {}
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except OSError as error:
        raise BadSettings([f"{path}: the settings file cannot be read: {error.strerror}."]) from None
    except UnicodeDecodeError as error:
        raise BadSettings([f"{path}: the settings file is not UTF-8 at byte {error.start}."]) from None
    except tomllib.TOMLDecodeError as error:
        raise BadSettings([f"{path}: this is no TOML: {error}."]) from None


def _overlay(values: dict[str, Any], env: Mapping[str, str]) -> dict[_Where, str]:
    """Put the environment's settings into ``values``; the answer says which variable set what."""
    variables: dict[_Where, str] = {}
    for name in sorted(env):
        if not name.startswith(PREFIX):
            continue
        where = tuple(name.removeprefix(PREFIX).lower().split("__"))
        # OFFHOOK_CACHE and its like are not settings: without a table only known keys count.
        if len(where) == 1 and where[0] not in Settings.model_fields:
            continue
        table = values
        for part in where[:-1]:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise BadSettings([f"{name}: {part} is not a table of settings."])
        table[where[-1]] = _value(name, env[name])
        variables[where] = name
    return variables


def _value(name: str, text: str) -> Any:
    if not text.startswith(("[", "{")):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise BadSettings([f"{name}: this is no TOML list: {error}."]) from None


def _problem(detail: ErrorDetails, path: Path | None, text: str, variables: Mapping[_Where, str]) -> str:
    where = detail["loc"]
    source = next((variables[where[:n]] for n in range(len(where), 0, -1) if where[:n] in variables), None)
    if source is None:
        line = line_of(text, where)
        source = f"{path}, line {line}" if line else str(path or "settings")
    key = _shown(where)
    return f"{source}: {key}: {_sentence(detail)}" if key else f"{source}: {_sentence(detail)}"


def _shown(where: _Where) -> str:
    names = [f"[{part + 1}]" if isinstance(part, int) else part for part in where]
    return ".".join(names).replace(".[", "[")


def _sentence(detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(detail["loc"][-1]), _siblings(detail["loc"]), n=1)
        return "There is no such setting." + (f" Did you mean {near[0]}?" if near else "")
    if detail["type"] == "missing":
        return "This setting is missing."
    message = detail["msg"].removeprefix("Value error, ")
    return message if message.endswith(".") else f"{message}."


def _siblings(where: _Where) -> list[str]:
    fields = Settings.model_fields
    for part in where[:-1]:
        if isinstance(part, int):
            continue
        annotation = fields[part].annotation
        inner = getattr(annotation, "__args__", (annotation,))[0]
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        fields = inner.model_fields
    return list(fields)


def line_of(text: str, where: _Where) -> int | None:
    """The line on which a key stands, else the line of its table; None when neither is in the file."""
    found: int | None = None
    table: _Where = ()
    seen: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.match(line):
            name = header[1]
            table = tuple(name.split("."))
            if line.lstrip().startswith("[["):
                seen[name] = seen.get(name, -1) + 1
                table = (*table, seen[name])
            here: _Where = table
        elif key := _KEY.match(line):
            here = (*table, *key[1].split("."))
        else:
            continue
        if here == where[: len(here)]:
            found = number
            if here == where:
                return number
    return found
