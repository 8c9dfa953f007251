# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms: what an administrator should look at, as far back as events are kept."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field
from sqlalchemy import Connection

from console.ask import Ask
from console.routes import Asked, Routes, Told
from foundation.outbox import newest, parked_count
from vocabulary.events import AlarmRaised

routes = Routes("floor")


class AlarmsAsked(Asked):
    """How many."""

    limit: int = Field(default=50, ge=1, le=500)


class AlarmShown(Told):
    """One alarm."""

    at: datetime
    alarm: str = Field(description="Its stable name.")
    subject: str = Field(description="A trunk, a node, a channel or a part of the program.")
    sentence: str


class AlarmsShown(Told):
    """The newest alarms first."""

    alarms: list[AlarmShown]
    set_aside: int = Field(description="Events that a consumer could not handle: their effect is missing.")


@routes.get("/alarms", query=AlarmsAsked, reply=AlarmsShown)
async def alarms(ask: Ask, query: AlarmsAsked) -> AlarmsShown:
    """What an administrator should look at, the newest first."""
    return await ask.read(_alarms, query.limit)


def _alarms(conn: Connection, limit: int) -> AlarmsShown:
    raised = [event for event in newest(conn, AlarmRaised.kind, limit) if isinstance(event, AlarmRaised)]
    return AlarmsShown(
        alarms=[
            AlarmShown(**{name: getattr(event, name) for name in AlarmShown.model_fields}) for event in raised
        ],
        set_aside=parked_count(conn),
    )
