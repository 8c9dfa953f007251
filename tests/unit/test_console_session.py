# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in, staying in and getting out: sessions, one-time passwords, guessing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from accounts import accounts
from accounts.accounts import AccountState
from accounts.permissions import Permission, Role, may
from accounts.tables import web_session
from console.live import SESSION_CHECK_S, SESSION_OVER
from foundation.tables import audit_entry
from tests.console_site import OURS, PASSWORD, Site, open_site

NEW = "a longer sentence than before"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        yield opened


async def test_a_login_opens_a_session_and_says_who_one_is(site: Site) -> None:
    """The cookie does it: whatever is asked next comes from this person."""
    visitor = await site.logged_in(Role.RM)
    me = await (await visitor.get("/api/v1/me")).json()
    assert (me["name"], me["role"], me["rm"]) == ("rmone", "rm", "rmone")
    assert me["permissions"] == [right for right in Permission if may(Role.RM, right)]


async def test_only_the_tokens_hash_is_kept(site: Site) -> None:
    """Whoever reads the database cannot log in with it; the cookie is for this site and for no script."""
    await site.account(Role.RM, "anna")
    visitor = await site.visitor()
    answer = await visitor.post("/api/v1/login", {"name": "anna", "password": PASSWORD})
    cookie = answer.cookies["offhook"]
    assert len(cookie.value) >= 43  # 256 bits
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
    kept = await site.db.read(lambda conn: conn.execute(select(web_session.c.token_hash)).scalars().all())
    assert cookie.value not in kept
    assert len(kept) == 1


@pytest.mark.parametrize(
    ("host", "proto", "name", "secure"),
    [
        ("127.0.0.1:8080", None, "offhook", False),
        ("localhost:8080", None, "offhook", False),
        ("calls.bank.example", "https", "__Host-offhook", True),
        ("127.0.0.1:8080", "https", "__Host-offhook", True),
    ],
)
async def test_the_cookie_fits_the_line(
    site: Site, host: str, proto: str | None, name: str, secure: bool
) -> None:
    """``__Host-`` and Secure everywhere but on plain http to this very machine, where neither would work."""
    await site.account(Role.RM, "anna")
    visitor = await site.visitor()
    headers = {**OURS, "Host": host} | ({"X-Forwarded-Proto": proto} if proto else {})
    answer = await visitor.post("/api/v1/login", {"name": "anna", "password": PASSWORD}, headers=headers)
    assert answer.status == 200
    assert bool(answer.cookies[name]["secure"]) is secure
    assert ("Strict-Transport-Security" in answer.headers) is (proto == "https")


async def test_no_password_over_a_line_that_others_can_read(site: Site) -> None:
    """Plain http from another machine is refused with what to do, before the password is looked at."""
    await site.account(Role.RM, "anna")
    visitor = await site.visitor()
    headers = {**OURS, "Host": "calls.bank.example"}
    answer = await visitor.post("/api/v1/login", {"name": "anna", "password": PASSWORD}, headers=headers)
    assert answer.status == 409
    assert (await answer.json())["reason"] == "needs_https"
    assert not answer.cookies


@pytest.mark.parametrize(("name", "password"), [("anna", "wrong"), ("nobody", PASSWORD), ("gone", PASSWORD)])
async def test_a_failed_login_does_not_say_what_was_wrong(site: Site, name: str, password: str) -> None:
    """Wrong password, unknown name and disabled account have one answer."""
    await site.account(Role.RM, "anna")
    await site.account(Role.RM, "gone")
    gone = await site.db.read(accounts.find, "gone")
    assert gone is not None
    await site.db.write(accounts.set_state, gone.id, AccountState.DISABLED)
    visitor = await site.visitor()
    answer = await visitor.post("/api/v1/login", {"name": name, "password": password})
    assert answer.status == 401
    assert await answer.json() == {"reason": "wrong_password", "sentence": "Name or password is wrong."}
    assert not answer.cookies


async def test_guessing_is_braked(site: Site) -> None:
    """After five wrong passwords the right one is not looked at either; later it is."""
    await site.account(Role.RM, "anna")
    visitor = await site.visitor()
    for _ in range(5):
        await visitor.post("/api/v1/login", {"name": "anna", "password": "guess"})
    answer = await visitor.post("/api/v1/login", {"name": "anna", "password": PASSWORD})
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) > 0
    page = await visitor.submit("/login", name="anna", password=PASSWORD)
    assert page.status == 429
    assert "Too many wrong passwords" in await page.text()
    site.clock.advance(15 * 60 + 1)
    answer = await visitor.post("/api/v1/login", {"name": "anna", "password": PASSWORD})
    assert answer.status == 200


