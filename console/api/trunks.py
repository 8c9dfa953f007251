# SPDX-License-Identifier: GPL-3.0-or-later
"""Trunks: what each may carry, what it carries now, and whether it is used."""

from __future__ import annotations

from console import queries
from console.ask import Ask
from console.routes import Routes, Told

routes = Routes("trunks")


class TrunkShown(Told):
    """A trunk of the settings, as of now."""

    name: str
    address: str
    priority: int
    calls: int
    call_cap: int
    calls_per_s: float
    usable: bool
    why_not: str


class TrunksShown(Told):
    """All trunks, the first choice first."""

    trunks: list[TrunkShown]


@routes.get("/trunks", reply=TrunksShown)
async def trunks(ask: Ask) -> TrunksShown:
    """All trunks."""
    problems = ask.parts.live.snapshot("floor").data.get("trunk_problems", {})
    live = await ask.read(queries.live_calls_by_trunk)
    ordered = sorted(ask.parts.settings.trunks, key=lambda trunk: (trunk.priority, trunk.name))
    return TrunksShown(
        trunks=[
            TrunkShown(
                name=trunk.name,
                address=f"{trunk.host}:{trunk.port}",
                priority=trunk.priority,
                calls=live.get(trunk.name, 0),
                call_cap=trunk.call_cap,
                calls_per_s=trunk.calls_per_s,
                usable=trunk.name not in problems,
                why_not=problems.get(trunk.name, ""),
            )
            for trunk in ordered
        ]
    )
