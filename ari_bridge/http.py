# SPDX-License-Identifier: GPL-3.0-or-later
"""ARI over HTTP: one request, one of three outcomes. Never raises for what the PBX or the network does.

The connector is capped: Asterisk's ``http.conf sessionlimit`` counts every connection, and the one too many is
cut without an answer. Requests carry their parameters in the body, so that no number stands in a URL or log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from ari_bridge.access import AriAccess, Timings

MAX_CONNECTIONS = 32
#: Below Asterisk's own ``session_keep_alive``: else a request may go out on a connection it is just closing.
KEEPALIVE_S = 10.0


@dataclass(frozen=True, slots=True)
class Done:
    """It happened; ``body`` is what the PBX answered."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """It did not happen. ``status`` None: the request never left us."""

    status: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Unsure:
    """It may have happened: no answer, or one that does not say."""

    why: str


Outcome = Done | Refused | Unsure

#: Asterisk's word for "the channel could not be made": a definite no, unlike other 5xx.
ALLOCATION_FAILED = "Allocation failed"


class AriHttp:
    """The door to one PBX's REST interface."""

    def __init__(self, access: AriAccess, timings: Timings) -> None:
        self._access = access
        self._timings = timings
        self._base = access.url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None
        self._encode = msgspec.json.Encoder().encode

    async def open(self) -> None:
        """Make the session; must run inside the event loop."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=KEEPALIVE_S),
            headers={"Authorization": authorization(self._access)},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, timeout_s: float | None = None
    ) -> Outcome:
        """Send one request. ``timeout_s`` None: the usual one."""
        if self._session is None:
            return Refused(None, "The bridge is closed.")
        limit = self._timings.request_s if timeout_s is None else timeout_s
        try:
            async with self._session.request(
                method,
                self._base + path,
                data=None if body is None else self._encode(body),
                headers=None if body is None else {"Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=limit),
            ) as response:
                content = await response.read()
                return read_answer(method, path, response.status, content)
        except aiohttp.ClientConnectorError as error:
            return Refused(None, type(error).__name__)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Unsure(type(error).__name__)


def authorization(access: AriAccess) -> str:
    """The header's value. Never ``api_key`` in the URL: it would stand in logs."""
    return aiohttp.encode_basic_auth(access.user, access.password)


def read_answer(method: str, path: str, status: int, content: bytes) -> Outcome:
    """What an answer of the PBX means."""
    if status < 300:
        return Done(content)
    message = _message(content)
    # A 409 to a new channel may be false: once a true duplicate was refused, every failed allocation on that
    # connection says the same (a thread-local error in Asterisk's main/channel.c).
    false_conflict = status == 409 and method == "POST" and path in ("/channels", "/channels/create")
    # A server error says nothing of what was done before it, but for Asterisk's word for a definite no.
    server_error = status >= 500 and status != 503 and ALLOCATION_FAILED not in message
    if false_conflict or server_error:
        return Unsure(f"{status} {message}")
    return Refused(status, message)


def _message(content: bytes) -> str:
    try:
        told = msgspec.json.decode(content, type=dict[str, Any])
    except msgspec.DecodeError:
        return content[:80].decode("latin-1")
    return str(told.get("message") or told.get("error") or "")
