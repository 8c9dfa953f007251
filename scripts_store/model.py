# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts and guidelines as they stand in a store: immutable, as written, not yet rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

Text = Mapping[str, str]
"""A text by locale."""
Condition = Mapping[str, Any]
"""A JsonLogic condition: ``scripts_store.conditions``."""

#: What a script may say of a call. A name ending in ``.*`` allows one more name in its place.
WHITELIST: Final = frozenset(
    {
        "customer.name",
        "customer.first_name",
        "customer.language",
        "customer.country",
        "customer.region",
        "customer.segment",
        "customer.local_time",
        "customer.last_product",
        "customer.last_purchase_on",
        "customer.attributes.*",
        "rm.name",
        "rm.first_name",
        "campaign.name",
        "campaign.product",
        "campaign.company",
        "campaign.caller_id",
        "call.id",
    }
)


def may_be_said(variable: str) -> bool:
    """Whether a variable is on the whitelist."""
    return variable in WHITELIST or f"{variable.rpartition('.')[0]}.*" in WHITELIST


class Status(StrEnum):
    """Where a script or guideline stands between author and RM."""

    DRAFT = "draft"  #: being written
    IN_REVIEW = "in_review"  #: waits for somebody else's eyes
    APPROVED = "approved"  #: may be published
    PUBLISHED = "published"  #: used in calls
    RETIRED = "retired"  #: used no more; kept for the calls of its time


class AskType(StrEnum):
    """What kind of answer is written down."""

    CHOICE = "choice"  #: one of the options
    TEXT = "text"  #: free words
    NUMBER = "number"  #: a number


class Topic(StrEnum):
    """What a guideline is about."""

    TONE = "tone"  #: how to speak
    OBJECTIONS = "objections"  #: what to answer to a no or a doubt
    DATA_PROTECTION = "data_protection"  #: what may be asked, said and written down
    PRODUCT = "product"  #: facts of what is offered
    PROCESS = "process"  #: how things are done here


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable a script uses: required, or with a fallback text."""

    name: str
    fallback: Text | None

    @property
    def required(self) -> bool:
        return self.fallback is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One choice."""

    value: str
    label: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A question whose answer is kept under ``field``."""

    field: str
    type: AskType
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A way on from a node; without a condition it is always taken."""

    when: Condition | None
    go: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One step of a script; with no branches the script ends here."""

    node_id: str
    say: Text
    must_read: bool
    guideline: str | None
    ask: Ask | None
    actions: tuple[str, ...]
    branches: tuple[Branch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One version of a call script."""

    script_id: str
    version: int
    status: Status
    digest: str  #: SHA-256 of the file: what was said in a call can be found again
    locales: tuple[str, ...]
    title: Text
    variables: tuple[Variable, ...]
    start: str
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guideline:
    """One version of a guideline."""

    guideline_id: str
    version: int
    status: Status
    digest: str
    topic: Topic
    locales: tuple[str, ...]
    title: Text
    points: tuple[Text, ...]
    review_by: date
