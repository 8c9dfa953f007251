# SPDX-License-Identifier: GPL-3.0-or-later
"""An RM's pages: the own day, and the calls from one customer to the next.

Every order is a form. Done, it leads back to ``/call``; refused, the page is shown at once with the
sentence, and what was typed is still in it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from aiohttp import web
from markupsafe import Markup
from pydantic import Field, StringConstraints
from sqlalchemy import Connection

from accounts.permissions import Permission
from console import queries
from console.answering import as_refusal
from console.api.calls import own_call
from console.ask import Ask
from console.errors import NotAllowed, NotThere, Refused
from console.pages.rendering import form, local_day_start, page, see_other, zone_of
from console.routes import Asked, Media, Routes
from console.views import OFFLINE, desk_screen
from dialer.campaigns import Campaign, find_campaign, list_campaigns
from foundation.errors import CommandTimedOut, DatabaseError, NoHandler
from vocabulary import commands as c
from vocabulary.errors import VocabularyError
from vocabulary.outcomes import BreakReason, Outcome
from vocabulary.states import CampaignState, EntryState, PacingMode, RmState

routes = Routes("pages", prefix="")

_WORKABLE: Final = (CampaignState.RUNNING, CampaignState.PAUSED)
#: Rows of the own list by mode: to choose from, or only to know who comes next.
_LIST_SHOWN: Final = {PacingMode.MANUAL: 50, PacingMode.PREVIEW: 5, PacingMode.PROGRESSIVE: 5}
_NOTHING_FILLED: Final[Mapping[str, str]] = {"outcome": "", "note": "", "callback_at": ""}
_ANSWER: Final = "answer."


class ShiftForm(Asked):
    """Which campaign to work in."""

    campaign: int


class CallForm(Asked):
    """Which call an order is for."""

    call_id: str


class NextForm(Asked):
    """Whom to call: nobody named means the best of the list."""

    customer_id: int | None = None


class BreakForm(Asked):
    """Why no calls should come."""

    reason: BreakReason


class SkipForm(CallForm):
    """Why this customer is not called now."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class OutcomeForm(CallForm):
    """How it went. ``callback_at`` is the customer's own time, as the page says."""

    outcome: Outcome
    note: str = Field(default="", max_length=4000)
    callback_at: datetime | None = None
    answers: dict[str, str] = {}


@routes.get("/", media=Media.HTML)
async def home(ask: Ask) -> web.StreamResponse:
    """The own day; who has no desk goes where they work."""
    if not ask.actor.may(Permission.DESK):
        if ask.actor.may(Permission.FLOOR_WATCH):
            return see_other("/floor")
        raise NotAllowed(
            f"There is no page yet for the role {ask.actor.role}; the command line has what you need."
        )
    return await _desk_page(ask, "home.html")


@routes.get("/call", media=Media.HTML)
async def call(ask: Ask) -> web.StreamResponse:
    """The calls."""
    return await _desk_page(ask, "call.html")


@routes.get("/call/{action}", media=Media.HTML)
async def call_reloaded(_ask: Ask) -> web.Response:
    """Where a refused form was shown; loaded again it is the calls."""
    return see_other("/call")


@routes.post("/call/{action}", media=Media.HTML)
async def order(ask: Ask) -> web.StreamResponse:
    """One order of the RM."""
    act = _ORDERS.get(ask.path("action"))
    if act is None:
        raise NotThere("There is nothing at this address.")
    try:
        await ask.send(await act(ask, ask.own_rm().rm_id))
    except (Refused, VocabularyError, CommandTimedOut, NoHandler, DatabaseError) as error:
        if isinstance(error, NotAllowed):
            raise
        refused = as_refusal(error, ask.progress)
        filled = {**_NOTHING_FILLED, **{key: str(value) for key, value in (await ask.request.post()).items()}}
        return await _desk_page(
            ask, "call.html", status=refused.status, alert=refused.sentence, filled=filled
        )
    return see_other("/call")


async def _shift(ask: Ask, rm_id: int) -> c.Command:
    return c.StartShift(rm_id=rm_id, campaign_id=(await form(ask, ShiftForm)).campaign)


async def _end_shift(_ask: Ask, rm_id: int) -> c.Command:
    return c.EndShift(rm_id=rm_id)


async def _ready(_ask: Ask, rm_id: int) -> c.Command:
    return c.GoReady(rm_id=rm_id)


async def _break(ask: Ask, rm_id: int) -> c.Command:
    return c.TakeBreak(rm_id=rm_id, reason=(await form(ask, BreakForm)).reason)


async def _next(ask: Ask, rm_id: int) -> c.Command:
    return c.NextCustomer(rm_id=rm_id, customer_id=(await form(ask, NextForm)).customer_id)


async def _more_time(_ask: Ask, rm_id: int) -> c.Command:
    return c.MoreTime(rm_id=rm_id)


async def _confirm(ask: Ask, rm_id: int) -> c.Command:
    asked = await form(ask, CallForm)
    return c.ConfirmCall(rm_id=rm_id, call_id=(await own_call(ask, asked.call_id))[0])


