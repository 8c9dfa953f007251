# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls: what an RM orders of the call in hand, and the whole story of any call one may see."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import AfterValidator, AwareDatetime, Field
from sqlalchemy import Connection

from accounts.permissions import Permission
from console import queries
from console.api.campaigns import which
from console.api.models import Done
from console.ask import Ask
from console.errors import NotThere, TooMany
from console.routes import Asked, Routes, Told
from console.throttle import Throttle
from dialer.calls import story as story_of
from dialer.campaigns import find_campaign
from lawful.numbers import masked
from profiler import rms as people
from vocabulary import commands as c
from vocabulary.call_id import CallId, parse_call_id, show_call_id
from vocabulary.dispositions import Disposition
from vocabulary.outcomes import Outcome
from vocabulary.states import CallState, PacingMode

routes = Routes("calls")

#: Call IDs are short enough to be tried out: each person may look up so many, whether found or not.
LOOK_UPS: Final = web.AppKey("look_ups", Throttle)
NO_CALL: Final = "There is no such call, or it is not yours."


def new_look_ups() -> Throttle:
    return Throttle(burst=30, per_minute=30)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("say why")
    return text.strip()


Reason = Annotated[str, Field(max_length=200), AfterValidator(_not_blank)]


class CancelAsked(Asked):
    """Why the call is not made, or is stopped."""

    reason: str = Field(default="later", max_length=200)


class SkipAsked(Asked):
    """Why this customer is not called now."""

    reason: Reason


class OutcomeAsked(Asked):
    """How the call went."""

    outcome: Outcome
    note: str = Field(default="", max_length=4000, repr=False)
    callback_at: AwareDatetime | None = Field(default=None, description="With its offset from UTC.")
    answers: dict[str, Annotated[str, Field(max_length=1000)]] = Field(default={}, max_length=100, repr=False)


class Step(Told):
    """One step of a call's story."""

    at: datetime
    state: CallState
    detail: str


class Story(Told):
    """Everything that is durable of one call; no customer is named."""

    call_id: str
    campaign_id: int
    customer_id: int
    rm_id: int | None
    mode: PacingMode
    state: CallState
    disposition: Disposition | None
    network_disposition: Disposition | None
    outcome: Outcome | None
    reason: str | None
    number: str = Field(description="Masked.")
    caller_id: str
    trunk: str | None
    ended_by: str | None
    sip_code: int | None
    cause: int | None
    counted: bool
    script: str | None
    claimed_at: datetime
    dialed_at: datetime | None
    ringing_at: datetime | None
    answered_at: datetime | None
    bridged_at: datetime | None
    ended_at: datetime | None
    wrapped_up_at: datetime | None
    confirm_to_invite_ms: float | None
    answer_to_bridge_ms: float | None
    connect_ms: float | None
    steps: list[Step]


class CallsAsked(Asked):
    """Which calls; whatever is left out does not narrow."""

    campaign: str | None = Field(default=None, description="Number or name.")
    rm: str | None = Field(default=None, description="The RM's name.")
    disposition: Disposition | None = None
    limit: int = Field(default=50, ge=1, le=500)


class CallLine(Told):
    """One call in a list; no customer is named."""

    call_id: str
    claimed_at: datetime
    campaign: str
    rm: str | None
    number: str = Field(description="Masked.")
    state: CallState
    disposition: Disposition | None
    outcome: Outcome | None
    connect_ms: float | None


class CallsShown(Told):
    """The newest calls first."""

    calls: list[CallLine]


@routes.get("/calls", query=CallsAsked, reply=CallsShown)
async def calls(ask: Ask, query: CallsAsked) -> CallsShown:
    """The newest calls, all or those of a campaign, an RM or a disposition."""
    campaign_id = (
        None if query.campaign is None else (await ask.read(find_campaign, which(query.campaign))).id
    )
    rm = None if query.rm is None else await ask.read(people.by_name, query.rm)
    if query.rm is not None and rm is None:
        raise NotThere("There is no such RM.", reason="no_rm")
    rows = await ask.read(
        queries.recent_calls,
        campaign_id=campaign_id,
        rm_id=None if rm is None else rm.rm_id,
        disposition=query.disposition,
        limit=query.limit,
    )
    return CallsShown(
        calls=[
            CallLine(
                call_id=show_call_id(row.call_id),
                claimed_at=row.claimed_at,
                campaign=row.campaign,
                rm=row.rm,
                number="" if row.last2 is None else masked(row.last2),
                state=row.state,
                disposition=row.disposition,
                outcome=row.outcome,
                connect_ms=row.connect_ms,
            )
            for row in rows
        ]
    )


