# SPDX-License-Identifier: GPL-3.0-or-later
"""Placing calls on ``FakeAsterisk``: what each answer, lost answer and race means to the dialer."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from ari_bridge.access import Timings
from ari_bridge.testing import Answer, Script, answers, refuses
from dialer.telephony import (
    BridgeId,
    ConnectRm,
    DialCustomer,
    HangUpReason,
    LegAnswered,
    LegEvent,
    LegId,
    LegJoined,
    LegRinging,
    NotDone,
    NotYet,
    Refusal,
    RmLegUp,
    TrunkHealth,
    Unknown,
)
from tests.bridge_floor import CALLER_ID, CUSTOMER, NODE, TRUNK
from tests.fake_floor import FakeFloor, fake_floor
from vocabulary.dispositions import Disposition, EndedBy, decide

#: A request without an answer is given up fast.
HASTY = Timings(
    request_s=0.15, settle_s=(0.05, 0.1, 0.1), ping_every_s=0.5, ping_timeout_s=0.3, backoff_max_s=0.2
)


async def refused_dial(floor: FakeFloor, bridge: BridgeId | None, **more: object) -> Refusal:
    """Dial, and give why not; no event may ever come of the leg."""
    with pytest.raises(NotDone) as caught:
        await floor.dial(bridge, **more)  # type: ignore[arg-type]
    assert not [event for event in floor.all_of(LegEvent) if event.leg.id.startswith("c-")]
    return caught.value.refusal


async def test_events_that_come_before_the_answer_are_heard() -> None:
    """The leg is registered before the request: what happens before the answer is not lost."""
    async with fake_floor() as floor:
        _, bridge = await floor.connect()
        floor.pbx.next_answer("POST", "/channels/.*/dial", Answer.LATE)
        leg = await floor.dial(bridge, answers(0.01))
        assert [type(event) for event in floor.events if getattr(event, "leg", None) == leg] == [
            LegRinging,
            LegAnswered,
        ]


async def test_a_call_that_ends_before_the_answer_ends_once() -> None:
    """Refused by the customer's phone while the dial request still waits for its answer: an end, no exception."""
    async with fake_floor() as floor:
        _, bridge = await floor.connect()
        floor.pbx.next_answer("POST", "/channels/.*/dial", Answer.LATE)
        leg = await floor.dial(bridge, refuses(486, after_s=0.0))
        assert decide((await floor.ended(leg)).end) is Disposition.BUSY


async def test_a_new_channel_is_joined_when_it_has_entered() -> None:
    """Entering the application takes a moment; until then the PBX refuses to join, and that is no refusal."""
    async with fake_floor() as floor:
        _, bridge = await floor.connect()
        floor.pbx.world.entry_delay_s = 0.35
        leg = await floor.dial(bridge, answers(0.05))
        assert (await floor.wait_for(LegAnswered, leg)).joined


@pytest.mark.parametrize("answer", [Answer.FALSE_CONFLICT, Answer.SERVER_ERROR, Answer.LOST_NOT_DONE])
async def test_unclear_creation_that_made_nothing_is_not_done(answer: Answer) -> None:
    """409, 500 or silence, and the PBX has no such channel: nothing was placed, and it says so."""
    async with fake_floor(HASTY) as floor:
        _, bridge = await floor.connect()
        floor.pbx.next_answer("POST", "/channels/create", answer)
        assert await refused_dial(floor, bridge) is Refusal.REJECTED
        assert len(floor.pbx.world.dialed) == 1


@pytest.mark.parametrize("answer", [Answer.LOST_DONE, Answer.CUT_DONE])
async def test_unclear_creation_that_made_the_channel_goes_on(answer: Answer) -> None:
    """The channel is there though its answer was lost: it is joined and dialed, once."""
    async with fake_floor(HASTY) as floor:
        _, bridge = await floor.connect()
        floor.pbx.next_answer("POST", "/channels/create", answer)
        leg = await floor.dial(bridge, answers(0.05))
        await floor.wait_for(LegAnswered, leg)
        assert [channel.id for channel in floor.pbx.world.dialed if channel.id == leg.id] == [leg.id]


