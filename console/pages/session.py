# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages for logging in and out and for the password."""

from __future__ import annotations

from aiohttp import web

from accounts.errors import TooManyTries, WeakPassword
from accounts.passwords import SHORTEST
from console import logins
from console.answering import as_refusal
from console.api.session import LoginAsked, PasswordAsked
from console.ask import Ask
from console.errors import Refused
from console.guard import Cookie
from console.live import close_sockets
from console.pages.rendering import form, page, see_other
from console.routes import Media, Routes

routes = Routes("pages", prefix="")


@routes.get("/login", media=Media.HTML)
async def login_page(ask: Ask) -> web.Response:
    """The form to log in."""
    return page(ask.request, None, "login.html", alert="", name="")


@routes.post("/login", media=Media.HTML)
async def login(ask: Ask) -> web.StreamResponse:
    """Log in; on to the own day, or to a password of one's own."""
    cookie = Cookie.of(ask.request)
    name = str((await ask.request.post()).get("name", ""))[:40]
    try:
        asked = await form(ask, LoginAsked)
        old_token = ask.request.cookies.get(cookie.name)
        token, must_change = await logins.log_in(ask, asked.name, asked.password, old_token)
    except (Refused, TooManyTries) as error:
        refused = as_refusal(error, ask.progress)
        return page(ask.request, None, "login.html", status=refused.status, alert=refused.sentence, name=name)
    response = see_other("/password" if must_change else "/")
    cookie.set(response, token, ask.parts.settings.console.session_max_s)
    return response


@routes.post("/logout", media=Media.HTML)
async def logout(ask: Ask) -> web.StreamResponse:
    """Log out."""
    await logins.log_out(ask)
    await close_sockets(ask.request.app, ask.actor.token)
    response = see_other("/login")
    Cookie.of(ask.request).clear(response)
    response.headers["Clear-Site-Data"] = '"cookies", "storage"'
    return response


@routes.get("/password", media=Media.HTML)
async def password_page(ask: Ask) -> web.Response:
    """The form for a new password."""
    return page(ask.request, ask.actor, "password.html", alert="", shortest=SHORTEST)


@routes.post("/password", media=Media.HTML)
async def password(ask: Ask) -> web.StreamResponse:
    """Change one's own password."""
    try:
        asked = await form(ask, PasswordAsked)
        await logins.change_password(ask, asked.old, asked.new)
    except (Refused, TooManyTries, WeakPassword) as error:
        refused = as_refusal(error, ask.progress)
        return page(
            ask.request,
            ask.actor,
            "password.html",
            status=refused.status,
            alert=refused.sentence,
            shortest=SHORTEST,
        )
    return see_other("/")
