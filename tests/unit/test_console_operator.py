# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's door: a Unix socket only its owner can open, and the client that speaks through it."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from accounts.permissions import Role
from console.client import OperatorClient
from console.errors import CannotListen, NobodyRuns, OperatorRefused, OutcomeUnknown
from console.parts import operator_socket
from console.serving import ConsoleServer, listen_operator, listen_tcp
from tests.console_site import Site, open_site
from vocabulary import commands as c
from vocabulary.call_id import new_call_id


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        yield opened


@pytest.fixture
async def client(site: Site) -> AsyncIterator[OperatorClient]:
    server = ConsoleServer(site.parts, listen_tcp("127.0.0.1", 0))
    await server.start()
    yield OperatorClient(operator_socket(site.parts.settings))
    await server.stop()


async def test_only_its_owner_can_open_the_door(site: Site, client: OperatorClient) -> None:
    """The file mode is the login."""
    mode = operator_socket(site.parts.settings).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


async def test_the_operator_may_do_everything(site: Site, client: OperatorClient) -> None:
    """Without a cookie and without our header; the dialer, and so the audit, is told ``operator``."""
    me = await client.ask("GET", "/api/v1/me")
    assert (me["name"], me["role"]) == ("operator", Role.ADMIN)
    await client.ask("POST", "/api/v1/floor/halt", body={"reason": "drill"}, key="halt-1")
    await client.ask("POST", "/api/v1/floor/halt", body={"reason": "drill"}, key="halt-1")
    assert site.dialer.told == [c.Halt(reason="drill (operator)")]
    assert [told.by for told in site.dialer.told] == ["operator"]


async def test_the_operator_works_any_desk(site: Site, client: OperatorClient) -> None:
    """By the RM's name; there is no desk of the operator's own."""
    await site.account(Role.RM, "anna")
    await client.ask("POST", "/api/v1/rms/anna/ready", body={})
    await client.ask("POST", "/api/v1/rms/anna/call", body={"number": "+9991", "zone": "Europe/Lisbon"})
    assert site.dialer.told == [
        c.GoReady(rm_id=1),
        c.PlaceCall(rm_id=1, pii_number="+9991", zone="Europe/Lisbon"),
    ]
    with pytest.raises(OperatorRefused, match="There is no such RM") as refused:
        await client.ask("POST", "/api/v1/rms/me/ready", body={})
    assert (refused.value.status, refused.value.reason) == (404, "no_rm")


async def test_the_operator_watches_a_desk(site: Site, client: OperatorClient) -> None:
    """The same numbered updates as a screen."""
    await site.account(Role.RM, "anna")
    site.live.publish("rm:1", {"rm": "anna", "state": "ready"})
    async for update in client.watch("rm", rm="anna"):
        assert update["data"] == {"rm": "anna", "state": "ready"}
        break


async def test_the_door_has_no_pages(client: OperatorClient) -> None:
    """It is for programs."""
    with pytest.raises(OperatorRefused) as refused:
        await client.ask("GET", "/login")
    assert refused.value.reason == "no_such_path"


async def test_the_client_works_without_a_loop_too(site: Site, client: OperatorClient) -> None:
    """As the command line uses it: plain calls, refusals as errors with the server's own sentence."""
    await site.campaign("spring")

    def plain() -> None:
        assert client.get("/api/v1/campaigns")["campaigns"][0]["name"] == "spring"
        assert client.post("/api/v1/campaigns/spring/start")["done"] is True
        with pytest.raises(OperatorRefused, match="There is no campaign"):
            client.post("/api/v1/campaigns/winter/start")
        with pytest.raises(OperatorRefused, match="not yours"):
            client.post(f"/api/v1/calls/{new_call_id(site.parts.ids)}/hang-up")

    await asyncio.get_running_loop().run_in_executor(None, plain)


async def test_nobody_home_is_said(tmp_path: Path) -> None:
    """No file, or a file that a dead process left: nothing was done, and what to do."""
    path = tmp_path / "operator.sock"
    with pytest.raises(NobodyRuns, match="offhook up"):
        await OperatorClient(path).ask("POST", "/api/v1/floor/lift", body={})
    dead = listen_operator(path)
    dead.close()
    with pytest.raises(NobodyRuns, match="nothing was done"):
        await OperatorClient(path).ask("POST", "/api/v1/floor/lift", body={})


async def test_a_connection_that_breaks_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    """The order may have arrived: it is not called not done."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    path = tmp_path / "operator.sock"
    server = await asyncio.start_unix_server(hang_up, path)
    with pytest.raises(OutcomeUnknown, match="before you try again"):
        await OperatorClient(path).ask("POST", "/api/v1/floor/lift", body={})
    server.close()


async def test_a_dead_processs_file_is_replaced(tmp_path: Path) -> None:
    """The installation's lock says that nobody lives behind it."""
    path = tmp_path / "operator.sock"
    listen_operator(path).close()
    again = listen_operator(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again.close()


async def test_a_socket_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    """Too long a path, and a port that is taken."""
    with pytest.raises(CannotListen, match="shorter path"):
        listen_operator(tmp_path / ("x" * 120) / "operator.sock")
    taken = listen_tcp("127.0.0.1", 0)
    port = taken.getsockname()[1]
    with pytest.raises(CannotListen, match=f"port {port} on 127.0.0.1 is taken"):
        listen_tcp("127.0.0.1", port)
    taken.close()


async def test_stopping_leaves_nothing_behind(site: Site) -> None:
    """Neither the file nor the port."""
    tcp = listen_tcp("127.0.0.1", 0)
    port = tcp.getsockname()[1]
    server = ConsoleServer(site.parts, tcp)
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
    await server.stop()
    assert not operator_socket(site.parts.settings).exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
