# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the call path that only the wire can show: a ghost ring, a crossing answer, a transfer by a phone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ari_bridge.phone_script import Script, answers
from asterisk.carrier.mix import Behaviour
from asterisk.spec import PbxSpec
from dialer.telephony import HangUpReason, LegAnswered, LegEnded, LegRinging
from tests.bridge_floor import CUSTOMER
from tests.pbx.ari_floor import Floor, close_floor, open_floor, pbx_spec, run_pbx
from vocabulary.dispositions import Disposition, decide

pytestmark = pytest.mark.pbx


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PbxSpec]:
    """One PBX for all tests here."""
    made = pbx_spec(Path(tmp_path_factory.mktemp("path")))
    pbx = asyncio.run(run_pbx(made))
    yield made
    asyncio.run(pbx.stop())


@pytest.fixture
async def floor(spec: PbxSpec) -> AsyncIterator[Floor]:
    """Peers and bridge of one test."""
    opened = await open_floor(spec)
    yield opened
    await close_floor(opened)


async def test_rule_05_a_phone_that_rings_after_we_gave_up_is_cancelled(floor: Floor) -> None:
    """A silent trunk gets the INVITE again after our hang-up; a phone that rings by that is stopped at once.

    The channel is gone for us long before: why the number stays locked until Timer B (``dialer.finish``).
    """
    _, bridge = await floor.connect()
    leg = await floor.dial(bridge, Script(trying=False, ring_after_s=1.5))
    await floor.until(lambda: floor.carrier.invites, "the INVITE")
    call = floor.carrier.invites[0]
    await floor.telephony.hang_up(leg, HangUpReason.NO_ANSWER)
    end = (await floor.ended(leg)).end
    assert not end.rang
    assert not call.cancelled
    sent = _invites(floor)
    await floor.until(lambda: _invites(floor) > sent, "the INVITE again, after the end")
    await floor.until(lambda: call.cancelled, "a CANCEL at the first sign of life")
    assert len(floor.carrier.invites) == 1


async def test_rule_06_an_answer_that_crosses_our_cancel_is_ended_at_once(floor: Floor) -> None:
    """On the wire 200, ACK, BYE; for us an end like any other unanswered call."""
    _, bridge = await floor.connect()
    floor.carrier.crosses = True
    leg = await floor.dial(bridge, Script())
    await floor.wait_for(LegRinging, leg)
    await floor.telephony.hang_up(leg, HangUpReason.NO_ANSWER)
    end = (await floor.ended(leg)).end
    assert decide(end) is Disposition.NO_ANSWER
    assert not floor.all_of(LegAnswered, leg)
    call = floor.carrier.invites[0]
    await floor.until(lambda: call.acknowledged.is_set() and call.bye_received, "ACK and BYE")


@pytest.mark.parametrize("who", ["rm", "customer"])
@pytest.mark.parametrize("target", ["sip:+12025550777@127.0.0.1", "sip:ben@127.0.0.1"])
async def test_rule_12_a_refer_moves_nobody(floor: Floor, who: str, target: str) -> None:
    """Whoever presses *transfer* on a phone is not obeyed, and both stay where they are.

    Without ``res_pjsip_refer`` Asterisk does not even answer, so a re-INVITE behind it shows that it was read.
    """
    _, bridge = await floor.connect()
    leg = await floor.dial(bridge, answers(0.05))
    await floor.wait_for(LegAnswered, leg)
    peer = floor.phones["anna"] if who == "rm" else floor.carrier
    peer.refer(peer.live()[0], target)
    peer.hold(peer.live()[0], False)
    await floor.until(lambda: 200 in peer.codes("INVITE"), "an answer to what came after the REFER")
    assert all(code >= 400 for code in peer.codes("REFER"))
    assert [call.user for call in floor.carrier.invites] == [CUSTOMER]
    legs = {found.leg: found for found in await floor.telephony.survey()}
    assert legs[leg].bridge == bridge
    assert len(legs) == 2
    assert not floor.all_of(LegEnded)


async def test_rule_15_tones_and_recordings_work(ari, customer, pbx, until):
    """``tone:`` media play, and a recording finds its folder: both need files that are not there by themselves."""
    async with ari("path-sounds") as probe:
        await probe.dial(customer(Behaviour.ANSWER), "path-sounds-1", app="path-sounds")
        await probe.event("StasisStart", "path-sounds-1")
        status, answer = await probe.request("POST", "/channels/path-sounds-1/play/tone", media=["tone:ring"])
        assert status == 201, answer
        await probe.event("PlaybackStarted")
        await probe.request("DELETE", "/playbacks/tone")
        status, answer = await probe.request(
            "POST", "/channels/path-sounds-1/record", name="rule-15", format="wav", ifExists="overwrite"
        )
        assert status == 201, answer
        await probe.event("RecordingStarted")
        await probe.request("POST", "/recordings/live/rule-15/stop")
        await probe.event("RecordingFinished")
        assert not [event for event in probe.events if event["type"] in ("PlaybackFailed", "RecordingFailed")]
        await probe.request("DELETE", "/channels/path-sounds-1")
    recorded = pbx.instance.spool / "recording" / "rule-15.wav"
    assert await until(recorded.exists)


def _invites(floor: Floor) -> int:
    return sum(1 for text in floor.carrier.messages if text.startswith("INVITE "))
