# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of scripts, rendered with python-liquid: a template language that evaluates nothing.

What comes out is HTML: every value is escaped (autoescape), and the texts themselves cannot hold markup,
because their schema refuses angle brackets. The tags and filters allowed are the few that a text needs;
``date`` is not among them, as it reads the wall clock, nor is ``safe``, nor anything that loops or loads.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from liquid import BoundTemplate, Environment, StrictUndefined
from liquid.exceptions import LiquidError

_TAGS: Final = frozenset({"content", "output", "illegal", "if", "unless", "case", "comment", "#"})
_FILTERS: Final = frozenset({"capitalize", "default", "downcase", "strip", "truncate", "upcase"})


class BadText(Exception):
    """A text is not Liquid, or uses more of it than scripts may. For the validator, which names file and line."""


class _ScriptEnvironment(Environment):
    block_nesting_limit = 4
    context_depth_limit = 8
    loop_iteration_limit = 1  # there are no loops; a limit of zero would mean none
    local_namespace_limit = 1
    output_stream_limit = 10_000  # bytes

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        self.tags = {name: tag for name, tag in self.tags.items() if name in _TAGS}
        self.filters = {name: filter_ for name, filter_ in self.filters.items() if name in _FILTERS}


_ENVIRONMENT: Final = _ScriptEnvironment(autoescape=True, undefined=StrictUndefined)


def variables_of(text: str) -> frozenset[str]:
    """The variables a text uses, as ``customer.first_name``.

    Raises:
        BadText: the text is not Liquid, or uses a tag, a filter or a variable in a way scripts may not.
    """
    try:
        analysis = _parsed(text).analyze()
    except LiquidError as error:
        raise BadText(f"This text does not hold up: {_first_line(error)}.") from None
    strange = sorted(analysis.filters.keys() - _FILTERS)
    if strange:
        raise BadText(f"There is no filter {strange[0]!r}; there are {', '.join(sorted(_FILTERS))}.")
    names = set()
    for uses in analysis.globals.values():
        for use in uses:
            if not all(isinstance(segment, str) for segment in use.segments):
                raise BadText(f"Variables are dotted names like customer.first_name, not {use}.")
            names.add(".".join(map(str, use.segments)))
    return frozenset(names)


def rendered(text: str, values: Mapping[str, Any]) -> str:
    """A text that ``variables_of`` has passed, with values for all its variables, by dotted name; HTML."""
    return _parsed(text).render(**nested(values)).strip()


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """``{"call.id": x}`` as ``{"call": {"id": x}}``."""
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *path, last = name.split(".")
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})
        branch[last] = value
    return tree


@lru_cache(maxsize=4096)
def _parsed(text: str) -> BoundTemplate:
    return _ENVIRONMENT.from_string(text)


def _first_line(error: LiquidError) -> str:
    return str(error).splitlines()[0].rstrip(".")
