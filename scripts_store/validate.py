# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be true of a script beyond its schema, so that no RM gets stuck in one with a customer on the line.

One start; every node can be reached and has a way to an end; what must be read is read on every way; every
answer leads somewhere; every variable is declared and allowed; every text is there in every locale and short
enough to be said in one breath or two.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from scripts_store.conditions import check, holds
from scripts_store.documents import Path
from scripts_store.errors import BadCondition
from scripts_store.model import AskType, Guideline, Node, Script, Text, may_be_said
from scripts_store.render import BadText, variables_of

MOST_WORDS: Final = 60
_OUTPUT: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_TAG: Final = re.compile(r"\{%.*?%\}", re.DOTALL)

Found = Iterator[tuple[Path, str]]


def script_problems(script: Script) -> Found:
    """Each problem with the way to its place in the file."""
    texts = dict(_texts(script))
    yield from _locale_problems(script.locales, texts)
    yield from _variable_problems(script, texts)
    yield from _word_problems(script)
    yield from _branch_problems(script)
    yield from _graph_problems(script)


def guideline_problems(guideline: Guideline) -> Found:
    """Each problem with the way to its place in the file."""
    points: dict[Path, Text] = {("points", index): text for index, text in enumerate(guideline.points)}
    yield from _locale_problems(guideline.locales, {("title",): guideline.title, **points})


def _texts(script: Script) -> Iterator[tuple[Path, Text]]:
    yield ("title",), script.title
    for variable in script.variables:
        if variable.fallback is not None:
            yield ("variables", variable.name, "fallback"), variable.fallback
    for index, node in enumerate(script.nodes):
        yield ("nodes", index, "say"), node.say
        for place, option in enumerate(node.ask.options if node.ask else ()):
            yield ("nodes", index, "ask", "options", place, "label"), option.label


def _locale_problems(locales: Collection[str], texts: Mapping[Path, Text]) -> Found:
    for path, text in texts.items():
        for locale in sorted(set(locales) - text.keys()):
            yield path, f"There is no text in {locale}."
        for locale in sorted(text.keys() - set(locales)):
            yield (*path, locale), f"{locale} is not one of the locales, which are {', '.join(locales)}."


def _variable_problems(script: Script, texts: Mapping[Path, Text]) -> Found:
    declared = {variable.name for variable in script.variables}
    for name in sorted(declared):
        if not may_be_said(name):
            yield ("variables", name), "A script may not use this variable: it is not on the whitelist."
    for path, text in texts.items():
        for locale, words in text.items():
            try:
                used = variables_of(words)
            except BadText as error:
                yield (*path, locale), str(error)
                continue
            if path[0] != "nodes" and used:
                yield (*path, locale), "Variables belong into what is said, not here."
            for name in sorted(used - declared):
                yield (*path, locale), f"The variable {name} is not declared under variables."


def _word_problems(script: Script) -> Found:
    for index, node in enumerate(script.nodes):
        for locale, words in node.say.items():
            count = len(_TAG.sub(" ", _OUTPUT.sub("x", words)).split())
            if count > MOST_WORDS:
                yield (
                    ("nodes", index, "say", locale),
                    f"{count} words are too many to be said at once; the most is {MOST_WORDS}.",
                )


def _branch_problems(script: Script) -> Found:
    asked: dict[str, int] = {}
    for index, node in enumerate(script.nodes):
        if node.ask is not None and asked.setdefault(node.ask.field, index) != index:
            yield ("nodes", index, "ask", "field"), f"{node.ask.field} is asked in another node already."
    known = asked.keys() | {variable.name for variable in script.variables}
    for index, node in enumerate(script.nodes):
        sound = True
        for place, branch in enumerate(node.branches):
            here: Path = ("nodes", index, "next", place)
            if branch.when is None:
                if place < len(node.branches) - 1:
                    yield here, "The branches after this one are never taken: it has no condition."
                continue
            try:
                names = check(branch.when)
            except BadCondition as error:
                yield (*here, "when"), str(error)
                sound = False
                continue
            for name in sorted(names - known):
                yield (*here, "when"), f"{name} is neither asked in this script nor declared under variables."
        if sound:
            yield from _open_answers(index, node)


def _open_answers(index: int, node: Node) -> Found:
    """Answers that lead nowhere: some branch must hold for whatever is answered."""
    if not node.branches or any(branch.when is None for branch in node.branches):
        return
    if node.ask is None or node.ask.type is not AskType.CHOICE:
        yield (
            ("nodes", index, "next"),
            "The last branch needs to be without a condition: something must come next.",
        )
        return
    field = node.ask.field
    deciding = [branch.when for branch in node.branches if branch.when and check(branch.when) == {field}]
    for place, option in enumerate(node.ask.options):
        if not any(holds(when, {field: option.value}) for when in deciding):
            yield (
                ("nodes", index, "ask", "options", place),
                f"The answer {option.value} leads nowhere; add a branch for it, or one without a condition.",
            )


def _graph_problems(script: Script) -> Found:
    index_of: dict[str, int] = {}
    broken = False
    for index, node in enumerate(script.nodes):
        if index_of.setdefault(node.node_id, index) != index:
            broken = True
            yield ("nodes", index, "id"), f"There is another node {node.node_id}."
    if script.start not in index_of:
        broken = True
        yield ("start",), f"There is no node {script.start}."
    for index, node in enumerate(script.nodes):
        for place, branch in enumerate(node.branches):
            if branch.go not in index_of:
                broken = True
                yield ("nodes", index, "next", place, "go"), f"There is no node {branch.go}."
    if broken:
        return
    onward = {node.node_id: {branch.go for branch in node.branches} for node in script.nodes}
    back: dict[str, set[str]] = {node_id: set() for node_id in onward}
    for node_id, targets in onward.items():
        for target in targets:
            back[target].add(node_id)
    ends = {node_id for node_id, targets in onward.items() if not targets}
    reachable = _reach({script.start}, onward)
    ending = _reach(ends, back)
    for index, node in enumerate(script.nodes):
        here: Path = ("nodes", index)
        if node.node_id not in reachable:
            yield here, f"No way leads from {script.start} to {node.node_id}."
        elif node.node_id not in ending:
            yield here, f"No way leads from {node.node_id} to an end of the script."
        elif node.must_read:
            missed = ends & _reach({script.start} - {node.node_id}, onward, without=node.node_id)
            if missed:
                yield here, f"Must be read, but a way leads to {min(missed)} without it."


def _reach(
    begin: Collection[str], steps: Mapping[str, Collection[str]], without: str | None = None
) -> set[str]:
    found = set(begin)
    frontier = sorted(begin)
    while frontier:
        fresh = [step for step in sorted(steps[frontier.pop()]) if step not in found and step != without]
        found.update(fresh)
        frontier += fresh
    return found
