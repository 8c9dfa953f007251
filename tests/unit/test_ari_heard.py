# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an RM's phone is heard at the moment a customer is dialed to it: looks between the regular polls."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from ari_bridge.access import Timings
from ari_bridge.legs import LegState
from ari_bridge.messages import RtpStatistics
from ari_bridge.phone_script import answers
from ari_bridge.rm_leg import UNHEARD_S, RmLeg, look, watch
from dialer.telephony import BridgeId, LegId, NotDone, Refusal, RmLegAlive, RmLegSilent
from foundation.testing import FakeClock
from tests.bridge_floor import QUICK
from tests.fake_floor import fake_floor

RM = LegId("pbx1", "rm-pbx1-anna-1-1")
BRIDGE = BridgeId("pbx1", "b-pbx1-anna-1-1")


class Counter:
    """The one request that counting needs."""

    def __init__(self, received: int | None = 0) -> None:
        self.received = received

    async def rtp_statistics(self, channel: str) -> RtpStatistics | None:
        return None if self.received is None else RtpStatistics(rxcount=self.received)


def rm_leg(events: list, *, sends_audio: bool = True) -> RmLeg:
    leg = RmLeg(
        RM, BRIDGE, events.append, no_media_s=35.0, sends_audio=sends_audio, on_answered=lambda leg: None
    )
    leg.state = LegState.JOINED
    return leg


async def test_a_count_that_stands_since_the_last_look_is_silence_at_once() -> None:
    """A phone that died since the last poll is told by one look, without waiting for the next polls."""
    events, clock, counter = [], FakeClock(), Counter(100)
    leg = rm_leg(events)
    assert await look(leg, counter, clock)
    clock.advance(UNHEARD_S)
    assert not await look(leg, counter, clock)
    assert [type(event) for event in events] == [RmLegSilent]


async def test_two_looks_close_together_do_not_call_a_phone_dead() -> None:
    """Between two packets a count stands still for some milliseconds."""
    events, clock, counter = [], FakeClock(), Counter(100)
    leg = rm_leg(events)
    assert await look(leg, counter, clock)
    clock.advance(UNHEARD_S / 2)
    assert await look(leg, counter, clock)
    assert events == []


async def test_a_phone_that_has_just_answered_is_given_time() -> None:
    """Before its first packet a phone is judged by the polls alone."""
    events, clock, counter = [], FakeClock(), Counter(0)
    leg = rm_leg(events)
    for _ in range(3):
        assert await look(leg, counter, clock)
        clock.advance(UNHEARD_S)
    assert events == []


async def test_no_answer_and_quiet_phones_say_nothing() -> None:
    """A PBX that does not answer says nothing of the phone; nor does silence from one that suppresses it."""
    events, clock = [], FakeClock()
    assert await look(rm_leg(events), Counter(None), clock)
    quiet = rm_leg(events, sends_audio=False)
    for _ in range(3):
        assert await look(quiet, Counter(7), clock)
        clock.advance(10)
    assert events == []


async def test_the_polls_do_not_wake_a_phone_that_a_look_found_dead() -> None:
    """A poll finds the count where the look left it: still, so the phone stays silent until a packet comes."""
    events, clock, counter = [], FakeClock(), Counter(100)
    leg = rm_leg(events)
    await look(leg, counter, clock)
    polling = asyncio.create_task(watch(leg, counter, clock, Timings(rtp_poll_s=1.0)))
    clock.advance(0.5)
    assert not await look(leg, counter, clock)
    for _ in range(3):
        await asyncio.sleep(0)
        clock.advance(1.0)
        await asyncio.sleep(0)
    assert [type(event) for event in events] == [RmLegSilent]
    counter.received = 200
    clock.advance(1.0)
    for _ in range(3):
        await asyncio.sleep(0)
    assert [type(event) for event in events] == [RmLegSilent, RmLegAlive]
    polling.cancel()


async def test_nobody_is_dialed_to_a_phone_that_died_while_idle() -> None:
    """The phone stops between two polls and a customer is dialed: no INVITE, and the RM's phone is silent."""
    async with fake_floor(replace(QUICK, rtp_poll_s=60.0)) as floor:
        rm, bridge = await floor.connect(script=answers(0.01, sends_audio=False))
        floor.pbx.world.channels[rm.id].heard = 50
        assert await floor.telephony._keeper.rm_heard(bridge)
        await floor.wait_for(RmLegSilent, rm)
        with pytest.raises(NotDone) as refused:
            await floor.dial(bridge, answers(0.05))
        assert refused.value.refusal is Refusal.GONE
