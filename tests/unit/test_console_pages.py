# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages: every state of a desk shown, every order as a plain form, nothing typed is lost, nothing injected runs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from accounts.permissions import Role
from dialer.halts import order_halt
from foundation.ids import SeededIds
from tests.console_site import Site, Visitor, open_site
from vocabulary import commands as c
from vocabulary.call_id import new_call_id, show_call_id
from vocabulary.commands import Reply
from vocabulary.outcomes import BreakReason, Outcome
from vocabulary.states import PacingMode, RmState

CALL = new_call_id(SeededIds(1))
CUSTOMER = {
    "customer_id": 1,
    "name": "Ana <b>Silva</b>",
    "first_name": "Ana",
    "language": "pt",
    "zone": "Europe/Lisbon",
    "country": "PT",
    "region": None,
    "preferred_channel": "phone",
    "preferred_hours": "09:00-12:00",
    "segment": "premier",
    "birth_date": "1980-03-05",
    "attributes": {"age_band": "35-44", "note": "<script>alert(1)</script>"},
    "numbers": [{"number_id": 1, "e164": "+9991234567", "masked": "•••67", "state": "active"}],
    "consents": [
        {
            "channel": "phone",
            "purpose": "marketing",
            "state": "granted",
            "wording": "",
            "at": "2025-03-01T10:00:00Z",
        }
    ],
    "purchases": [
        {"at": "2025-03-01T10:00:00Z", "product": "Card", "amount_minor": 123450, "currency": "EUR"}
    ],
    "interactions": [
        {"at": "2025-04-02T10:00:00Z", "channel": "phone", "summary": "Interested", "note": '"><img src=x>'}
    ],
}
SCRIPT = {
    "locale": "en",
    "title": "Spring",
    "nodes": [
        {
            "id": "hello",
            "say": "Good day, Ana &lt;b&gt;Silva&lt;/b&gt;.",
            "must_read": True,
            "ask": {
                "field": "interest",
                "type": "choice",
                "options": [{"value": "yes", "label": "Yes"}],
            },
            "next": [{"when": None, "go": "bye"}, {"when": None, "go": "offer"}],
        },
        {
            "id": "amount",
            "say": "How much?",
            "must_read": False,
            "next": [],
            "ask": {"field": "amount", "type": "number", "options": []},
        },
    ],
}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        yield opened


def desk(state: RmState, *, call: str | None = None, **more: Any) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "rm": "rmone",
        "campaign_id": 1,
        "state": state,
        "since_monotonic": 0.0,
        "reason": "",
        "why_not": "",
        "last_result": "",
        "phone": "up",
        "wish": None,
        "call": None,
    }
    if call is not None:
        shown["call"] = {
            "call_id": CALL,
            "shown": show_call_id(CALL),
            "state": call,
            "disposition": None,
            "are_you_there": False,
            "snapshot": {
                "customer": CUSTOMER,
                "call": {"id": show_call_id(CALL)},
                "campaign": {"name": "spring", "title": "Spring", "caller_id": "+99900000001"},
                "why_chosen": ["speaks Portuguese"],
                "outcomes": ["sale", "callback", "do_not_call"],
                "script": SCRIPT,
                "guidelines": [{"locale": "en", "title": "Tone", "points": ["Be brief."]}],
            },
        }
    return shown | more


async def text_of(visitor: Visitor, path: str = "/call") -> str:
    answer = await visitor.get(path)
    assert answer.status == 200, await answer.text()
    return await answer.text()


def buttons(text: str) -> list[str]:
    return [
        re.sub(r"<[^>]+>", "", found).strip() for found in re.findall(r"<button[^>]*>(.*?)</button>", text)
    ]


