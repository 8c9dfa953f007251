# SPDX-License-Identifier: GPL-3.0-or-later
"""Style, script and icon of the pages, from memory, under addresses that change with their content."""

from __future__ import annotations

from aiohttp import web

from console.ask import Ask
from console.errors import NotThere
from console.pages.rendering import ASSETS, PAGES
from console.routes import Media, Routes

routes = Routes("pages", prefix="")


@routes.get("/static/{name}", media=Media.ASSET)
async def asset(ask: Ask) -> web.Response:
    """One file."""
    name = ask.path("name")
    if name not in ASSETS:
        raise NotThere("There is nothing at this address.")
    return web.Response(
        body=ask.request.app[PAGES].assets[name],
        content_type=ASSETS[name],
        charset="utf-8",
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )
