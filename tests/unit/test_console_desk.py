# SPDX-License-Identifier: GPL-3.0-or-later
"""An RM's desk and calls over the API: what reaches the dialer, what comes back, and whose business it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from accounts.permissions import Role
from console.queries import own_day
from foundation.ids import SeededIds
from profiler import rms
from tests.console_site import Site, open_site
from vocabulary import commands as c
from vocabulary.call_id import new_call_id, show_call_id
from vocabulary.commands import Reply
from vocabulary.outcomes import BreakReason, Outcome

CALL = new_call_id(SeededIds(1))
OTHERS_CALL = new_call_id(SeededIds(2))


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("method", "path", "body", "command"),
    [
        ("DELETE", "shift", None, c.EndShift(rm_id=1)),
        ("POST", "ready", None, c.GoReady(rm_id=1)),
        ("POST", "break", {"reason": "lunch"}, c.TakeBreak(rm_id=1, reason=BreakReason.LUNCH)),
        ("POST", "next", None, c.NextCustomer(rm_id=1)),
        ("POST", "next", {"customer_id": 7}, c.NextCustomer(rm_id=1, customer_id=7)),
        ("POST", "more-time", None, c.MoreTime(rm_id=1)),
    ],
)
async def test_each_order_of_the_desk_reaches_the_dialer(
    site: Site, method: str, path: str, body: dict[str, Any] | None, command: c.Command
) -> None:
    """As the command it means, for the RM who is logged in; ``me`` and the own name are the same desk."""
    visitor = await site.logged_in(Role.RM)
    for name in ("me", "rmone"):
        address = f"/api/v1/rms/{name}/{path}"
        answer = await (visitor.delete(address) if method == "DELETE" else visitor.post(address, body))
        assert answer.status == 200
        assert await answer.json() == {"done": True, "sentence": "", "call_id": None}
    assert site.dialer.told == [command, command]


async def test_a_shift_is_started_in_a_campaign_by_number_or_name(site: Site) -> None:
    """And not in one that does not exist."""
    visitor = await site.logged_in(Role.RM)
    campaign = await site.campaign("spring")
    for which in ("spring", campaign.id, str(campaign.id)):
        assert (await visitor.post("/api/v1/rms/me/shift", {"campaign": which})).status == 200
    assert site.dialer.told == [c.StartShift(rm_id=1, campaign_id=campaign.id)] * 3
    answer = await visitor.post("/api/v1/rms/me/shift", {"campaign": "winter"})
    assert (answer.status, (await answer.json())["reason"]) == (404, "no_campaign")


@pytest.mark.parametrize(
    ("path", "body", "command"),
    [
        ("confirm", None, c.ConfirmCall(rm_id=1, call_id=CALL)),
        ("cancel", None, c.CancelCall(rm_id=1, call_id=CALL, reason="later")),
        ("skip", {"reason": " prepare "}, c.SkipCustomer(rm_id=1, call_id=CALL, reason="prepare")),
        ("again", None, c.CallAgain(rm_id=1, call_id=CALL)),
        ("hang-up", None, c.HangUp(rm_id=1, call_id=CALL)),
        (
            "outcome",
            {
                "outcome": "callback",
                "note": "after five",
                "callback_at": "2026-01-06T17:30:00+01:00",
                "answers": {"interest": "yes"},
            },
            c.RecordOutcome(
                rm_id=1,
                call_id=CALL,
                outcome=Outcome.CALLBACK,
                note="after five",
                callback_at=datetime(2026, 1, 6, 16, 30, tzinfo=UTC),
                answers={"interest": "yes"},
            ),
        ),
    ],
)
async def test_each_order_of_a_call_reaches_the_dialer(
    site: Site, path: str, body: dict[str, Any] | None, command: c.Command
) -> None:
    """The call ID may be written as people write it."""
    visitor = await site.logged_in(Role.RM)
    await site.call(CALL, 1)
    answer = await visitor.post(f"/api/v1/calls/{show_call_id(CALL).lower()}/{path}", body)
    assert answer.status == 200, await answer.text()
    assert site.dialer.told == [command]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("skip", {"reason": "   "}),
        ("skip", {}),
        ("outcome", {}),
        ("outcome", {"outcome": "fine"}),
        ("outcome", {"outcome": "callback", "callback_at": "2026-01-06T17:30:00"}),
        ("outcome", {"outcome": "sale", "note": "x" * 4001}),
    ],
)
async def test_an_order_that_makes_no_sense_is_not_passed_on(
    site: Site, path: str, body: dict[str, Any]
) -> None:
    """A skip without a reason, an outcome nobody knows, a time without its zone."""
    visitor = await site.logged_in(Role.RM)
    await site.call(CALL, 1)
    answer = await visitor.post(f"/api/v1/calls/{CALL}/{path}", body)
    assert (answer.status, (await answer.json())["reason"]) == (422, "wrong_input")
    assert site.dialer.told == []


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("not_ready", 409),
        ("over", 409),
        ("end_of_list", 409),
        ("no_call", 404),
        ("reason", 422),
        ("key_reused", 422),
    ],
)
async def test_the_dialers_refusal_comes_through(site: Site, reason: str, status: int) -> None:
    """Its reason and its sentence, with the status that fits."""
    site.dialer.replies["rm.next_customer"] = Reply(done=False, reason=reason, sentence="So it is.")
    visitor = await site.logged_in(Role.RM)
    answer = await visitor.post("/api/v1/rms/me/next")
    assert (answer.status, await answer.json()) == (status, {"reason": reason, "sentence": "So it is."})


async def test_the_call_id_comes_back_as_people_read_it(site: Site) -> None:
    """So that the RM can read it to the customer."""
    site.dialer.replies["rm.next_customer"] = Reply(done=True, call_id=CALL)
    visitor = await site.logged_in(Role.RM)
    assert (await (await visitor.post("/api/v1/rms/me/next")).json())["call_id"] == show_call_id(CALL)


async def test_a_repeated_order_is_done_once(site: Site) -> None:
    """The same key gives the same reply; another person's equal key is another key."""
    visitor = await site.logged_in(Role.RM)
    other = await site.logged_in(Role.RM, "rmtwo")
    for who in (visitor, visitor, other):
        answer = await who.client.post(
            "/api/v1/rms/me/next", json={}, headers={"X-Offhook": "1", "Idempotency-Key": "k1"}
        )
        assert answer.status == 200
    assert site.dialer.told == [c.NextCustomer(rm_id=1), c.NextCustomer(rm_id=2)]
    reused = await visitor.client.post(
        "/api/v1/rms/me/ready", json={}, headers={"X-Offhook": "1", "Idempotency-Key": "k1"}
    )
    assert (reused.status, (await reused.json())["reason"]) == (422, "key_reused")
    too_long = await visitor.client.post(
        "/api/v1/rms/me/ready", json={}, headers={"X-Offhook": "1", "Idempotency-Key": "k" * 101}
    )
    assert too_long.status == 422


