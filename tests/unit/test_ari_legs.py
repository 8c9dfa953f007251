# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines of legs: every event may come twice and counts once; the end's facts give the disposition."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_bridge.customer_leg import CustomerLeg
from ari_bridge.legs import IllegalMove, Leg, LegBook, LegState
from ari_bridge.messages import Channel, Dialplan
from ari_bridge.rm_leg import HOLD, NO_AUDIO, RmLeg
from dialer.telephony import (
    BridgeId,
    LegAnswered,
    LegEnded,
    LegId,
    LegJoined,
    LegRinging,
    RmLegAlive,
    RmLegSilent,
    RmLegUp,
    TelephonyEvent,
)
from vocabulary.dispositions import Disposition, EndedBy, LegEnd, decide

AT = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
LEG = LegId("pbx1", "c-pbx1-4F7K2QX9-1")
RM = LegId("pbx1", "rm-pbx1-anna-7-1")
BRIDGE = BridgeId("pbx1", "b-pbx1-anna-7-1")


def customer(
    events: list[TelephonyEvent] | None = None, *, bridge: BridgeId | None = None, rm_there: bool = True
) -> CustomerLeg:
    return CustomerLeg(
        LEG,
        (events if events is not None else []).append,
        no_media_s=35.0,
        bridge=bridge,
        rm_present=lambda _: rm_there,
    )


def rm(events: list[TelephonyEvent], answered: list[RmLeg] | None = None) -> RmLeg:
    heard = answered if answered is not None else []
    return RmLeg(RM, BRIDGE, events.append, no_media_s=35.0, sends_audio=True, on_answered=heard.append)


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


# --- the facts of an end ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cause", "tech_cause", "unrung", "rung"),
    [
        (17, 486, Disposition.BUSY, Disposition.BUSY),
        (17, 600, Disposition.BUSY, Disposition.BUSY),
        (19, 480, Disposition.CARRIER_FAILED, Disposition.NO_ANSWER),
        (18, 408, Disposition.CARRIER_FAILED, Disposition.NO_ANSWER),
        (1, 404, Disposition.INVALID_NUMBER, Disposition.INVALID_NUMBER),
        (1, 604, Disposition.INVALID_NUMBER, Disposition.INVALID_NUMBER),
        (28, 484, Disposition.INVALID_NUMBER, Disposition.INVALID_NUMBER),
        (22, 410, Disposition.INVALID_NUMBER, Disposition.INVALID_NUMBER),
        (21, 403, Disposition.CARRIER_REJECTED, Disposition.CARRIER_REJECTED),
        (21, 603, Disposition.DECLINED, Disposition.DECLINED),
        (127, 607, Disposition.BLOCKED_AS_UNWANTED, Disposition.BLOCKED_AS_UNWANTED),
        (127, 608, Disposition.BLOCKED_AS_UNWANTED, Disposition.BLOCKED_AS_UNWANTED),
        (127, 402, Disposition.CARRIER_FAILED, Disposition.CARRIER_FAILED),
        (127, 429, Disposition.CARRIER_FAILED, Disposition.CARRIER_FAILED),
        (38, 500, Disposition.CARRIER_FAILED, Disposition.CARRIER_FAILED),
        (27, 502, Disposition.CARRIER_FAILED, Disposition.CARRIER_FAILED),
        (34, 503, Disposition.CARRIER_FAILED, Disposition.CARRIER_FAILED),
        (102, 504, Disposition.CARRIER_FAILED, Disposition.CARRIER_FAILED),
        (58, 488, Disposition.CARRIER_FAILED, Disposition.CARRIER_FAILED),
        (23, 302, Disposition.CARRIER_FAILED, Disposition.CARRIER_FAILED),
        # A PBX that gives no tech_cause: the Q.850 cause decides.
        (17, None, Disposition.BUSY, Disposition.BUSY),
        (1, None, Disposition.INVALID_NUMBER, Disposition.INVALID_NUMBER),
        (21, None, Disposition.CARRIER_REJECTED, Disposition.DECLINED),
        (19, None, Disposition.CARRIER_FAILED, Disposition.NO_ANSWER),
        (0, None, Disposition.CARRIER_FAILED, Disposition.NO_ANSWER),
    ],
)
def test_final_response_gives_its_disposition(
    cause: int, tech_cause: int | None, unrung: Disposition, rung: Disposition
) -> None:
    """From the causes of ``ChannelDestroyed``, and whether it rang, to one disposition."""
    for rings, disposition in ((False, unrung), (True, rung)):
        leg = customer()
        if rings:
            leg.on_ringing(AT, early_media=False)
        end = leg.on_destroyed(after(5), cause, tech_cause)
        assert end is not None
        assert (end.rang, end.was_up, end.ended_by) == (rings, False, EndedBy.NETWORK)
        assert decide(end) is disposition


