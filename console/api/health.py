# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the installation is well, for load balancers and for ``offhook status``; and what the API is."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from aiohttp import web

from console.ask import Ask
from console.routes import Routes, Told
from foundation.db.seam import Health as DatabaseHealth

routes = Routes("health")

DOCUMENT: Final = web.AppKey("openapi", dict[str, Any])


class Verdict(StrEnum):
    """How the installation is."""

    OK = "ok"  #: all is well
    DEGRADED = "degraded"  #: it works, but somebody should look: the reasons say at what
    STOPPING = "stopping"  #: send nobody here any more


class Health(Told):
    """200 while visitors may be sent here, 503 when not."""

    status: Verdict
    reasons: list[str]


@routes.get("/health", reply=Health)
async def health(ask: Ask) -> web.Response:
    """How the installation is: 200 for ok and degraded, 503 while it stops. Needs no login."""
    condition = ask.parts.condition()
    reasons = list(condition.reasons)
    if ask.parts.db.health is DatabaseHealth.UNWELL:
        reasons.append("The database cannot be written, so nobody is dialed.")
    status = Verdict.DEGRADED if reasons else Verdict.OK
    if condition.stopping:
        status = Verdict.STOPPING
    shown = Health(status=status, reasons=reasons)
    return web.json_response(shown.model_dump(), status=503 if condition.stopping else 200)


@routes.get("/openapi.json")
async def openapi(ask: Ask) -> web.Response:
    """This description."""
    return web.json_response(ask.request.app[DOCUMENT])
