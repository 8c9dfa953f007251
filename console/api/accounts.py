# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts of the people who log in: making, changing and locking them, and giving a new one-time password."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field
from sqlalchemy import Connection

from accounts import accounts
from accounts.accounts import Account, AccountState
from accounts.one_time import one_time_password
from accounts.permissions import Role
from console.ask import Ask
from console.errors import NotPossible, NotThere, WrongInput
from console.routes import Asked, Routes, Told

routes = Routes("accounts")


class AccountAsked(Asked):
    """A new account. RMs have theirs made with them."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9._-]{1,39}$")]
    display_name: Annotated[str, Field(min_length=1, max_length=80)]
    role: Role


class AccountChanged(Asked):
    """What shall be otherwise; what is left out stays. An RM's account stays an RM's."""

    role: Role | None = None
    state: AccountState | None = None


class AccountShown(Told):
    """Somebody who logs in."""

    name: str
    display_name: str
    role: Role
    state: AccountState
    password_must_change: bool


class AccountsShown(Told):
    """All accounts, by name."""

    accounts: list[AccountShown]


class PasswordTold(AccountShown):
    """An account with a new password, which is shown this once and must be changed at the first login."""

    one_time_password: str


@routes.get("/accounts", reply=AccountsShown)
async def every(ask: Ask) -> AccountsShown:
    """All accounts."""
    return AccountsShown(accounts=[_shown(one) for one in await ask.read(accounts.every)])


@routes.post("/accounts", body=AccountAsked, reply=PasswordTold, status=201)
async def add(ask: Ask, body: AccountAsked) -> PasswordTold:
    """Make an account with a one-time password."""
    if body.role is Role.RM:
        raise WrongInput(
            "An RM's account is made together with the RM; nothing was done.", reason="rm_account"
        )
    password = one_time_password(ask.parts.ids)
    kept = await ask.parts.passwords.hash(password)
    made = await ask.write(_add, ask, body, kept, ask.parts.clock.now())
    return PasswordTold(**_shown(made).model_dump(), one_time_password=password)


@routes.post("/accounts/{account}/reset", reply=PasswordTold)
async def reset(ask: Ask) -> PasswordTold:
    """Give a new one-time password; every session of the account ends."""
    found = await ask.read(accounts.find, ask.path("account"))
    if found is None:
        raise NotThere("There is no such account.", reason="no_account")
    password = one_time_password(ask.parts.ids)
    kept = await ask.parts.passwords.hash(password)
    await ask.write(_reset, ask, found, kept)
    shown = _shown(found).model_dump() | {"password_must_change": True}
    return PasswordTold(**shown, one_time_password=password)


@routes.post("/accounts/{account}", body=AccountChanged, reply=AccountShown)
async def change(ask: Ask, body: AccountChanged) -> AccountShown:
    """Give another role, or lock an account and unlock it; its sessions end."""
    found = await ask.read(accounts.find, ask.path("account"))
    if found is None:
        raise NotThere("There is no such account.", reason="no_account")
    if found.id == ask.actor.account_id:
        raise NotPossible("This is your own account; somebody else must change it.", reason="own_account")
    if body.role is not None and Role.RM in (body.role, found.role):
        raise WrongInput("An RM's account stays an RM's, and no other becomes one.", reason="rm_account")
    return _shown(await ask.write(_change, ask, found, body))


def _change(conn: Connection, ask: Ask, found: Account, body: AccountChanged) -> Account:
    if body.role is not None:
        accounts.set_role(conn, found.id, body.role)
    if body.state is not None:
        accounts.set_state(conn, found.id, body.state)
    detail = body.model_dump(mode="json", exclude_none=True)
    ask.record(conn, "account.change", f"account:{found.id}", detail=detail)
    changed = accounts.find(conn, found.name)
    assert changed is not None
    return changed


def _add(conn: Connection, ask: Ask, body: AccountAsked, password_hash: str, now: datetime) -> Account:
    made = accounts.add(
        conn,
        name=body.name,
        display_name=body.display_name,
        role=body.role,
        password_hash=password_hash,
        now=now,
    )
    ask.record(conn, "account.add", f"account:{made.id}", detail={"role": made.role})
    return made


def _reset(conn: Connection, ask: Ask, found: Account, password_hash: str) -> None:
    accounts.set_password(conn, found.id, password_hash, must_change=True)
    ask.record(conn, "account.reset", f"account:{found.id}")


def _shown(account: Account) -> AccountShown:
    return AccountShown(
        name=account.name,
        display_name=account.display_name,
        role=account.role,
        state=account.state,
        password_must_change=account.password_must_change,
    )