@pytest.mark.parametrize(
    ("joined", "up_s", "cause", "tech_cause", "disposition"),
    [
        (True, 60.0, 16, None, Disposition.ANSWERED),
        (True, 0.001, 0, None, Disposition.ANSWERED),
        (False, 1.0, 0, None, Disposition.HUNG_UP_EARLY),
        (False, 1.0, 16, None, Disposition.HUNG_UP_EARLY),
        (False, 2.5, 16, None, Disposition.ABANDONED),
        (True, 0.001, 127, 406, Disposition.MEDIA_FAILED),
        (False, 0.001, 127, 406, Disposition.MEDIA_FAILED),
        (False, 0.001, 58, 488, Disposition.MEDIA_FAILED),
        (True, 30.0, 44, None, Disposition.MEDIA_FAILED),
        (True, 300.0, 44, None, Disposition.ANSWERED),
    ],
)
def test_rule_19_end_of_an_answered_leg_gives_its_disposition(
    joined: bool, up_s: float, cause: int, tech_cause: int | None, disposition: Disposition
) -> None:
    """Answered then BYE at once, no common codec, RTP time-out at once or in a long talk."""
    leg = customer(bridge=BRIDGE if joined else None)
    leg.on_up(AT)
    end = leg.on_destroyed(after(up_s), cause, tech_cause)
    assert end is not None
    assert (end.was_up, end.bridged, end.up_s) == (True, joined, up_s)
    assert decide(end) is disposition


def test_rule_07_progress_alone_is_ringing() -> None:
    """A 183-only carrier rings: told with early media, once."""
    events: list[TelephonyEvent] = []
    leg = customer(events)
    leg.on_ringing(AT, early_media=True)
    leg.on_ringing(after(1), early_media=False)
    assert events == [LegRinging(at=AT, leg=LEG, early_media=True)]
    assert leg.rang


def test_rule_06_answer_crossing_our_cancel_is_no_answer() -> None:
    """In ARI it looks like no answer, and is one."""
    leg = customer()
    leg.on_ringing(AT, early_media=False)
    leg.gave_up = True
    end = leg.on_destroyed(after(20), 19, 480)
    assert end is not None
    assert decide(end) is Disposition.NO_ANSWER


def test_an_answer_into_a_bridge_without_an_rm_is_not_joined() -> None:
    """The RM's phone went while it rang: the customer is up and with nobody."""
    events: list[TelephonyEvent] = []
    leg = customer(events, bridge=BRIDGE, rm_there=False)
    leg.on_up(AT)
    assert events == [LegAnswered(at=AT, leg=LEG, joined=False)]
    leg.on_joined(after(1), BridgeId("pbx1", "b-pbx1-ben-8-1"))
    assert isinstance(events[-1], LegJoined)


def test_an_early_bridge_has_no_event_of_its_own_for_joining() -> None:
    """Joined before the answer: told with the answer alone."""
    events: list[TelephonyEvent] = []
    leg = customer(events, bridge=BRIDGE)
    leg.on_up(AT)
    leg.on_joined(after(1), BRIDGE)
    assert [type(event) for event in events] == [LegAnswered]


def test_a_lost_leg_says_so() -> None:
    """After a gap: ended by lost events, with what was known before."""
    leg = customer(bridge=BRIDGE)
    leg.on_ringing(AT, early_media=False)
    leg.on_up(after(1))
    end = leg.on_lost(after(11))
    assert end == LegEnd(ended_by=EndedBy.EVENTS_LOST, was_up=True, rang=True, bridged=True, up_s=10.0)


# --- doubled and late events --------------------------------------------------------------------------

STEPS = st.lists(
    st.sampled_from(
        ["dialed", "ringing", "progress", "up", "entered", "joined", "parted", "seen", "gone", "lost"]
    ),
    max_size=30,
)


