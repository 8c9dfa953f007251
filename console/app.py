# SPDX-License-Identifier: GPL-3.0-or-later
"""The console as one aiohttp application: routes, rights, headers, and its end."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from typing import Any, Final

from aiohttp import web

from console import live
from console.access import check_table
from console.answering import OWNER, PARTS, bind, say_what_aiohttp_says
from console.api import (
    accounts,
    alarms,
    audit,
    calls,
    campaigns,
    customers,
    desk,
    floor,
    health,
    imports,
    rms,
    session,
    suppressions,
    trunks,
)
from console.api.calls import LOOK_UPS, new_look_ups
from console.api.health import DOCUMENT
from console.guard import set_headers
from console.live import SOCKETS, close_all, new_sockets
from console.openapi import document
from console.pages import assets
from console.pages import desk as desk_pages
from console.pages import floor as floor_pages
from console.pages import session as session_pages
from console.pages.rendering import PAGES, Pages, error_page
from console.parts import ConsoleParts
from console.routes import Route
from foundation.tasks import TaskOwner

#: Pages send small forms; uploads are read piece by piece and have a limit of their own.
LARGEST_BODY: Final = 256 * 1024

ROUTES: Final[tuple[Route, ...]] = tuple(
    route
    for module in (
        health,
        session,
        desk,
        calls,
        campaigns,
        rms,
        accounts,
        trunks,
        customers,
        suppressions,
        imports,
        audit,
        alarms,
        floor,
        live,
        assets,
        session_pages,
        desk_pages,
        floor_pages,
    )
    for route in module.routes
)


def make_app(parts: ConsoleParts, *, operator: bool = False) -> web.Application:
    """The console. ``operator``: for the Unix socket; the API alone, and whoever connects may do everything.

    Raises:
        BadTable: a route without a right, or the other way round.
    """
    check_table(ROUTES)
    app = web.Application(middlewares=[say_what_aiohttp_says], client_max_size=LARGEST_BODY)
    app[PARTS] = parts
    app[OWNER] = TaskOwner("console")
    app[SOCKETS] = new_sockets()
    app[LOOK_UPS] = new_look_ups()
    app[PAGES] = Pages()
    app[DOCUMENT] = _description()
    for route in ROUTES:
        if route.is_api or not operator:
            handler = bind(route, parts, operator=operator, error_page=error_page)
            app.router.add_route(route.method, route.path, handler)
    app.on_response_prepare.append(set_headers)
    app.on_shutdown.append(close_all)
    app.on_cleanup.append(_close_owner)
    return app


@cache
def _description() -> dict[str, Any]:
    return document(ROUTES, metadata.version("offhook"))


async def _close_owner(app: web.Application) -> None:
    await app[OWNER].close()