async def test_behind_a_proxy_everybody_has_an_address_of_their_own(site: Site) -> None:
    """Who guesses is braked, not everybody behind the proxy; what a client itself claims does not count."""
    await site.account(Role.RM, "anna")
    visitor = await site.visitor()

    async def log_in(password: str, forwarded: str) -> int:
        headers = {**OURS, "X-Forwarded-For": forwarded}
        body = {"name": "anna", "password": password}
        return (await visitor.post("/api/v1/login", body, headers=headers)).status

    for number in range(5):
        assert await log_in("guess", f"10.9.9.{number}, 203.0.113.7") == 401
    assert await log_in(PASSWORD, "203.0.113.7") == 429
    assert await log_in(PASSWORD, "198.51.100.1") == 200


async def test_a_one_time_password_must_be_changed_first(site: Site) -> None:
    """Then everything is open, without logging in again."""
    await site.account(Role.RM, "anna", must_change=True)
    visitor = await site.visitor()
    answer = await visitor.post("/api/v1/login", {"name": "anna", "password": PASSWORD})
    assert (await answer.json())["password_must_change"] is True
    refused = await visitor.get("/api/v1/rms/me")
    assert (refused.status, (await refused.json())["reason"]) == (403, "password_must_change")
    done = await visitor.post("/api/v1/password", {"old": PASSWORD, "new": NEW})
    assert done.status == 200, await done.text()
    assert (await visitor.get("/api/v1/rms/me")).status == 200


@pytest.mark.parametrize(
    ("old", "new", "status", "reason"),
    [
        ("not it", NEW, 403, "wrong_password"),
        (PASSWORD, "short", 422, "weak_password"),
        (PASSWORD, "rmone is my name here", 422, "weak_password"),
        (PASSWORD, PASSWORD, 403, "weak_password"),
        (PASSWORD, "", 422, "wrong_input"),
    ],
)
async def test_a_bad_new_password_changes_nothing(
    site: Site, old: str, new: str, status: int, reason: str
) -> None:
    """And says what is wrong, without repeating what was typed."""
    visitor = await site.logged_in(Role.RM)
    answer = await visitor.post("/api/v1/password", {"old": old, "new": new})
    assert (answer.status, (await answer.json())["reason"]) == (status, reason)
    assert (await site.logged_in(Role.RM)) is not None


async def test_a_new_password_ends_all_other_sessions(site: Site) -> None:
    """Whoever sat there with the old one is out; the session that changed it stays."""
    mine, other = await site.logged_in(Role.RM), await site.logged_in(Role.RM)
    assert (await mine.post("/api/v1/password", {"old": PASSWORD, "new": NEW})).status == 200
    assert (await mine.get("/api/v1/me")).status == 200
    assert (await other.get("/api/v1/me")).status == 401


async def test_logging_out_ends_the_session_and_its_updates(site: Site) -> None:
    """The cookie's token is worth nothing any more, wherever it was copied to."""
    visitor = await site.logged_in(Role.RM)
    token = visitor.client.session.cookie_jar.filter_cookies(visitor.client.make_url("/"))["offhook"].value
    socket = await visitor.watch(topic="rm")
    await socket.receive_json()
    assert (await visitor.post("/api/v1/logout")).status == 200
    assert (await socket.receive()).data == SESSION_OVER
    stranger = await site.visitor()
    assert (await stranger.get("/api/v1/me", headers={"Cookie": f"offhook={token}"})).status == 401


@pytest.mark.parametrize(
    ("step_s", "steps", "alive"), [(1700, 20, True), (1801, 1, False), (1700, 26, False)]
)
async def test_a_session_ends_by_idleness_and_by_age(
    site: Site, step_s: int, steps: int, alive: bool
) -> None:
    """Half an hour without a request, or twelve hours in any case."""
    visitor = await site.logged_in(Role.RM)
    status = 0
    for _ in range(steps):
        site.clock.advance(step_s)
        status = (await visitor.get("/api/v1/me")).status
        await site.db.write(lambda conn: None)  # what was to be touched is touched
    assert status == (200 if alive else 401)