@given(steps=STEPS, early=st.booleans())
def test_rule_14_whatever_comes_however_often_is_told_once_and_the_end_last(
    steps: list[str], early: bool
) -> None:
    """Any events in any order, doubled: at most one ringing, one answer, one end, and nothing after the end."""
    events: list[TelephonyEvent] = []
    leg = customer(events, bridge=BRIDGE if early else None)
    for number, step in enumerate(steps):
        for _ in range(2):
            at = after(number)
            match step:
                case "dialed":
                    leg.on_dialed()
                case "ringing":
                    leg.on_ringing(at, early_media=False)
                case "progress":
                    leg.on_ringing(at, early_media=True)
                case "up":
                    leg.on_up(at)
                case "entered":
                    leg.on_in_application(at)
                case "joined":
                    leg.on_joined(at, BRIDGE)
                case "parted":
                    leg.on_parted()
                case "seen":
                    leg.on_seen(Channel(LEG.id, state="Up"), at)
                case "gone":
                    leg.on_destroyed(at, 16, None)
                case "lost":
                    leg.on_lost(at)
    kinds = [type(event) for event in events]
    for kind in (LegRinging, LegAnswered, LegEnded):
        assert kinds.count(kind) <= 1
    if LegEnded in kinds:
        assert kinds[-1] is LegEnded
    if LegRinging in kinds and LegAnswered in kinds:
        assert kinds.index(LegRinging) < kinds.index(LegAnswered)


@given(
    steps=st.lists(
        st.sampled_from(["ringing", "up", "start", "joined", "hold", "unhold", "still", "moves", "gone"])
    )
)
def test_rule_14_an_rms_leg_is_up_once_and_silent_and_alive_by_turns(steps: list[str]) -> None:
    """The same for an RM's leg; silent and alive alternate, beginning with silent."""
    events: list[TelephonyEvent] = []
    leg = rm(events)
    for number, step in enumerate(steps):
        for _ in range(2):
            at = after(number)
            match step:
                case "ringing":
                    leg.on_ringing(at, early_media=False)
                case "up":
                    leg.on_up(at)
                case "start":
                    leg.on_in_application(at)
                case "joined":
                    leg.on_joined(at)
                case "hold" | "unhold":
                    leg.on_hold(at, step == "hold")
                case "still" | "moves":
                    leg.on_silent(at, NO_AUDIO, step == "still")
                case "gone":
                    leg.on_destroyed(at, 16, None)
    kinds = [type(event) for event in events]
    assert kinds.count(RmLegUp) <= 1
    assert kinds.count(LegEnded) <= 1
    turns = [kind for kind in kinds if kind in (RmLegSilent, RmLegAlive)]
    assert turns == [RmLegSilent, RmLegAlive] * (len(turns) // 2) + [RmLegSilent] * (len(turns) % 2)
    if LegEnded in kinds:
        assert kinds[-1] is LegEnded


# --- the RM's leg -------------------------------------------------------------------------------------


def test_an_answered_rm_is_joined_once() -> None:
    """The entry into our application asks for the join; a doubled one after the join asks for nothing."""
    events: list[TelephonyEvent] = []
    answered: list[RmLeg] = []
    leg = rm(events, answered)
    leg.on_up(AT)
    assert not answered
    leg.on_in_application(AT)
    leg.on_in_application(AT)
    leg.on_joined(after(0.01))
    leg.on_in_application(AT)
    assert answered == [leg]
    assert events == [RmLegUp(at=after(0.01), leg=RM)]


def test_rule_10_two_reasons_for_silence_are_one_silence() -> None:
    """A held phone sends nothing: silent from the first reason to the end of the last."""
    events: list[TelephonyEvent] = []
    leg = rm(events)
    leg.on_hold(AT, True)
    leg.on_silent(after(3), NO_AUDIO, True)
    leg.on_hold(after(5), False)
    assert events == [RmLegSilent(at=AT, leg=RM, why=HOLD)]
    leg.on_silent(after(6), NO_AUDIO, False)
    assert events[1:] == [RmLegAlive(at=after(6), leg=RM)]


def test_an_rm_that_answered_in_a_gap_is_joined_when_it_is_seen() -> None:
    """After a gap a listed RM's leg that is up in our application is joined now."""
    answered: list[RmLeg] = []
    leg = rm([], answered)
    leg.on_seen(Channel(RM.id, state="Up", dialplan=Dialplan(app_name="Stasis", app_data="offhook,rm")), AT)
    assert answered == [leg]


# --- states and book ----------------------------------------------------------------------------------


def test_an_illegal_move_raises() -> None:
    """A leg does not come back from its end."""
    leg = Leg(LEG, lambda _: None, no_media_s=35.0)
    leg.move(LegState.ENDED)
    with pytest.raises(IllegalMove):
        leg.move(LegState.UP)


def test_an_id_is_used_once() -> None:
    """Neither a living leg's id nor one that is over may be registered again: the PBX would not mind."""
    book = LegBook()
    leg = customer()
    book.register(leg)
    with pytest.raises(ValueError, match="new id"):
        book.register(customer())
    book.forget(leg)
    assert book.is_over(LEG.id)
    with pytest.raises(ValueError, match="new id"):
        book.register(customer())
