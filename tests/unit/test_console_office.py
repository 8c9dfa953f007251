# SPDX-License-Identifier: GPL-3.0-or-later
"""What the office asks over the API: accounts and their passwords, RMs' abilities, trunks, newest calls, a customer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from accounts.permissions import Role
from foundation.ids import SeededIds
from foundation.tables import audit_entry
from profiler import rms
from profiler.rms import RmStanding
from tests.console_site import PASSWORD, Site, open_site
from vocabulary.call_id import new_call_id, show_call_id


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        yield opened


async def test_an_account_is_made_with_a_password_for_one_time(site: Site) -> None:
    """Told once; its owner chooses another at the first login."""
    admin = await site.logged_in(Role.ADMIN)
    body = {"name": "sue", "display_name": "Sue", "role": "supervisor"}
    answer = await admin.post("/api/v1/accounts", body)
    assert answer.status == 201
    told = await answer.json()
    sue = await site.visitor()
    login = await sue.post("/api/v1/login", {"name": "sue", "password": told["one_time_password"]})
    assert (await login.json())["password_must_change"] is True
    listed = (await (await admin.get("/api/v1/accounts")).json())["accounts"]
    assert [(one["name"], one["role"]) for one in listed] == [("adminone", "admin"), ("sue", "supervisor")]
    assert told["one_time_password"] not in str(listed)


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"role": "rm"}, 422, "rm_account"),
        ({"role": "king"}, 422, "wrong_input"),
        ({"name": "adminone"}, 409, "name_taken"),
        ({"name": "No Name"}, 422, "wrong_input"),
    ],
)
async def test_an_account_that_makes_no_sense_is_not_made(
    site: Site, change: dict[str, str], status: int, reason: str
) -> None:
    """An RM's account comes with the RM; a name is given once."""
    admin = await site.logged_in(Role.ADMIN)
    body = {"name": "sue", "display_name": "Sue", "role": "supervisor", **change}
    answer = await admin.post("/api/v1/accounts", body)
    assert (answer.status, (await answer.json())["reason"]) == (status, reason)


async def test_a_password_is_reset(site: Site) -> None:
    """The old one and every session end; who did it is on record."""
    admin, rm = await site.logged_in(Role.ADMIN), await site.logged_in(Role.RM)
    told = await (await admin.post("/api/v1/accounts/rmone/reset")).json()
    assert (await rm.get("/api/v1/me")).status == 401
    old = await rm.post("/api/v1/login", {"name": "rmone", "password": PASSWORD})
    assert old.status == 401
    new = await rm.post("/api/v1/login", {"name": "rmone", "password": told["one_time_password"]})
    assert (await new.json())["password_must_change"] is True
    assert (await admin.post("/api/v1/accounts/nobody/reset")).status == 404
    acts = await site.db.read(
        lambda conn: conn.execute(
            select(audit_entry.c.actor).where(audit_entry.c.action == "account.reset")
        ).all()
    )
    assert acts == [("adminone",)]


async def test_an_account_is_locked_and_gets_another_role(site: Site) -> None:
    """Its sessions end at once, its password does not help, unlocked it does again; all is on record."""
    admin, sam = await site.logged_in(Role.ADMIN), await site.logged_in(Role.SUPERVISOR)
    login = {"name": "supervisorone", "password": PASSWORD}
    locked = await admin.post("/api/v1/accounts/supervisorone", {"state": "disabled"})
    assert (await locked.json())["state"] == "disabled"
    assert (await sam.get("/api/v1/me")).status == 401
    assert (await sam.post("/api/v1/login", login)).status == 401
    body = {"state": "active", "role": "steward"}
    assert (await admin.post("/api/v1/accounts/supervisorone", body)).status == 200
    assert (await sam.post("/api/v1/login", login)).status == 200
    assert (await (await sam.get("/api/v1/me")).json())["role"] == "steward"
    details = await site.db.read(
        lambda conn: (
            conn.execute(
                select(audit_entry.c.detail)
                .where(audit_entry.c.action == "account.change")
                .order_by(audit_entry.c.id)
            )
            .scalars()
            .all()
        )
    )
    assert details == [{"state": "disabled"}, {"role": "steward", "state": "active"}]


@pytest.mark.parametrize(
    ("name", "body", "status", "reason"),
    [
        ("nobody", {"state": "disabled"}, 404, "no_account"),
        ("adminone", {"state": "disabled"}, 409, "own_account"),
        ("rmone", {"role": "admin"}, 422, "rm_account"),
        ("supervisorone", {"role": "rm"}, 422, "rm_account"),
        ("supervisorone", {"state": "gone"}, 422, "wrong_input"),
    ],
)
async def test_an_account_is_not_changed_without_sense(
    site: Site, name: str, body: dict[str, str], status: int, reason: str
) -> None:
    """Nobody's, one's own, and an RM's into another: each refused by its reason."""
    admin = await site.logged_in(Role.ADMIN)
    for role in (Role.SUPERVISOR, Role.RM):
        await site.account(role, f"{role}one")
    answer = await admin.post(f"/api/v1/accounts/{name}", body)
    assert (answer.status, (await answer.json())["reason"]) == (status, reason)


async def test_an_rms_abilities_change_and_the_pbx_is_told(site: Site) -> None:
    """What is not named stays; somebody who left has no desk any more."""
    supervisor, rm = await site.logged_in(Role.SUPERVISOR), await site.logged_in(Role.RM)
    changed = await supervisor.post("/api/v1/rms/rmone", {"languages": ["PT"], "skills": ["loans"]})
    assert (await changed.json())["languages"] == ["pt"]
    await supervisor.post("/api/v1/rms/rmone", {"standing": "left"})
    kept = await site.db.read(rms.by_name, "rmone")
    assert kept is not None
    assert (kept.skills, kept.standing) == (frozenset({"loans"}), RmStanding.LEFT)
    assert (await rm.get("/api/v1/rms/me")).status == 404
    assert len(site.phones_told) == 2
    assert (await supervisor.post("/api/v1/rms/nobody", {})).status == 404
    added = await supervisor.post("/api/v1/rms", {"name": "clara", "display_name": "Clara"})
    assert added.status == 201
    assert len(site.phones_told) == 3


async def test_the_newest_calls(site: Site) -> None:
    """Narrowed by campaign, RM and disposition; no customer is named."""
    supervisor = await site.logged_in(Role.SUPERVISOR)
    await site.account(Role.RM, "anna")
    await site.campaign("spring", customers=1)
    ids = SeededIds(3)
    calls = [new_call_id(ids) for _ in range(3)]
    for call_id in calls:
        await site.call(call_id, 1)
        site.clock.advance(60)
    for query, wanted in (
        ("", 3),
        ("?limit=2", 2),
        ("?campaign=spring&rm=anna&disposition=no_answer", 3),
        ("?disposition=busy", 0),
    ):
        found = (await (await supervisor.get(f"/api/v1/calls{query}")).json())["calls"]
        assert len(found) == wanted, query
    newest = (await (await supervisor.get("/api/v1/calls")).json())["calls"][0]
    assert newest["call_id"] == show_call_id(calls[-1])
    assert (newest["campaign"], newest["rm"], newest["number"]) == ("spring", "anna", "•••00")
    assert "Ana Number" not in str(newest)
    for path in ("?rm=nobody", "?campaign=winter"):
        assert (await supervisor.get(f"/api/v1/calls{path}")).status == 404


async def test_trunks_as_they_are_now(site: Site) -> None:
    """The first choice first; one that is not used says why."""
    admin = await site.logged_in(Role.ADMIN)
    site.live.publish("floor", {"trunk_problems": {"spare": "It does not answer."}})
    found = (await (await admin.get("/api/v1/trunks")).json())["trunks"]
    assert [(one["name"], one["usable"], one["why_not"]) for one in found] == [
        ("main", True, ""),
        ("spare", False, "It does not answer."),
    ]


async def test_a_customer_without_what_would_say_who_it_is(site: Site) -> None:
    """Masked name and numbers; nothing that is not there."""
    steward = await site.logged_in(Role.STEWARD)
    customer_id = await site.customer(7)
    answer = await steward.get(f"/api/v1/customers/{customer_id}")
    shown: dict[str, Any] = await answer.json()
    assert (shown["name"], shown["numbers"]) == ("A. N.", [{"number": "•••07", "state": "active"}])
    assert "Number7" not in str(shown)
    for path in ("99", "x", "9" * 20):
        assert (await steward.get(f"/api/v1/customers/{path}")).status == 404