@pytest.mark.parametrize("answer", [Answer.LOST_DONE, Answer.CUT_DONE, Answer.SERVER_ERROR])
async def test_unclear_dial_is_never_sent_again(answer: Answer) -> None:
    """An unclear ``dial`` is settled by its own event, or stays unknown: one INVITE at most."""
    async with fake_floor(HASTY) as floor:
        _, bridge = await floor.connect()
        floor.pbx.next_answer("POST", "/channels/.*/dial", answer)
        leg = floor.new_leg()
        try:
            await floor.dial(bridge, answers(0.05), leg=leg)
        except Unknown:
            assert answer is Answer.SERVER_ERROR
            await floor.telephony.hang_up(leg)
            await floor.ended(leg)
        else:
            await floor.wait_for(LegAnswered, leg)
        sent = [path for method, path in floor.pbx.requests if path.endswith(f"{leg.id}/dial")]
        assert len(sent) == 1


@pytest.mark.parametrize("answer", [Answer.LOST_DONE, Answer.CUT_DONE])
async def test_unclear_originate_that_happened_is_done(answer: Answer) -> None:
    """A fail-safe call whose answer was lost is found by asking, and goes on."""
    async with fake_floor(HASTY) as floor:
        floor.pbx.next_answer("POST", "/channels", answer)
        leg = await floor.dial(None, Script())
        await floor.wait_for(LegRinging, leg)
        assert len(floor.pbx.world.dialed) == 1


@pytest.mark.parametrize("answer", [Answer.LOST_NOT_DONE, Answer.FALSE_CONFLICT, Answer.SERVER_ERROR])
async def test_unclear_originate_without_a_gap_was_never_placed(answer: Answer) -> None:
    """No channel, no event, no gap: a definite no."""
    async with fake_floor(HASTY) as floor:
        floor.pbx.next_answer("POST", "/channels", answer)
        assert await refused_dial(floor, None) is Refusal.REJECTED


async def test_unclear_originate_that_is_over_already_ends_by_its_events() -> None:
    """No channel any more, but its events were seen: done, and the end tells how."""
    async with fake_floor(HASTY) as floor:
        floor.pbx.next_answer("POST", "/channels", Answer.LOST_DONE)
        leg = await floor.dial(None, refuses(486, after_s=0.0))
        assert decide((await floor.ended(leg)).end) is Disposition.BUSY


async def test_rule_04_unclear_originate_after_a_gap_is_lost() -> None:
    """No channel, and events were missed meanwhile: unknown to the caller, and its leg ends as lost."""
    async with fake_floor(HASTY) as floor:
        floor.pbx.next_answer("POST", "/channels", Answer.LOST_NOT_DONE)
        leg = floor.new_leg()
        dialing = asyncio.ensure_future(floor.dial(None, leg=leg))
        await floor.until(lambda: ("POST", "/channels") in floor.pbx.requests, "the request")
        await floor.pbx.drop_socket()
        with pytest.raises(Unknown):
            await dialing
        end = (await floor.ended(leg)).end
        assert (end.ended_by, decide(end)) == (EndedBy.EVENTS_LOST, Disposition.LOST)


async def test_a_leg_that_comes_to_life_too_late_is_hung_up() -> None:
    """Told to be never placed, it is dialed all the same by a PBX that was slow: it is ended at once."""
    async with fake_floor(HASTY) as floor:
        floor.pbx.next_answer("POST", "/channels", Answer.LOST_NOT_DONE)
        leg = floor.new_leg()
        with pytest.raises(NotDone):
            await floor.dial(None, leg=leg)
        late = floor.pbx.world.make(
            f"PJSIP/{CUSTOMER}@trunk-{TRUNK}", leg.id, {"context": "offhook-failsafe"}
        )
        floor.pbx.world.dial(late, 30)
        await floor.until(lambda: late.gone, "hung up")
        assert not floor.all_of(LegEvent)


@pytest.mark.parametrize("early", [True, False])
async def test_rule_19_allocation_failed_is_a_definite_no(early: bool) -> None:
    """500 with Asterisk's own word: no event will come, and none is waited for."""
    async with fake_floor() as floor:
        bridge = (await floor.connect())[1] if early else None
        floor.pbx.next_answer("POST", "/channels/create" if early else "/channels", Answer.ALLOCATION_FAILED)
        assert await refused_dial(floor, bridge) is Refusal.UNKNOWN_ENDPOINT


async def test_a_loading_pbx_places_nothing() -> None:
    """503 while the PBX starts: not done, and not the trunk's fault."""
    async with fake_floor(failures_to_open=1) as floor:
        floor.pbx.next_answer("POST", "/channels", Answer.LOADING)
        assert await refused_dial(floor, None) is Refusal.LINK_DOWN
        assert not floor.all_of(TrunkHealth)


