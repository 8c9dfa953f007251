# SPDX-License-Identifier: GPL-3.0-or-later
"""The ARI bridge on a real Asterisk: what stands in ``call-path`` as measured holds here, on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ari_bridge.access import Timings
from ari_bridge.phone_script import Script, answers, refuses
from asterisk.spec import PbxSpec
from dialer.telephony import (
    BridgeId,
    ConnectRm,
    Digit,
    HangUpReason,
    InboundCall,
    LegAnswered,
    LegEnded,
    LegId,
    LegJoined,
    LegRinging,
    NotDone,
    PlaybackFinished,
    Refusal,
    RmLegAlive,
    RmLegSilent,
    StrangerHungUp,
    SurveyedState,
    TrunkHealth,
)
from tests.bridge_floor import CALLER_ID, CUSTOMER, NODE, make_bridge
from tests.pbx.ari_floor import (
    Floor,
    close_floor,
    new_bridge,
    open_floor,
    pbx_spec,
    run_pbx,
)
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


@pytest.fixture
async def silent_floor(spec: PbxSpec) -> AsyncIterator[Floor]:
    """The same with the timers of production: for what is said of seconds."""
    opened = await open_floor(spec, Timings())
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


async def test_rule_10_rm_phone_that_dies_is_noticed(spec: PbxSpec, silent_floor: Floor) -> None:
    """A phone that stops sending is silent within 5 s, and alive again when it sends; hold is told at once."""
    floor = silent_floor
    rm, _ = await floor.connect()
    rtp = floor.phones["anna"].live()[0].rtp
    assert rtp is not None
    await asyncio.sleep(2)
    rtp.sending = False
    began = asyncio.get_running_loop().time()
    assert (await floor.wait_for(RmLegSilent, rm)).why == "no_audio"
    assert asyncio.get_running_loop().time() - began <= 5.0
    rtp.sending = True
    await floor.wait_for(RmLegAlive, rm)


@pytest.mark.parametrize("early", [True, False])
async def test_rule_10_audio_is_counted_in_a_call(silent_floor: Floor, early: bool) -> None:
    """A talking RM is not called silent, whatever technology the bridge has: simple when it was early, native
    when both were up at the join."""
    floor = silent_floor
    rm, bridge = await floor.connect()
    customer = await floor.dial(bridge if early else None, answers(0.05))
    await floor.wait_for(LegAnswered, customer)
    await floor.telephony.bridge(customer, bridge)
    first = await floor.telephony.rtp_counts(rm)
    await asyncio.sleep(4)
    second = await floor.telephony.rtp_counts(rm)
    assert second.received - first.received > 150
    assert not floor.all_of(RmLegSilent)


async def test_rule_10_hold_is_told_at_once(floor: Floor) -> None:
    """An RM who presses hold on the phone is not free, until it is taken back."""
    rm, _ = await floor.connect()
    phone = floor.phones["anna"]
    phone.hold(phone.live()[0], True)
    assert (await floor.wait_for(RmLegSilent, rm)).why == "hold"
    phone.hold(phone.live()[0], False)
    await floor.wait_for(RmLegAlive, rm)


async def test_rule_11_no_identity_goes_to_the_other_party(floor: Floor) -> None:
    """Joining sends no re-INVITE or UPDATE with the other party's identity to either side."""
    rm, bridge = await floor.connect()
    customer = await floor.dial(bridge, answers(0.05))
    await floor.wait_for(LegAnswered, customer)
    await asyncio.sleep(0.5)
    for peer in (floor.carrier, floor.phones["anna"]):
        requests = [text.split(" ", 1)[0] for text in peer.messages if not text.startswith("SIP/2.0")]
        assert requests.count("INVITE") == 1
        assert "UPDATE" not in requests
    assert rm