@pytest.mark.parametrize(
    ("shown", "wanted", "unwanted"),
    [
        (desk(RmState.OFFLINE), ["Start shift"], ["Break", "End shift"]),
        (desk(RmState.PHONE_CONNECTING, phone="calling"), ["End shift"], ["Call a customer", "Call"]),
        (desk(RmState.READY), ["Call a customer", "Lunch", "End shift"], ["Hang up", "Call"]),
        (desk(RmState.REVIEWING, call="reviewing"), ["Call", "Later", "Skip this customer"], ["Hang up"]),
        (desk(RmState.DIALING, call="ringing"), ["Stop calling"], ["Call", "Hang up", "Save outcome"]),
        (desk(RmState.TALKING, call="bridged"), ["Hang up", "Lunch"], ["Save outcome", "Stop calling"]),
        (desk(RmState.WRAP_UP, call="ended"), ["Save outcome", "More time"], ["Hang up"]),
        (desk(RmState.BREAK, reason="lunch"), ["I am ready", "End shift"], ["Call a customer", "Lunch"]),
        (desk(RmState.AWAY), ["I am ready"], ["Call a customer"]),
        (desk(RmState.TALKING, call="bridged", wish="leave"), ["Stay", "Hang up"], ["End shift"]),
    ],
    ids=lambda value: str(value["state"]) if isinstance(value, dict) else None,
)
async def test_every_state_offers_what_fits_and_no_more(
    site: Site, shown: dict[str, Any], wanted: list[str], unwanted: list[str]
) -> None:
    """Each by a button that is a form of its own."""
    visitor = await site.logged_in(Role.RM)
    await site.campaign("spring")
    await site.db.write(lambda conn: conn.exec_driver_sql("UPDATE campaign SET state = 'running'"))
    if shown["state"] != RmState.OFFLINE:
        site.live.publish("rm:1", shown)
    offered = buttons(await text_of(visitor))
    assert set(wanted) <= set(offered)
    assert not set(unwanted) & set(offered)
    await text_of(visitor, "/")


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        (PacingMode.PREVIEW, "shown to you before anybody is dialed"),
        (PacingMode.PROGRESSIVE, "customers come by themselves"),
        (PacingMode.MANUAL, "you choose whom to call"),
    ],
)
async def test_ready_means_something_else_in_each_mode(site: Site, mode: PacingMode, words: str) -> None:
    """In manual campaigns the own list stands there to choose from; in others who comes next."""
    visitor = await site.logged_in(Role.RM)
    await site.campaign("spring", mode=mode, customers=2)
    site.live.publish("rm:1", desk(RmState.READY, why_not="Campaign Spring is paused."))
    text = await text_of(visitor)
    assert words in text
    assert "Campaign Spring is paused." in text
    assert "Ana Number1" in text
    assert ("Call Ana Number1" in text) is (mode is PacingMode.MANUAL)


async def test_the_customer_in_hand(site: Site) -> None:
    """Who it is, why chosen, what was said and bought before, script, guidelines and call ID; the number masked."""
    visitor = await site.logged_in(Role.RM)
    await site.campaign("spring")
    site.live.publish("rm:1", desk(RmState.REVIEWING, call="reviewing"))
    text = await text_of(visitor)
    for words in (
        "•••67",
        "speaks Portuguese",
        "premier",
        "phone: granted",
        "1 Mar 2025",
        "1234.50 EUR",
        "Be brief.",
        show_call_id(CALL),
        "Read word for word",
        "10:00",
        "5 March",
    ):
        assert words in text, words
    assert "1234567" not in text
    assert "1980" not in text


async def test_what_customers_are_called_is_text_and_no_markup(site: Site) -> None:
    """Names, notes and attributes are escaped wherever they stand."""
    visitor = await site.logged_in(Role.RM)
    await site.campaign("spring")
    site.live.publish("rm:1", desk(RmState.TALKING, call="bridged"))
    text = await text_of(visitor)
    assert "Ana &lt;b&gt;Silva&lt;/b&gt;" in text
    for markup in ("<b>Silva", "<script>alert", "<img src=x"):
        assert markup not in text


