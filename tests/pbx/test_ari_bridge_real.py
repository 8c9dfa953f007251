# SPDX-License-Identifier: GPL-3.0-or-later
"""The ARI bridge on a real Asterisk: what stands in ``call-path`` as measured holds here, on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from asterisk.spec import PbxSpec
from dialer.telephony import HangUpReason, LegAnswered, LegJoined, LegRinging, StrangerHungUp
from tests.pbx.ari_floor import CALLER_ID, CUSTOMER, Floor, close_floor, open_floor, pbx_spec, run_pbx
from tests.pbx.sip_peer import Script, answers, refuses
from vocabulary.dispositions import Disposition, EndedBy, decide

pytestmark = pytest.mark.pbx


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PbxSpec]:
    """One PBX for all tests here."""
    made = pbx_spec(Path(tmp_path_factory.mktemp("ari")))
    pbx = asyncio.run(run_pbx(made))
    yield made
    asyncio.run(pbx.stop())


@pytest.fixture
async def floor(spec: PbxSpec) -> AsyncIterator[Floor]:
    """Peers and bridge of one test."""
    opened = await open_floor(spec)
    yield opened
    await close_floor(opened)


async def test_early_bridge_connects_without_a_request_at_the_answer(floor: Floor) -> None:
    """The customer rings and answers in the RM's bridge; both hear each other's packets."""
    rm, bridge = await floor.connect()
    customer = await floor.dial(bridge, answers(0.2))
    await floor.wait_for(LegRinging, customer)
    answered = await floor.wait_for(LegAnswered, customer)
    assert answered.joined
    phone, stranger = floor.phones["anna"].live()[0].rtp, floor.carrier.live()[0].rtp
    assert phone is not None
    assert stranger is not None
    await floor.until(lambda: phone.received > 20 and stranger.received > 20, "audio both ways")
    counts = await floor.telephony.rtp_counts(rm)
    assert counts.received > 20
    await floor.telephony.hang_up(customer)
    end = (await floor.ended(customer)).end
    assert (end.was_up, end.rang, end.bridged, end.cause, end.tech_cause) == (True, True, True, 16, None)
    assert decide(end) is Disposition.ANSWERED
    assert end.up_s > 0


async def test_caller_id_and_headers_are_on_the_wire(floor: Floor) -> None:
    """The early bridge shows our caller ID in From, not an anonymous call, and carries our headers."""
    _, bridge = await floor.connect()
    await floor.dial(bridge, answers(), headers={"X-Call": "4F7K2QX9"})
    await floor.until(lambda: floor.carrier.invites, "an INVITE")
    invite = floor.carrier.invites[-1]
    assert invite.user == CUSTOMER
    assert f"sip:{CALLER_ID}@" in invite.headers["from"]
    assert "nonymous" not in invite.invite
    assert invite.headers["x-call"] == "4F7K2QX9"


async def test_caller_id_is_on_the_wire_of_a_failsafe_call(floor: Floor) -> None:
    """The same for a call through the fail-safe context."""
    await floor.dial(None, answers())
    await floor.until(lambda: floor.carrier.invites, "an INVITE")
    assert f"sip:{CALLER_ID}@" in floor.carrier.invites[-1].headers["from"]


async def test_rm_phone_gets_the_auto_answer_header(floor: Floor) -> None:
    """The RM's phone is told to answer by itself, and which session this is."""
    leg, _ = await floor.connect()
    invite = floor.phones["anna"].invites[0]
    assert invite.headers["call-info"] == "<sip:offhook>;answer-after=0"
    assert leg.id.endswith(invite.headers["x-offhook-session"])


@pytest.mark.parametrize(
    ("script", "cause", "tech_cause", "disposition"),
    [
        (refuses(486, rings=True), 17, 486, Disposition.BUSY),
        (refuses(600), 17, 600, Disposition.BUSY),
        (refuses(603, rings=True), 21, 603, Disposition.DECLINED),
        (refuses(607), 127, 607, Disposition.BLOCKED_AS_UNWANTED),
        (refuses(404), 1, 404, Disposition.INVALID_NUMBER),
        (refuses(484), 28, 484, Disposition.INVALID_NUMBER),
        (refuses(410), 22, 410, Disposition.INVALID_NUMBER),
        (refuses(403), 21, 403, Disposition.CARRIER_REJECTED),
        (refuses(503), 34, 503, Disposition.CARRIER_FAILED),
        (refuses(500), 38, 500, Disposition.CARRIER_FAILED),
        (refuses(480), 19, 480, Disposition.CARRIER_FAILED),
        (refuses(480, rings=True), 19, 480, Disposition.NO_ANSWER),
        (refuses(480, rings=True, reason="Q.850;cause=20"), 19, 480, Disposition.NO_ANSWER),
        (refuses(488), 58, 488, Disposition.CARRIER_FAILED),
        (refuses(429), 127, 429, Disposition.CARRIER_FAILED),
    ],
)
async def test_final_response_gives_its_causes(
    floor: Floor, script: Script, cause: int, tech_cause: int, disposition: Disposition
) -> None:
    """A SIP final response comes back as the causes of ``ChannelDestroyed`` and as one disposition."""
    _, bridge = await floor.connect()
    end = (await floor.ended(await floor.dial(bridge, script))).end
    assert (end.cause, end.tech_cause, end.ended_by) == (cause, tech_cause, EndedBy.NETWORK)
    assert end.rang is (script.ring_after_s is not None)
    assert decide(end) is disposition


