# SPDX-License-Identifier: GPL-3.0-or-later
"""The store: a folder of scripts and guidelines, read once, checked as a whole, immutable from then on.

Changing a file changes nothing in a store that is loaded: load the folder again and put the new store in
the old one's place. Calls under way keep what was rendered for them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from scripts_store import conditions
from scripts_store.documents import Document, read
from scripts_store.errors import BadFiles, MissingValue, NotFound, Problem
from scripts_store.model import Ask, Guideline, Node, Script, Status, Topic, Variable
from scripts_store.parse import guideline_of, script_of
from scripts_store.render import rendered
from scripts_store.validate import guideline_problems, script_problems

#: The scripts and guidelines that come with the house.
SAMPLES: Final = Path(__file__).parent / "samples"

_Versioned = TypeVar("_Versioned", Script, Guideline)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedScript:
    """A script for one call: all its nodes, so that the page asks for nothing while the customer is there.

    ``nodes`` are JSON-able: ``{id, say, must_read, guideline, ask: {field, type, options: [{value, label}]}
    or None, actions, next: [{when or None, go}]}``. Texts are HTML, for the content of elements. ``when`` asks for
    answers only (``scripts_store.conditions`` says how it is read).
    """

    script_id: str
    version: int
    digest: str
    locale: str
    title: str
    start: str
    nodes: tuple[Mapping[str, Any], ...]

    def as_json(self) -> dict[str, Any]:
        """What the page gets."""
        return {
            "id": self.script_id,
            "version": self.version,
            "digest": self.digest,
            "locale": self.locale,
            "title": self.title,
            "start": self.start,
            "nodes": list(self.nodes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedGuideline:
    """A guideline in one locale; ``overdue`` when its review is."""

    guideline_id: str
    version: int
    digest: str
    topic: Topic
    locale: str
    title: str
    points: tuple[str, ...]
    review_by: date
    overdue: bool

    def as_json(self) -> dict[str, Any]:
        """What the page gets."""
        return {
            "id": self.guideline_id,
            "version": self.version,
            "digest": self.digest,
            "topic": self.topic.value,
            "locale": self.locale,
            "title": self.title,
            "points": list(self.points),
            "review_by": self.review_by.isoformat(),
            "overdue": self.overdue,
        }


class Store:
    """Scripts and guidelines of one folder; of each the highest published version is used."""

    def __init__(self, scripts: Sequence[Script], guidelines: Sequence[Guideline], digest: str) -> None:
        self._scripts = {script.script_id: script for script in _published(scripts)}
        self._guidelines = {guideline.guideline_id: guideline for guideline in _published(guidelines)}
        self.digest = digest

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read every ``*.yaml`` below a folder.

        Raises:
            BadFiles: with all problems of all files; nothing is loaded.
        """
        if not folder.is_dir():
            raise BadFiles([Problem(str(folder), 1, "", "There is no such folder.")])
        documents: list[tuple[Document, str]] = []
        problems: list[Problem] = []
        digest = hashlib.sha256()
        for path in sorted(folder.rglob("*.yaml")):
            name = path.relative_to(folder).as_posix()
            content = path.read_bytes()
            try:
                document = read(name, content)
            except BadFiles as error:
                problems += error.problems
                continue
            file_digest = hashlib.sha256(content).hexdigest()
            digest.update(f"{name}\0{file_digest}\n".encode())
            documents.append((document, file_digest))
        scripts = [
            (document, script_of(document.data, d)) for document, d in documents if document.kind == "script"
        ]
        guidelines = [
            (document, guideline_of(document.data, d))
            for document, d in documents
            if document.kind == "guideline"
        ]
        problems += _problems(scripts, guidelines)
        if problems:
            raise BadFiles(sorted(problems))
        return cls([script for _, script in scripts], [guide for _, guide in guidelines], digest.hexdigest())

    def scripts(self) -> Sequence[Script]:
        """The scripts that can be rendered, by id."""
        return [script for _, script in sorted(self._scripts.items())]

    def render(self, script_id: str, mapping: Mapping[str, Any], locale: str | None) -> RenderedScript:
        """A script for one call.

        Args:
            mapping: what is known, as ``{"customer": {"first_name": …}, "rm": {…}, "campaign": {…},
                "call": {"id": …}}``. Only the variables the script declares are looked at.
            locale: the customer's language; where the script has none of it, its first locale is used.

        Raises:
            NotFound: there is no published script of that id.
            MissingValue: a variable the script requires has no value.
        """
        script = self._scripts.get(script_id)
        if script is None:
            raise NotFound(f"There is no published script {script_id!r}. Publish one, or name another.")
        chosen = _best_locale(script.locales, locale)
        values = {variable.name: _value(script, variable, mapping, chosen) for variable in script.variables}
        return RenderedScript(
            script_id=script.script_id,
            version=script.version,
            digest=script.digest,
            locale=chosen,
            title=rendered(script.title[chosen], {}),
            start=script.start,
            nodes=tuple(_rendered_node(node, values, chosen) for node in script.nodes),
        )

    def guideline(self, guideline_id: str, locale: str | None, today: date) -> RenderedGuideline:
        """One guideline.

        Raises:
            NotFound: there is no published guideline of that id.
        """
        guideline = self._guidelines.get(guideline_id)
        if guideline is None:
            raise NotFound(f"There is no published guideline {guideline_id!r}. Publish one, or name another.")
        chosen = _best_locale(guideline.locales, locale)
        return RenderedGuideline(
            guideline_id=guideline.guideline_id,
            version=guideline.version,
            digest=guideline.digest,
            topic=guideline.topic,
            locale=chosen,
            title=rendered(guideline.title[chosen], {}),
            points=tuple(rendered(point[chosen], {}) for point in guideline.points),
            review_by=guideline.review_by,
            overdue=today > guideline.review_by,
        )

    def guidelines(self, locale: str | None, today: date) -> Sequence[RenderedGuideline]:
        """All guidelines, by id."""
        return [self.guideline(guideline_id, locale, today) for guideline_id in sorted(self._guidelines)]