@pytest.mark.parametrize(
    ("action", "fields", "command"),
    [
        ("shift", {"campaign": "1"}, c.StartShift(rm_id=1, campaign_id=1)),
        ("end-shift", {}, c.EndShift(rm_id=1)),
        ("ready", {}, c.GoReady(rm_id=1)),
        ("break", {"reason": "lunch"}, c.TakeBreak(rm_id=1, reason=BreakReason.LUNCH)),
        ("next", {}, c.NextCustomer(rm_id=1)),
        ("next", {"customer_id": "7"}, c.NextCustomer(rm_id=1, customer_id=7)),
        ("more-time", {}, c.MoreTime(rm_id=1)),
        ("confirm", {"call_id": CALL}, c.ConfirmCall(rm_id=1, call_id=CALL)),
        ("cancel", {"call_id": CALL}, c.CancelCall(rm_id=1, call_id=CALL, reason="later")),
        (
            "skip",
            {"call_id": CALL, "reason": " prepare "},
            c.SkipCustomer(rm_id=1, call_id=CALL, reason="prepare"),
        ),
        ("again", {"call_id": CALL}, c.CallAgain(rm_id=1, call_id=CALL)),
        ("hang-up", {"call_id": CALL}, c.HangUp(rm_id=1, call_id=CALL)),
        (
            "outcome",
            {
                "call_id": CALL,
                "outcome": "sale",
                "note": "glad",
                "callback_at": "2026-07-01T17:30",
                "answer.interest": "yes",
                "answer.amount": "",
            },
            c.RecordOutcome(
                rm_id=1, call_id=CALL, outcome=Outcome.SALE, note="glad", answers={"interest": "yes"}
            ),
        ),
        (
            "outcome",
            {"call_id": CALL, "outcome": "callback", "callback_at": "2026-07-01T17:30"},
            c.RecordOutcome(
                rm_id=1,
                call_id=CALL,
                outcome=Outcome.CALLBACK,
                callback_at=datetime(2026, 7, 1, 16, 30, tzinfo=UTC),
            ),
        ),
    ],
)
async def test_each_order_is_a_plain_form(
    site: Site, action: str, fields: dict[str, str], command: c.Command
) -> None:
    """Done, it leads back to the calls. A call-back time is read as the customer's own (Lisbon, summer)."""
    visitor = await site.logged_in(Role.RM)
    await site.campaign("spring")
    await site.call(CALL, 1)
    site.live.publish("rm:1", desk(RmState.WRAP_UP, call="ended"))
    answer = await visitor.submit(f"/call/{action}", **fields)
    assert (answer.status, answer.headers.get("Location")) == (303, "/call"), await answer.text()
    assert site.dialer.told == [command]


@pytest.mark.parametrize(
    ("action", "fields", "status", "words"),
    [
        ("skip", {"call_id": CALL}, 422, "reason"),
        ("break", {"reason": "siesta"}, 422, "reason"),
        ("confirm", {"call_id": "12345678"}, 422, "call ID"),
        ("confirm", {"call_id": new_call_id(SeededIds(5))}, 404, "not yours"),
        ("shift", {}, 422, "campaign"),
    ],
)
async def test_a_form_that_makes_no_sense_is_told_on_the_page(
    site: Site, action: str, fields: dict[str, str], status: int, words: str
) -> None:
    """With the desk below it, and the dialer hears nothing."""
    visitor = await site.logged_in(Role.RM)
    await site.campaign("spring")
    await site.call(CALL, 1)
    site.live.publish("rm:1", desk(RmState.REVIEWING, call="reviewing"))
    answer = await visitor.submit(f"/call/{action}", **fields)
    text = await answer.text()
    assert answer.status == status
    assert words in re.findall(r'<div class="banner bad" role="alert">(.*?)</div>', text)[0]
    assert "Skip this customer" in text
    assert site.dialer.told == []


async def test_a_refused_outcome_keeps_what_was_typed(site: Site) -> None:
    """Outcome, note and time are still in the form."""
    visitor = await site.logged_in(Role.RM)
    await site.campaign("spring")
    await site.call(CALL, 1)
    site.live.publish("rm:1", desk(RmState.WRAP_UP, call="ended"))
    site.dialer.replies["rm.outcome"] = Reply(done=False, reason="not_saved", sentence="It is past already.")
    answer = await visitor.submit(
        "/call/outcome",
        call_id=CALL,
        outcome="callback",
        note="she said <after five>",
        callback_at="2026-07-01T17:30",
    )
    text = await answer.text()
    assert answer.status == 409
    assert "It is past already." in text
    assert "she said &lt;after five&gt;</textarea>" in text
    assert 'value="2026-07-01T17:30"' in text
    assert re.search(r'value="callback" required checked', text)


