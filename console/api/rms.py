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
from console.errors import NotThere
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


class RmChanged(Asked):
    """What shall be otherwise; what is left out stays. Lists replace the old ones whole."""

    languages: Words | None = None
    skills: Words | None = None
    licences: Words | None = None
    max_open_entries: int | None = Field(default=None, ge=1)
    standing: RmStanding | None = None


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


@routes.post("/rms/{rm}", body=RmChanged, reply=RmShown)
async def change(ask: Ask, body: RmChanged) -> RmShown:
    """Change what an RM can do, or whether they work here; what is not given stays."""
    found = await ask.read(people.by_name, ask.path("rm"))
    if found is None:
        raise NotThere("There is no such RM.", reason="no_rm")
    changed = await ask.write(_change, ask, found, body)
    ask.parts.rms_changed()
    return RmShown(**_shown(changed))


def _change(conn: Connection, ask: Ask, found: Rm, body: RmChanged) -> Rm:
    changed = people.update_abilities(
        conn,
        found.rm_id,
        languages=body.languages,
        skills=body.skills,
        licences=body.licences,
        max_open_entries=body.max_open_entries,
    )
    if body.standing is not None:
        changed = people.set_standing(conn, found.rm_id, body.standing)
    ask.record(conn, "rm.change", f"rm:{found.name}", detail=body.model_dump(mode="json", exclude_none=True))
    return changed


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
