# SPDX-License-Identifier: GPL-3.0-or-later
"""Every measured rule of the call path has tests that exist, or says why it has none (``tests/rules.toml``)."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RULES = tomllib.loads((ROOT / "tests/rules.toml").read_text())
NUMBERS = range(1, 23)
KEYS = {"rule", "tests", "configured", "not_yet"}


@cache
def functions_of(file: str) -> frozenset[str]:
    """The test functions of a file, without running it; none where there is no such file."""
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


def faults(rule: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a rule's entry, in words."""
    if unknown := sorted(rule.keys() - KEYS):
        yield f"unknown keys {unknown}"
    if not rule.get("rule", "").strip():
        yield "it does not say the rule"
    if not rule.get("tests"):
        yield "no test holds it"
    for test in rule.get("tests", ()):
        file, _, function = test.partition("::")
        if function not in functions_of(file):
            yield f"there is no {test}"
    for file in rule.get("configured", ()):
        if not (ROOT / file).is_file():
            yield f"there is no {file}"
    if not rule.get("not_yet", "a reason").strip():
        yield "the reason is empty"


def test_every_rule_is_listed() -> None:
    """Twenty-two rules, each once."""
    assert sorted(map(int, RULES)) == list(NUMBERS)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_rule_is_held_by_tests_that_exist(number: int) -> None:
    """A test that was renamed or removed leaves its rule without a guard."""
    assert list(faults(RULES[str(number)])) == []


def test_a_test_named_after_a_rule_is_listed_with_it() -> None:
    """``test_rule_07_...`` stands under rule 7."""
    listed = {(int(number), test) for number, rule in RULES.items() for test in rule["tests"]}
    named = {
        (int(function.split("_")[2]), f"{path.relative_to(ROOT)}::{function}")
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for function in functions_of(str(path.relative_to(ROOT)))
        if function.startswith("test_rule_")
    }
    # One test may hold several rules, so only the own number is asked for.
    assert named - listed == set()


@pytest.mark.parametrize(
    "rule",
    [
        {"rule": "x"},
        {"rule": "x", "tests": []},
        {"rule": "x", "tests": ["tests/unit/test_rules_are_tested.py::test_that_was_removed"]},
        {"rule": "x", "tests": ["tests/unit/test_no_such_file.py::test_every_rule_is_listed"]},
        {"rule": " ", "tests": ["tests/unit/test_rules_are_tested.py::test_every_rule_is_listed"]},
        {
            "rule": "x",
            "tests": ["tests/unit/test_rules_are_tested.py::test_every_rule_is_listed"],
            "skip": True,
        },
    ],
)
def test_a_rule_without_a_guard_is_found(rule: Mapping[str, Any]) -> None:
    """The check can fail."""
    assert list(faults(rule)) != []
