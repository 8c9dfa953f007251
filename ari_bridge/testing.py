# SPDX-License-Identifier: GPL-3.0-or-later
"""``FakeAsterisk``: an Asterisk for tests, in this process, on a free loopback port, with faults on demand.

It speaks the part of ARI that ``ari_bridge`` uses, as recordings of the real one have it. May be used for
testing only. ::

    async with FakeAsterisk() as pbx:
        pbx.world.scripts["+12025550199"] = refuses(486, rings=True)
        pbx.next_answer("POST", "/channels", Answer.LOST_DONE)   # it happens, and nobody hears of it
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from ari_bridge.access import AriAccess
from ari_bridge.fake_pbx import (
    ASTERISK_ID,
    VERSION,
    FakeBridge,
    FakePbx,
    Json,
    NotFound,
    NotInApplication,
    stamp,
)
from ari_bridge.http import authorization
from ari_bridge.phone_script import Script, answers, refuses
from foundation.clock import Clock, SystemClock

__all__ = ["Answer", "FakeAsterisk", "Script", "answers", "refuses"]


class Answer(StrEnum):
    """What may go wrong with one request."""

    FALSE_CONFLICT = "false_conflict"  #: 409, and nothing was done
    ALLOCATION_FAILED = "allocation_failed"  #: 500 with Asterisk's word for a definite no
    SERVER_ERROR = "server_error"  #: 500, and nothing was done
    LOADING = "loading"  #: 503, as while the PBX starts
    LOST_DONE = "lost_done"  #: it is done; the answer never comes
    LOST_NOT_DONE = "lost_not_done"  #: it is not done; the answer never comes
    CUT_DONE = "cut_done"  #: it is done; the connection is cut instead of an answer
    LATE = "late"  #: it is done at once and its events go out; the answer comes 0.2 s later
    REFUSED = "refused"  #: 404, and nothing was done


@dataclass(frozen=True, slots=True)
class _Fault:
    method: str
    path: re.Pattern[str]
    answer: Answer


class FakeAsterisk:
    """The server. ``world`` holds channels, bridges and phones."""

    def __init__(self, *, app: str = "offhook", node: str = "pbx1", clock: Clock | None = None) -> None:
        self.app = app
        self.node = node
        self.world = FakePbx(app, self._tell, (clock or SystemClock()).now)
        self.world.app_listens = lambda: self._socket is not None
        self.requests: list[tuple[str, str]] = []  #: every request that came, in order
        self.sockets_opened = 0
        self.refuse_sockets = False
        self.deaf = False  #: a deadlocked ARI: nothing is answered, the socket stays open and silent
        self.half_open = False  #: the socket says nothing and answers no ping
        self.doubled = False  #: every event comes twice
        self.password = "not-a-secret"  # noqa: S105
        self._now: Callable[[], datetime] = (clock or SystemClock()).now
        self._faults: list[_Fault] = []
        self._socket: web.WebSocketResponse | None = None
        self._outbox: asyncio.Queue[Json] = asyncio.Queue()
        self._filter: set[str] | None = None
        self._subscribed = False
        self._runner: web.AppRunner | None = None
        self._port = 0

    # --- what a test asks ---------------------------------------------------------------------------

    @property
    def access(self) -> AriAccess:
        """What the bridge needs to reach it."""
        return AriAccess(
            url=f"http://127.0.0.1:{self._port}/ari",
            user="offhook",
            password=self.password,
            app=self.app,
            node=self.node,
        )

    def next_answer(self, method: str, path: str, answer: Answer, times: int = 1) -> None:
        """The next requests whose path (below ``/ari``) matches the regular expression are answered so."""
        self._faults += [_Fault(method, re.compile(path + "$"), answer)] * times

    async def drop_socket(self) -> None:
        """Cut the event socket; with no channel left the application is forgotten, filter and all."""
        socket, self._socket = self._socket, None
        if socket is not None:
            if socket._req is not None and socket._req.transport is not None:
                socket._req.transport.abort()
            if not self.world.channels:
                self._filter, self._subscribed = None, False

    async def restart(self) -> None:
        """The PBX dies and comes back."""
        self.world.restart()
        await self.drop_socket()

    async def __aenter__(self) -> FakeAsterisk:
        server = web.Application(middlewares=[self._misbehave])
        add = server.router.add_route
        add("GET", "/ari/events", self._events)
        add("GET", "/ari/asterisk/ping", self._ping)
        add("GET", "/ari/asterisk/info", self._info)
        add("PUT", "/ari/applications/{app}/eventFilter", self._set_filter)
        add("POST", "/ari/applications/{app}/subscription", self._subscribe)
        add("GET", "/ari/channels", self._channels)
        add("POST", "/ari/channels", self._originate)
        add("POST", "/ari/channels/create", self._create)
        add("GET", "/ari/channels/{id}", self._channel)
        add("DELETE", "/ari/channels/{id}", self._hang_up)
        add("POST", "/ari/channels/{id}/dial", self._dial)
        add("POST", "/ari/channels/{id}/answer", self._answer)
        add("POST", "/ari/channels/{id}/mute", self._known_channel)
        add("DELETE", "/ari/channels/{id}/mute", self._known_channel)
        add("POST", "/ari/channels/{id}/dtmf", self._known_channel)
        add("POST", "/ari/channels/{id}/play/{playback}", self._play)
        add("GET", "/ari/channels/{id}/rtp_statistics", self._statistics)
        add("DELETE", "/ari/playbacks/{id}", self._no_content)
        add("GET", "/ari/bridges", self._bridges)
        add("POST", "/ari/bridges/{id}", self._make_bridge)
        add("DELETE", "/ari/bridges/{id}", self._delete_bridge)
        add("POST", "/ari/bridges/{id}/addChannel", self._add)
        add("POST", "/ari/bridges/{id}/removeChannel", self._remove)
        self._runner = web.AppRunner(server, shutdown_timeout=0.1, handler_cancellation=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.world.close()
        await self.drop_socket()
        if self._runner is not None:
            await self._runner.cleanup()

    # --- faults -------------------------------------------------------------------------------------

    @web.middleware
    async def _misbehave(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        path = request.path.removeprefix("/ari")
        self.requests.append((request.method, path))
        if request.headers.get("Authorization") != authorization(self.access):
            return _says(401, "Authentication required")
        if self.deaf:
            await asyncio.sleep(3600)
        fault = next((f for f in self._faults if f.method == request.method and f.path.match(path)), None)
        if fault is None:
            return await _caught(handler, request)
        self._faults.remove(fault)
        match fault.answer:
            case Answer.FALSE_CONFLICT:
                return _says(409, "Channel with given unique ID already exists")
            case Answer.ALLOCATION_FAILED:
                return _error(500, "Allocation failed")
            case Answer.SERVER_ERROR:
                return _error(500, "Internal Server Error")
            case Answer.LOADING:
                return _says(503, "Asterisk is loading")
            case Answer.REFUSED:
                return _says(404, "Channel not found")
        if fault.answer is Answer.LOST_NOT_DONE:
            await asyncio.sleep(3600)
        response = await _caught(handler, request)
        match fault.answer:
            case Answer.LOST_DONE:
                await asyncio.sleep(3600)
            case Answer.LATE:
                await asyncio.sleep(0.2)
            case Answer.CUT_DONE if request.transport is not None:
                request.transport.abort()
        return response

    # --- events -------------------------------------------------------------------------------------

    def _tell(self, event: Json) -> None:
        allowed = self._filter is None or event["type"] in self._filter
        if self._socket is None or not self._subscribed or not allowed:
            return
        shown = {
            "application": self.app,
            "asterisk_id": ASTERISK_ID,
            "timestamp": stamp(self._now()),
            **event,
        }
        for _ in range(2 if self.doubled else 1):
            self._outbox.put_nowait(shown)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if self.refuse_sockets:
            return _says(503, "no sockets now")
        if self._socket is not None:
            # The old socket stays open and hears nothing more, as in Asterisk.
            await self._socket.send_str(
                msgspec.json.encode(
                    {
                        "type": "ApplicationReplaced",
                        "application": self.app,
                        "timestamp": stamp(self._now()),
                        "asterisk_id": ASTERISK_ID,
                    }
                ).decode()
            )
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self._socket = socket
        self.sockets_opened += 1
        self._outbox = asyncio.Queue()
        sender = asyncio.get_running_loop().create_task(self._send(socket), name="fake-ari-sender")
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.PING and not self.half_open:
                    await socket.pong(message.data)
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            if self._socket is socket:
                self._socket = None
        return socket

    async def _send(self, socket: web.WebSocketResponse) -> None:
        outbox = self._outbox
        while True:
            event = await outbox.get()
            if not self.half_open:
                await socket.send_str(msgspec.json.encode(event).decode())

    # --- the PBX ------------------------------------------------------------------------------------

    async def _ping(self, request: web.Request) -> web.Response:
        return _json({"ping": "pong", "timestamp": stamp(self._now()), "asterisk_id": ASTERISK_ID})

    async def _info(self, request: web.Request) -> web.Response:
        started = stamp(self.world.start_time)
        return _json(
            {
                "build": {},
                "config": {},
                "status": {"startup_time": started, "last_reload_time": started},
                "system": {"version": VERSION, "entity_id": ASTERISK_ID},
            }
        )

    async def _set_filter(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self._filter = {item["type"] for item in asked["allowed"]}
        return _json({"name": self.app})

    async def _subscribe(self, request: web.Request) -> web.Response:
        if (await request.json()) != {"eventSource": "channel:"}:
            return _says(400, "not the recipe")
        self._subscribed = True
        return _json({"name": self.app})

    # --- channels -----------------------------------------------------------------------------------

    async def _channels(self, request: web.Request) -> web.Response:
        return _json([self.world.shown(channel) for channel in self.world.channels.values()])

    async def _channel(self, request: web.Request) -> web.Response:
        return _json(self.world.shown(self.world.find(request.match_info["id"])))

    async def _originate(self, request: web.Request) -> web.Response:
        body = await request.json()
        refused = self._refuse_allocation(body)
        if refused is not None:
            return refused
        channel = self.world.make(body["endpoint"], body["channelId"], body)
        shown = self.world.shown(channel)
        self.world.dial(channel, body["timeout"])
        return _json(shown)

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        refused = self._refuse_allocation(body)
        if refused is not None:
            return refused
        channel = self.world.make(body["endpoint"], body["channelId"], body)
        shown = self.world.shown(channel)
        self.world.enter(channel)
        return _json(shown)

    def _refuse_allocation(self, body: Json) -> web.Response | None:
        if body["channelId"] in self.world.channels:
            return _says(409, "Channel with given unique ID already exists")
        if not self.world.endpoint_exists(body["endpoint"]):
            return _error(500, "Allocation failed")
        return None

    async def _dial(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.world.dial(self.world.find(request.match_info["id"]), body["timeout"])
        return web.Response(status=204)

    async def _hang_up(self, request: web.Request) -> web.Response:
        self.world.hang_up(request.match_info["id"], request.query.get("reason", "normal"))
        return web.Response(status=204)

    async def _answer(self, request: web.Request) -> web.Response:
        self.world.answer(request.match_info["id"])
        return web.Response(status=204)

    async def _known_channel(self, request: web.Request) -> web.Response:
        self.world.find(request.match_info["id"])
        return web.Response(status=204)

    async def _no_content(self, request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _play(self, request: web.Request) -> web.Response:
        body = await request.json()
        info = request.match_info
        return _json(self.world.play(info["id"], info["playback"], body["media"]), 201)

    async def _statistics(self, request: web.Request) -> web.Response:
        channel = self.world.find(request.match_info["id"])
        return _json({"rxcount": channel.heard, "txcount": channel.heard, "rxploss": 0, "rxjitter": 0.001})

    # --- bridges ------------------------------------------------------------------------------------

    async def _bridges(self, request: web.Request) -> web.Response:
        return _json([self.world.shown_bridge(bridge) for bridge in self.world.bridges.values()])

    async def _make_bridge(self, request: web.Request) -> web.Response:
        bridge_id = request.match_info["id"]
        if bridge_id in self.world.bridges:
            return _says(409, "Bridge with id already exists")
        bridge = FakeBridge(id=bridge_id, created=self._now())
        self.world.bridges[bridge_id] = bridge
        return _json(self.world.shown_bridge(bridge))

    async def _delete_bridge(self, request: web.Request) -> web.Response:
        bridge = self.world.find_bridge(request.match_info["id"])
        del self.world.bridges[bridge.id]
        return web.Response(status=204)

    async def _add(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.world.join(request.match_info["id"], body["channel"])
        return web.Response(status=204)

    async def _remove(self, request: web.Request) -> web.Response:
        bridge = self.world.find_bridge(request.match_info["id"])
        body = await request.json()
        if body["channel"] not in bridge.channels:
            return _says(422, "Channel not in this bridge")
        bridge.channels.remove(body["channel"])
        return web.Response(status=204)


async def _caught(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], request: web.Request
) -> web.StreamResponse:
    try:
        return await handler(request)
    except NotFound as error:
        return _says(404, str(error))
    except NotInApplication as error:
        return _says(422, str(error))


def _json(content: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(content), content_type="application/json")


def _says(status: int, message: str) -> web.Response:
    return _json({"message": message}, status)


def _error(status: int, message: str) -> web.Response:
    return _json({"error": message}, status)