async def test_rule_13_customer_outlives_the_rms_leg(floor: Floor) -> None:
    """When the RM's phone hangs up, its leg ends; the customer's stays until we end it, and was bridged."""
    rm, bridge = await floor.connect()
    customer = await floor.dial(bridge, answers(0.05))
    await floor.wait_for(LegAnswered, customer)
    phone = floor.phones["anna"]
    phone.hang_up(phone.live()[0])
    assert (await floor.ended(rm)).end.was_up
    assert not floor.all_of(LegEnded, customer)
    await floor.telephony.hang_up(customer)
    assert (await floor.ended(customer)).end.bridged


async def test_rm_phone_that_rejects_ends_its_leg(floor: Floor) -> None:
    """A phone that is busy gives the end of its leg with the cause; no bridge is left."""
    leg, bridge = LegId(NODE, f"rm-{NODE}-anna-77-1"), BridgeId(NODE, f"b-{NODE}-anna-77-1")
    floor.phones["anna"].default = refuses(486)
    await floor.telephony.connect_rm(
        ConnectRm(leg=leg, bridge=bridge, rm="anna", endpoint="PJSIP/rm-anna", answer_timeout_s=8)
    )
    assert (await floor.ended(leg)).end.tech_cause == 486
    await floor.telephony.release_bridge(bridge)


async def test_unregistered_phone_is_refused(floor: Floor) -> None:
    """A phone that is not registered, or does not exist, is a definite no and leaves no bridge."""
    for name in ("nobody", "ben"):
        await floor.phones["ben"].unregister()
        leg, bridge = LegId(NODE, f"rm-{NODE}-{name}-78-1"), BridgeId(NODE, f"b-{NODE}-{name}-78-1")
        with pytest.raises(NotDone) as caught:
            await floor.telephony.connect_rm(
                ConnectRm(leg=leg, bridge=bridge, rm=name, endpoint=f"PJSIP/rm-{name}", answer_timeout_s=8)
            )
        assert caught.value.refusal is Refusal.UNKNOWN_ENDPOINT
    assert not await floor.telephony.survey()


async def test_a_caller_back_is_announced_answered_and_joined(floor: Floor) -> None:
    """Somebody who calls our caller ID back is an inbound leg: answered, joined, heard, ended."""
    _, bridge = await floor.connect()
    floor.carrier.call(CALLER_ID, CUSTOMER, floor.spec.sip.port)
    inbound = await floor.wait_for(InboundCall)
    assert (inbound.pii_number, inbound.called, inbound.trunk) == (CUSTOMER, CALLER_ID, "carrier")
    await floor.telephony.answer(inbound.leg)
    await floor.wait_for(LegAnswered, inbound.leg)
    await floor.telephony.bridge(inbound.leg, bridge)
    await floor.wait_for(LegJoined, inbound.leg)
    floor.carrier.hang_up(floor.carrier.live()[0])
    assert (await floor.ended(inbound.leg)).end.bridged


async def test_an_announcement_comes_to_its_end(floor: Floor) -> None:
    """An answered customer without an RM hears an announcement, and we hear its end."""
    leg = await floor.dial(None, answers(0.05))
    await floor.wait_for(LegAnswered, leg)
    await floor.telephony.play(leg, "p-1", floor.short_sound)
    assert (await floor.wait_for(PlaybackFinished, leg)).playback == "p-1"


async def test_keys_are_heard(floor: Floor) -> None:
    """A key pressed by the customer is an event of its leg."""
    _, bridge = await floor.connect()
    leg = await floor.dial(bridge, answers(0.05))
    await floor.wait_for(LegAnswered, leg)
    floor.carrier.info_dtmf(floor.carrier.live()[0], "5")
    assert (await floor.wait_for(Digit, leg)).digit == "5"


async def test_rule_02_answered_while_nobody_listens_hears_who_called(spec: PbxSpec) -> None:
    """The dialer dies while a fail-safe call rings: the customer answers and hears the message, then BYE."""
    floor = await open_floor(spec)
    try:
        await floor.dial(None, answers(0.6))
        await floor.until(lambda: floor.carrier.invites, "an INVITE")
    finally:
        await floor.stop()
    call = floor.carrier.invites[0]
    await floor.until(lambda: call.answered and call.rtp and call.rtp.received > 50, "the message")
    await floor.until(lambda: call.bye_received, "BYE after the message")
    await floor.close_peers()