async def test_a_refused_dial_leaves_no_channel() -> None:
    """Made and joined, then the dial is refused: undone, without an event."""
    async with fake_floor() as floor:
        _, bridge = await floor.connect()
        floor.pbx.next_answer("POST", "/channels/.*/dial", Answer.REFUSED)
        assert await refused_dial(floor, bridge) is Refusal.GONE
        assert list(floor.pbx.world.channels) == [f"rm-{NODE}-" + bridge.id.split("-", 2)[2]]


async def test_nobody_is_dialed_into_a_bridge_without_its_rm() -> None:
    """The RM's phone hung up: a customer is not dialed into its empty bridge, and no channel is left."""
    async with fake_floor() as floor:
        rm, bridge = await floor.connect()
        await floor.telephony.hang_up(rm)
        await floor.ended(rm)
        assert await refused_dial(floor, bridge) is Refusal.GONE
        assert not floor.pbx.world.channels
        assert not [channel for channel in floor.pbx.world.dialed if channel.id.startswith("c-")]


async def test_hung_up_before_it_is_dialed_rings_nobody() -> None:
    """Cancelled while its channel is being made: the INVITE never leaves."""
    async with fake_floor() as floor:
        _, bridge = await floor.connect()
        floor.pbx.next_answer("POST", "/channels/create", Answer.LATE)
        leg = floor.new_leg()
        dialing = asyncio.ensure_future(floor.dial(bridge, leg=leg))
        await floor.until(lambda: ("POST", "/channels/create") in floor.pbx.requests, "the request")
        await floor.telephony.hang_up(leg)
        outcome = (await asyncio.gather(dialing, return_exceptions=True))[0]
        assert outcome == leg or isinstance(outcome, NotDone)
        await floor.until(lambda: leg.id not in floor.pbx.world.channels, "no channel")
        assert leg.id not in [channel.id for channel in floor.pbx.world.dialed]


async def test_a_link_cut_before_the_dial_stops_it() -> None:
    """The event stream is cut while the channel is being made: nobody is dialed unheard."""
    async with fake_floor(replace(HASTY, backoff_first_s=5.0, backoff_max_s=5.0)) as floor:
        _, bridge = await floor.connect()
        floor.pbx.next_answer("POST", "/channels/create", Answer.LOST_DONE)
        leg = floor.new_leg()
        dialing = asyncio.ensure_future(floor.dial(bridge, leg=leg))
        await floor.until(lambda: ("POST", "/channels/create") in floor.pbx.requests, "the request")
        await floor.pbx.drop_socket()
        with pytest.raises(NotDone) as caught:
            await dialing
        assert caught.value.refusal is Refusal.LINK_DOWN
        assert leg.id not in floor.pbx.world.channels
        assert leg.id not in [channel.id for channel in floor.pbx.world.dialed]


async def test_hung_up_while_an_originate_waits_is_hung_up_after() -> None:
    """A hang-up that overtakes the originate is done as soon as the channel is there."""
    async with fake_floor(HASTY) as floor:
        leg = floor.new_leg()
        floor.pbx.next_answer("DELETE", "/channels/.*", Answer.REFUSED)
        floor.pbx.next_answer("POST", "/channels", Answer.LATE)
        dialing = asyncio.ensure_future(floor.dial(None, Script(), leg=leg))
        await floor.until(lambda: ("POST", "/channels") in floor.pbx.requests, "the request")
        await floor.telephony.hang_up(leg)
        await dialing
        await floor.ended(leg)
        assert leg.id not in floor.pbx.world.channels


async def test_a_cancelled_caller_leaves_no_half_made_call() -> None:
    """Who asked goes away in the middle: the placing goes on to its end, and the leg has its events."""
    async with fake_floor() as floor:
        _, bridge = await floor.connect()
        floor.pbx.next_answer("POST", "/channels/create", Answer.LATE)
        leg = floor.new_leg()
        dialing = asyncio.ensure_future(floor.dial(bridge, answers(0.05), leg=leg))
        await floor.until(lambda: ("POST", "/channels/create") in floor.pbx.requests, "the request")
        dialing.cancel()
        await floor.wait_for(LegAnswered, leg)


async def test_an_id_is_never_dialed_twice() -> None:
    """The same leg again is refused before anything leaves, while it lives and after."""
    async with fake_floor() as floor:
        leg = await floor.dial(None, refuses(486))
        with pytest.raises(ValueError, match="new id"):
            await floor.dial(None, leg=leg)
        await floor.ended(leg)
        with pytest.raises(ValueError, match="new id"):
            await floor.dial(None, leg=leg)
        assert len(floor.pbx.world.dialed) == 1


