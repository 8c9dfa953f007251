# SPDX-License-Identifier: GPL-3.0-or-later
"""Campaigns, RMs, the floor and health over the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from accounts.permissions import Role
from console.parts import Condition
from dialer.campaigns import find_campaign
from foundation.db.seam import Health
from foundation.tables import audit_entry
from tests.console_site import OUR_NUMBER, PASSWORD, Site, open_site
from tests.phones.eventually import eventually
from vocabulary import commands as c
from vocabulary.commands import Reply
from vocabulary.outcomes import Outcome

NEW = {"name": "spring", "title": "Spring", "mode": "preview", "caller_id": OUR_NUMBER}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        yield opened


async def acts(site: Site) -> list[tuple[str, str, str, str]]:
    entry = audit_entry.c
    rows = await site.db.read(
        lambda conn: conn.execute(
            select(entry.actor, entry.action, entry.subject, entry.reason)
            .where(entry.action != "login")
            .order_by(entry.id)
        ).all()
    )
    return [tuple(row) for row in rows]


async def test_a_campaign_is_made_as_a_draft(site: Site) -> None:
    """With a policy whose other values are the house's; it dials nobody yet, and its making is audited."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    policy = {"ring_s": 20, "hours": {"mon-fri": ["10:00-18:00"]}, "outcomes": ["sale", "callback"]}
    made = await visitor.post("/api/v1/campaigns", {**NEW, "policy": policy})
    assert made.status == 201, await made.text()
    assert (await made.json())["state"] == "draft"
    kept = await site.db.read(find_campaign, "spring")
    assert (kept.policy.ring_s, kept.policy.outcomes) == (20.0, (Outcome.SALE, Outcome.CALLBACK))
    assert kept.policy.max_attempts == 6
    shown = await (await visitor.get("/api/v1/campaigns/spring")).json()
    assert shown["policy"]["hours"] == {"mon-fri": ["10:00-18:00"]}
    assert await acts(site) == [("supervisorone", "campaign.create", "campaign:spring", "")]


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"caller_id": "+4930123456"}, 422, "bad_caller_id"),
        ({"mode": "predictive"}, 501, "not_built"),
        ({"mode": "wild"}, 422, "wrong_input"),
        ({"name": "No Name"}, 422, "wrong_input"),
        ({"name": "7up"}, 422, "wrong_input"),
        ({"title": ""}, 422, "wrong_input"),
        ({"policy": {"ring_seconds": 20}}, 422, "wrong_input"),
        ({"policy": {"outcomes": ["fine"]}}, 422, "wrong_input"),
    ],
)
async def test_a_campaign_that_makes_no_sense_is_not_made(
    site: Site, change: dict[str, Any], status: int, reason: str
) -> None:
    """Somebody else's caller ID, a pacing mode that is not built yet, keys nobody knows."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    answer = await visitor.post("/api/v1/campaigns", {**NEW, **change})
    assert (answer.status, (await answer.json())["reason"]) == (status, reason)
    assert (await (await visitor.get("/api/v1/campaigns")).json())["campaigns"] == []


async def test_a_name_is_given_once(site: Site) -> None:
    """The second campaign of that name is refused."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    await visitor.post("/api/v1/campaigns", NEW)
    answer = await visitor.post("/api/v1/campaigns", NEW)
    assert (answer.status, (await answer.json())["reason"]) == (409, "bad_campaign")


@pytest.mark.parametrize(
    ("move", "command"),
    [
        ("start", c.StartCampaign(campaign_id=1)),
        ("pause", c.PauseCampaign(campaign_id=1)),
        ("stop", c.StopCampaign(campaign_id=1)),
    ],
)
async def test_campaigns_are_moved_by_the_dialer(site: Site, move: str, command: c.Command) -> None:
    """By number or name; the dialer is told who asks, and audits what it does."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    await site.campaign("spring")
    for which in ("spring", "1"):
        assert (await visitor.post(f"/api/v1/campaigns/{which}/{move}")).status == 200
    site.dialer.replies[command.kind] = Reply(done=False, reason="not_possible", sentence="It is over.")
    assert (await visitor.post(f"/api/v1/campaigns/1/{move}")).status == 409
    assert site.dialer.told == [command] * 3
    assert {told.by for told in site.dialer.told} == {"supervisorone"}


@pytest.mark.parametrize(
    ("narrowed", "listed"), [({}, 3), ({"segment": "nobody"}, 0), ({"import_id": 99}, 0)]
)
async def test_lists_are_filled_by_a_job(site: Site, narrowed: dict[str, Any], listed: int) -> None:
    """Every customer, or those of a segment or an import; the job says what became of them."""
    visitor, rm = await site.logged_in(Role.SUPERVISOR), await site.logged_in(Role.RM)
    await site.campaign("spring")
    for index in range(3):
        await site.customer(index)
    await site.run_jobs()
    answer = await visitor.post("/api/v1/campaigns/spring/lists", narrowed)
    assert answer.status == 202
    job = (await answer.json())["job"]

    async def shown() -> dict[str, Any]:
        return await (await visitor.get(f"/api/v1/jobs/{job}")).json()

    async def is_done() -> bool:
        return (await shown())["state"] == "done"

    await eventually(is_done)
    done = await shown()
    assert done["progress"] == {
        "customers": listed,
        "entries": listed,
        "already_open": 0,
        "already_finished": 0,
        "unplaced": {},
    }
    page = await (await rm.get("/api/v1/rms/me/list?campaign=spring")).json()
    assert len(page["entries"]) == listed
    detail = await (await visitor.get("/api/v1/campaigns/spring")).json()
    assert detail["lists"] == ({"1": {"pending": 3}} if listed else {})


async def test_a_new_rm_can_log_in_at_once(site: Site) -> None:
    """With a password for one time, shown to the supervisor once and kept nowhere."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    body = {"name": "clara", "display_name": "Clara Nunes", "languages": ["PT", "en"], "skills": ["loans"]}
    answer = await visitor.post("/api/v1/rms", body)
    assert answer.status == 201
    added = await answer.json()
    assert (added["languages"], added["endpoint"]) == (["en", "pt"], "PJSIP/rm-clara")
    clara = await site.visitor()
    login = await clara.post("/api/v1/login", {"name": "clara", "password": added["one_time_password"]})
    assert (await login.json())["password_must_change"] is True
    listed = await (await visitor.get("/api/v1/rms")).json()
    assert [rm["name"] for rm in listed["rms"]] == ["clara"]
    assert added["one_time_password"] not in str(listed)
    assert await acts(site) == [("supervisorone", "rm.add", "rm:clara", "")]


