# SPDX-License-Identifier: GPL-3.0-or-later
"""What people and machines order of a call in progress; each goes into the call's inbox."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from vocabulary.commands import Reply
from vocabulary.outcomes import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The common part: who waits for the answer."""

    reply: asyncio.Future[Reply] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm(Order):
    """The RM read the review and says: dial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(Order):
    """The RM says: not now (``skip``: another customer first), or stops a call that is not answered."""

    reason: str
    skip: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUpOrder(Order):
    """The RM ends the talk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop(Order):
    """A halt, a pause or a shutdown: ends what is not answered yet, leaves talks alone."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneLost(Order):
    """The RM's phone is gone or silent."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Extend(Order):
    """More time for the wrap-up, or: I am here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveOutcome(Order):
    """How it went."""

    outcome: Outcome
    note: str = ""
    callback_at: datetime | None = None
    answers: dict[str, str] = field(default_factory=dict)
