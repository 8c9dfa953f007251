# SPDX-License-Identifier: GPL-3.0-or-later
"""From data that fits its schema to scripts and guidelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from scripts_store.model import (
    Ask,
    AskType,
    Branch,
    Guideline,
    Node,
    Option,
    Script,
    Status,
    Text,
    Topic,
    Variable,
)


def script_of(data: Mapping[str, Any], digest: str) -> Script:
    """A script from data that fits ``script.schema.json``."""
    return Script(
        script_id=data["id"],
        version=data["version"],
        status=Status(data["status"]),
        digest=digest,
        locales=tuple(data["locales"]),
        title=data["title"],
        variables=tuple(
            Variable(name=name, fallback=spec.get("fallback"))
            for name, spec in data.get("variables", {}).items()
        ),
        start=data["start"],
        nodes=tuple(_node(node) for node in data["nodes"]),
    )


def _node(data: Mapping[str, Any]) -> Node:
    ask = data.get("ask")
    return Node(
        node_id=data["id"],
        say=data["say"],
        must_read=data.get("must_read", False),
        guideline=data.get("guideline"),
        ask=None if ask is None else _ask(ask),
        actions=tuple(data.get("actions", ())),
        branches=tuple(Branch(when=branch.get("when"), go=branch["go"]) for branch in data.get("next", ())),
    )


def _ask(data: Mapping[str, Any]) -> Ask:
    options: Sequence[Mapping[str, Any]] = data.get("options", ())
    return Ask(
        field=data["field"],
        type=AskType(data["type"]),
        options=tuple(Option(value=option["value"], label=option["label"]) for option in options),
    )


def guideline_of(data: Mapping[str, Any], digest: str) -> Guideline:
    """A guideline from data that fits ``guideline.schema.json``."""
    points: Sequence[Text] = data["points"]
    return Guideline(
        guideline_id=data["id"],
        version=data["version"],
        status=Status(data["status"]),
        digest=digest,
        topic=Topic(data["topic"]),
        locales=tuple(data["locales"]),
        title=data["title"],
        points=tuple(points),
        review_by=date.fromisoformat(data["review_by"]),
    )
