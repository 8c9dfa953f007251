# SPDX-License-Identifier: GPL-3.0-or-later
"""The floor: everybody's state now, and stopping everything at once."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from console.api.models import Done
from console.ask import Ask
from console.routes import Asked, Routes, Told
from vocabulary import commands as c

routes = Routes("floor")


class Floor(Told):
    """The floor as of now; `number` is that of the live topic `floor`. No customer is named."""

    number: int
    blocked: str | None = Field(default=None, description="Why nobody is dialed, in words.")
    states: dict[str, int] = Field(default={}, description="How many RMs are in each state.")
    rms: dict[str, dict[str, Any]] = Field(default={}, description="Each RM at work, by name.")
    campaigns: dict[str, str] = Field(default={}, description="Each campaign's state, by name.")
    trunk_problems: dict[str, str] = Field(default={}, description="Trunks that are not used now, and why.")


class HaltAsked(Asked):
    """Why everything should stop."""

    reason: Annotated[str, Field(min_length=1, max_length=200)]


@routes.get("/floor", reply=Floor)
async def floor(ask: Ask) -> Floor:
    """Everybody's state now."""
    now = ask.parts.live.snapshot("floor")
    return Floor(number=now.number, **{key: now.data[key] for key in Floor.model_fields if key in now.data})


@routes.post("/floor/halt", body=HaltAsked, reply=Done)
async def halt(ask: Ask, body: HaltAsked) -> Done:
    """Stop everything: nobody is dialed any more, ringing calls end, talks go on."""
    command = c.Halt(reason=f"{body.reason} ({ask.actor.name})")
    return Done.of(await ask.send(command))


@routes.post("/floor/lift", reply=Done)
async def lift(ask: Ask) -> Done:
    """Allow dialing again."""
    return Done.of(await ask.send(c.LiftHalt()))
