# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in and out, one's own password, and who one is."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import Field

from accounts.permissions import Permission, Role
from console import logins
from console.api.models import Done
from console.ask import Ask
from console.guard import Cookie
from console.live import close_sockets
from console.routes import Asked, Routes, Told

routes = Routes("session")

Name = Annotated[str, Field(min_length=1, max_length=40)]
Password = Annotated[str, Field(min_length=1, max_length=200)]


class LoginAsked(Asked):
    """Name and password; a one-time password must be changed before anything else."""

    name: Name
    password: Password = Field(repr=False)


class LoggedIn(Told):
    """The session is in the cookie that came along."""

    password_must_change: bool


class PasswordAsked(Asked):
    """The old password and the new one, of at least twelve symbols."""

    old: Password = Field(repr=False)
    new: Password = Field(repr=False)


class Me(Told):
    """Who asks, and what they may."""

    name: str
    role: Role
    rm: str | None = Field(description="The RM's name, where the account is an RM's.")
    password_must_change: bool
    permissions: list[Permission]


@routes.post("/login", body=LoginAsked, reply=LoggedIn)
async def login(ask: Ask, body: LoginAsked) -> web.Response:
    """Log in; the answer sets the session cookie."""
    cookie = Cookie.of(ask.request)
    old_token = ask.request.cookies.get(cookie.name)
    token, must_change = await logins.log_in(ask, body.name, body.password, old_token)
    response = web.json_response({"password_must_change": must_change})
    cookie.set(response, token, ask.parts.settings.console.session_max_s)
    return response


@routes.post("/logout", reply=Done)
async def logout(ask: Ask) -> web.Response:
    """End the session; its live updates end too."""
    await logins.log_out(ask)
    await close_sockets(ask.request.app, ask.actor.token)
    response = web.json_response(Done().model_dump())
    Cookie.of(ask.request).clear(response)
    response.headers["Clear-Site-Data"] = '"cookies", "storage"'
    return response


@routes.post("/password", body=PasswordAsked, reply=Done)
async def password(ask: Ask, body: PasswordAsked) -> Done:
    """Change one's own password; all other sessions of the account end."""
    await logins.change_password(ask, body.old, body.new)
    return Done()


@routes.get("/me", reply=Me)
async def me(ask: Ask) -> Me:
    """Who is logged in, and what they may do."""
    actor = ask.actor
    return Me(
        name=actor.name,
        role=actor.role,
        rm=actor.rm.name if actor.rm is not None else None,
        password_must_change=actor.must_change_password,
        permissions=[permission for permission in Permission if actor.may(permission)],
    )
