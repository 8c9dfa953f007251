# SPDX-License-Identifier: GPL-3.0-or-later
"""After a restart every call and every leg has exactly one place in the plan, and only whole talks go on."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.legs import customer_leg, rm_bridge, rm_leg
from dialer.recovery import Fate, OpenCall, OpenShift, plan_recovery
from dialer.telephony import BridgeId, LegId, SurveyedLeg, SurveyedState
from vocabulary.call_id import CallId
from vocabulary.dispositions import EndedBy
from vocabulary.states import FINAL_CALL_STATES, LIVE_CALL_STATES, CallState

NODE = "pbx1"
MADE = datetime(2026, 1, 5, tzinfo=UTC)
ANNA = OpenShift(shift_id=7, rm_id=1, rm="anna", campaign_id=1)
BRIDGE = rm_bridge(NODE, "anna", 7, 2)


def leg(leg_id: LegId, state: SurveyedState, bridge: BridgeId | None = None) -> SurveyedLeg:
    """A channel as the PBX lists it."""
    return SurveyedLeg(leg=leg_id, state=state, bridge=bridge, created_at=MADE)


def open_call(state: CallState, call_id: str = "AAAAAAAA") -> OpenCall:
    """Anna's call in her bridge."""
    return OpenCall(call_id=CallId(call_id), state=state, rm_id=1, shift_id=7, bridge=BRIDGE.id)


ANNAS_PHONE = leg(rm_leg(NODE, "anna", 7, 2), SurveyedState.UP, BRIDGE)
CUSTOMER = customer_leg(NODE, CallId("AAAAAAAA"))
UP, RINGING, DOWN = SurveyedState.UP, SurveyedState.RINGING, SurveyedState.DOWN


@pytest.mark.parametrize(
    ("state", "customer", "phone", "fate", "ended_by"),
    [
        pytest.param(CallState.BRIDGED, (UP, BRIDGE), True, Fate.ADOPT, None, id="a talk goes on"),
        pytest.param(CallState.DIALING, (RINGING, BRIDGE), True, Fate.ADOPT, None, id="still ringing"),
        pytest.param(CallState.DIALING, (UP, BRIDGE), True, Fate.ADOPT, None, id="answered meanwhile"),
        pytest.param(CallState.DIALING, (DOWN, BRIDGE), True, Fate.HANG_UP, EndedBy.CAMPAIGN, id="not dialed"),
        pytest.param(CallState.BRIDGED, (UP, BRIDGE), False, Fate.HANG_UP, EndedBy.ABANDON_TIMER, id="RM gone"),
        pytest.param(CallState.RINGING, (RINGING, BRIDGE), False, Fate.HANG_UP, EndedBy.CAMPAIGN, id="no RM"),
        pytest.param(CallState.BRIDGED, (UP, None), True, Fate.HANG_UP, EndedBy.ABANDON_TIMER, id="in no bridge"),
        pytest.param(CallState.DIALING, None, True, Fate.CLOSE, EndedBy.EVENTS_LOST, id="gone while nobody looked"),
        pytest.param(CallState.BRIDGED, None, True, Fate.CLOSE, EndedBy.EVENTS_LOST, id="talk ended unseen"),
        pytest.param(CallState.CLAIMED, None, True, Fate.RETURN, EndedBy.CAMPAIGN, id="never dialed"),
        pytest.param(CallState.REVIEWING, None, True, Fate.RETURN, EndedBy.CAMPAIGN, id="under review"),
        pytest.param(CallState.ENDED, None, True, Fate.WRAP_UP, None, id="only the outcome is missing"),
        pytest.param(CallState.ENDED, (UP, BRIDGE), True, Fate.WRAP_UP, None, id="over, the leg is left"),
    ],
)  # fmt: skip
def test_the_fate_of_a_call(
    state: CallState,
    customer: tuple[SurveyedState, BridgeId | None] | None,
    phone: bool,
    fate: Fate,
    ended_by: EndedBy | None,
) -> None:
    """What the row says beside what the PBX has decides it."""
    legs = [] if customer is None else [leg(CUSTOMER, *customer)]
    plan = plan_recovery([open_call(state)], [ANNA], legs + [ANNAS_PHONE] * phone)
    (found,) = plan.calls
    assert found.fate is fate
    assert (found.leg is not None) == (customer is not None)
    if ended_by is not None:
        assert found.ended_by is ended_by
    assert plan.orphans == ()


