# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisor's page: who is doing what, the big halt, and campaigns to start and pause."""

from __future__ import annotations

from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import StringConstraints
from sqlalchemy import Connection

from console.api.floor import Floor
from console.ask import Ask, CommandRefused
from console.errors import NotThere
from console.pages.rendering import form, page, see_other
from console.routes import Asked, Media, Routes
from dialer.campaigns import find_campaign, list_campaigns
from dialer.halts import standing_halt
from vocabulary import commands as c

routes = Routes("pages", prefix="")

#: A busy floor changes many times a second; a person reads it once.
_GAP_MS: Final = 1000
_MOVES: Final[dict[str, type[c.StartCampaign] | type[c.PauseCampaign]]] = {
    "start": c.StartCampaign,
    "pause": c.PauseCampaign,
}


class HaltForm(Asked):
    """Why everything should stop."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


@routes.get("/floor", media=Media.HTML)
async def floor(ask: Ask) -> web.Response:
    """The floor as it is now."""
    return await _floor_page(ask)


@routes.post("/floor/halt", media=Media.HTML)
async def halt(ask: Ask) -> web.StreamResponse:
    """Stop everything."""
    reason = (await form(ask, HaltForm)).reason
    return await _order(ask, c.Halt(reason=f"{reason} ({ask.actor.name})"))


@routes.post("/floor/lift", media=Media.HTML)
async def lift(ask: Ask) -> web.StreamResponse:
    """Allow dialing again."""
    return await _order(ask, c.LiftHalt())


@routes.post("/floor/{campaign}/{move}", media=Media.HTML)
async def move_campaign(ask: Ask) -> web.StreamResponse:
    """Start or pause a campaign."""
    campaign, move = ask.path("campaign"), _MOVES.get(ask.path("move"))
    if move is None or not campaign.isdecimal():
        raise NotThere("There is nothing at this address.")
    found = await ask.read(find_campaign, int(campaign))
    return await _order(ask, move(campaign_id=found.id))


async def _order(ask: Ask, command: c.Command) -> web.StreamResponse:
    try:
        await ask.send(command)
    except CommandRefused as refused:
        return await _floor_page(ask, status=refused.status, alert=refused.sentence)
    return see_other("/floor")


async def _floor_page(ask: Ask, *, status: int = 200, alert: str = "") -> web.Response:
    live = ask.parts.live.snapshot("floor")
    shown = Floor(
        number=live.number, **{key: live.data[key] for key in Floor.model_fields if key in live.data}
    )
    return page(
        ask.request,
        ask.actor,
        "floor.html",
        status=status,
        alert=alert,
        topic="floor",
        number=live.number,
        gap_ms=_GAP_MS,
        floor=shown,
        **await ask.read(_floor_reads),
    )


def _floor_reads(conn: Connection) -> dict[str, Any]:
    return {"campaigns": list_campaigns(conn), "halted": standing_halt(conn)}
