# SPDX-License-Identifier: GPL-3.0-or-later
"""The API for accounts, RMs' abilities, trunks, the newest calls and one customer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from accounts.permissions import Role
from config.settings import TrunkSettings
from dialer.tables import call
from foundation.tables import audit_entry
from profiler import rms
from tests.console_site import OUR_NUMBER, Site, open_site
from vocabulary.call_id import new_call_id, show_call_id


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        yield opened


async def actions(site: Site) -> list[str]:
    rows = await site.db.read(
        lambda conn: conn.execute(select(audit_entry.c.action).order_by(audit_entry.c.number)).all()
    )
    return [row.action for row in rows if row.action != "login"]


async def test_an_account_is_made_with_a_password_told_once(site: Site) -> None:
    """It must be changed at the first login; the list never shows it; the audit has the deed."""
    admin = await site.logged_in(Role.ADMIN)
    body = {"name": "sam", "display_name": "Sam", "role": "supervisor"}
    answer = await admin.post("/api/v1/accounts", body)
    assert answer.status == 201
    password = (await answer.json())["one_time_password"]
    fresh = await site.visitor()
    login = await fresh.post("/api/v1/login", {"name": "sam", "password": password})
    assert await login.json() == {"password_must_change": True}
    listed = await (await admin.get("/api/v1/accounts")).json()
    assert [one["name"] for one in listed["accounts"]] == ["adminone", "sam"]
    assert password not in str(listed)
    assert await actions(site) == ["account.add"]


async def test_a_reset_ends_every_session_of_the_account(site: Site) -> None:
    """The old password is worth nothing, and whoever is logged in under the name is out."""
    admin = await site.logged_in(Role.ADMIN)
    sam = await site.logged_in(Role.SUPERVISOR, "sam")
    told = await (await admin.post("/api/v1/accounts/sam/reset")).json()
    assert told["password_must_change"] is True
    assert (await sam.get("/api/v1/me")).status == 401
    fresh = await site.visitor()
    body = {"name": "sam", "password": told["one_time_password"]}
    assert (await fresh.post("/api/v1/login", body)).status == 200
    assert (await admin.post("/api/v1/accounts/nobody/reset")).status == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "eva", "display_name": "Eva", "role": "rm"}, 422),
        ({"name": "Eva!", "display_name": "Eva", "role": "admin"}, 422),
        ({"name": "adminone", "display_name": "Again", "role": "admin"}, 409),
    ],
)
async def test_an_account_that_may_not_be_is_refused(site: Site, body: dict[str, str], status: int) -> None:
    """An RM's comes with the RM; names have a form and are taken once."""
    admin = await site.logged_in(Role.ADMIN)
    assert (await admin.post("/api/v1/accounts", body)).status == status


async def test_an_rm_learns_and_leaves(site: Site) -> None:
    """What is given replaces what was there, the rest stays; the audit has both."""
    await site.account(Role.RM, "eva")
    eva = await site.rm("eva")
    await site.db.write(rms.update_abilities, eva.rm_id, languages=["pt"], skills=["cards"])
    boss = await site.logged_in(Role.SUPERVISOR)
    changed = await (await boss.post("/api/v1/rms/eva", {"skills": ["gold"]})).json()
    assert (changed["languages"], changed["skills"]) == (["pt"], ["gold"])
    left = await (await boss.post("/api/v1/rms/eva", {"standing": "left"})).json()
    assert left["standing"] == "left"
    assert (await boss.post("/api/v1/rms/nobody", {"skills": []})).status == 404
    assert await actions(site) == ["rm.change", "rm.change"]


async def test_the_newest_calls_come_first_and_can_be_narrowed(site: Site) -> None:
    """By campaign, RM and disposition; numbers are masked and nobody is named."""
    rm = await site.account(Role.RM, "eva")
    assert rm is not None
    campaign = await site.campaign()
    customer_id = await site.customer(7)
    ids = [new_call_id(site.parts.ids) for _ in range(3)]
    for call_id, disposition in zip(ids, ("busy", "answered", "busy"), strict=True):
        site.clock.advance(1)
        row = {
            "call_id": call_id,
            "campaign_id": campaign.id,
            "customer_id": customer_id,
            "number_id": customer_id,
            "number_blind": "x",
            "entry_id": 1,
            "rm_id": rm.rm_id,
            "mode": "preview",
            "state": "not_connected",
            "caller_id": OUR_NUMBER,
            "zone": "",
            "claimed_at": site.clock.now(),
            "counted": True,
            "disposition": disposition,
        }
        await site.db.write(lambda conn, row=row: conn.execute(insert(call).values(row)).rowcount)
    boss = await site.logged_in(Role.SUPERVISOR)

    async def shown(query: str) -> list[str]:
        answer = await (await boss.get(f"/api/v1/calls?{query}")).json()
        return [one["call_id"] for one in answer["calls"]]

    newest_first = [show_call_id(one) for one in reversed(ids)]
    assert await shown("") == newest_first
    assert await shown("limit=1") == newest_first[:1]
    assert await shown("disposition=busy&rm=eva&campaign=spring") == newest_first[::2]
    assert (await boss.get("/api/v1/calls?rm=nobody")).status == 404
    assert (await boss.get("/api/v1/calls?disposition=no_such")).status == 422
    text = await (await boss.get("/api/v1/calls")).text()
    assert "+9991" not in text
    assert "Ana" not in text
    assert "•••07" in text


async def test_a_customer_is_shown_masked(site: Site) -> None:
    """Enough to tell two apart, and what happened; not who it is."""
    customer_id = await site.customer(7)
    boss = await site.logged_in(Role.SUPERVISOR)
    shown = await (await boss.get(f"/api/v1/customers/{customer_id}")).json()
    assert (shown["name"], shown["numbers"]) == ("A. N.", [{"number": "•••07", "state": "active"}])
    assert (await boss.get("/api/v1/customers/999")).status == 404
    assert (await boss.get("/api/v1/customers/x")).status == 404


async def test_trunks_say_whether_they_are_used(site: Site) -> None:
    """The first choice first, with the reason where one rests."""
    trunks = [
        TrunkSettings(name="second", host="127.0.0.1", priority=20),
        TrunkSettings(name="first", host="127.0.0.1", port=5070, call_cap=7),
    ]
    site.parts.settings.trunks[:] = trunks
    site.live.publish("floor", {"trunk_problems": {"second": "3 failures in a row"}})
    boss = await site.logged_in(Role.SUPERVISOR)
    shown = (await (await boss.get("/api/v1/trunks")).json())["trunks"]
    assert [(one["name"], one["usable"], one["why_not"]) for one in shown] == [
        ("first", True, ""),
        ("second", False, "3 failures in a row"),
    ]
    assert (shown[0]["address"], shown[0]["call_cap"], shown[0]["calls"]) == ("127.0.0.1:5070", 7, 0)
