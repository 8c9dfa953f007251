# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's client: speaks to a running Offhook over its Unix socket, which only its owner can open.

client = OperatorClient(operator_socket(settings))
client.post("/api/v1/floor/halt", {"reason": "fire drill"})
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp

from console.errors import NobodyRuns, OperatorRefused, OutcomeUnknown

#: Longer than any command's deadline, so that the server's own sentence arrives.
TIMEOUT_S: Final = 60.0
_BASE: Final = "http://offhook.invalid"


class OperatorClient:
    """``get``, ``post``, ``delete`` and ``upload`` for plain programs; ``ask`` and ``watch`` inside a loop.

    All raise:
        NobodyRuns: nothing answers there; nothing was done.
        OperatorRefused: the answer was a refusal, with its sentence.
        OutcomeUnknown: the connection ended before the answer.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """What is there; never changes anything."""
        return asyncio.run(self.ask("GET", path, query=query))

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = None) -> Any:
        """Have something done. ``key``: the same key is done once, however often it is sent."""
        return asyncio.run(self.ask("POST", path, body=body or {}, key=key))

    def delete(self, path: str) -> Any:
        """End something."""
        return asyncio.run(self.ask("DELETE", path))

    def upload(self, path: str, file: Path, query: Mapping[str, str]) -> Any:
        """Send a file as it is, in pieces."""
        return asyncio.run(self.ask("POST", path, query=query, file=file))

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        file: Path | None = None,
        key: str | None = None,
    ) -> Any:
        """One request; the answer is decoded JSON, or text where it is not JSON."""
        headers = {} if key is None else {"Idempotency-Key": key}
        timeout = aiohttp.ClientTimeout(total=None if file else TIMEOUT_S, sock_connect=5)
        async with self._session(timeout) as session:
            opened = None if file is None else file.open("rb")
            try:
                async with session.request(
                    method,
                    _BASE + path,
                    params=query,
                    json=None if opened else body,
                    data=opened,
                    headers=headers,
                ) as response:
                    return _read(response, await response.text())
            except (aiohttp.ClientConnectorError, FileNotFoundError) as error:
                raise self._nobody(error) from None
            except (aiohttp.ClientError, TimeoutError) as error:
                raise OutcomeUnknown(
                    f"The connection to Offhook ended before its answer ({type(error).__name__}). "
                    "Look whether it was done before you try again."
                ) from None
            finally:
                if opened is not None:
                    opened.close()

    async def watch(self, topic: str, *, rm: str | None = None) -> AsyncIterator[dict[str, Any]]:
        """The updates of a live topic (``floor`` or ``rm``) until the server ends them."""
        query = {"topic": topic} if rm is None else {"topic": topic, "rm": rm}
        async with self._session(aiohttp.ClientTimeout(total=None, sock_connect=5)) as session:
            try:
                async with session.ws_connect(f"{_BASE}/api/v1/live", params=query) as socket:
                    async for message in socket:
                        yield json.loads(message.data)
            except (aiohttp.ClientConnectorError, FileNotFoundError) as error:
                raise self._nobody(error) from None
            except aiohttp.WSServerHandshakeError as error:
                raise OperatorRefused(
                    error.status, "refused", f"The updates were refused: {error.message}."
                ) from None

    def _session(self, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
        connector = aiohttp.UnixConnector(str(self._socket))
        return aiohttp.ClientSession(connector=connector, timeout=timeout)

    def _nobody(self, error: OSError) -> NobodyRuns:
        if isinstance(error, PermissionError) or isinstance(
            getattr(error, "os_error", None), PermissionError
        ):
            return NobodyRuns(f"Only the user who runs Offhook may use {self._socket}; nothing was done.")
        return NobodyRuns(
            f"No Offhook runs here (nothing answers on {self._socket}); nothing was done. "
            "Start it with: offhook up"
        )


def _read(response: aiohttp.ClientResponse, text: str) -> Any:
    is_json = response.content_type == "application/json"
    if response.status < 400:
        return json.loads(text) if is_json else text
    refusal = json.loads(text) if is_json else {}
    raise OperatorRefused(
        response.status,
        refusal.get("reason", "refused"),
        refusal.get("sentence", f"The server answered {response.status}."),
    )