async def test_the_outcome_form_is_the_same_from_the_answer_to_the_save(site: Site) -> None:
    """So the script never replaces what a person is typing into."""
    visitor = await site.logged_in(Role.RM)
    await site.campaign("spring")
    regions = []
    for state, call in ((RmState.TALKING, "bridged"), (RmState.WRAP_UP, "ended"), (RmState.WRAP_UP, "ended")):
        site.clock.advance(61)
        site.live.publish("rm:1", desk(state, call=call))
        text = await text_of(visitor)
        regions.append(re.findall(r'<div data-region="side".*?\n</main>', text, re.DOTALL)[0])
        assert "outcome-form" in regions[-1]
    assert len(set(regions)) == 1


async def test_are_you_there_is_asked_aloud(site: Site) -> None:
    """As an alert, with the answer beside it."""
    visitor = await site.logged_in(Role.RM)
    await site.campaign("spring")
    shown = desk(RmState.WRAP_UP, call="ended")
    shown["call"]["are_you_there"] = True
    site.live.publish("rm:1", shown)
    text = await text_of(visitor)
    assert "I am here" in buttons(text)
    assert re.search(r'role="alert">Are you there\?', text)


async def test_a_refused_form_loaded_again_is_the_calls(site: Site) -> None:
    """And an order that does not exist is not there."""
    visitor = await site.logged_in(Role.RM)
    assert (await visitor.get("/call/confirm")).headers["Location"] == "/call"
    assert (await visitor.submit("/call/fly")).status == 404


async def test_each_role_begins_where_it_works(site: Site) -> None:
    """The supervisor on the floor; a role without a page is told so."""
    supervisor = await site.logged_in(Role.SUPERVISOR)
    assert (await supervisor.get("/")).headers["Location"] == "/floor"
    steward = await site.logged_in(Role.STEWARD)
    answer = await steward.get("/")
    assert answer.status == 403
    assert "command line" in await answer.text()


async def test_the_supervisors_page(site: Site) -> None:
    """RMs at work, campaigns to start and pause, and the halt; an auditor sees it without the buttons."""
    supervisor, auditor = await site.logged_in(Role.SUPERVISOR), await site.logged_in(Role.AUDITOR)
    await site.campaign("spring")
    site.live.publish(
        "floor",
        {
            "blocked": None,
            "states": {"ready": 1, "talking": 0},
            "rms": {
                "anna": {"state": "talking", "phone": "up", "why_not": "", "call_id": CALL},
            },
            "trunk_problems": {"carrier": "It does not answer."},
        },
    )
    text = await text_of(supervisor, "/floor")
    assert {"Stop everything", "Start Spring"} <= set(buttons(text))
    for words in ("anna", show_call_id(CALL), "It does not answer."):
        assert words in text
    assert buttons(await text_of(auditor, "/floor")) == ["Log out"]


async def test_the_supervisors_orders(site: Site) -> None:
    """Start, pause, halt and lift reach the dialer; a refusal is told on the page."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    await site.campaign("spring")
    for path, fields in (
        ("/floor/1/start", {}),
        ("/floor/1/pause", {}),
        ("/floor/halt", {"reason": "drill"}),
        ("/floor/lift", {}),
    ):
        answer = await visitor.submit(path, **fields)
        assert (answer.status, answer.headers["Location"]) == (303, "/floor")
    assert site.dialer.told == [
        c.StartCampaign(campaign_id=1),
        c.PauseCampaign(campaign_id=1),
        c.Halt(reason="drill (supervisorone)"),
        c.LiftHalt(),
    ]
    site.dialer.replies["campaign.start"] = Reply(done=False, reason="not_possible", sentence="It is over.")
    refused = await visitor.submit("/floor/1/start")
    assert refused.status == 409
    assert "It is over." in await refused.text()
    assert (await visitor.submit("/floor/1/explode")).status == 404
    assert (await visitor.submit("/floor/9/start")).status == 404


async def test_a_standing_halt_is_on_the_page(site: Site) -> None:
    """With its reason, and the one button that ends it."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    await site.db.write(order_halt, "operator", "fire drill", site.clock.now())
    text = await text_of(visitor, "/floor")
    assert "everything was stopped: fire drill" in text
    assert "Allow dialing again" in buttons(text)
    assert "Stop everything" not in buttons(text)