@pytest.mark.parametrize(
    "stray",
    [
        leg(rm_leg(NODE, "anna", 6, 1), UP, BRIDGE),
        leg(rm_leg(NODE, "ben", 7, 1), UP, BRIDGE),
        leg(rm_leg(NODE, "anna", 7, 1), RINGING, None),
        leg(rm_leg(NODE, "anna", 7, 1), UP, None),
        leg(customer_leg(NODE, CallId("ZZZZZZZZ")), UP, BRIDGE),
        leg(LegId(NODE, "somebody"), UP),
    ],
    ids=["last shift's", "nobody's", "not up yet", "in no bridge", "of no open call", "a stranger's"],
)
def test_what_nothing_asks_for_is_an_orphan(stray: SurveyedLeg) -> None:
    """It is hung up before anybody is dialed."""
    plan = plan_recovery([], [ANNA], [stray])
    assert plan.orphans == (stray.leg,)
    assert not plan.phones


call_ids = st.sampled_from(["AAAAAAAA", "BBBBBBBB", "CCCCCCCC"]).map(CallId)
rm_names = st.sampled_from(["anna", "ben", "carl"])
bridges = st.none() | st.builds(rm_bridge, st.just(NODE), rm_names, st.integers(7, 9), st.integers(1, 2))
leg_ids = st.one_of(
    st.builds(customer_leg, st.just(NODE), call_ids, st.integers(1, 2)),
    st.builds(rm_leg, st.just(NODE), rm_names, st.integers(7, 9), st.integers(1, 2)),
    st.just(LegId(NODE, "somebody")),
)
legs = st.lists(
    st.builds(leg, leg_ids, st.sampled_from(SurveyedState), bridges),
    unique_by=lambda each: each.leg,
    max_size=12,
)
open_states = st.sampled_from([state for state in CallState if state not in FINAL_CALL_STATES])
calls = st.lists(
    st.builds(
        OpenCall,
        call_id=call_ids,
        state=open_states,
        rm_id=st.none() | st.integers(1, 3),
        shift_id=st.none() | st.integers(7, 9),
        bridge=st.none(),
    ),
    unique_by=lambda each: each.call_id,
)
shifts = st.lists(
    st.sampled_from(
        [
            OpenShift(shift_id=6 + rm_id, rm_id=rm_id, rm=rm, campaign_id=1)
            for rm_id, rm in enumerate(["anna", "ben", "carl"], 1)
        ]
    ),
    unique=True,
)


@given(calls, shifts, legs)
def test_every_call_and_every_leg_has_exactly_one_place(
    calls: list[OpenCall], shifts: list[OpenShift], legs: list[SurveyedLeg]
) -> None:
    """Nothing is forgotten and nothing is settled twice, whatever the PBX lists."""
    plan = plan_recovery(calls, shifts, legs)
    assert [fate.call for fate in plan.calls] == calls
    placed = Counter([fate.leg.leg for fate in plan.calls if fate.leg is not None])
    placed.update(plan.orphans)
    placed.update(phone for phone, _ in plan.phones.values())
    assert placed == Counter(each.leg for each in legs)


@given(calls, shifts, legs)
def test_only_a_live_call_with_both_legs_in_one_bridge_goes_on(
    calls: list[OpenCall], shifts: list[OpenShift], legs: list[SurveyedLeg]
) -> None:
    """No customer is left with silence, and no RM with a customer who is not theirs."""
    for fate in plan_recovery(calls, shifts, legs).calls:
        if fate.fate is Fate.ADOPT:
            assert fate.call.state in LIVE_CALL_STATES
            assert fate.leg is not None
            assert fate.call.rm_id is not None
            phone = plan_recovery(calls, shifts, legs).phones[fate.call.rm_id]
            assert fate.leg.bridge == phone[1]
