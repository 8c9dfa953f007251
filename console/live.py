# SPDX-License-Identifier: GPL-3.0-or-later
"""Live updates over a websocket: a numbered snapshot, then what changed; a screen that comes back goes on.

Each message is ``{"number": 12, "kind": "snapshot" | "delta", "data": {…}}``. Who reconnects names the last
number they have as ``after`` and is sent the changes since, or a snapshot where those are not kept.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from aiohttp import WSCloseCode, web
from pydantic import Field

from accounts import sessions
from accounts.permissions import Permission
from console.ask import Ask
from console.errors import NotAllowed, NotThere
from console.routes import Asked, Media, Routes
from console.views import desk_screen
from foundation.errors import DatabaseError
from foundation.live import Subscription
from foundation.tasks import TaskOwner
from profiler import rms

routes = Routes("live")

HEARTBEAT_S: Final = 20.0
SESSION_CHECK_S: Final = 15.0
SESSION_OVER: Final = 4401
"""Close code: the session ended, so the page should go to the login."""

Sockets = defaultdict[str | None, set[web.WebSocketResponse]]
SOCKETS: Final = web.AppKey("sockets", Sockets)
"""The open sockets of each session."""

View = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class LiveAsked(Asked):
    """Which topic, and from where on."""

    topic: Literal["rm", "floor"]
    after: int | None = Field(default=None, description="The last number received.")
    rm: str | None = Field(default=None, description="Whose desk: for the operator; others see their own.")


@routes.get("/live", query=LiveAsked, media=Media.SOCKET)
async def live(ask: Ask, query: LiveAsked) -> web.WebSocketResponse:
    """Live updates of the own desk (`rm`) or of the floor, as a websocket."""
    topic, view = await _topic(ask, query)
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=1024)
    await socket.prepare(ask.request)
    theirs = ask.request.app[SOCKETS][ask.actor.token]
    theirs.add(socket)
    owner = TaskOwner("live")
    try:
        with ask.parts.live.subscribe(topic, query.after) as updates:
            owner.spawn(_hear(socket, updates), name="hear")
            if ask.actor.token is not None:
                owner.spawn(_watch_session(ask, socket, topic, ask.actor.token), name="session")
            async for number, kind, data in updates:
                await socket.send_str(json.dumps({"number": number, "kind": kind, "data": view(data)}))
        await socket.close(code=WSCloseCode.GOING_AWAY)
    except ConnectionError:
        pass  # the screen is gone
    finally:
        theirs.discard(socket)
        if not theirs:
            ask.request.app[SOCKETS].pop(ask.actor.token, None)
        await owner.close()
    return socket


def new_sockets() -> Sockets:
    return defaultdict(set)


async def close_sockets(app: web.Application, token: str | None) -> None:
    """End the live updates of a session that is over."""
    for socket in list(app[SOCKETS].get(token, ())):
        await socket.close(code=SESSION_OVER, message=b"session over")


async def close_all(app: web.Application) -> None:
    """End all live updates: the console is being stopped."""
    for socket in [socket for theirs in app[SOCKETS].values() for socket in theirs]:
        await socket.close(code=WSCloseCode.GOING_AWAY, message=b"stopping")


async def _topic(ask: Ask, query: LiveAsked) -> tuple[str, View]:
    if query.topic == "floor":
        if not ask.actor.may(Permission.FLOOR_WATCH):
            raise NotAllowed(f"The role {ask.actor.role} may not watch the floor.")
        return "floor", lambda data: data
    if ask.actor.operator:
        rm = await ask.read(rms.by_name, query.rm or "")
        if rm is None:
            raise NotThere("There is no such RM.", reason="no_rm")
    else:
        rm = ask.own_rm()
    return f"rm:{rm.rm_id}", lambda data: desk_screen(data, ask.parts.clock.monotonic())


async def _hear(socket: web.WebSocketResponse, updates: Subscription) -> None:
    """Nothing is expected from the screen but its end."""
    async for _message in socket:
        pass
    updates.close()


async def _watch_session(ask: Ask, socket: web.WebSocketResponse, topic: str, token: str) -> None:
    """End the updates with the session; a talk keeps the session alive, however long nobody clicks."""
    parts, idle_s = ask.parts, ask.parts.settings.console.session_idle_s
    while True:
        await parts.clock.sleep(SESSION_CHECK_S)
        now = parts.clock.now()
        try:
            session = await parts.db.read(sessions.find, token, now, idle_s=idle_s)
            if (
                session is not None
                and parts.live.snapshot(topic).data.get("call")
                and session.needs_touch(now)
            ):
                await parts.db.write(sessions.touch, token, now)
        except DatabaseError:
            continue
        if session is None:
            await socket.close(code=SESSION_OVER, message=b"session over")
            return