async def _cancel(ask: Ask, rm_id: int) -> c.Command:
    asked = await form(ask, CallForm)
    return c.CancelCall(rm_id=rm_id, call_id=(await own_call(ask, asked.call_id))[0], reason="later")


async def _skip(ask: Ask, rm_id: int) -> c.Command:
    asked = await form(ask, SkipForm)
    return c.SkipCustomer(rm_id=rm_id, call_id=(await own_call(ask, asked.call_id))[0], reason=asked.reason)


async def _again(ask: Ask, rm_id: int) -> c.Command:
    asked = await form(ask, CallForm)
    return c.CallAgain(rm_id=rm_id, call_id=(await own_call(ask, asked.call_id))[0])


async def _hang_up(ask: Ask, rm_id: int) -> c.Command:
    asked = await form(ask, CallForm)
    return c.HangUp(rm_id=rm_id, call_id=(await own_call(ask, asked.call_id))[0])


async def _outcome(ask: Ask, rm_id: int) -> c.Command:
    posted = await ask.request.post()
    answers = {
        key.removeprefix(_ANSWER): str(value)[:1000]
        for key, value in posted.items()
        if key.startswith(_ANSWER) and value
    }
    fields = {key: value for key, value in posted.items() if not key.startswith(_ANSWER)}
    asked = await form(ask, OutcomeForm, fields)
    callback_at = asked.callback_at if asked.outcome is Outcome.CALLBACK else None
    if callback_at is not None:
        # What a browser sends has no zone: it was read as the customer's own time.
        zone = zone_of(_customer_zone(ask, rm_id))
        callback_at = callback_at.replace(tzinfo=zone) if zone else callback_at.astimezone()
    return c.RecordOutcome(
        rm_id=rm_id,
        call_id=(await own_call(ask, asked.call_id))[0],
        outcome=asked.outcome,
        note=asked.note,
        callback_at=callback_at,
        answers=answers,
    )


_ORDERS: Final[Mapping[str, Callable[[Ask, int], Awaitable[c.Command]]]] = {
    "shift": _shift,
    "end-shift": _end_shift,
    "ready": _ready,
    "break": _break,
    "next": _next,
    "more-time": _more_time,
    "confirm": _confirm,
    "cancel": _cancel,
    "skip": _skip,
    "again": _again,
    "hang-up": _hang_up,
    "outcome": _outcome,
}


async def _desk_page(
    ask: Ask,
    template: str,
    *,
    status: int = 200,
    alert: str = "",
    filled: Mapping[str, str] = _NOTHING_FILLED,
) -> web.Response:
    """The desk as the live topic has it now, with what the database adds."""
    rm, parts, now = ask.own_rm(), ask.parts, ask.parts.clock.now()
    live = parts.live.snapshot(f"rm:{rm.rm_id}")
    desk = {**OFFLINE, **desk_screen(live.data, parts.clock.monotonic())}
    shown = await ask.read(_desk_reads, ask, rm.rm_id, desk, local_day_start(now))
    in_hand = desk["call"]
    zone = zone_of(in_hand["snapshot"]["customer"].get("zone")) if in_hand else None
    return page(
        ask.request,
        ask.actor,
        template,
        status=status,
        alert=alert,
        filled=filled,
        topic="rm",
        number=live.number,
        gap_ms=0,
        desk=desk,
        call_field=_call_field(in_hand["call_id"]) if in_hand else "",
        customer_time=f"{now.astimezone(zone):%H:%M}" if zone else "",
        **shown,
    )


def _desk_reads(
    conn: Connection, ask: Ask, rm_id: int, desk: Mapping[str, Any], since: datetime
) -> dict[str, Any]:
    campaign: Campaign | None = None
    if desk["state"] != RmState.OFFLINE and desk["campaign_id"] is not None:
        campaign = find_campaign(conn, int(desk["campaign_id"]))
    shown: dict[str, Any] = {
        "day": queries.own_day(conn, rm_id, since),
        "campaign": campaign,
        "break_reasons": campaign.policy.break_reasons if campaign else (),
        "list_states": queries.list_states(conn, rm_id, [campaign.id]).get(campaign.id, {})
        if campaign
        else {},
        "campaigns": [],
        "counts": {},
        "own_list": [],
    }
    if campaign is None:
        workable = [one for one in list_campaigns(conn) if one.state in _WORKABLE]
        states = queries.list_states(conn, rm_id, [one.id for one in workable])
        shown["campaigns"] = workable
        shown["counts"] = {one.id: states.get(one.id, {}).get(EntryState.PENDING, 0) for one in workable}
    elif desk["call"] is None:
        shown["own_list"] = queries.own_list(
            conn,
            ask.parts.cipher,
            rm_id,
            campaign.id,
            EntryState.PENDING,
            _LIST_SHOWN.get(campaign.mode, 0),
            0,
        )
    return shown


def _customer_zone(ask: Ask, rm_id: int) -> str | None:
    in_hand = ask.parts.live.snapshot(f"rm:{rm_id}").data.get("call")
    return in_hand["snapshot"]["customer"].get("zone") if in_hand else None


def _call_field(call_id: str) -> Markup:
    return Markup('<input type="hidden" name="call_id" value="{}">').format(call_id)
