# SPDX-License-Identifier: GPL-3.0-or-later
"""What visitors see while the main process is being started."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest

from offhook.down_page import SENTENCE, DownPage


@pytest.fixture
async def listening() -> AsyncIterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield opened


def address(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize(
    ("path", "media"),
    [("/", "text/html"), ("/call/next?x=1", "text/html"), ("/api/v1/health", "application/json")],
)
async def test_every_request_is_told_to_come_again(listening: socket.socket, path: str, media: str) -> None:
    """503 with a time, a page for people and JSON for programs; nothing is kept by a cache."""
    page = DownPage(listening)
    await page.open()
    await page.open()
    async with aiohttp.ClientSession() as session, session.get(address(listening) + path) as answer:
        assert (answer.status, answer.content_type) == (503, media)
        assert answer.headers["Retry-After"] == "2"
        assert answer.headers["Cache-Control"] == "no-store"
        assert SENTENCE in await answer.text()
    await page.close()


async def test_who_speaks_no_http_harms_nobody(listening: socket.socket) -> None:
    """A line that ends, and one that is too long."""
    page = DownPage(listening)
    await page.open()
    for said in (b"\x16\x03\x01", b"x" * 100_000):
        _, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(said)
        writer.close()
    async with aiohttp.ClientSession() as session, session.get(address(listening)) as answer:
        assert answer.status == 503
    await page.close()


async def test_once_it_is_closed_visitors_wait_for_the_main_process(listening: socket.socket) -> None:
    """The socket goes on listening: nobody is refused."""
    page = DownPage(listening)
    await page.open()
    await page.close()
    await page.close()
    _, writer = await asyncio.open_connection(*listening.getsockname())
    writer.close()