async def test_a_talk_keeps_the_session_alive(site: Site) -> None:
    """Nobody is logged out in the middle of a call, however long they do not click."""
    visitor = await site.logged_in(Role.RM)
    rm = await site.rm()
    desk = {"rm": "rmone", "state": "talking", "call": None}
    site.live.publish(f"rm:{rm.rm_id}", desk)
    async with await visitor.watch(topic="rm") as socket:
        await socket.receive_json()
        call = {"call_id": "X", "shown": "X", "state": "bridged", "disposition": None, "are_you_there": False}
        site.live.publish(
            f"rm:{rm.rm_id}", {**desk, "call": {**call, "snapshot": {"customer": {"numbers": []}}}}
        )
        await socket.receive_json()
        for _ in range(3 * 3600 // int(SESSION_CHECK_S)):
            site.clock.advance(SESSION_CHECK_S)
            await site.db.read(lambda conn: None)
            await site.db.write(lambda conn: None)
        assert (await visitor.get("/api/v1/me")).status == 200


async def test_a_disabled_account_is_out_at_once(site: Site) -> None:
    """Its updates end with the next look at the session."""
    visitor = await site.logged_in(Role.RM)
    socket = await visitor.watch(topic="rm")
    await socket.receive_json()
    found = await site.db.read(accounts.find, "rmone")
    assert found is not None
    await site.db.write(accounts.set_state, found.id, AccountState.DISABLED)
    assert (await visitor.get("/api/v1/me")).status == 401
    site.clock.advance(SESSION_CHECK_S)
    assert (await socket.receive()).data == SESSION_OVER


async def test_coming_and_going_is_audited(site: Site) -> None:
    """Who logged in, changed the password and left, in their order."""
    visitor = await site.logged_in(Role.RM)
    await visitor.post("/api/v1/password", {"old": PASSWORD, "new": NEW})
    await visitor.post("/api/v1/logout")
    acts = await site.db.read(
        lambda conn: conn.execute(
            select(audit_entry.c.actor, audit_entry.c.action).order_by(audit_entry.c.id)
        ).all()
    )
    assert acts == [("rmone", "login"), ("rmone", "password.change"), ("rmone", "logout")]


async def test_wrong_passwords_are_audited_without_what_was_typed(site: Site) -> None:
    """Whose account it was, if anybody's, and from where; a name nobody has may be a password, so it is not kept."""
    visitor = await site.logged_in(Role.RM)
    await visitor.post("/api/v1/password", {"old": "not the old one", "new": NEW})
    for name in ("rmone", "hunter2hunter2"):
        answer = await visitor.post("/api/v1/login", {"name": name, "password": "secret guess"})
        assert answer.status == 401
    entries = await site.db.read(
        lambda conn: conn.execute(select(audit_entry).order_by(audit_entry.c.id)).mappings().all()
    )
    assert [(entry["actor"], entry["action"], entry["subject"]) for entry in entries[1:]] == [
        ("rmone", "password.refused", "account:1"),
        ("rmone", "login.failed", "account:1"),
        ("nobody", "login.failed", "account"),
    ]
    assert {entry["detail"]["address"] for entry in entries[1:]} == {"127.0.0.1"}
    assert not any(word in str(entries) for word in ("hunter2", "secret guess", "not the old one"))


async def test_the_pages_log_in_and_out_too(site: Site) -> None:
    """By plain forms: wrong, right, out; what was typed as the name is kept, the password is not."""
    await site.account(Role.RM, "anna")
    visitor = await site.visitor()
    assert (await visitor.get("/call")).headers["Location"] == "/login"
    wrong = await visitor.submit("/login", name="anna", password="secret guess")
    text = await wrong.text()
    assert wrong.status == 401
    assert 'value="anna"' in text
    assert "secret guess" not in text
    right = await visitor.submit("/login", name="anna", password=PASSWORD)
    assert (right.status, right.headers["Location"]) == (303, "/")
    assert (await visitor.get("/")).status == 200
    out = await visitor.submit("/logout")
    assert (out.status, out.headers["Location"]) == (303, "/login")
    assert (await visitor.get("/")).headers["Location"] == "/login"


async def test_the_page_for_a_first_password(site: Site) -> None:
    """A one-time password leads to the form for a new one, and nowhere else."""
    await site.account(Role.RM, "anna", must_change=True)
    visitor = await site.visitor()
    answer = await visitor.submit("/login", name="anna", password=PASSWORD)
    assert answer.headers["Location"] == "/password"
    assert (await visitor.get("/password")).status == 200
    weak = await visitor.submit("/password", old=PASSWORD, new="short")
    assert weak.status == 422
    assert "at least 12 symbols" in await weak.text()
    done = await visitor.submit("/password", old=PASSWORD, new=NEW)
    assert (done.status, done.headers["Location"]) == (303, "/")
    assert (await visitor.get("/")).status == 200
