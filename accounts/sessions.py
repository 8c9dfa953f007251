# SPDX-License-Identifier: GPL-3.0-or-later
"""Web sessions on the server's side: a random token in the browser, its hash here, an end by idleness and by age.

After OWASP ASVS 5.0, chapter 7: 256 random bits, revocable, listed per account, ended by both time-outs.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, insert, or_, select, update

from accounts.tables import account, web_session
from foundation.ids import IdSource

TOKEN_BYTES: Final = 32
TOUCH_EVERY_S: Final = 60
"""Being seen is written at most so often: not every request is worth a write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSession:
    """A session that is alive, and whose it is."""

    account_id: int
    account_name: str
    role: str
    password_must_change: bool
    seen_at: datetime

    def needs_touch(self, now: datetime) -> bool:
        """Whether ``touch`` is due."""
        return now - self.seen_at >= timedelta(seconds=TOUCH_EVERY_S)


def create(conn: Connection, ids: IdSource, account_id: int, now: datetime, *, max_s: float) -> str:
    """Begin a session that ends after ``max_s`` in any case; the answer is the token for the cookie."""
    token = urlsafe_b64encode(ids.token_bytes(TOKEN_BYTES)).decode().rstrip("=")
    conn.execute(
        insert(web_session).values(
            token_hash=_hash(token),
            account_id=account_id,
            created_at=now,
            seen_at=now,
            expires_at=now + timedelta(seconds=max_s),
        )
    )
    return token


def find(conn: Connection, token: str, now: datetime, *, idle_s: float) -> WebSession | None:
    """The session of a token, unless it is unknown, revoked, too old or was idle for ``idle_s``."""
    row = conn.execute(
        select(web_session.c.seen_at, account)
        .join(account, account.c.id == web_session.c.account_id)
        .where(
            web_session.c.token_hash == _hash(token),
            web_session.c.expires_at > now,
            web_session.c.seen_at > now - timedelta(seconds=idle_s),
        )
    ).one_or_none()
    if row is None:
        return None
    return WebSession(
        account_id=row.id,
        account_name=row.name,
        role=row.role,
        password_must_change=row.password_must_change,
        seen_at=row.seen_at,
    )


def touch(conn: Connection, token: str, now: datetime) -> None:
    """The person is still there."""
    conn.execute(update(web_session).where(web_session.c.token_hash == _hash(token)).values(seen_at=now))


def revoke(conn: Connection, token: str) -> None:
    """Log out."""
    conn.execute(delete(web_session).where(web_session.c.token_hash == _hash(token)))


def revoke_all(conn: Connection, account_id: int, *, keep_token: str | None = None) -> int:
    """End all sessions of an account, but that of ``keep_token``; the answer is how many."""
    theirs = delete(web_session).where(web_session.c.account_id == account_id)
    if keep_token is not None:
        theirs = theirs.where(web_session.c.token_hash != _hash(keep_token))
    return conn.execute(theirs).rowcount


def expire(conn: Connection, now: datetime, *, idle_s: float) -> int:
    """Forget sessions that are over; the answer is how many."""
    over = or_(web_session.c.expires_at <= now, web_session.c.seen_at <= now - timedelta(seconds=idle_s))
    return conn.execute(delete(web_session).where(over)).rowcount


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