@routes.post("/calls/{call_id}/confirm", reply=Done)
async def confirm(ask: Ask) -> Done:
    """Dial the customer under review."""
    call_id, rm_id = await own_call(ask)
    return Done.of(await ask.send(c.ConfirmCall(rm_id=rm_id, call_id=call_id)))


@routes.post("/calls/{call_id}/cancel", body=CancelAsked, reply=Done)
async def cancel(ask: Ask, body: CancelAsked) -> Done:
    """Give the customer under review back, or stop a call that is not answered yet."""
    call_id, rm_id = await own_call(ask)
    return Done.of(await ask.send(c.CancelCall(rm_id=rm_id, call_id=call_id, reason=body.reason)))


@routes.post("/calls/{call_id}/skip", body=SkipAsked, reply=Done)
async def skip(ask: Ask, body: SkipAsked) -> Done:
    """Put the customer under review back for later, with a reason."""
    call_id, rm_id = await own_call(ask)
    return Done.of(await ask.send(c.SkipCustomer(rm_id=rm_id, call_id=call_id, reason=body.reason)))


@routes.post("/calls/{call_id}/again", reply=Done)
async def call_again(ask: Ask) -> Done:
    """Take the customer of a call that is over under review again: a new call ID, all checks again."""
    call_id, rm_id = await own_call(ask)
    return Done.of(await ask.send(c.CallAgain(rm_id=rm_id, call_id=call_id)))


@routes.post("/calls/{call_id}/hang-up", reply=Done)
async def hang_up(ask: Ask) -> Done:
    """End the talk; the RM's own phone stays connected."""
    call_id, rm_id = await own_call(ask)
    return Done.of(await ask.send(c.HangUp(rm_id=rm_id, call_id=call_id)))


@routes.post("/calls/{call_id}/outcome", body=OutcomeAsked, reply=Done)
async def outcome(ask: Ask, body: OutcomeAsked) -> Done:
    """Say how the call went; ends the wrap-up."""
    call_id, rm_id = await own_call(ask)
    return Done.of(
        await ask.send(
            c.RecordOutcome(
                rm_id=rm_id,
                call_id=call_id,
                outcome=body.outcome,
                note=body.note,
                callback_at=body.callback_at,
                answers=body.answers,
            )
        )
    )


@routes.get("/calls/{call_id}", reply=Story)
async def story(ask: Ask) -> Story:
    """The whole story of a call: an RM sees the own ones, whoever watches the floor all."""
    look_up(ask)
    return await ask.read(_story, parse_call_id(ask.path("call_id")), _whose(ask))


async def own_call(ask: Ask, text: str | None = None) -> tuple[CallId, int]:
    """A call (of the path, or as ``text``) and its RM, if it is the call of who asks.

    Raises:
        NotThere: no such call, or not of who asks: the answer is the same.
        BadCallId: this cannot be a call ID.
    """
    call_id = parse_call_id(ask.path("call_id") if text is None else text)
    rm_id = await ask.read(queries.rm_of_call, call_id)
    if rm_id is None or (not ask.actor.operator and rm_id != ask.own_rm().rm_id):
        look_up(ask)
        raise NotThere(NO_CALL, reason="no_call")
    return call_id, rm_id


def look_up(ask: Ask) -> None:
    """Count a look-up of a call ID.

    Raises:
        TooMany
    """
    throttle = ask.request.app[LOOK_UPS]
    wait_s = 0 if ask.actor.operator else throttle.take(ask.actor.name, ask.parts.clock.monotonic())
    if wait_s:
        raise TooMany(
            f"Too many call IDs were looked up. Try again in {wait_s} seconds.", retry_after_s=wait_s
        )


def _whose(ask: Ask) -> int | None:
    """Whose calls may be seen: None for everybody's."""
    return None if ask.actor.may(Permission.FLOOR_WATCH) else ask.own_rm().rm_id


def _story(conn: Connection, call_id: CallId, only_rm: int | None) -> Story:
    if only_rm is not None and queries.rm_of_call(conn, call_id) != only_rm:
        raise NotThere(NO_CALL, reason="no_call")
    row, moves = story_of(conn, call_id)
    facts: dict[str, Any] = {key: row._mapping[key] for key in Story.model_fields if key in row._mapping}
    facts["call_id"] = show_call_id(call_id)
    return Story(
        number=queries.masked_number(conn, row.number_id),
        steps=[Step(at=move.at, state=move.state, detail=move.detail) for move in moves],
        **facts,
    )