def _published(versions: Sequence[_Versioned]) -> list[_Versioned]:
    """The published ones, the highest version last: it stays when they are put into a dict."""
    return sorted((one for one in versions if one.status is Status.PUBLISHED), key=lambda one: one.version)


def _value(script: Script, variable: Variable, mapping: Mapping[str, Any], locale: str) -> str | int | float:
    found: Any = mapping
    for part in variable.name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, str | int | float) and not isinstance(found, bool) and found != "":
        return found
    if variable.fallback is None:
        raise MissingValue(
            f"The script {script.script_id} needs {variable.name}, which is not known for this call."
            " The script was not rendered; complete the record or give the variable a fallback."
        )
    return variable.fallback[locale]


def _best_locale(locales: Sequence[str], wanted: str | None) -> str:
    wanted = (wanted or "").lower()
    language = wanted.partition("-")[0]
    for candidate in (wanted, language):
        if candidate in locales:
            return candidate
    return next((one for one in locales if one.partition("-")[0] == language), locales[0])


def _rendered_node(node: Node, values: Mapping[str, Any], locale: str) -> Mapping[str, Any]:
    return {
        "id": node.node_id,
        "say": rendered(node.say[locale], values),
        "must_read": node.must_read,
        "guideline": node.guideline,
        "ask": None if node.ask is None else _rendered_ask(node.ask, values, locale),
        "actions": list(node.actions),
        "next": [
            {
                "when": None if branch.when is None else conditions.fill(branch.when, values),
                "go": branch.go,
            }
            for branch in node.branches
        ],
    }


def _rendered_ask(ask: Ask, values: Mapping[str, Any], locale: str) -> Mapping[str, Any]:
    return {
        "field": ask.field,
        "type": ask.type.value,
        "options": [
            {"value": option.value, "label": rendered(option.label[locale], values)} for option in ask.options
        ],
    }


def _problems(
    scripts: Sequence[tuple[Document, Script]], guidelines: Sequence[tuple[Document, Guideline]]
) -> Iterator[Problem]:
    first: dict[tuple[str, str, int], str] = {}
    names = {guideline.guideline_id for _, guideline in guidelines if guideline.status is Status.PUBLISHED}
    for document, script in scripts:
        yield from _same(first, document, script.script_id, script.version)
        yield from (document.problem(path, sentence) for path, sentence in script_problems(script))
        for index, node in enumerate(script.nodes):
            if node.guideline is not None and node.guideline not in names:
                yield document.problem(
                    ("nodes", index, "guideline"), f"There is no published guideline {node.guideline}."
                )
    for document, guideline in guidelines:
        yield from _same(first, document, guideline.guideline_id, guideline.version)
        yield from (document.problem(path, sentence) for path, sentence in guideline_problems(guideline))


def _same(
    first: dict[tuple[str, str, int], str], document: Document, name: str, version: int
) -> Iterator[Problem]:
    other = first.setdefault((document.kind, name, version), document.file)
    if other != document.file:
        yield document.problem(
            ("version",), f"Version {version} of {name} is in {other} already; a version never changes."
        )
