# SPDX-License-Identifier: GPL-3.0-or-later
"""One event socket, from its opening to its end. It reads and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp

from ari_bridge.access import AriAccess, Timings
from ari_bridge.errors import NotConnected, WrongCredentials
from ari_bridge.http import authorization

_REPLACED = '"ApplicationReplaced"'


class EventSocket:
    """A websocket on a session of its own: it holds its connection as long as it lives, so in a shared pool
    it would take a slot from the requests."""

    def __init__(self, access: AriAccess, timings: Timings) -> None:
        self._access = access
        self._timings = timings
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        #: Another dialer opened a socket for our application.
        self.replaced = False

    async def open(self) -> None:
        """Connect.

        Raises:
            WrongCredentials: the PBX refused our user or password.
            NotConnected: anything else.
        """
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1))
        try:
            async with asyncio.timeout(self._timings.request_s):
                self._socket = await self._session.ws_connect(
                    f"{self._access.url.rstrip('/')}/events",
                    params={"app": self._access.app},
                    headers={"Authorization": authorization(self._access)},
                    heartbeat=self._timings.heartbeat_s,
                    timeout=aiohttp.ClientWSTimeout(ws_close=self._timings.request_s),
                )
        except aiohttp.WSServerHandshakeError as error:
            await self.close()
            if error.status in (401, 403):
                raise WrongCredentials(f"{error.status} for user {self._access.user}") from None
            raise NotConnected(f"The event socket was refused with {error.status}.") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            await self.close()
            raise NotConnected(type(error).__name__) from None

    async def read(self, put: Callable[[str], None]) -> str:
        """Give every message to ``put`` until the socket ends. Returns why it ended."""
        assert self._socket is not None
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                put(message.data)
                if _REPLACED in message.data:
                    # The PBX leaves this socket open and silent, so its end must be ours.
                    self.replaced = True
                    return "replaced"
        error = self._socket.exception()
        return type(error).__name__ if error is not None else f"closed {self._socket.close_code}"

    async def close(self) -> None:
        """Close socket and session."""
        if self._socket is not None:
            await self._socket.close()
            self._socket = None
        if self._session is not None:
            await self._session.close()
            self._session = None
