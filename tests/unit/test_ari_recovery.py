# SPDX-License-Identifier: GPL-3.0-or-later
"""The recovery table on ``FakeAsterisk``: gaps, restarts, deadlock, takeover, orphans. Each row has its test."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from ari_bridge.link import Backoff
from ari_bridge.mailbox import Mailbox
from ari_bridge.messages import WANTED_EVENTS, Event
from ari_bridge.testing import Answer, Script, answers, refuses
from dialer.telephony import (
    Fenced,
    LegAnswered,
    LegEnded,
    LegEvent,
    LegRinging,
    LinkDown,
    LinkUp,
    NotDone,
    Refusal,
    RmLegSilent,
    RmLegUp,
)
from foundation.clock import SystemClock
from tests.bridge_floor import FAST, NODE, QUICK, make_bridge
from tests.fake_floor import FakeFloor, fake_floor
from vocabulary.dispositions import Disposition, EndedBy, decide


async def cut(floor: FakeFloor) -> None:
    """Cut the event socket and let none through, until it is noticed."""
    floor.pbx.refuse_sockets = True
    await floor.pbx.drop_socket()
    await floor.wait_for(LinkDown)


async def mend(floor: FakeFloor) -> LinkUp:
    floor.pbx.refuse_sockets = False
    return await floor.wait_for(LinkUp)


# --- websocket drop -----------------------------------------------------------------------------------


async def test_a_drop_is_told_once_and_ends_nobody() -> None:
    """Down once, up once, both with the node; who talks goes on."""
    async with fake_floor(FAST) as floor:
        rm, bridge = await floor.connect()
        customer = await floor.dial(bridge, answers(0.01))
        await floor.wait_for(LegAnswered, customer)
        await cut(floor)
        up = await mend(floor)
        assert (up.node, up.restarted) == (NODE, False)
        assert len(floor.all_of(LinkDown)) == len(floor.all_of(LinkUp)) == 1
        floor.pbx.world.far_hang_up(customer.id)
        assert decide((await floor.ended(customer)).end) is Disposition.ANSWERED
        assert not floor.all_of(LegEnded, rm)


async def test_every_connect_renews_filter_and_subscription() -> None:
    """The application forgets both when it is dropped without channels: they are put again, never all events."""
    async with fake_floor(FAST) as floor:
        await cut(floor)
        assert floor.pbx._filter is None
        await mend(floor)
        assert floor.pbx._filter == set(WANTED_EVENTS)
        renewed = [path for _, path in floor.pbx.requests if path.startswith("/applications/")]
        assert renewed == ["/applications/offhook/eventFilter", "/applications/offhook/subscription"] * 2
        await floor.ended(await floor.dial(None, refuses(486)))


async def test_rule_04_what_ended_in_the_gap_is_lost() -> None:
    """Gone when the link is back: lost, once, before the link is said to be up."""
    async with fake_floor(FAST) as floor:
        customer = await floor.dial(None, Script())
        await floor.wait_for(LegRinging, customer)
        await cut(floor)
        floor.pbx.world.far_hang_up(customer.id)
        await mend(floor)
        end = (await floor.ended(customer)).end
        assert (end.ended_by, end.rang, decide(end)) == (EndedBy.EVENTS_LOST, True, Disposition.LOST)
        assert [type(event) for event in floor.events][-2:] == [LegEnded, LinkUp]


async def test_what_rang_and_answered_in_the_gap_is_caught_up() -> None:
    """A leg that came up while nobody listened is told as answered, and an RM's leg is joined."""
    async with fake_floor(FAST) as floor:
        _, bridge = await floor.connect("anna")
        customer = await floor.dial(bridge, answers(0.15))
        waiting = asyncio.ensure_future(floor.connect("ben", answers(0.15)))
        await floor.until(lambda: len(floor.pbx.world.dialed) == 3, "both dialed")
        await cut(floor)
        await floor.until(
            lambda: all(channel.state == "Up" for channel in floor.pbx.world.dialed), "both answered"
        )
        await mend(floor)
        assert (await floor.wait_for(LegAnswered, customer)).joined
        rm, _ = await waiting
        assert len(floor.all_of(RmLegUp, rm)) == 1


async def test_events_that_come_while_resyncing_are_kept_and_replayed() -> None:
    """A call that ends between the listing and its reading is ended by its event, not lost."""
    async with fake_floor(FAST) as floor:
        customer = await floor.dial(None, Script())
        await floor.wait_for(LegRinging, customer)
        await cut(floor)
        floor.pbx.next_answer("GET", "/channels", Answer.LATE)
        floor.pbx.refuse_sockets = False
        await floor.until(lambda: floor.pbx.requests.count(("GET", "/channels")) >= 2, "the listing")
        await floor.until(lambda: floor.pbx._socket is not None, "the socket")
        floor.pbx.world.far_hang_up(customer.id)
        assert (await floor.ended(customer)).end.ended_by is EndedBy.NETWORK


