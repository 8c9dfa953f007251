# SPDX-License-Identifier: GPL-3.0-or-later
"""Who comes in unasked: people who call us back, and channels nobody knows."""

from __future__ import annotations

from dialer.telephony import InboundCall, LegAnswered, LegEnded, LegEvent, LegId, StrangerHungUp
from tests.bridge_floor import CALLER_ID, CUSTOMER, NODE, QUICK
from tests.fake_floor import fake_floor


async def test_rule_03_a_stranger_is_hung_up_and_told() -> None:
    """A channel of Asterisk's own with our arguments, as after a redirection: toll fraud, ended at once."""
    async with fake_floor() as floor:
        stranger = floor.pbx.world.stranger("customer,4F7K2QX9")
        told = await floor.wait_for(StrangerHungUp)
        assert told.channel == stranger.id
        await floor.until(lambda: stranger.gone, "hung up")


async def test_a_caller_with_a_withheld_number_is_announced() -> None:
    """No number is no error."""
    async with fake_floor() as floor:
        floor.customer_calls("anonymous", CALLER_ID)
        assert (await floor.wait_for(InboundCall)).pii_number is None
        assert not floor.all_of(LegEnded)


async def test_rule_14_a_doubled_inbound_call_is_one_call() -> None:
    """Every event twice: one call, one answer, one end."""
    async with fake_floor(QUICK) as floor:
        floor.pbx.doubled = True
        call = floor.customer_calls(CUSTOMER, CALLER_ID)
        leg = LegId(NODE, call.id)
        await floor.until(lambda: floor.all_of(LegEvent), "the call")
        await floor.telephony.answer(leg)
        await floor.wait_for(LegAnswered, leg)
        floor.customer_hangs_up(call)
        await floor.ended(leg)
        assert len([event for event in floor.events if getattr(event, "leg", None) == leg]) == 3
        assert not floor.all_of(StrangerHungUp)
