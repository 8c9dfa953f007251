# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in and out and changing the password: the same for the API and the pages."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import Connection

from accounts import accounts, logins, sessions
from accounts.logins import Login
from accounts.passwords import OWASP, SALT_BYTES, Cost, check_new_password, hash_password, password_fits
from console.ask import Ask
from console.errors import NotAllowed, NotLoggedIn
from console.guard import address_of, require_safe_line
from console.parts import Passwords
from foundation import audit
from foundation.ids import IdSource

log = structlog.get_logger(__name__)

WRONG_LOGIN: Final = "Name or password is wrong."


def worker_passwords(workers: Executor, ids: IdSource, cost: Cost = OWASP) -> Passwords:
    """Hashing in ``workers``. Give it workers of its own: a login must not wait behind an import."""

    async def make(password: str) -> str:
        salt = ids.token_bytes(SALT_BYTES)
        return await asyncio.get_running_loop().run_in_executor(workers, hash_password, password, salt, cost)

    async def verify(kept: str, password: str) -> bool:
        return await asyncio.get_running_loop().run_in_executor(workers, password_fits, kept, password)

    return Passwords(hash=make, verify=verify)


async def log_in(ask: Ask, name: str, password: str, old_token: str | None) -> tuple[str, bool]:
    """Begin a session; the answer is its token and whether the password must be changed first.

    Raises:
        NotLoggedIn: name or password is wrong, without saying which.
        TooManyTries: wrong passwords came too often; nothing was checked.
        NotPossible: the password came over a line that others can read.
    """
    require_safe_line(ask.request)
    parts, now = ask.parts, ask.parts.clock.now()
    login = await parts.db.write(logins.begin, name, address_of(ask.request), now)
    fits = await parts.passwords.verify(login.password_hash, password)
    if not fits or login.account is None:
        log.info("login_failed", pii_name=name)
        await parts.db.write(_refused, "login.failed", login, address_of(ask.request), now)
        raise NotLoggedIn(WRONG_LOGIN, reason="wrong_password")
    token = await ask.write(
        _open_session, login, parts.ids, now, parts.settings.console.session_max_s, old_token
    )
    return token, login.account.password_must_change


async def log_out(ask: Ask) -> None:
    """End the session of who asks."""
    if ask.actor.token is not None:
        await ask.write(_end_session, ask.actor.token, ask.actor.name, ask.parts.clock.now())


async def change_password(ask: Ask, old: str, new: str) -> None:
    """A new password of one's own; every other session of the account ends.

    Raises:
        NotAllowed: the old password is wrong, or the operator's socket has no account.
        WeakPassword: the new one is too easy to guess, or is the old one.
        TooManyTries: wrong passwords came too often.
    """
    require_safe_line(ask.request)
    actor, parts = ask.actor, ask.parts
    if actor.account_id is None:
        raise NotAllowed("The operator's socket has no account, so it has no password.")
    now = parts.clock.now()
    login = await parts.db.write(logins.begin, actor.name, address_of(ask.request), now)
    if not await parts.passwords.verify(login.password_hash, old):
        await parts.db.write(_refused, "password.refused", login, address_of(ask.request), now)
        raise NotAllowed("The old password is wrong; it was not changed.", reason="wrong_password")
    check_new_password(new, actor.name)
    if new == old:
        raise NotAllowed("The new password is the old one; choose another.", reason="weak_password")
    kept = await parts.passwords.hash(new)
    await ask.write(_change_password, login, kept, actor.token, now)


def _open_session(
    conn: Connection, login: Login, ids: IdSource, now: datetime, max_s: float, old_token: str | None
) -> str:
    found = logins.succeed(conn, login)
    assert found is not None
    if old_token is not None:
        sessions.revoke(conn, old_token)
    audit.record(conn, now, actor=found.name, action="login", subject=f"account:{found.id}")
    return sessions.create(conn, ids, found.id, now, max_s=max_s)


def _refused(conn: Connection, action: str, login: Login, address: str, now: datetime) -> None:
    """A wrong password. What was typed for a name that nobody has is not kept: it may be a password."""
    known = login.account
    audit.record(
        conn,
        now,
        actor=known.name if known is not None else "nobody",
        action=action,
        subject=f"account:{known.id}" if known is not None else "account",
        detail={"address": address},
    )


def _end_session(conn: Connection, token: str, name: str, now: datetime) -> None:
    sessions.revoke(conn, token)
    audit.record(conn, now, actor=name, action="logout", subject=f"account:{name}")


def _change_password(
    conn: Connection, login: Login, password_hash: str, token: str | None, now: datetime
) -> None:
    found = logins.succeed(conn, login)
    assert found is not None
    accounts.set_password(conn, found.id, password_hash, must_change=False, keep_token=token)
    audit.record(conn, now, actor=found.name, action="password.change", subject=f"account:{found.id}")
