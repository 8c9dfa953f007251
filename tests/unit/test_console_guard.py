# SPDX-License-Identifier: GPL-3.0-or-later
"""What every answer has and every request must have: origin, headers, and a true sentence for every failure."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError

from accounts.permissions import Role
from console.api.models import Done
from foundation.errors import CommandTimedOut, DatabaseFull, NoHandler
from tests.console_site import OURS, Site, Visitor, open_site
from vocabulary.commands import Reply


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        yield opened


def origin(visitor: Visitor) -> str:
    return str(visitor.client.make_url("/"))[:-1]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (OURS, 200),
        ({}, 403),
        ({**OURS, "Sec-Fetch-Site": "same-origin"}, 200),
        ({**OURS, "Sec-Fetch-Site": "cross-site"}, 403),
        ({**OURS, "Sec-Fetch-Site": "same-site"}, 403),
        ({**OURS, "Origin": "https://evil.example"}, 403),
        ({**OURS, "Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 403),
    ],
)
async def test_another_sites_page_orders_nothing_by_the_api(
    site: Site, headers: Mapping[str, str], status: int
) -> None:
    """Origin and Sec-Fetch-Site must be ours, and our header must be there; else the dialer hears nothing."""
    visitor = await site.logged_in(Role.RM)
    answer = await visitor.post("/api/v1/rms/me/ready", headers=headers)
    assert answer.status == status
    assert len(site.dialer.told) == (1 if status == 200 else 0)
    if status == 403:
        assert (await answer.json())["reason"] == "forged"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "ours"}, 303),
    ],
)
async def test_another_sites_form_orders_nothing(site: Site, headers: dict[str, str], status: int) -> None:
    """A form of ours always says where it comes from: one that does not is not ours."""
    visitor = await site.logged_in(Role.RM)
    if headers.get("Origin") == "ours":
        headers = {"Origin": origin(visitor)}
    answer = await visitor.client.post("/call/ready", headers=headers, allow_redirects=False)
    assert answer.status == status
    assert len(site.dialer.told) == (1 if status == 303 else 0)


async def test_another_sites_page_sees_no_live_updates(site: Site) -> None:
    """Browsers let any page open a websocket to anywhere: its origin must be ours."""
    visitor = await site.logged_in(Role.RM)
    with pytest.raises(WSServerHandshakeError) as refused:
        await visitor.client.ws_connect("/api/v1/live?topic=rm", headers={"Origin": "https://evil.example"})
    assert refused.value.status == 403


@pytest.mark.parametrize("path", ["/login", "/", "/call", "/api/v1/me", "/api/v1/health", "/nowhere"])
async def test_every_answer_is_shut_tight(site: Site, path: str) -> None:
    """Not kept, not framed, not sniffed; scripts and styles only with this answer's own mark."""
    visitor = await site.logged_in(Role.RM)
    answer = await visitor.get(path)
    headers = answer.headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Server"] == "Offhook"
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    if answer.content_type == "text/html":
        text = await answer.text()
        nonces = set(re.findall(r"'nonce-([^']+)'", policy))
        assert len(nonces) == 1
        assert set(re.findall(r'nonce="([^"]+)"', text)) == nonces
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son[a-z]+=|\sstyle=", text)


async def test_the_mark_is_new_for_every_answer(site: Site) -> None:
    """One seen once opens nothing."""
    visitor = await site.visitor()
    first, second = [(await visitor.get("/login")).headers["Content-Security-Policy"] for _ in range(2)]
    assert first != second


async def test_style_and_script_may_be_kept(site: Site) -> None:
    """Their addresses change with their content; nothing else is served from there."""
    visitor = await site.visitor()
    text = await (await visitor.get("/login")).text()
    address = re.search(r'href="(/static/console.css\?v=\w+)"', text)
    assert address is not None
    answer = await visitor.get(address[1])
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.content_type == "text/css"
    assert (await visitor.get("/static/..%2fapp.py")).status == 404
    assert (await visitor.get("/static/secrets.txt")).status == 404


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/api/v1/nothing", 404, "no_such_path"),
        ("PUT", "/api/v1/me", 405, "wrong_method"),
        ("GET", "/api/v1/calls/NOTANID", 422, "bad_call_id"),
        ("GET", "/api/v1/campaigns/nosuch", 404, "no_campaign"),
        ("GET", "/api/v1/live?topic=secrets", 422, "wrong_input"),
        ("GET", "/api/v1/rms/me/list?limit=9999", 422, "wrong_input"),
        ("GET", "/api/v1/rms/me/list", 422, "wrong_input"),
    ],
)
async def test_every_refusal_has_a_reason_and_a_sentence(
    site: Site, method: str, path: str, status: int, reason: str
) -> None:
    """The same two keys, whatever refused."""
    visitor = await site.logged_in(Role.RM)
    answer = await visitor.client.request(method, path, headers=OURS)
    body = await answer.json()
    assert (answer.status, body["reason"]) == (status, reason)
    assert body["sentence"].endswith(".")
    assert body.keys() == {"reason", "sentence"}


