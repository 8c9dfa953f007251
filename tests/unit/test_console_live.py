# SPDX-License-Identifier: GPL-3.0-or-later
"""Live updates over the websocket: numbered, resumed, one's own, and over with the console."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import WSCloseCode, WSMsgType, WSServerHandshakeError

from accounts.permissions import Role
from console.live import SOCKETS
from tests.console_site import Site, open_site
from tests.phones.eventually import eventually


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        yield opened


async def test_a_snapshot_then_the_changes(site: Site) -> None:
    """Numbered in order; a change holds what changed and nothing else."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    site.live.publish("floor", {"blocked": None, "states": {"ready": 1}})
    async with await visitor.watch(topic="floor") as socket:
        first = await socket.receive_json()
        assert (first["kind"], first["data"]) == ("snapshot", {"blocked": None, "states": {"ready": 1}})
        site.live.publish("floor", {"blocked": None, "states": {"ready": 2}})
        second = await socket.receive_json()
        assert second == {"number": first["number"] + 1, "kind": "delta", "data": {"states": {"ready": 2}}}


async def test_a_screen_that_comes_back_goes_on(site: Site) -> None:
    """With the changes it missed; from an unknown number with a snapshot."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    for ready in range(3):
        site.live.publish("floor", {"ready": ready})
    last = site.live.snapshot("floor").number
    async with await visitor.watch(topic="floor", after=str(last - 1)) as socket:
        assert await socket.receive_json() == {"number": last, "kind": "delta", "data": {"ready": 2}}
    async with await visitor.watch(topic="floor", after="999999") as socket:
        assert (await socket.receive_json())["kind"] == "snapshot"


async def test_an_rm_sees_the_own_desk_and_no_other(site: Site) -> None:
    """Whatever name is asked for; the time in the state is in seconds, as clocks of machines differ."""
    visitor = await site.logged_in(Role.RM)
    await site.logged_in(Role.RM, "rmtwo")
    site.live.publish("rm:1", {"rm": "rmone", "state": "ready", "since_monotonic": site.clock.monotonic()})
    site.live.publish("rm:2", {"rm": "rmtwo", "state": "break", "since_monotonic": 0.0})
    site.clock.advance(3)
    async with await visitor.watch(topic="rm", rm="rmtwo") as socket:
        data = (await socket.receive_json())["data"]
        assert data == {"rm": "rmone", "state": "ready", "in_state_s": 3.0}


async def test_numbers_do_not_leave_the_house(site: Site) -> None:
    """Masked in snapshots and in changes."""
    visitor = await site.logged_in(Role.RM)
    customer = {"name": "Ana", "numbers": [{"e164": "+9991234567", "masked": "•••67", "state": "active"}]}
    call = {"call_id": "X", "shown": "X", "state": "ringing", "disposition": None, "are_you_there": False}
    async with await visitor.watch(topic="rm") as socket:
        await socket.receive_json()
        site.live.publish("rm:1", {"call": {**call, "snapshot": {"customer": customer}}})
        change = await socket.receive_json()
        shown = change["data"]["call"]["snapshot"]["customer"]
        numbers = [{"masked": "•••67", "state": "active"}]
        assert shown == {"name": "Ana", "birthday": None, "numbers": numbers}


@pytest.mark.parametrize(
    ("role", "topic", "status"),
    [
        (None, "floor", 401),
        (Role.RM, "floor", 403),
        (Role.STEWARD, "floor", 403),
        (Role.SUPERVISOR, "rm", 403),
    ],
)
async def test_who_may_not_see_a_topic_gets_no_socket(
    site: Site, role: Role | None, topic: str, status: int
) -> None:
    """The handshake is refused."""
    visitor = await (site.visitor() if role is None else site.logged_in(role))
    with pytest.raises(WSServerHandshakeError) as refused:
        await visitor.watch(topic=topic)
    assert refused.value.status == status


async def test_a_screen_that_goes_leaves_nothing_behind(site: Site) -> None:
    """Neither a socket on the books nor a subscription."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    app = site.server.app
    assert app is not None
    socket = await visitor.watch(topic="floor")
    await socket.receive_json()
    assert len(app[SOCKETS]) == 1
    await socket.close()
    await eventually(lambda: not app[SOCKETS])
    assert site.live._topics["floor"].subscriptions == []
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("live.")]


async def test_stopping_the_console_ends_the_updates(site: Site) -> None:
    """Screens are told, so that they come back when it does."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    socket = await visitor.watch(topic="floor")
    await socket.receive_json()
    closing = asyncio.create_task(site.server.close())
    end = await socket.receive()
    assert (end.type, end.data) == (WSMsgType.CLOSE, WSCloseCode.GOING_AWAY)
    await closing


async def test_a_screen_that_talks_too_much_is_cut_off(site: Site) -> None:
    """Nothing is expected from it."""
    visitor = await site.logged_in(Role.SUPERVISOR)
    socket = await visitor.watch(topic="floor")
    await socket.receive_json()
    await socket.send_str("hello")
    await socket.send_str("x" * 5000)
    assert (await socket.receive()).type is WSMsgType.CLOSE
