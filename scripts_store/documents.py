# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a YAML file so that every problem has its line: parsing, doubled keys, and the published schema.

The YAML is a plain subset: ``yes``, ``no`` and dates are texts (as in YAML 1.2), and anchors, aliases and
tags are refused, so that a small file cannot grow into a large one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import yaml
from jsonschema import Draft202012Validator, FormatChecker

from scripts_store.errors import BadFiles, Problem

KINDS: Final = ("script", "guideline")
MOST_BYTES: Final = 1_000_000
#: The deepest condition in the deepest branch stays well below.
_DEEPEST: Final = 40
_PLAIN_TEXT: Final = "^[^<>]*$"

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """One file that fits its schema."""

    file: str
    kind: str
    data: Mapping[str, Any]
    lines: Mapping[Path, int]

    def problem(self, path: Path, sentence: str) -> Problem:
        """Something wrong at a place of this file."""
        return Problem(self.file, _line(self.lines, path), key_of(path), sentence)


class _Loader(yaml.SafeLoader):
    """SafeLoader without the resolvers that make a truth of ``no`` and a day of ``2027-01-31``."""


_BOOL_TAG: Final = "tag:yaml.org,2002:bool"
_WORD_TAGS: Final = frozenset({_BOOL_TAG, "tag:yaml.org,2002:timestamp"})
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _WORD_TAGS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL_TAG, re.compile(r"^(?:true|false)$"), ["t", "f"])


def read(file: str, content: bytes) -> Document:
    """One file's document.

    Raises:
        BadFiles: it is not UTF-8, not YAML, too large, of no known kind, or does not fit its schema.
    """
    if len(content) > MOST_BYTES:
        raise BadFiles([Problem(file, 1, "", f"The file is larger than {MOST_BYTES:,} bytes.")])
    try:
        node, data = _compose(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadFiles([Problem(file, line, "", "This line is not UTF-8 text.")]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        raise BadFiles(
            [Problem(file, line, "", f"This is not the YAML of scripts: {error.problem}.")]
        ) from None
    lines: dict[Path, int] = {}
    problems = [
        Problem(file, line, key_of(path), sentence) for path, line, sentence in _walk(node, (), lines)
    ]
    if problems:
        raise BadFiles(problems)
    if not isinstance(data, dict) or data.get("kind") not in KINDS:
        raise BadFiles([Problem(file, lines.get(("kind",), 1), "kind", f"Say one of {' or '.join(KINDS)}.")])
    document = Document(file, data["kind"], data, lines)
    errors = sorted(_validator(document.kind).iter_errors(data), key=lambda error: list(map(str, error.path)))
    if errors:
        raise BadFiles([document.problem(tuple(error.path), _sentence(error)) for error in errors])
    return document


def schema(kind: str) -> Mapping[str, Any]:
    """The published JSON Schema of a kind."""
    text = files("scripts_store").joinpath(f"schema/{kind}.schema.json").read_text("utf-8")
    found: Mapping[str, Any] = json.loads(text)
    return found


def key_of(path: Path) -> str:
    """A path as people write it: ``nodes[2].next[0].go``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


@cache
def _validator(kind: str) -> Draft202012Validator:
    return Draft202012Validator(schema(kind), format_checker=FormatChecker(["date"]))


def _compose(text: str) -> tuple[yaml.Node, Any]:
    depth = 0
    for event in yaml.parse(text, _Loader):
        if (
            isinstance(event, yaml.AliasEvent)
            or getattr(event, "anchor", None)
            or getattr(event, "tag", None)
        ):
            raise _not_allowed("anchors, aliases and tags are not allowed", event.start_mark)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise _not_allowed(f"nothing is nested more than {_DEEPEST} levels deep", event.start_mark)
    loader = _Loader(text)
    node = loader.get_single_node()
    if node is None:
        raise _not_allowed("the file is empty", None)
    return node, loader.construct_document(node)


def _not_allowed(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _walk(node: yaml.Node, path: Path, lines: dict[Path, int]) -> Iterator[tuple[Path, int, str]]:
    """Note the line of every place; yield the keys that stand twice."""
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(item, (*path, index), lines)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            line = key.start_mark.line + 1
            if here in lines:
                yield here, line, f"The key stands twice; the first is on line {lines[here]}."
            yield from _walk(value, here, lines)
            lines[here] = line


def _line(lines: Mapping[Path, int], path: Path) -> int:
    while path not in lines:
        path = path[:-1]
    return lines[path]


def _sentence(error: Any) -> str:
    """A jsonschema error in our words; its own where ours would say no more."""
    match error.validator:
        case "required":
            missing = next(name for name in error.validator_value if name not in error.instance)
            return f"The key {missing!r} is missing."
        case "additionalProperties":
            known = error.schema["properties"]
            strange = next(name for name in sorted(error.instance) if name not in known)
            return f"There is no key {strange!r} here; there are {', '.join(sorted(known))}."
        case "pattern" if error.validator_value == _PLAIN_TEXT:
            return "Texts are plain: the signs < and > are not allowed."
        case "oneOf":
            return "Say either required: true or a fallback text, and not both."
    return f"{error.message}."