# --- RM legs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [Answer.LOST_DONE, Answer.CUT_DONE, Answer.SERVER_ERROR])
async def test_unclear_bridge_is_asked_for_again(answer: Answer) -> None:
    """Making a bridge may be repeated: one that is there already will do."""
    async with fake_floor(HASTY) as floor:
        floor.pbx.next_answer("POST", "/bridges/[^/]*", answer)
        _, bridge = await floor.connect()
        assert list(floor.pbx.world.bridges) == [bridge.id]


async def test_a_refused_phone_leaves_no_bridge() -> None:
    """Not registered: a definite no, and the bridge that was made for it is gone."""
    async with fake_floor() as floor:
        floor.pbx.next_answer("POST", "/channels", Answer.ALLOCATION_FAILED)
        with pytest.raises(NotDone) as caught:
            await floor.connect()
        assert caught.value.refusal is Refusal.UNKNOWN_ENDPOINT
        assert not floor.pbx.world.bridges


async def test_an_rm_that_cannot_be_joined_is_hung_up() -> None:
    """Answered, but its bridge went: no RM is up without a bridge; the end of the leg tells."""
    async with fake_floor() as floor:
        leg, bridge = LegId(NODE, f"rm-{NODE}-anna-1-1"), BridgeId(NODE, f"b-{NODE}-anna-1-1")
        floor.pbx.next_answer("POST", "/bridges/.*/addChannel", Answer.REFUSED)
        await floor.telephony.connect_rm(
            ConnectRm(leg=leg, bridge=bridge, rm="anna", endpoint="PJSIP/rm-anna", answer_timeout_s=8)
        )
        await floor.ended(leg)
        assert not floor.all_of(RmLegUp)


async def test_an_unclear_join_of_an_rm_is_repeated() -> None:
    """Joining may be repeated; the RM is up once."""
    async with fake_floor(HASTY) as floor:
        floor.pbx.next_answer("POST", "/bridges/.*/addChannel", Answer.LOST_DONE)
        leg, _ = await floor.connect()
        assert len(floor.all_of(RmLegUp, leg)) == 1


# --- hang up, join, play ------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [Answer.LOST_DONE, Answer.CUT_DONE, Answer.LOST_NOT_DONE])
async def test_an_unclear_hang_up_is_repeated(answer: Answer) -> None:
    """Hanging up may be repeated: done in the end, and the leg ends once."""
    async with fake_floor(HASTY) as floor:
        leg = await floor.dial(None, Script())
        await floor.wait_for(LegRinging, leg)
        floor.pbx.next_answer("DELETE", "/channels/.*", answer)
        await floor.telephony.hang_up(leg, HangUpReason.NO_ANSWER)
        assert decide((await floor.ended(leg)).end) is Disposition.NO_ANSWER


async def test_a_leg_that_is_gone_without_its_last_event_is_lost() -> None:
    """The PBX says that the leg is gone and its end never came: it ends as lost, once."""
    async with fake_floor(HASTY) as floor:
        leg = await floor.dial(None, Script())
        await floor.wait_for(LegRinging, leg)
        floor.pbx.world.channels.pop(leg.id).gone = True
        await floor.telephony.hang_up(leg)
        assert (await floor.ended(leg)).end.ended_by is EndedBy.EVENTS_LOST


async def test_joining_what_is_gone_is_not_done() -> None:
    """The customer hung up while we joined: a definite no."""
    async with fake_floor() as floor:
        _, bridge = await floor.connect()
        leg = await floor.dial(None, answers(0.02))
        await floor.wait_for(LegAnswered, leg)
        floor.pbx.world.far_hang_up(leg.id)
        with pytest.raises(NotDone) as caught:
            await floor.telephony.bridge(leg, bridge)
        assert caught.value.refusal is Refusal.GONE


async def test_a_join_nobody_answers_is_unknown() -> None:
    """Neither of two requests was answered: unknown, as the contract has it."""
    async with fake_floor(HASTY) as floor:
        _, bridge = await floor.connect()
        leg = await floor.dial(None, answers(0.02))
        await floor.wait_for(LegAnswered, leg)
        floor.pbx.next_answer("POST", "/bridges/.*/addChannel", Answer.LOST_NOT_DONE, times=4)
        with pytest.raises(Unknown):
            await floor.telephony.bridge(leg, bridge)
        assert not floor.all_of(LegJoined)