async def test_a_name_that_is_taken_adds_nobody(site: Site) -> None:
    """Neither a second account nor a second record: both or none."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    await site.account(Role.ADMIN, "clara")
    answer = await visitor.post("/api/v1/rms", {"name": "clara", "display_name": "Clara"})
    assert (answer.status, (await answer.json())["reason"]) == (409, "name_taken")
    assert (await (await visitor.get("/api/v1/rms")).json())["rms"] == []


async def test_everything_is_stopped_and_allowed_again(site: Site) -> None:
    """Who did it stands in the reason that every screen shows, and is told to the dialer for the audit."""
    visitor = await site.logged_in(Role.ADMIN)
    assert (await visitor.post("/api/v1/floor/halt", {"reason": "fire drill"})).status == 200
    assert (await visitor.post("/api/v1/floor/halt", {})).status == 422
    assert (await visitor.post("/api/v1/floor/lift")).status == 200
    assert site.dialer.told == [c.Halt(reason="fire drill (adminone)"), c.LiftHalt()]
    assert [told.by for told in site.dialer.told] == ["adminone"] * 2


async def test_the_floor_as_it_is(site: Site) -> None:
    """Empty before anybody works; then the topic's own words."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    empty = await (await visitor.get("/api/v1/floor")).json()
    assert (empty["rms"], empty["blocked"]) == ({}, None)
    site.live.publish("floor", {"blocked": "The PBX is not connected yet.", "states": {"ready": 1}, "x": 1})
    floor = await (await visitor.get("/api/v1/floor")).json()
    assert (floor["blocked"], floor["states"]) == ("The PBX is not connected yet.", {"ready": 1})
    assert "x" not in floor


@pytest.mark.parametrize(
    ("condition", "health", "http", "status", "reasons"),
    [
        (Condition(), Health.WELL, 200, "ok", []),
        (Condition(reasons=("Trunk a is down.",)), Health.WELL, 200, "degraded", ["Trunk a is down."]),
        (
            Condition(),
            Health.UNWELL,
            200,
            "degraded",
            ["The database cannot be written, so nobody is dialed."],
        ),
        (Condition(stopping=True), Health.WELL, 503, "stopping", []),
    ],
)
async def test_health_for_load_balancers(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    condition: Condition,
    health: Health,
    http: int,
    status: str,
    reasons: list[str],
) -> None:
    """Without a login: 503 only where nobody should be sent any more."""
    site.condition[0] = condition
    monkeypatch.setattr(type(site.db), "health", property(lambda _db: health))
    answer = await (await site.visitor()).get("/api/v1/health")
    assert answer.status == http
    assert await answer.json() == {"status": status, "reasons": reasons}


async def test_customers_are_found_masked(site: Site) -> None:
    """By name or number, in the body of the request; what comes back tells two hits apart and no more."""
    visitor = await site.logged_in(Role.STEWARD)
    await site.customer(7)
    for text in ("number7", "+99910000007", "c7"):
        answer = await visitor.post("/api/v1/customers/search", {"text": text})
        [hit] = (await answer.json())["customers"]
        assert (hit["name"], hit["numbers"], hit["external_id"]) == ("A. N.", ["•••07"], "c7")


async def test_nobody_is_told_of_a_password_twice(site: Site) -> None:
    """The audit and the answers hold no password."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    await visitor.post("/api/v1/rms", {"name": "clara", "display_name": "Clara"})
    details = await site.db.read(
        lambda conn: conn.execute(select(audit_entry.c.detail).order_by(audit_entry.c.id)).all()
    )
    assert PASSWORD not in str(details)
