# SPDX-License-Identifier: GPL-3.0-or-later
"""RMs: who they are, and taking a new one in with an account and a one-time password."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import Connection

from accounts import accounts
from accounts.one_time import one_time_password
from accounts.permissions import Role
from console.ask import Ask
from console.routes import Asked, Routes, Told
from profiler import rms as people
from profiler.rms import Rm, RmStanding

routes = Routes("rms")

Words = list[Annotated[str, Field(min_length=1, max_length=40)]]


class RmAsked(Asked):
    """A new RM, who logs in by the same name."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{1,19}$")]
    display_name: Annotated[str, Field(min_length=1, max_length=80)]
    languages: Words = []
    skills: Words = []
    licences: Words = []
    max_open_entries: int = Field(default=people.DEFAULT_MAX_OPEN_ENTRIES, ge=1)


class RmShown(Told):
    """An RM's record."""

    id: int
    name: str
    display_name: str
    endpoint: str
    languages: list[str]
    skills: list[str]
    licences: list[str]
    max_open_entries: int
    standing: RmStanding


class RmsShown(Told):
    """The active RMs, by name."""

    rms: list[RmShown]


class RmAdded(RmShown):
    """A new RM. The password is shown this once and must be changed at the first login."""

    one_time_password: str


@routes.get("/rms", reply=RmsShown)
async def rms(ask: Ask) -> RmsShown:
    """The active RMs."""
    return RmsShown(rms=[RmShown(**_shown(rm)) for rm in await ask.read(people.everybody)])


@routes.post("/rms", body=RmAsked, reply=RmAdded, status=201)
async def add(ask: Ask, body: RmAsked) -> RmAdded:
    """Take a new RM in: record, account and one-time password."""
    password = one_time_password(ask.parts.ids)
    kept = await ask.parts.passwords.hash(password)
    rm = await ask.write(_add, ask, body, kept, ask.parts.clock.now())
    ask.parts.rms_changed()
    return RmAdded(**_shown(rm), one_time_password=password)


def _add(conn: Connection, ask: Ask, body: RmAsked, password_hash: str, now: datetime) -> Rm:
    account = accounts.add(
        conn,
        name=body.name,
        display_name=body.display_name,
        role=Role.RM,
        password_hash=password_hash,
        now=now,
    )
    rm = people.add(
        conn,
        body.name,
        body.display_name,
        languages=body.languages,
        skills=body.skills,
        licences=body.licences,
        account_id=account.id,
        max_open_entries=body.max_open_entries,
    )
    ask.record(conn, "rm.add", f"rm:{rm.name}")
    return rm


def _shown(rm: Rm) -> dict[str, Any]:
    return {
        "id": rm.rm_id,
        "name": rm.name,
        "display_name": rm.display_name,
        "endpoint": rm.endpoint,
        "languages": sorted(rm.languages),
        "skills": sorted(rm.skills),
        "licences": sorted(rm.licences),
        "max_open_entries": rm.max_open_entries,
        "standing": rm.standing,
    }
