# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit, for those who may read it: who did what, to what, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from console.ask import Ask
from console.routes import Asked, Routes, Told
from foundation import audit

routes = Routes("audit")


class EntriesAsked(Asked):
    """Which entries; whatever is left out does not narrow."""

    actor: str | None = Field(default=None, max_length=40, description="The account's name.")
    action: str | None = Field(default=None, max_length=40, description="Like `campaign.start`.")
    subject: str | None = Field(default=None, max_length=80, description="Like `campaign:spring`.")
    limit: int = Field(default=100, ge=1, le=1000)


class EntryShown(Told):
    """One act."""

    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]
    reason: str


class EntriesShown(Told):
    """The newest acts first."""

    entries: list[EntryShown]


@routes.get("/audit", query=EntriesAsked, reply=EntriesShown)
async def entries(ask: Ask, query: EntriesAsked) -> EntriesShown:
    """What people did, the newest first."""
    rows = await ask.read(
        audit.newest, query.limit, actor=query.actor, action=query.action, subject=query.subject
    )
    return EntriesShown(
        entries=[EntryShown(**{name: getattr(row, name) for name in EntryShown.model_fields}) for row in rows]
    )
