# SPDX-License-Identifier: GPL-3.0-or-later
"""An RM's desk: the shift, ready and break, the next customer, the own list. ``me`` is one's own desk."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from console import queries
from console.api.campaigns import which
from console.api.models import Done
from console.ask import Ask
from console.errors import WrongInput
from console.routes import Asked, Routes, Told
from console.views import OFFLINE, desk_screen
from dialer.campaigns import find_campaign
from vocabulary import commands as c
from vocabulary.dispositions import Disposition
from vocabulary.outcomes import BreakReason, Outcome
from vocabulary.states import EntryState, RmState

routes = Routes("desk")


class Desk(Told):
    """A desk as its screen shows it; ``number`` is that of the live topic ``rm``."""

    number: int
    rm: str
    state: RmState
    in_state_s: float | None = Field(description="Seconds in this state.")
    phone: str
    reason: str
    why_not: str = Field(description="Why no customer comes, in words.")
    last_result: str
    wish: str | None
    campaign_id: int | None
    call: dict[str, Any] | None = Field(description="The call in hand with its customer; numbers are masked.")


class ShiftAsked(Asked):
    """In which campaign to work."""

    campaign: int | str = Field(description="The campaign's number or name.")


class BreakAsked(Asked):
    """Why no calls should come."""

    reason: BreakReason


class NextAsked(Asked):
    """Whom to call: nobody named, the best of the list; in manual campaigns one is named."""

    customer_id: int | None = None


class NumberAsked(Asked):
    """A number that is in no list."""

    number: str = Field(min_length=3, max_length=40, description="With its plus.", repr=False)
    zone: str | None = Field(
        default=None,
        max_length=40,
        description="The called person's time zone, where the number is not known yet.",
    )


class ListAsked(Asked):
    """Which page of the own list."""

    campaign: str | None = Field(default=None, description="Number or name; left out: the shift's campaign.")
    state: EntryState = EntryState.PENDING
    limit: int = Field(default=50, ge=1, le=200)
    offset: int = Field(default=0, ge=0)


class Entry(Told):
    """One customer of the list."""

    customer_id: int
    name: str
    score: float
    reasons: list[str]
    next_at: datetime
    wait_reason: str | None
    attempts: int
    callback_at: datetime | None
    last_disposition: Disposition | None
    last_outcome: Outcome | None


class ListPage(Told):
    """A page of the own list, in its order."""

    campaign_id: int
    state: EntryState
    entries: list[Entry]


@routes.get("/rms/{rm}", reply=Desk)
async def desk(ask: Ask) -> Desk:
    """The desk as it is now."""
    rm = await ask.rm_of_path()
    now = ask.parts.live.snapshot(f"rm:{rm.rm_id}")
    screen = {**OFFLINE, **desk_screen(now.data, ask.parts.clock.monotonic()), "rm": rm.name}
    return Desk(number=now.number, **screen)


@routes.post("/rms/{rm}/shift", body=ShiftAsked, reply=Done)
async def start_shift(ask: Ask, body: ShiftAsked) -> Done:
    """Start work in a campaign: the RM's phone is called and kept."""
    rm = await ask.rm_of_path()
    campaign = await ask.read(find_campaign, which(str(body.campaign)))
    return Done.of(await ask.send(c.StartShift(rm_id=rm.rm_id, campaign_id=campaign.id)))


@routes.delete("/rms/{rm}/shift", reply=Done)
async def end_shift(ask: Ask) -> Done:
    """End work; during a call it takes effect after wrap-up."""
    rm = await ask.rm_of_path()
    return Done.of(await ask.send(c.EndShift(rm_id=rm.rm_id)))


@routes.post("/rms/{rm}/ready", reply=Done)
async def ready(ask: Ask) -> Done:
    """Back from a break, or still here."""
    rm = await ask.rm_of_path()
    return Done.of(await ask.send(c.GoReady(rm_id=rm.rm_id)))


@routes.post("/rms/{rm}/break", body=BreakAsked, reply=Done)
async def take_break(ask: Ask, body: BreakAsked) -> Done:
    """No calls until ready again; during a call it takes effect after wrap-up."""
    rm = await ask.rm_of_path()
    return Done.of(await ask.send(c.TakeBreak(rm_id=rm.rm_id, reason=body.reason)))


@routes.post("/rms/{rm}/next", body=NextAsked, reply=Done)
async def next_customer(ask: Ask, body: NextAsked) -> Done:
    """Take the next customer, or the chosen one, under review; nobody is dialed yet."""
    rm = await ask.rm_of_path()
    return Done.of(await ask.send(c.NextCustomer(rm_id=rm.rm_id, customer_id=body.customer_id)))


@routes.post("/rms/{rm}/more-time", reply=Done)
async def more_time(ask: Ask) -> Done:
    """More time for the wrap-up; also the answer to *Are you there?*."""
    rm = await ask.rm_of_path()
    return Done.of(await ask.send(c.MoreTime(rm_id=rm.rm_id)))


@routes.post("/rms/{rm}/call", body=NumberAsked, reply=Done)
async def place_call(ask: Ask, body: NumberAsked) -> Done:
    """Dial a number that is in no list for an RM; all checks of lists apply."""
    rm = await ask.rm_of_path()
    command = c.PlaceCall(rm_id=rm.rm_id, pii_number=body.number, zone=body.zone)
    return Done.of(await ask.send(command))


@routes.get("/rms/{rm}/list", query=ListAsked, reply=ListPage)
async def own_list(ask: Ask, query: ListAsked) -> ListPage:
    """A page of the own target list."""
    rm = await ask.rm_of_path()
    campaign_id = await _campaign_of_list(ask, rm.rm_id, query.campaign)
    found = await ask.read(
        queries.own_list,
        ask.parts.cipher,
        rm.rm_id,
        campaign_id,
        query.state,
        query.limit,
        query.offset,
    )
    return ListPage(
        campaign_id=campaign_id,
        state=query.state,
        entries=[
            Entry(
                customer_id=entry.customer_id,
                name=name,
                score=entry.score,
                reasons=list(entry.reasons),
                next_at=entry.next_at,
                wait_reason=entry.wait_reason,
                attempts=entry.attempts,
                callback_at=entry.callback_at,
                last_disposition=entry.last_disposition,
                last_outcome=entry.last_outcome,
            )
            for entry, name in found
        ],
    )


async def _campaign_of_list(ask: Ask, rm_id: int, named: str | None) -> int:
    if named is not None:
        return (await ask.read(find_campaign, which(named))).id
    campaign_id = ask.parts.live.snapshot(f"rm:{rm_id}").data.get("campaign_id")
    if campaign_id is None:
        raise WrongInput("Name the campaign whose list you want to see: you have not started a shift.")
    return int(campaign_id)
