# SPDX-License-Identifier: GPL-3.0-or-later
"""Script files that do not hold up are refused with file, line and key; those that do are sound graphs."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts_store.documents import KINDS, schema
from scripts_store.errors import BadFiles, Problem
from scripts_store.model import Status
from scripts_store.parse import script_of
from scripts_store.store import SAMPLES, Store
from scripts_store.validate import script_problems

SCRIPT = """\
kind: script
id: hello
version: 1
status: published
locales: [en]
title: {en: Hello}
variables:
  call.id: {required: true}
start: open
nodes:
  - id: open
    say: {en: "Do you have time?"}
    ask:
      field: time
      type: choice
      options:
        - {value: yes, label: {en: Yes}}
        - {value: no, label: {en: No}}
    next:
      - {when: {"==": [{var: time}, yes]}, go: offer}
      - {when: {"==": [{var: time}, no]}, go: close}
  - id: offer
    say: {en: We have an offer.}
    next: [{go: close}]
  - id: close
    say: {en: "Your call ID is {{ call.id }}."}
    must_read: true
"""


def problems(tmp_path: Path, text: str | bytes) -> list[str]:
    """What loading one file says is wrong, as ``line: key: sentence``."""
    content = text.encode() if isinstance(text, str) else text
    (tmp_path / "hello.yaml").write_bytes(content)
    with pytest.raises(BadFiles) as caught:
        Store.load(tmp_path)
    return [str(problem).removeprefix("hello.yaml:") for problem in caught.value.problems]


def test_the_script_these_tests_bend_is_sound(tmp_path: Path) -> None:
    """Otherwise they would prove nothing."""
    (tmp_path / "hello.yaml").write_text(SCRIPT, "utf-8")
    (script,) = Store.load(tmp_path).scripts()
    assert (script.script_id, script.status, len(script.nodes)) == ("hello", Status.PUBLISHED, 3)
    assert script.nodes[0].ask is not None
    assert [option.value for option in script.nodes[0].ask.options] == ["yes", "no"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("status: published", "status: live", "4: status: 'live' is not one of"),
        ("status: published\n", "", "1: The key 'status' is missing."),
        ("status: published", "state: published", "1: There is no key 'state' here; there are"),
        ("version: 1", "version: one", "3: version: 'one' is not of type 'integer'."),
        ("kind: script", "kind: poem", "1: kind: Say one of script or guideline."),
        ("title: {en: Hello}", "title: {en: <b>Hello</b>}", "6: title.en: Texts are plain"),
        ("    must_read: true\n", "    must_reed: true\n", "25: nodes[2]: There is no key 'must_reed' here"),
        ("type: choice", "type: guess", "15: nodes[0].ask.type: 'guess' is not one of"),
        ("type: choice", "type: text", "13: nodes[0].ask:"),
        ("call.id: {required: true}", "call.id: {}", "8: variables.call.id: Say either required"),
        ("start: open", "start: begin", "9: start: There is no node begin."),
        ("go: offer}", "go: ofer}", "20: nodes[0].next[0].go: There is no node ofer."),
        ("id: offer", "id: close", "25: nodes[2].id: There is another node close."),
        (
            "  call.id: {required: true}",
            "  rm.name: {required: true}",
            "26: nodes[2].say.en: The variable call.id",
        ),
        ("en: Hello", 'en: "Hello {{ call.id }}"', "6: title.en: Variables belong into what is said"),
        ("We have an offer.", '"{{ oops "', "23: nodes[1].say.en: This text does not hold up"),
        ("We have an offer.", f'"{"word " * 61}"', "23: nodes[1].say.en: 61 words are too many"),
        ("en: We have an offer.", "pt: Temos uma oferta.", "23: nodes[1].say: There is no text in en."),
        (
            "We have an offer.",
            "We have an offer., pt: Temos.",
            "23: nodes[1].say.pt: pt is not one of the locales",
        ),
        ("[{var: time}, no]", "[{var: tyme}, no]", "21: nodes[0].next[1].when: tyme is neither asked"),
        ('"==": [{var: time}, no]', '"=": [{var: time}, no]', "21: nodes[0].next[1].when: The operator '='"),
        (
            "[{var: time}, no]",
            "[{var: time}, nope]",
            "18: nodes[0].ask.options[1]: The answer no leads nowhere",
        ),
        (
            "next: [{go: close}]",
            "next: [{go: close}, {go: open}]",
            "24: nodes[1].next[0]: The branches after",
        ),
        (
            "next: [{go: close}]",
            'next: [{when: {"==": [{var: time}, yes]}, go: close}]',
            "24: nodes[1].next: The last branch needs to be without a condition",
        ),
        ("next: [{go: close}]", "next: [{go: offer}]", "22: nodes[1]: No way leads from offer to an end"),
        ("go: offer}", "go: close}", "22: nodes[1]: No way leads from open to offer."),
        ("    next: [{go: close}]\n", "", "24: nodes[2]: Must be read, but a way leads to offer"),
        (
            "    must_read: true\n",
            "    guideline: tone\n",
            "27: nodes[2].guideline: There is no published guideline tone",
        ),
        (
            "start: open",
            "start: open\nstart: close",
            "10: start: The key stands twice; the first is on line 9.",
        ),
        ("start: open", "start: &here open", "9: This is not the YAML of scripts: anchors"),
        ("start: open", "start: !!str open", "9: This is not the YAML of scripts: anchors"),
        ("locales: [en]", "locales: [en", "This is not the YAML of scripts:"),
    ],
)
def test_what_is_wrong_is_named_with_line_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    """One thing bent at a time, and the message leads there."""
    assert SCRIPT.count(old) == 1
    found = problems(tmp_path, SCRIPT.replace(old, new))
    assert any(said in one for one in found), found


def test_variables_outside_the_whitelist_are_refused(tmp_path: Path) -> None:
    """No script can say what it must not know; attributes are allowed one name deep."""
    for name, allowed in (
        ("customer.iban", False),
        ("customer.attributes.job", True),
        ("customer.attributes.job.pay", False),
        ("rm.password", False),
    ):
        text = SCRIPT.replace("call.id: {", f"{name}: {{fallback: {{en: x}}}}\n  call.id: {{")
        if allowed:
            (tmp_path / "hello.yaml").write_text(text, "utf-8")
            assert Store.load(tmp_path).scripts()
        else:
            assert problems(tmp_path, text) == [
                f"8: variables.{name}: A script may not use this variable: it is not on the whitelist."
            ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "1: This is not the YAML of scripts: the file is empty."),
        (b"- a\n- b\n", "1: kind: Say one of"),
        ("kind: script\ntitle: Olá\n".encode("latin-1"), "2: This line is not UTF-8 text."),
        (b"[" * 100_000, "nested more than 40 levels"),
        (b"#" * 1_000_001, "larger than 1,000,000 bytes"),
        (b"? [a, b]\n: c\n", "not the YAML of scripts"),
    ],
)
def test_files_that_are_no_documents_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    """Whatever stands in the folder, loading ends with a sentence."""
    (found,) = problems(tmp_path, content)
    assert said in found


def test_all_problems_of_all_files_come_at_once_and_nothing_is_loaded(tmp_path: Path) -> None:
    """An author repairs everything in one round."""
    (tmp_path / "a.yaml").write_text(SCRIPT.replace("version: 1", "version: 0"), "utf-8")
    (tmp_path / "b.yaml").write_text(SCRIPT.replace("start: open", "start: begin"), "utf-8")
    (tmp_path / "c.yaml").write_text(SCRIPT, "utf-8")
    with pytest.raises(BadFiles, match="3 problems in scripts or guidelines; none were loaded") as caught:
        Store.load(tmp_path)
    assert [(one.file, one.line) for one in caught.value.problems] == [
        ("a.yaml", 3),
        ("b.yaml", 9),
        ("c.yaml", 3),
    ]
    assert caught.value.problems[2] == Problem(
        "c.yaml", 3, "version", "Version 1 of hello is in b.yaml already; a version never changes."
    )


def test_a_folder_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    """An empty folder is an empty store; no folder is an error."""
    assert Store.load(tmp_path).scripts() == []
    with pytest.raises(BadFiles, match="no such folder"):
        Store.load(tmp_path / "scripts")


@pytest.mark.parametrize("kind", KINDS)
def test_the_published_schemas_are_schemas(kind: str) -> None:
    """Editors and other programs can rely on them."""
    jsonschema.Draft202012Validator.check_schema(schema(kind))


def test_the_samples_hold_up() -> None:
    """Both languages complete, every graph sound, every guideline there."""
    store = Store.load(SAMPLES)
    assert [script.locales for script in store.scripts()] == [("en", "pt")]


names = st.sampled_from(["a", "b", "c", "d", "e"])


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    """Any script of up to five nodes, sound or not."""
    count = draw(st.integers(1, 5))
    nodes = []
    for name in "abcde"[:count]:
        node: dict[str, Any] = {"id": name, "say": {"en": "Words."}, "must_read": draw(st.booleans())}
        targets = draw(st.lists(names, max_size=2))
        if targets:
            whens: list[dict[str, Any]] = [{"when": {"==": [{"var": "q"}, "x"]}}] * (len(targets) - 1) + [{}]
            node["next"] = [{**when, "go": target} for when, target in zip(whens, targets, strict=True)]
        nodes.append(node)
    nodes[0]["ask"] = {"field": "q", "type": "text"}
    return {
        **yaml.safe_load(SCRIPT),
        "variables": {},
        "start": "a",
        "nodes": nodes,
    }


@settings(max_examples=300)
@given(graphs(), st.lists(st.integers(0, 1), min_size=30, max_size=30))
def test_in_a_script_without_problems_every_walk_can_end_and_has_read_what_it_must(
    data: dict[str, Any], choices: list[int]
) -> None:
    """Walk at random: each node exists, an end is always in reach, and no end comes before a must-read line."""
    script = script_of(data, "digest")
    if list(script_problems(script)):
        return
    nodes = {node.node_id: node for node in script.nodes}
    walk = [script.start]
    for choice in choices:
        branches = nodes[walk[-1]].branches
        if not branches:
            break
        walk.append(branches[choice % len(branches)].go)
    assert all(right in {branch.go for branch in nodes[left].branches} for left, right in pairwise(walk))
    distance = {node_id: 0 for node_id, node in nodes.items() if not node.branches}
    for _ in nodes:
        for node_id, node in nodes.items():
            if any(branch.go in distance for branch in node.branches):
                distance.setdefault(node_id, 1)
    assert set(walk) <= distance.keys()
    if not nodes[walk[-1]].branches:
        assert {node.node_id for node in script.nodes if node.must_read} <= set(walk)