async def test_mute_and_keys_are_requests_of_the_leg() -> None:
    """The trivial ones are there: done for a leg that is, gone for one that is not."""
    async with fake_floor() as floor:
        rm, _ = await floor.connect()
        await floor.telephony.mute(rm, True)
        await floor.telephony.mute(rm, False)
        await floor.telephony.dtmf(rm, "12#")
        assert [call for call in floor.pbx.requests if "mute" in call[1] or "dtmf" in call[1]] == [
            ("POST", f"/channels/{rm.id}/mute"),
            ("DELETE", f"/channels/{rm.id}/mute"),
            ("POST", f"/channels/{rm.id}/dtmf"),
        ]
        with pytest.raises(NotDone) as caught:
            await floor.telephony.mute(floor.new_leg(), True)
        assert caught.value.refusal is Refusal.GONE


async def test_what_is_not_built_says_so() -> None:
    """The rest of the port is there as a typed *not yet*."""
    async with fake_floor() as floor:
        port, leg, bridge = floor.telephony, LegId(NODE, "x"), BridgeId(NODE, "x")
        for request in (
            port.hold(leg, True),
            port.transfer(leg, "1", warm=True),
            port.conference(bridge, leg),
            port.snoop(leg, leg, spy="both", whisper="none"),
            port.record(leg, "x"),
            port.audio_tap(leg, leg),
        ):
            with pytest.raises(NotYet):
                await request


# --- trunks -------------------------------------------------------------------------------------------


async def test_a_failing_trunk_is_rested_tried_and_used_again() -> None:
    """Edges of the breaker are told once each; while it rests nothing leaves."""
    quick = Timings(trunk_tick_s=0.02, request_s=2.0)
    async with fake_floor(quick, failures_to_open=3, open_s=0.2) as floor:
        for _ in range(3):
            await floor.ended(await floor.dial(None, refuses(503, after_s=0.0)))
        (closed,) = floor.all_of(TrunkHealth)
        assert (closed.trunk, closed.usable) == (TRUNK, False)
        before = len(floor.pbx.world.dialed)
        with pytest.raises(NotDone) as caught:
            await floor.dial(None)
        assert caught.value.refusal is Refusal.TRUNK_BREAKER_OPEN
        assert len(floor.pbx.world.dialed) == before
        await floor.until(lambda: len(floor.all_of(TrunkHealth)) == 2, "half open")
        await floor.ended(await floor.dial(None, refuses(486, rings=True)))
        assert [health.usable for health in floor.all_of(TrunkHealth)] == [False, True, True]


async def test_allocation_failures_open_the_breaker() -> None:
    """A dead trunk refuses in a millisecond: without the breaker a whole list burns in seconds."""
    async with fake_floor(failures_to_open=3) as floor:
        floor.pbx.world.missing_endpoints.add(CUSTOMER)
        for _ in range(3):
            with pytest.raises(NotDone):
                await floor.dial(None)
        with pytest.raises(NotDone) as caught:
            await floor.dial(None)
        assert caught.value.refusal is Refusal.TRUNK_BREAKER_OPEN


async def test_a_full_trunk_takes_no_call_until_one_ends() -> None:
    """The cap counts legs that live, whatever became of them."""
    async with fake_floor(call_cap=1) as floor:
        leg = await floor.dial(None, Script())
        with pytest.raises(NotDone) as caught:
            await floor.dial(None)
        assert caught.value.refusal is Refusal.TRUNK_FULL
        await floor.telephony.hang_up(leg)
        await floor.ended(leg)
        await floor.dial(None, Script())


async def test_unknown_trunk_and_bad_number_are_refused_before_anything_leaves() -> None:
    """Neither reaches the PBX, and neither takes a place on a trunk."""
    async with fake_floor(call_cap=1) as floor:
        for trunk, number, refusal in (
            ("ghost", CUSTOMER, Refusal.UNKNOWN_TRUNK),
            (TRUNK, "+", Refusal.REJECTED),
        ):
            with pytest.raises(NotDone) as caught:
                await floor.telephony.dial(
                    DialCustomer(
                        leg=floor.new_leg(),
                        pii_number=number,
                        trunk=trunk,
                        caller_id=CALLER_ID,
                        bridge=None,
                        backstop_s=5,
                    )
                )
            assert caught.value.refusal is refusal
        assert not floor.pbx.world.dialed
        await floor.dial(None, Script())