async def test_a_listing_that_fails_is_no_link() -> None:
    """Connected but not resynced is not up: it is tried again, and nobody is dialed meanwhile."""
    async with fake_floor(FAST) as floor:
        floor.pbx.next_answer("GET", "/channels", Answer.SERVER_ERROR, times=3)
        floor.pbx.refuse_sockets = True
        await floor.pbx.drop_socket()
        await floor.wait_for(LinkDown)
        with pytest.raises(NotDone) as caught:
            await floor.dial(None)
        assert caught.value.refusal is Refusal.LINK_DOWN
        await mend(floor)
        await floor.dial(None, Script())


async def test_half_open_socket_is_noticed_by_its_heartbeat() -> None:
    """The connection stands and says nothing, though requests are answered: cut and opened anew."""
    async with fake_floor(replace(FAST, heartbeat_s=0.2)) as floor:
        floor.pbx.half_open = True
        await floor.wait_for(LinkDown)
        floor.pbx.half_open = False
        await floor.wait_for(LinkUp)


# --- restart and deadlock -----------------------------------------------------------------------------


async def test_a_restarted_pbx_ends_every_leg() -> None:
    """Another start time: every leg from before is over, whatever its id; then a new call is placed."""
    async with fake_floor(FAST) as floor:
        rm, bridge = await floor.connect()
        customer = await floor.dial(bridge, answers(0.01))
        await floor.wait_for(LegAnswered, customer)
        floor.pbx.refuse_sockets = True
        await floor.pbx.restart()
        await floor.wait_for(LinkDown)
        assert (await mend(floor)).restarted
        for leg in (rm, customer):
            assert (await floor.ended(leg)).end.ended_by is EndedBy.EVENTS_LOST
        await floor.connect()


async def test_a_loading_pbx_is_waited_for() -> None:
    """503 while it starts: asked again with growing waits, no socket opened."""
    async with fake_floor(FAST, start=False) as floor:
        floor.pbx.next_answer("GET", "/asterisk/ping", Answer.LOADING, times=3)
        await floor.start()
        assert floor.pbx.sockets_opened == 1


async def test_a_deadlocked_pbx_is_alarmed_and_not_reconnected() -> None:
    """Pings are not answered though the socket stands: down, said why, and no second socket is opened."""
    async with fake_floor(FAST) as floor:
        rm, _ = await floor.connect()
        floor.pbx.deaf = True
        down = await floor.wait_for(LinkDown)
        assert "does not answer" in down.why
        pings = len(floor.pbx.requests)
        await floor.until(lambda: len(floor.pbx.requests) > pings + 3, "more pings")
        assert floor.pbx.sockets_opened == 1
        floor.pbx.deaf = False
        await floor.wait_for(LinkUp)
        assert floor.pbx.sockets_opened == 1
        assert not floor.all_of(LegEnded, rm)


async def test_a_socket_is_not_opened_into_a_deadlock() -> None:
    """Cut and deadlocked at once: it is asked whether it answers, before a socket would hang in its lock."""
    async with fake_floor(FAST) as floor:
        floor.pbx.deaf = True
        await floor.pbx.drop_socket()
        await floor.wait_for(LinkDown)
        tries = len([1 for _, path in floor.pbx.requests if path == "/events"])
        pings = len(floor.pbx.requests)
        await floor.until(lambda: len(floor.pbx.requests) > pings + 3, "more pings")
        assert len([1 for _, path in floor.pbx.requests if path == "/events"]) == tries
        floor.pbx.deaf = False
        await floor.wait_for(LinkUp)


# --- takeover -----------------------------------------------------------------------------------------


async def test_another_dialer_fences_this_one() -> None:
    """Replaced: told once, the stream of events ends, nothing is placed or reconnected any more."""
    async with fake_floor(FAST) as floor:
        await floor.connect()
        access = floor.pbx.access
        other = make_bridge(access.url, access.user, access.password, FAST)
        await other.start()
        await floor.wait_for(Fenced)
        assert floor._reader is not None
        await floor._reader
        with pytest.raises(NotDone) as caught:
            await floor.dial(None)
        assert caught.value.refusal is Refusal.FENCED
        assert floor.pbx.sockets_opened == 2
        await other.stop()


# --- start --------------------------------------------------------------------------------------------


async def test_wrong_credentials_stop_the_start_at_once() -> None:
    """Said as such, without waiting for the whole time of a start."""
    async with fake_floor(replace(FAST, start_s=60.0), start=False) as floor:
        floor.pbx.password = "another"
        with pytest.raises(NotDone) as caught:
            await floor.telephony.start()
        assert caught.value.refusal is Refusal.REJECTED
        assert "401" in caught.value.detail


async def test_a_pbx_that_is_not_there_is_said_after_the_time_of_a_start() -> None:
    """Nobody listens at the port: not done, and everything is closed again."""
    bridge = make_bridge("http://127.0.0.1:1/ari", "offhook", "x", replace(FAST, start_s=0.3))
    with pytest.raises(NotDone) as caught:
        await bridge.start()
    assert caught.value.refusal is Refusal.LINK_DOWN
    assert [event async for event in bridge.events()] == []


