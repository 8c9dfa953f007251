# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts: adding people, finding them, changing role, state and password."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from accounts.errors import BadName, NameTaken, NoSuchAccount
from accounts.permissions import Role
from accounts.sessions import revoke_all
from accounts.tables import account

_NAME: Final = re.compile(r"[a-z][a-z0-9._-]{1,39}")


class AccountState(StrEnum):
    """Whether somebody may log in."""

    ACTIVE = "active"  #: may log in
    DISABLED = "disabled"  #: may not; kept because the audit names it


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person who logs in; never holds the password's hash."""

    id: int
    name: str
    display_name: str
    role: Role
    state: AccountState
    password_must_change: bool


def add(
    conn: Connection,
    *,
    name: str,
    display_name: str,
    role: Role,
    password_hash: str,
    now: datetime,
    password_must_change: bool = True,
) -> Account:
    """A new active account.

    Raises:
        BadName: not a name an account may have.
        NameTaken: another account has it.
    """
    if _NAME.fullmatch(name) is None:
        raise BadName(
            f"{name!r} is no account name: use 2 to 40 of a-z, 0-9, dot, hyphen, underscore, a letter first."
        )
    row = insert(account).values(
        name=name,
        display_name=display_name,
        role=role,
        state=AccountState.ACTIVE,
        password_hash=password_hash,
        password_must_change=password_must_change,
        created_at=now,
    )
    try:
        return account_of(conn.execute(row.returning(account)).one())
    except IntegrityError:
        raise NameTaken(f"There is an account named {name} already.") from None


def find(conn: Connection, name: str) -> Account | None:
    row = conn.execute(select(account).where(account.c.name == name)).one_or_none()
    return None if row is None else account_of(row)


def every(conn: Connection) -> list[Account]:
    """All accounts, by name."""
    return [account_of(row) for row in conn.execute(select(account).order_by(account.c.name))]


def password_hash(conn: Connection, account_id: int) -> str:
    """The hash kept, to be checked in a worker."""
    kept: str = conn.execute(select(account.c.password_hash).where(account.c.id == account_id)).scalar_one()
    return kept


def set_password(
    conn: Connection, account_id: int, password_hash: str, *, must_change: bool, keep_token: str | None = None
) -> None:
    """A new password; ends every web session of the account but that of ``keep_token``."""
    _change(conn, account_id, password_hash=password_hash, password_must_change=must_change)
    revoke_all(conn, account_id, keep_token=keep_token)


def set_role(conn: Connection, account_id: int, role: Role) -> None:
    """A new role; ends every web session, so that nobody goes on with the old one's pages."""
    _change(conn, account_id, role=role)
    revoke_all(conn, account_id)


def set_state(conn: Connection, account_id: int, state: AccountState) -> None:
    """Enable or disable; disabling ends every web session at once."""
    _change(conn, account_id, state=state)
    if state is AccountState.DISABLED:
        revoke_all(conn, account_id)


def account_of(row: Row[Any]) -> Account:
    """A row with the columns of ``tables.account``."""
    return Account(
        id=row.id,
        name=row.name,
        display_name=row.display_name,
        role=Role(row.role),
        state=AccountState(row.state),
        password_must_change=row.password_must_change,
    )


def _change(conn: Connection, account_id: int, **values: object) -> None:
    if conn.execute(update(account).where(account.c.id == account_id).values(values)).rowcount == 0:
        raise NoSuchAccount(f"There is no account number {account_id}.")
