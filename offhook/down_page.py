# SPDX-License-Identifier: GPL-3.0-or-later
"""What visitors of the console see while the main process is being started: one page that looks again by itself."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Final

RETRY_AFTER_S: Final = 2
REQUEST_WITHIN_S: Final = 2.0

SENTENCE: Final = "Offhook is being started. Talks that are under way go on; nothing was done."
_PAGE: Final = f"""\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta http-equiv="refresh" content="{RETRY_AFTER_S}"><title>Offhook starts</title></head>
<body><main><h1>One moment, please</h1><p>{SENTENCE}</p></main></body>
</html>
"""
_REFUSAL: Final = json.dumps({"reason": "starting", "sentence": SENTENCE})


class DownPage:
    """Answers every request with 503 on a socket that somebody else owns, between ``open`` and ``close``."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Take requests; open already: nothing changes."""
        if self._server is None:
            self._server = await asyncio.start_server(self._answer, sock=self._listening.dup())

    async def close(self) -> None:
        """Take no more; the socket goes on listening, and who connects waits for the main process."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_WITHIN_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(answer_to(head))
                await writer.drain()
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            pass  # whoever it was is gone, or spoke no HTTP
        finally:
            writer.close()


def answer_to(head: bytes) -> bytes:
    """The whole answer to a request, by its first line: JSON for the API, a page for people."""
    of_api = head.split(b"\r\n", 1)[0].partition(b" ")[2].startswith(b"/api/")
    media, body = ("application/json", _REFUSAL) if of_api else ("text/html; charset=utf-8", _PAGE)
    return (
        "HTTP/1.1 503 Service Unavailable\r\n"
        f"Content-Type: {media}\r\n"
        f"Content-Length: {len(body.encode())}\r\n"
        f"Retry-After: {RETRY_AFTER_S}\r\n"
        "Cache-Control: no-store\r\n"
        "Content-Security-Policy: default-src 'none'\r\n"
        "Connection: close\r\n"
        f"\r\n{body}"
    ).encode()
