# SPDX-License-Identifier: GPL-3.0-or-later
"""The recovery table on a real Asterisk: cut sockets, a frozen PBX, a killed PBX, another dialer, false 409."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from ari_bridge.access import AriAccess
from ari_bridge.http import Unsure, authorization, read_answer
from ari_bridge.phone_script import Script, answers, refuses
from asterisk.process import AsteriskProcess
from asterisk.spec import PbxSpec
from dialer.telephony import (
    Fenced,
    LegAnswered,
    LegEnded,
    LinkDown,
    LinkUp,
    NotDone,
    Refusal,
    StrangerHungUp,
)
from tests.bridge_floor import QUICK, TRUNK
from tests.pbx.ari_floor import (
    Floor,
    close_floor,
    new_bridge,
    open_floor,
    pbx_spec,
    run_pbx,
)
from tests.pbx.cut_line import CutLine
from vocabulary.dispositions import Disposition, EndedBy, decide

pytestmark = pytest.mark.pbx


@pytest.fixture(scope="module")
def pbx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PbxSpec, AsteriskProcess]]:
    """One PBX for all tests here; a test that kills it starts it again."""
    made = pbx_spec(Path(tmp_path_factory.mktemp("rec")))
    process = asyncio.run(run_pbx(made))
    yield made, process
    asyncio.run(process.stop())


@pytest.fixture
async def line(pbx: tuple[PbxSpec, AsteriskProcess]) -> AsyncIterator[CutLine]:
    """A line between bridge and PBX."""
    opened = await CutLine(pbx[0].ari.port).open()
    yield opened
    await opened.close()


@pytest.fixture
async def floor(pbx: tuple[PbxSpec, AsteriskProcess], line: CutLine) -> AsyncIterator[Floor]:
    """Peers and bridge of one test, over the line."""
    spec = pbx[0]
    opened = await open_floor(spec, ari_port=line.port)
    yield opened
    line.mend()
    await close_floor(opened)


async def test_socket_cut_in_a_talk_is_caught_up(floor: Floor, line: CutLine) -> None:
    """Who talks goes on talking; who hung up in the gap is lost, once; and the link says down, then up."""
    _, bridge = await floor.connect()
    stays = await floor.dial(bridge, answers(0.05))
    leaves = await floor.dial(bridge, answers(0.05), number="+12025550142")
    await floor.wait_for(LegAnswered, stays)
    await floor.wait_for(LegAnswered, leaves)
    line.cut()
    await floor.wait_for(LinkDown)
    floor.carrier.hang_up(next(call for call in floor.carrier.live() if call.user == "+12025550142"))
    await asyncio.sleep(0.3)
    line.mend()
    assert not (await floor.wait_for(LinkUp)).restarted
    end = (await floor.ended(leaves)).end
    assert (end.ended_by, end.was_up, end.bridged) == (EndedBy.EVENTS_LOST, True, True)
    assert not floor.all_of(LegEnded, stays)
    floor.carrier.hang_up(floor.carrier.live()[0])
    assert (await floor.ended(stays)).end.ended_by is EndedBy.NETWORK


async def test_answer_in_the_gap_is_found(floor: Floor, line: CutLine) -> None:
    """A customer who answered while the socket was cut is joined already, and told when the link is back."""
    _, bridge = await floor.connect()
    customer = await floor.dial(bridge, answers(0.4))
    line.cut()
    await floor.wait_for(LinkDown)
    await floor.until(lambda: floor.carrier.invites[0].answered, "an answer in the gap")
    line.mend()
    assert (await floor.wait_for(LegAnswered, customer)).joined


async def test_rule_04_a_call_that_ended_in_the_gap_is_lost_not_unplaced(floor: Floor, line: CutLine) -> None:
    """A call that is gone after a gap counts as an attempt: lost, never carrier failed or not placed."""
    _, bridge = await floor.connect()
    customer = await floor.dial(bridge, refuses(486, rings=True, after_s=0.4))
    line.cut()
    await floor.wait_for(LinkDown)
    await floor.until(lambda: not floor.carrier.live(), "the end in the gap")
    line.mend()
    assert decide((await floor.ended(customer)).end) is Disposition.LOST


async def test_nobody_is_dialed_while_the_socket_is_cut(floor: Floor, line: CutLine) -> None:
    """With the link down a dial is refused before anything leaves; hanging up still works."""
    _, bridge = await floor.connect()
    customer = await floor.dial(bridge, Script())
    line.cut()
    await floor.wait_for(LinkDown)
    before = len(floor.carrier.invites)
    with pytest.raises(NotDone) as caught:
        await floor.dial(bridge)
    assert caught.value.refusal is Refusal.LINK_DOWN
    await floor.telephony.hang_up(customer)
    await floor.until(lambda: floor.carrier.invites[0].cancelled, "a CANCEL")
    assert len(floor.carrier.invites) == before
    line.mend()
    await floor.ended(customer)


async def test_frozen_pbx_is_alarmed_and_not_reconnected(
    floor: Floor, line: CutLine, pbx: tuple[PbxSpec, AsteriskProcess]
) -> None:
    """A PBX that keeps the socket open and answers nothing is down; no second socket is opened meanwhile."""
    rm, _ = await floor.connect()
    pid = pbx[1].pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        down = await floor.wait_for(LinkDown)
        assert "does not answer" in down.why
        await asyncio.sleep(1)
        assert line.sockets_opened == 1
    finally:
        os.kill(pid, signal.SIGCONT)
    await floor.wait_for(LinkUp)
    assert line.sockets_opened == 1
    assert not floor.all_of(LegEnded, rm)


async def test_another_dialer_fences_this_one(floor: Floor, pbx: tuple[PbxSpec, AsteriskProcess]) -> None:
    """A second socket for the application: this bridge stops for good and dials nobody; calls go on."""
    _, bridge = await floor.connect()
    second = new_bridge(pbx[0])
    await second.start()
    await floor.wait_for(Fenced)
    assert floor._reader is not None
    await asyncio.wait_for(floor._reader, 5)
    with pytest.raises(NotDone) as caught:
        await floor.dial(bridge)
    assert caught.value.refusal is Refusal.FENCED
    assert len(await second.survey()) == 1
    await second.stop()


async def test_unclaimed_legs_of_an_earlier_life_are_swept(
    floor: Floor, pbx: tuple[PbxSpec, AsteriskProcess]
) -> None:
    """A channel of ours that nobody registered is hung up, and its empty bridge deleted when it is old."""
    _, bridge = await floor.connect()
    await floor.dial(bridge, answers(0.05))
    await floor.until(lambda: floor.carrier.live() and floor.carrier.live()[0].answered, "an answer")
    await floor.telephony.stop()
    second = new_bridge(pbx[0], replace(QUICK, bridge_age_s=1.0))
    await second.start()
    try:
        await floor.until(lambda: not floor.carrier.live() and not floor.phones["anna"].live(), "both swept")
        await _until_no_bridge(second, bridge.id)
    finally:
        await second.stop()
        floor.telephony = new_bridge(pbx[0])
        await floor.telephony.start()


async def test_stranger_in_our_application_is_hung_up(
    floor: Floor, pbx: tuple[PbxSpec, AsteriskProcess]
) -> None:
    """A channel nobody asked for enters our application: hung up and told."""
    spec = pbx[0]
    access = AriAccess(url=spec.ari.url, user=spec.ari.user, password=spec.ari.password)
    async with aiohttp.ClientSession(headers={"Authorization": authorization(access)}) as session:
        body = {"endpoint": f"PJSIP/+12025550123@trunk-{TRUNK}", "app": "offhook", "appArgs": "customer,X"}
        async with session.post(f"{spec.ari.url}/channels", json=body) as response:
            assert response.status == 200
    await floor.wait_for(StrangerHungUp)
    await floor.until(lambda: not floor.carrier.live(), "hung up")


async def test_false_409_is_not_taken_for_a_placed_call(
    floor: Floor, pbx: tuple[PbxSpec, AsteriskProcess]
) -> None:
    """After one true duplicate Asterisk says 409 for every failed allocation on that connection. To the bridge
    such an answer is no answer: it asks."""
    spec = pbx[0]
    rm, _ = await floor.connect()
    access = AriAccess(url=spec.ari.url, user=spec.ari.user, password=spec.ari.password)
    async with aiohttp.ClientSession(
        headers={"Authorization": authorization(access)}, connector=aiohttp.TCPConnector(limit=1)
    ) as session:
        answers_given = []
        for endpoint, channel in (("rm-anna", rm.id), ("rm-nobody", "c-pbx1-1-1")):
            body = {"endpoint": f"PJSIP/{endpoint}", "app": "offhook", "channelId": channel}
            async with session.post(f"{spec.ari.url}/channels", json=body) as response:
                answers_given.append(read_answer("POST", "/channels", response.status, await response.read()))
    assert [isinstance(outcome, Unsure) and "409" in outcome.why for outcome in answers_given] == [True] * 2
    assert len(await floor.telephony.survey()) == 1


async def test_killed_pbx_ends_every_leg_once(pbx: tuple[PbxSpec, AsteriskProcess], floor: Floor) -> None:
    """Asterisk dies with live calls: after its restart every leg ends as lost, exactly once."""
    spec, process = pbx
    rm, bridge = await floor.connect()
    customer = await floor.dial(bridge, answers(0.05))
    await floor.wait_for(LegAnswered, customer)
    pid = process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await floor.wait_for(LinkDown)
    for peer in (floor.carrier, *floor.phones.values()):
        peer.forget_calls()
    await floor.until(lambda: process.pid is None, "its end")
    await process.start()
    assert (await floor.wait_for(LinkUp)).restarted
    for leg in (rm, customer):
        end = (await floor.ended(leg)).end
        assert (end.ended_by, end.was_up) == (EndedBy.EVENTS_LOST, True)
    phone = floor.phones["anna"]
    await phone.register(spec.rms[0].endpoint, spec.rms[0].password, spec.sip.port)
    await floor.connect()


async def _until_no_bridge(telephony: object, bridge_id: str) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 15
    while any(bridge.id == bridge_id for bridge in await telephony._ari.bridges()):  # type: ignore[attr-defined]
        assert loop.time() < deadline
        await asyncio.sleep(0.1)