@pytest.mark.parametrize(
    ("send", "status", "reason"),
    [
        ({"json": {"reason": "lunch", "more": 1}}, 422, "wrong_input"),
        ({"json": {"reason": "siesta"}}, 422, "wrong_input"),
        ({"data": b"{not json", "headers": {"Content-Type": "application/json"}}, 422, "wrong_input"),
        ({"data": b"reason=lunch", "headers": {"Content-Type": "text/plain"}}, 422, "not_json"),
        ({"data": b"x" * 300_000, "headers": {"Content-Type": "application/json"}}, 413, "too_large"),
    ],
)
async def test_a_bad_body_is_refused_before_anything_is_done(
    site: Site, send: dict[str, Any], status: int, reason: str
) -> None:
    """And the dialer hears nothing of it."""
    visitor = await site.logged_in(Role.RM)
    headers = {**OURS, **send.pop("headers", {})}
    answer = await visitor.client.post("/api/v1/rms/me/break", headers=headers, **send)
    assert (answer.status, (await answer.json())["reason"]) == (status, reason)
    assert site.dialer.told == []


async def test_what_was_typed_is_never_repeated_in_a_refusal(site: Site) -> None:
    """It may be personal, and refusals are logged by others."""
    visitor = await site.logged_in(Role.RM)
    answer = await visitor.post("/api/v1/rms/me/break", {"reason": "call Ana +351911222333"})
    assert "Ana" not in await answer.text()
    assert "911222333" not in await answer.text()


@pytest.mark.parametrize(
    ("error", "status", "reason", "words"),
    [
        (CommandTimedOut("Whether it was done is not known."), 504, "unknown", "not known"),
        (NoHandler("Nobody handles rm.ready; nothing was done."), 503, "not_running", "nothing was done"),
        (DatabaseFull(), 503, "database", "Whether your order was carried out is not known"),
        (ZeroDivisionError("pii_number=+351911222333"), 500, "fault", "No customer is called twice"),
    ],
)
async def test_a_fault_after_an_order_says_what_is_known(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, reason: str, words: str
) -> None:
    """Never a stack trace, never a claim that cannot be held."""

    async def fail(*_args: Any, **_options: Any) -> Reply:
        raise error

    monkeypatch.setattr(site.bus, "send", fail)
    visitor = await site.logged_in(Role.RM)
    answer = await visitor.post("/api/v1/rms/me/ready")
    body = await answer.json()
    assert (answer.status, body["reason"]) == (status, reason)
    assert words in body["sentence"]
    assert "Traceback" not in body["sentence"]
    assert "911222333" not in body["sentence"]


async def test_a_fault_before_an_order_says_that_nobody_was_called(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading failed: nothing can have happened."""
    visitor = await site.logged_in(Role.RM)

    def fail(_topic: str) -> None:
        raise RuntimeError

    monkeypatch.setattr(site.live, "snapshot", fail)
    answer = await visitor.get("/api/v1/rms/me")
    assert answer.status == 500
    assert "Nothing was changed and nobody was called" in (await answer.json())["sentence"]
    page = await visitor.get("/call")
    assert page.status == 500
    assert "Nothing was changed and nobody was called" in await page.text()


async def test_a_fault_after_the_deed_says_that_it_was_done(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the answer is missing: doing it again would be wrong."""

    def fail(_reply: Reply) -> Done:
        raise RuntimeError

    monkeypatch.setattr(Done, "of", fail)
    visitor = await site.logged_in(Role.RM)
    answer = await visitor.post("/api/v1/rms/me/ready")
    assert answer.status == 500
    assert "do not repeat it" in (await answer.json())["sentence"]


async def test_a_command_that_failed_inside_the_dialer_is_said_as_it_is(site: Site) -> None:
    """The reply's own sentence, with the status of a fault."""
    site.dialer.replies["rm.ready"] = Reply(done=False, reason="failed", sentence="A fault. It was recorded.")
    visitor = await site.logged_in(Role.RM)
    answer = await visitor.post("/api/v1/rms/me/ready")
    assert (answer.status, await answer.json()) == (
        500,
        {"reason": "failed", "sentence": "A fault. It was recorded."},
    )


async def test_health_needs_neither_login_nor_database(site: Site) -> None:
    """A cookie that came along is not looked up."""
    visitor = await site.logged_in(Role.RM)
    await site.db.close()
    answer = await visitor.get("/api/v1/health")
    assert (answer.status, (await answer.json())["status"]) == (200, "ok")
    assert (await visitor.get("/api/v1/me")).status == 503
