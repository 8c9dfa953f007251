# SPDX-License-Identifier: GPL-3.0-or-later
"""A line to the PBX that a test can cut: a TCP relay that knows event sockets from requests."""

from __future__ import annotations

import asyncio


class CutLine:
    """Relays ``port`` to the PBX's HTTP port."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.sockets_opened = 0
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._let_sockets = True
        self._sockets: set[asyncio.StreamWriter] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> CutLine:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def cut(self) -> None:
        """Cut the event socket, and let no new one through until ``mend``. Requests still pass."""
        self._let_sockets = False
        for writer in list(self._sockets):
            writer.transport.abort()

    def mend(self) -> None:
        """Let event sockets through again."""
        self._let_sockets = True

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            head = await reader.read(65536)
            is_socket = b"/events?" in head.split(b"\r\n", 1)[0]
            if is_socket and not self._let_sockets:
                return
            there, back = await asyncio.open_connection("127.0.0.1", self._target_port)
            self._writers.add(back)
            if is_socket:
                self.sockets_opened += 1
                self._sockets |= {writer, back}
            back.write(head)
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        except OSError:
            pass
        finally:
            self._sockets.discard(writer)
            writer.transport.abort()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    finally:
        sink.transport.abort()