async def test_stop_leaves_the_calls_up() -> None:
    """A stopped bridge hangs up nobody."""
    async with fake_floor(FAST) as floor:
        await floor.connect()
        await floor.telephony.stop()
        assert len(floor.pbx.world.channels) == 1
        with pytest.raises(NotDone):
            await floor.dial(None)


# --- liveness, doubles, order -------------------------------------------------------------------------


async def test_rule_10_a_phone_that_stops_sending_is_silent_within_three_polls() -> None:
    """Two polls in a row without a packet: not free; a packet: alive. A PBX that does not answer says nothing."""
    async with fake_floor(FAST) as floor:
        rm, _ = await floor.connect(script=answers(0.01, sends_audio=False))
        silent = await floor.wait_for(RmLegSilent, rm)
        assert silent.why == "no_audio"
        polls = [path for _, path in floor.pbx.requests if path.endswith("rtp_statistics")]
        assert len(polls) <= 4


async def test_rule_10_a_phone_not_known_to_send_is_not_watched() -> None:
    """No statistics are asked for; hold still counts."""
    async with fake_floor(FAST) as floor:
        rm, _ = await floor.connect(sends_audio=False, script=answers(0.01, sends_audio=False))
        floor.rm_holds("anna", True)
        assert (await floor.wait_for(RmLegSilent, rm)).why == "hold"
        assert not [path for _, path in floor.pbx.requests if path.endswith("rtp_statistics")]


async def test_rule_14_doubled_events_change_nothing() -> None:
    """A whole call with every event twice gives each event of the port once."""
    async with fake_floor(FAST) as floor:
        floor.pbx.doubled = True
        rm, bridge = await floor.connect()
        customer = await floor.dial(bridge, answers(0.02))
        await floor.wait_for(LegAnswered, customer)
        await floor.telephony.hang_up(customer)
        await floor.ended(customer)
        await floor.telephony.hang_up(rm)
        await floor.ended(rm)
        legs = [(event.leg, type(event)) for event in floor.events if isinstance(event, LegEvent)]
        assert legs == [
            (rm, RmLegUp),
            (customer, LegRinging),
            (customer, LegAnswered),
            (customer, LegEnded),
            (rm, LegEnded),
        ]


async def test_rule_13_the_customer_outlives_the_rms_leg() -> None:
    """The RM's leg ends; the customer's stays until the dialer ends it."""
    async with fake_floor(FAST) as floor:
        rm, bridge = await floor.connect()
        customer = await floor.dial(bridge, answers(0.01))
        await floor.wait_for(LegAnswered, customer)
        floor.pbx.world.far_hang_up(rm.id)
        await floor.ended(rm)
        assert customer.id in floor.pbx.world.channels
        await floor.telephony.hang_up(customer)
        assert (await floor.ended(customer)).end.bridged


async def test_one_bad_event_does_not_stop_the_others() -> None:
    """Garbage, and an event whose handling fails, are logged and passed over."""
    handled: list[str] = []

    def handle(event: Event) -> None:
        if event.type == "Bad":
            raise RuntimeError
        handled.append(event.type)

    mailbox = Mailbox(handle, SystemClock())
    for raw in ("{", '{"type":"Bad"}', '{"type":"Good"}'):
        mailbox.put(raw)
    await mailbox.replay()
    assert handled == ["Good"]


async def test_a_flood_of_events_does_not_hold_the_loop() -> None:
    """Handled in slices of a few milliseconds: others get their turn in between, and the order is kept."""

    class SlowClock(SystemClock):
        """A millisecond goes by at every look."""

        looks = 0

        def monotonic(self) -> float:
            self.looks += 1
            return self.looks / 1000

    handled: list[str] = []
    mailbox = Mailbox(lambda event: handled.append(event.timestamp), SlowClock())
    for number in range(1000):
        mailbox.put(f'{{"type":"Dial","timestamp":"{number}","peer":{{"id":"x"}}}}')
    seen_between = set()

    async def other() -> None:
        while len(handled) < 1000:
            seen_between.add(len(handled))
            await asyncio.sleep(0)

    await asyncio.gather(mailbox.replay(), other())
    assert handled == [str(number) for number in range(1000)]
    assert len(seen_between) > 100


def test_backoff_is_full_jitter_under_a_bound_that_doubles() -> None:
    """Between nothing and the bound, at most ten seconds; anew after a connection that held."""
    backoff = Backoff(0.1, 10.0, random.Random(7))
    for bound in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0):
        assert 0.0 <= backoff.next_s() <= bound
    backoff.reset()
    assert backoff.next_s() <= 0.1
    spread = [Backoff(1.0, 1.0, random.Random(seed)).next_s() for seed in range(200)]
    assert min(spread) < 0.1
    assert max(spread) > 0.9


def test_timers_scale_together() -> None:
    """A test's clock runs faster for every timer alike."""
    half = QUICK.scaled(0.5)
    assert half.ping_every_s == QUICK.ping_every_s / 2
    assert half.settle_s == tuple(wait / 2 for wait in QUICK.settle_s)