async def test_somebody_elses_desk_is_not_there(site: Site) -> None:
    """The same answer as for an RM who does not exist."""
    visitor = await site.logged_in(Role.RM)
    await site.logged_in(Role.RM, "rmtwo")
    answers = [await visitor.get(f"/api/v1/rms/{name}") for name in ("rmtwo", "nobody")]
    assert [answer.status for answer in answers] == [404, 404]
    assert await answers[0].text() == await answers[1].text()
    assert (await visitor.post("/api/v1/rms/rmtwo/ready")).status == 404
    assert site.dialer.told == []


async def test_somebody_elses_call_is_not_there(site: Site) -> None:
    """Neither its story nor any order for it; the answer is that for a call that never was."""
    visitor = await site.logged_in(Role.RM)
    await site.logged_in(Role.RM, "rmtwo")
    await site.call(OTHERS_CALL, 2)
    never = new_call_id(SeededIds(3))
    for path in ("", "/confirm", "/hang-up"):
        texts = []
        for call_id in (OTHERS_CALL, never):
            address = f"/api/v1/calls/{call_id}{path}"
            answer = await (visitor.post(address) if path else visitor.get(address))
            assert answer.status == 404, address
            texts.append(await answer.text())
        assert texts[0] == texts[1]
    assert site.dialer.told == []


async def test_the_story_of_a_call(site: Site) -> None:
    """Every step in its order, how it ended, and no customer named; for its RM and for who watches the floor."""
    await site.customer()
    rm, supervisor = await site.logged_in(Role.RM), await site.logged_in(Role.SUPERVISOR)
    await site.call(CALL, 1)
    for visitor in (rm, supervisor):
        story = await (await visitor.get(f"/api/v1/calls/{show_call_id(CALL)}")).json()
        assert story["call_id"] == show_call_id(CALL)
        assert [step["state"] for step in story["steps"]] == [
            "claimed",
            "dialing",
            "ringing",
            "not_connected",
        ]
        assert story["steps"][-1]["detail"] == "rang out"
        assert (story["disposition"], story["trunk"]) == ("no_answer", "carrier")
        assert story["number"] == "•••00"
        assert "Ana" not in str(story)


