# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in, in two units of work with the slow hash between them, and a brake on guessing.

``begin`` counts a try *before* the password is checked, so that a burst of guesses is counted in full;
``succeed`` takes it back. Tries are counted per name and address, per address, and per name: nobody can be
locked out by a stranger elsewhere, and nobody can try one password on every name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from accounts.accounts import Account, AccountState, account_of
from accounts.errors import TooManyTries
from accounts.passwords import NOBODYS_HASH
from accounts.tables import account, login_tries

SPAN_S: Final = 900
PER_NAME_AND_ADDRESS: Final = 5
PER_ADDRESS: Final = 50
PER_NAME: Final = 100
"""Tries in ``SPAN_S`` before a wait until its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A login under way: check the password against ``password_hash`` in a worker, then ``succeed`` or drop it."""

    account: Account | None
    password_hash: str = field(repr=False)
    origins: tuple[str, ...]


def begin(conn: Connection, name: str, address: str, now: datetime) -> Login:
    """Begin a login. A name nobody has gets a hash that fits no password, so that both take as long.

    Raises:
        TooManyTries: wait; the password is not looked at and the try not counted.
    """
    name = name[:40]
    limits = {
        f"{name}@{address}": PER_NAME_AND_ADDRESS,
        f"@{address}": PER_ADDRESS,
        f"{name}@": PER_NAME,
    }
    for origin, limit in limits.items():
        _check(conn, origin, limit, now)
    for origin in limits:
        _count(conn, origin, now)
    row = conn.execute(select(account).where(account.c.name == name)).one_or_none()
    found = None if row is None else account_of(row)
    if row is None or found is None or found.state is not AccountState.ACTIVE:
        return Login(account=None, password_hash=NOBODYS_HASH, origins=tuple(limits))
    return Login(account=found, password_hash=row.password_hash, origins=tuple(limits))


def succeed(conn: Connection, login: Login) -> Account | None:
    """The password was right: the tries are taken back. None: nobody may log in under this name."""
    if login.account is None:
        return None
    mine, *shared = login.origins
    conn.execute(delete(login_tries).where(login_tries.c.origin == mine))
    conn.execute(
        update(login_tries)
        .where(login_tries.c.origin.in_(shared), login_tries.c.tries > 0)
        .values(tries=login_tries.c.tries - 1)
    )
    return login.account


def forget_old_tries(conn: Connection, now: datetime) -> int:
    """Remove what no longer counts; the answer is how many rows."""
    old = now - timedelta(seconds=SPAN_S)
    return conn.execute(delete(login_tries).where(login_tries.c.since <= old)).rowcount


def _check(conn: Connection, origin: str, limit: int, now: datetime) -> None:
    row = conn.execute(select(login_tries).where(login_tries.c.origin == origin)).one_or_none()
    if row is None:
        return
    left = row.since + timedelta(seconds=SPAN_S) - now
    if left <= timedelta():
        conn.execute(delete(login_tries).where(login_tries.c.origin == origin))
    elif row.tries >= limit:
        raise TooManyTries(int(left.total_seconds()))


def _count(conn: Connection, origin: str, now: datetime) -> None:
    more = update(login_tries).where(login_tries.c.origin == origin).values(tries=login_tries.c.tries + 1)
    if conn.execute(more).rowcount == 0:
        conn.execute(insert(login_tries).values(origin=origin, tries=1, since=now))