async def test_rule_01_early_bridge_connects_while_nobody_listens(spec: PbxSpec) -> None:
    """The dialer dies while a customer rings in an RM's bridge: the answer connects them all the same."""
    floor = await open_floor(spec)
    try:
        await floor.connect()
        _, bridge = floor.events[-1].leg, floor.telephony._keeper.book.all()[0].bridge
        await floor.dial(bridge, answers(0.6))
    finally:
        await floor.stop()
    await floor.until(lambda: floor.carrier.invites and floor.carrier.invites[0].answered, "an answer")
    rtp = floor.carrier.invites[0].rtp
    assert rtp is not None
    await floor.until(lambda: rtp.received > 30, "the RM's audio at the customer")
    # A new life finds them, takes them over and hears their end.
    second = new_bridge(spec)
    await second.start()
    floor.telephony, floor.events = second, []
    floor.listen()
    legs = await second.survey()
    assert [(leg.state, leg.bridge) for leg in legs] == [(SurveyedState.UP, bridge)] * 2
    for leg in legs:
        await second.adopt(leg.leg, customer=leg.leg.id.startswith("c-"), bridge=leg.bridge)
    floor.carrier.hang_up(floor.carrier.live()[0])
    end = (await floor.ended(legs[0].leg)).end
    assert (end.was_up, end.bridged, decide(end)) == (True, True, Disposition.ANSWERED)
    await second.hang_up(legs[1].leg)
    await floor.ended(legs[1].leg)
    await second.release_bridge(bridge)
    await floor.stop()
    await floor.close_peers()


async def test_rule_05_silent_trunk_opens_its_breaker(spec: PbxSpec) -> None:
    """A trunk that never answers an INVITE: our set-up timer ends two calls, and the third does not leave."""
    floor = await open_floor(spec)
    try:
        silent = Script(trying=False, ring_after_s=None)
        for _ in range(2):
            leg = await floor.dial(None, silent)
            await floor.until(lambda: floor.carrier.invites, "an INVITE")
            await floor.telephony.hang_up(leg, HangUpReason.NO_ANSWER)
            end = (await floor.ended(leg)).end
            assert decide(end) is Disposition.CARRIER_FAILED
        assert not (await floor.wait_for(TrunkHealth)).usable
        with pytest.raises(NotDone) as caught:
            await floor.dial(None)
        assert caught.value.refusal is Refusal.TRUNK_BREAKER_OPEN
    finally:
        await close_floor(floor)


async def test_wrong_password_is_said(spec: PbxSpec) -> None:
    """The start ends at once with the PBX's word."""
    bridge = make_bridge(spec.ari.url, spec.ari.user, "not-the-password")
    with pytest.raises(NotDone) as caught:
        await bridge.start()
    assert caught.value.refusal is Refusal.REJECTED
    assert "401" in caught.value.detail


async def test_a_storm_of_calls_leaves_nothing(floor: Floor) -> None:
    """Sixty calls of every kind at once into two bridges: each ends once, and no channel is left but the RMs'."""
    bridges = [(await floor.connect(rm))[1] for rm in ("anna", "ben")]
    kinds = [
        answers(0.05, hang_up_after_s=0.2),
        answers(0.0, hang_up_after_s=0.0),
        refuses(486, rings=True),
        refuses(404, after_s=0.0),
        refuses(503),
        answers(0.05, sdp_in_200=False),
    ]

    async def call(number: int) -> LegId:
        return await floor.dial(
            bridges[number % 2] if number % 3 else None,
            kinds[number % len(kinds)],
            number=f"+12025550{number:03d}",
        )

    legs = await asyncio.gather(*[call(number) for number in range(60)])
    for leg in legs:
        await floor.ended(leg, 30)
    assert [found.leg.id[:2] for found in await floor.telephony.survey()] == ["rm", "rm"]
    # The PBX may still repeat the INVITEs of the silent trunk's test.
    called = [invite.user for invite in floor.carrier.invites if invite.user.startswith("+120255500")]
    assert len(called) == len(set(called)) == 60