async def test_rule_07_progress_alone_is_ringing(floor: Floor) -> None:
    """A carrier that sends 183 and never 180 rings, with early media."""
    _, bridge = await floor.connect()
    leg = await floor.dial(
        bridge, Script(ring_after_s=None, progress_after_s=0.0, final_after_s=0.3, final=480)
    )
    assert (await floor.wait_for(LegRinging, leg)).early_media
    assert decide((await floor.ended(leg)).end) is Disposition.NO_ANSWER


async def test_our_ring_timer_gives_no_answer(floor: Floor) -> None:
    """A hang-up for no answer cancels the INVITE and ends as no answer."""
    _, bridge = await floor.connect()
    leg = await floor.dial(bridge, Script())
    await floor.wait_for(LegRinging, leg)
    await floor.telephony.hang_up(leg, HangUpReason.NO_ANSWER)
    end = (await floor.ended(leg)).end
    assert decide(end) is Disposition.NO_ANSWER
    await floor.until(lambda: floor.carrier.invites[-1].cancelled, "a CANCEL")


async def test_backstop_ends_a_call_without_us(floor: Floor) -> None:
    """Should the dialer forget a call, the PBX ends it by itself."""
    _, bridge = await floor.connect()
    leg = await floor.dial(bridge, Script(), backstop_s=1)
    end = (await floor.ended(leg)).end
    assert decide(end) is Disposition.NO_ANSWER


async def test_rule_19_answer_and_bye_at_once(floor: Floor) -> None:
    """A customer who answers and hangs up at once was up."""
    leg = await floor.dial(None, answers(hang_up_after_s=0.0))
    end = (await floor.ended(leg)).end
    assert end.was_up
    assert not end.bridged
    assert decide(end) is Disposition.HUNG_UP_EARLY


async def test_rule_19_answer_without_media(floor: Floor) -> None:
    """A 200 without SDP is a failure of the media, not of the customer."""
    _, bridge = await floor.connect()
    end = (await floor.ended(await floor.dial(bridge, answers(sdp_in_200=False)))).end
    assert (end.cause, end.tech_cause) == (127, 406)
    assert decide(end) is Disposition.MEDIA_FAILED


@pytest.mark.parametrize("early", [True, False])
async def test_rule_03_redirection_dials_nobody(floor: Floor, early: bool) -> None:
    """A 302 from the trunk, to a number or to our own caller ID, makes no second call."""
    bridge = (await floor.connect())[1] if early else None
    for target in ("+12025550777", CALLER_ID):
        contact = f"sip:{target}@127.0.0.1:{floor.carrier.port}"
        leg = await floor.dial(bridge, refuses(302, contact=contact))
        end = (await floor.ended(leg)).end
        assert decide(end) is Disposition.CARRIER_FAILED
        assert [call.user for call in floor.carrier.invites] == [CUSTOMER]
        floor.carrier.invites.clear()
    await asyncio.sleep(0)
    assert not floor.all_of(LegJoined)
    assert not floor.all_of(StrangerHungUp)


async def test_failsafe_call_is_joined_by_one_request(floor: Floor) -> None:
    """Through the fail-safe context: answered unjoined, then joined, heard, ended."""
    _, bridge = await floor.connect()
    leg = await floor.dial(None, answers(0.1))
    assert not (await floor.wait_for(LegAnswered, leg)).joined
    await floor.telephony.bridge(leg, bridge)
    assert (await floor.wait_for(LegJoined, leg)).bridge == bridge
    rtp = floor.carrier.live()[0].rtp
    assert rtp is not None
    await floor.until(lambda: rtp.received > 10, "audio from the RM")
    await floor.telephony.hang_up(leg)
    assert decide((await floor.ended(leg)).end) is Disposition.ANSWERED
