# SPDX-License-Identifier: GPL-3.0-or-later
"""Every route that changes something is decided upon: audited by the console, by the dialer, or the RM's own work."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from accounts.permissions import Role
from console.app import ROUTES
from foundation.tables import audit_entry
from tests.console_site import OUR_NUMBER, OURS, PASSWORD, Site, open_site
from tests.phones.eventually import eventually

CSV = (
    b"id,name,phone,phone2,language,zone,country,preferred_from,preferred_to,segment,age_band,job,product,"
    b"amount,bought_on\n1,Ana Costa,+99910000001,,pt,Europe/Lisbon,PT,,,,,,,,\n"
)


@dataclass(frozen=True, kw_only=True)
class Act:
    """What somebody does, and what the audit calls it."""

    route: str
    action: str
    role: Role
    path: str = ""  #: where it differs from the route's
    body: dict[str, Any] = field(default_factory=dict)


ACTS = (
    Act(route="/login", action="login", role=Role.RM, body={"name": "rmone", "password": PASSWORD}),
    Act(route="/logout", action="logout", role=Role.RM),
    Act(
        route="/password",
        action="password.change",
        role=Role.RM,
        body={"old": PASSWORD, "new": "another horse battery"},
    ),
    Act(
        route="/accounts",
        action="account.add",
        role=Role.ADMIN,
        body={"name": "sue", "display_name": "Sue", "role": "steward"},
    ),
    Act(
        route="/accounts/{account}/reset",
        action="account.reset",
        role=Role.ADMIN,
        path="/accounts/other/reset",
    ),
    Act(
        route="/accounts/{account}",
        action="account.change",
        role=Role.ADMIN,
        path="/accounts/other",
        body={"state": "disabled"},
    ),
    Act(
        route="/rms",
        action="rm.add",
        role=Role.SUPERVISOR,
        body={"name": "clara", "display_name": "Clara"},
    ),
    Act(
        route="/rms/{rm}",
        action="rm.change",
        role=Role.SUPERVISOR,
        path="/rms/other",
        body={"skills": ["loans"]},
    ),
    Act(
        route="/campaigns",
        action="campaign.create",
        role=Role.SUPERVISOR,
        body={"name": "autumn", "title": "Autumn", "mode": "preview", "caller_id": OUR_NUMBER},
    ),
    Act(
        route="/campaigns/{campaign}/lists",
        action="campaign.lists",
        role=Role.SUPERVISOR,
        path="/campaigns/spring/lists",
    ),
    Act(
        route="/customers/{customer_id}/suppress",
        action="customer.suppress",
        role=Role.STEWARD,
        path="/customers/1/suppress",
        body={"reason": "asked by letter"},
    ),
    Act(
        route="/customers/{customer_id}/lift",
        action="customer.lift",
        role=Role.STEWARD,
        path="/customers/1/lift",
        body={"reason": "a mistake"},
    ),
    Act(
        route="/customers/{customer_id}/reveal",
        action="customer.reveal",
        role=Role.STEWARD,
        path="/customers/1/reveal",
        body={"reason": "privacy request"},
    ),
)
#: Their own tests are below, or in ``test_console_imports.py``: they need a file.
WITH_A_FILE = {"POST /api/v1/imports", "POST /api/v1/imports/{import_id}/undo"}
#: Orders to the dialer, which writes the entry with the deed (``tests/sim/test_acts_are_audited.py``).
BY_THE_DIALER = {
    "POST /api/v1/campaigns/{campaign}/start",
    "POST /api/v1/campaigns/{campaign}/pause",
    "POST /api/v1/campaigns/{campaign}/stop",
    "POST /api/v1/floor/halt",
    "POST /api/v1/floor/lift",
    "POST /api/v1/rms/{rm}/call",
}
#: An RM's own work stands in calls and shifts, not in the audit.
OWN_WORK = {
    *(f"POST /api/v1/rms/{{rm}}/{step}" for step in ("shift", "ready", "break", "next", "more-time")),
    "DELETE /api/v1/rms/{rm}/shift",
    *(
        f"POST /api/v1/calls/{{call_id}}/{step}"
        for step in ("confirm", "cancel", "skip", "again", "hang-up", "outcome")
    ),
}
#: Asks, though it is a POST: what is looked for is no part of the address.
CHANGES_NOTHING = {"POST /api/v1/customers/search"}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        await opened.campaign("spring")
        await opened.customer(0)
        await opened.account(Role.RM, "other")
        yield opened


async def actions(site: Site) -> list[str]:
    """The audit, in its order."""
    return await site.db.read(
        lambda conn: list(conn.scalars(select(audit_entry.c.action).order_by(audit_entry.c.id)))
    )


def test_every_route_that_changes_something_is_decided_upon() -> None:
    """A new one must be put into one of the tables here."""
    unsafe = {route.name for route in ROUTES if route.is_api and route.unsafe}
    decided = [{f"POST /api/v1{act.route}" for act in ACTS}]
    decided += [WITH_A_FILE, BY_THE_DIALER, OWN_WORK, CHANGES_NOTHING]
    assert set().union(*decided) == unsafe
    assert sum(map(len, decided)) == len(unsafe)


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.action)
async def test_an_act_is_audited_once(site: Site, act: Act) -> None:
    """By the name of who did it."""
    visitor = await site.logged_in(act.role)
    if act.action == "customer.lift":
        await visitor.post("/api/v1/customers/1/suppress", {"reason": "asked by letter"})
    before = await actions(site)
    answer = await visitor.post(f"/api/v1{act.path or act.route}", act.body)
    assert answer.status < 300, await answer.text()
    assert (await actions(site))[len(before) :] == [act.action]


async def test_an_import_and_its_undoing_are_audited(site: Site) -> None:
    """When they are asked for; the file's name is kept, and nobody in it."""
    steward = await site.logged_in(Role.STEWARD)
    answer = await steward.client.post(
        "/api/v1/imports?mapping=plain&name=people.csv",
        data=CSV,
        headers={**OURS, "Content-Type": "text/csv"},
    )
    assert answer.status == 202, await answer.text()
    await site.run_jobs()
    job = (await answer.json())["job"]
    shown: dict[str, Any] = {}

    async def over() -> bool:
        shown.update(await (await steward.get(f"/api/v1/jobs/{job}")).json())
        return shown["state"] in ("done", "failed")

    await eventually(over)
    assert shown["state"] == "done", shown
    undone = await steward.post(f"/api/v1/imports/{shown['progress']['import_id']}/undo")
    assert undone.status == 202, await undone.text()
    assert (await actions(site))[-2:] == ["import.start", "import.undo"]
    kept = await site.db.read(lambda conn: str(conn.execute(select(audit_entry)).all()))
    assert "people.csv" in kept
    assert "Ana Costa" not in kept
