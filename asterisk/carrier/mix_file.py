# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a mix file (TOML, as in ``sample.toml``): what is wrong is named by its key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from asterisk.carrier.mix import TIME_NAMES, Behaviour, Mix, Rule, Span, Times
from asterisk.errors import BadSpec

SAMPLE: Final = Path(__file__).with_name("sample.toml")

_KEYS: Final = ("seed", "waits_for_us", "chance", "times_s", "rule")


def read_mix(path: Path) -> Mix:
    """Read a mix file.

    Raises:
        BadSpec: no such file, no TOML, or a key or value that a mix file does not have (named).
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadSpec(f"{path} cannot be read as a mix file: {error}") from error
    try:
        return _mix(said)
    except BadSpec as error:
        raise BadSpec(f"{path}: {error}") from error


def _mix(said: Mapping[str, object]) -> Mix:
    _known("", said, _KEYS)
    rules = said.get("rule", [])
    if not isinstance(rules, list):
        raise BadSpec("rules are written as [[rule]].")
    times = _table("times_s", said.get("times_s", {}))
    _known("times_s.", times, TIME_NAMES)
    return Mix(
        seed=_whole("seed", said.get("seed", 1)),
        waits_for_us=_number("waits_for_us", said.get("waits_for_us", 0.3)),
        chance={
            behaviour(f"chance.{name}", name): _whole(f"chance.{name}", weight)
            for name, weight in _table("chance", said.get("chance", {})).items()
        },
        times=Times(**{name: _span(f"times_s.{name}", value) for name, value in times.items()}),
        rules=tuple(_rule(f"rule {place}", rule) for place, rule in enumerate(rules, 1)),
    )


def _known(where: str, said: Mapping[str, object], names: tuple[str, ...]) -> None:
    for name in said:
        if name not in names:
            raise BadSpec(f"there is no {where}{name}; there are {', '.join(names)}.")


def _table(key: str, value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise BadSpec(f"{key} is a table: [{key}].")
    return value


def _whole(key: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadSpec(f"{key} is a whole number, not {value!r}.")
    return value


def _number(key: str, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise BadSpec(f"{key} is a number, not {value!r}.")
    return float(value)


def behaviour(key: str, value: object) -> Behaviour:
    """The behaviour of this name; ``key`` is for the error (``BadSpec``)."""
    try:
        return Behaviour(str(value))
    except ValueError:
        raise BadSpec(f"{key}: there is no behaviour {value!r}; there are {', '.join(Behaviour)}.") from None


def _span(key: str, value: object) -> Span:
    match value:
        case [least, most]:
            return Span(least_ms=round(_number(key, least) * 1000), most_ms=round(_number(key, most) * 1000))
        case _:
            raise BadSpec(f"{key} is [least, most] in seconds, not {value!r}.")


def _rule(key: str, value: object) -> Rule:
    rule = _table(key, value)
    _known(f"{key}: ", rule, ("numbers", "behaviour"))
    return Rule(
        numbers=str(rule.get("numbers", "")),
        behaviour=behaviour(f"{key}, behaviour", rule.get("behaviour", "")),
    )
