# SPDX-License-Identifier: GPL-3.0-or-later
"""Suppressing a customer and taking it back over the API; the audit as its readers see it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from accounts.permissions import Role
from crm.suppression import Source, standing_of, suppress, this_number
from crm.tables import customer_number
from foundation.tables import outbox
from tests.console_site import Site, Visitor, open_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        yield opened


async def sources(site: Site, customer_id: int) -> list[Source]:
    """Who stands against calling a customer."""
    found = await site.db.read(standing_of, customer_id, site.clock.now())
    return [one.source for _, one in found]


async def audited(visitor: Visitor, **query: str) -> list[tuple[str, str, str, str]]:
    """The audit as an auditor reads it."""
    answer = await visitor.get("/api/v1/audit", params=query)
    assert answer.status == 200, await answer.text()
    entries = (await answer.json())["entries"]
    return [(one["actor"], one["action"], one["subject"], one["reason"]) for one in entries]


async def test_a_customer_is_suppressed_and_it_is_taken_back(site: Site) -> None:
    """With a reason each time; lists are told by an event; both acts stand in the audit."""
    customer_id = await site.customer(0)
    steward, auditor = await site.logged_in(Role.STEWARD), await site.logged_in(Role.AUDITOR)
    path = f"/api/v1/customers/{customer_id}"
    assert (await steward.post(f"{path}/suppress", {"reason": "asked by letter"})).status == 200
    assert await sources(site, customer_id) == [Source.STEWARD]
    told = await site.db.read(lambda conn: conn.execute(select(outbox.c.kind)).scalars().all())
    assert told == ["customer.suppressed"]
    (shown,) = (await (await steward.get(f"{path}/suppressions")).json())["suppressions"]
    assert (shown["scope"], shown["source"], shown["reason"]) == ("customer", "steward", "asked by letter")
    assert (await steward.post(f"{path}/lift", {"reason": "a mistake"})).status == 200
    assert await sources(site, customer_id) == []
    again = await steward.post(f"{path}/lift", {"reason": "a mistake"})
    assert (again.status, (await again.json())["reason"]) == (409, "not_suppressed")
    assert await audited(auditor, subject=f"customer:{customer_id}") == [
        ("stewardone", "customer.lift", f"customer:{customer_id}", "a mistake"),
        ("stewardone", "customer.suppress", f"customer:{customer_id}", "asked by letter"),
    ]


async def test_what_one_source_said_is_taken_back_for_person_and_numbers(site: Site) -> None:
    """An opt-out by mistake covers both; what somebody else said stands."""
    customer_id = await site.customer(0)
    blind = await site.db.read(lambda conn: conn.execute(select(customer_number.c.e164_blind)).scalar_one())
    for source in (Source.OPT_OUT, Source.LEGAL_DNC):
        await site.db.write(
            suppress, this_number(blind), source, site.clock.now(), actor="register", reason="list"
        )
    steward = await site.logged_in(Role.STEWARD)
    body = {"reason": "pressed the key by mistake", "source": "opt_out"}
    await steward.post(f"/api/v1/customers/{customer_id}/suppress", body)
    assert await sources(site, customer_id) == [Source.OPT_OUT, Source.LEGAL_DNC, Source.OPT_OUT]
    assert (await steward.post(f"/api/v1/customers/{customer_id}/lift", body)).status == 200
    assert await sources(site, customer_id) == [Source.LEGAL_DNC]


@pytest.mark.parametrize("act", ["suppress", "lift"])
async def test_what_makes_no_sense_changes_nothing(site: Site, act: str) -> None:
    """No reason, no such source, nobody of that number; and not everybody may."""
    customer_id = await site.customer(0)
    steward, rm = await site.logged_in(Role.STEWARD), await site.logged_in(Role.RM)
    path = f"/api/v1/customers/{customer_id}/{act}"
    for body in ({}, {"reason": " "}, {"reason": "x", "source": "me"}):
        assert (await steward.post(path, body)).status == 422
    assert (await steward.post(f"/api/v1/customers/99/{act}", {"reason": "x"})).status == 404
    assert (await steward.post(f"/api/v1/customers/x/{act}", {"reason": "x"})).status == 404
    assert (await rm.post(path, {"reason": "x"})).status == 403
    assert await sources(site, customer_id) == []


async def test_who_a_customer_is_is_told_to_a_steward_and_audited(site: Site) -> None:
    """With a reason, in one unit with its entry; a supervisor, who sees them masked, is refused."""
    customer_id = await site.customer(0)
    steward, supervisor = await site.logged_in(Role.STEWARD), await site.logged_in(Role.SUPERVISOR)
    auditor = await site.logged_in(Role.AUDITOR)
    path = f"/api/v1/customers/{customer_id}/reveal"
    told = await (await steward.post(path, {"reason": "privacy request 12"})).json()
    masked = await (await steward.get(f"/api/v1/customers/{customer_id}")).json()
    assert len(told["name"]) > len(masked["name"])
    assert all(number.startswith("+") and number[1:].isdecimal() for number in told["numbers"])
    assert (await steward.post(path, {"reason": ""})).status == 422
    assert (await supervisor.post(path, {"reason": "curious"})).status == 403
    assert (await steward.post("/api/v1/customers/99/reveal", {"reason": "x"})).status == 404
    assert await audited(auditor, action="customer.reveal") == [
        ("stewardone", "customer.reveal", f"customer:{customer_id}", "privacy request 12")
    ]


async def test_an_unwritten_entry_keeps_a_customer_masked(site: Site) -> None:
    """If the audit cannot be written, nothing is told."""
    customer_id = await site.customer(0)
    steward = await site.logged_in(Role.STEWARD)
    await site.db.write(lambda conn: conn.exec_driver_sql(
        "CREATE TRIGGER full BEFORE INSERT ON audit_entry BEGIN SELECT RAISE(ABORT, 'no'); END"
    ))  # fmt: skip
    answer = await steward.post(f"/api/v1/customers/{customer_id}/reveal", {"reason": "x"})
    assert answer.status >= 500
    assert "numbers" not in await answer.json()


async def test_the_audit_is_for_its_readers(site: Site) -> None:
    """Newest first, narrowed by who, what and to what; nobody else reads it."""
    auditor, admin = await site.logged_in(Role.AUDITOR), await site.logged_in(Role.ADMIN)
    await admin.post("/api/v1/accounts", {"name": "sue", "display_name": "Sue", "role": "steward"})
    acts = [action for _, action, _, _ in await audited(auditor)]
    assert acts == ["account.add", "login", "login"]
    assert len(await audited(auditor, limit="1")) == 1
    assert [actor for actor, _, _, _ in await audited(auditor, actor="adminone")] == ["adminone"] * 2
    assert len(await audited(auditor, action="account.add")) == 1
    assert (await admin.get("/api/v1/audit")).status == 403