async def test_call_ids_cannot_be_tried_out(site: Site) -> None:
    """Thirty look-ups, then waiting; a minute later thirty more. Others are not held up."""
    visitor, other = await site.logged_in(Role.RM), await site.logged_in(Role.RM, "rmtwo")
    ids = SeededIds(9)
    for _ in range(30):
        assert (await visitor.get(f"/api/v1/calls/{new_call_id(ids)}")).status == 404
    answer = await visitor.post(f"/api/v1/calls/{new_call_id(ids)}/confirm")
    assert answer.status == 429
    assert answer.headers["Retry-After"] == "2"
    assert (await other.get(f"/api/v1/calls/{new_call_id(ids)}")).status == 404
    site.clock.advance(60)
    assert (await visitor.get(f"/api/v1/calls/{new_call_id(ids)}")).status == 404


async def test_the_own_list_by_state(site: Site) -> None:
    """In its order with names; one's own only, a page at a time."""
    visitor = await site.logged_in(Role.RM)
    await site.campaign("spring", customers=3)
    page = await (await visitor.get("/api/v1/rms/me/list?campaign=spring&limit=2")).json()
    rest = await (await visitor.get("/api/v1/rms/me/list?campaign=spring&limit=2&offset=2")).json()
    names = [entry["name"] for entry in page["entries"] + rest["entries"]]
    assert sorted(names) == ["Ana Number0", "Ana Number1", "Ana Number2"]
    assert page["state"] == "pending"
    done = await (await visitor.get("/api/v1/rms/me/list?campaign=spring&state=done")).json()
    assert done["entries"] == []
    other = await site.logged_in(Role.RM, "rmtwo")
    assert (await (await other.get("/api/v1/rms/me/list?campaign=spring")).json())["entries"] == []


async def test_the_list_of_the_shifts_campaign_needs_no_name(site: Site) -> None:
    """The desk knows where the RM works."""
    visitor = await site.logged_in(Role.RM)
    campaign = await site.campaign("spring", customers=1)
    site.live.publish("rm:1", {"campaign_id": campaign.id})
    page = await (await visitor.get("/api/v1/rms/me/list")).json()
    assert (page["campaign_id"], len(page["entries"])) == (campaign.id, 1)


async def test_the_desk_as_it_is(site: Site) -> None:
    """Off work before the first shift; then as the live topic has it, with numbers masked."""
    visitor = await site.logged_in(Role.RM)
    off = await (await visitor.get("/api/v1/rms/me")).json()
    assert (off["state"], off["call"], off["rm"]) == ("offline", None, "rmone")
    customer = {
        "name": "Ana",
        "email": "ana@example.org",
        "birth_date": "1980-01-01",
        "external_id": "c0",
        "numbers": [{"number_id": 1, "e164": "+9991000", "masked": "•••00", "state": "active"}],
    }
    call = {"call_id": CALL, "shown": show_call_id(CALL), "state": "ringing", "disposition": None}
    snapshot = {"customer": customer, "outcomes": ["sale"], "script": None, "guidelines": [], "more": 1}
    site.live.publish(
        "rm:1",
        {
            "rm": "rmone",
            "campaign_id": 1,
            "state": "dialing",
            "since_monotonic": site.clock.monotonic(),
            "reason": "",
            "why_not": "",
            "last_result": "",
            "phone": "up",
            "wish": None,
            "call": {**call, "are_you_there": False, "snapshot": snapshot},
        },
    )
    site.clock.advance(7)
    desk = await (await visitor.get("/api/v1/rms/me")).json()
    assert (desk["state"], desk["in_state_s"], desk["phone"]) == ("dialing", 7.0, "up")
    shown = desk["call"]["snapshot"]["customer"]
    numbers = [{"masked": "•••00", "state": "active"}]
    assert shown == {"name": "Ana", "birthday": "--01-01", "numbers": numbers}
    assert "more" not in desk["call"]["snapshot"]


async def test_an_account_of_no_rm_has_no_desk(site: Site) -> None:
    """It is said what to do."""
    visitor = await site.logged_in(Role.RM)
    await site.db.write(rms.set_account, 1, None)
    answer = await visitor.get("/api/v1/rms/me")
    assert (answer.status, (await answer.json())["reason"]) == (403, "no_rm")
    assert (await visitor.get("/call")).status == 403


async def test_the_own_day_counts_since_midnight(site: Site) -> None:
    """What was dialed yesterday is not of today, but the last call is the last call."""
    await site.call(CALL, 1)
    site.clock.advance(86_400)
    day = await site.db.read(own_day, 1, site.clock.now() - timedelta(hours=10))
    assert (day.dialed, day.answered) == (0, 0)
    assert day.last is not None
    assert day.last.shown == show_call_id(CALL)
