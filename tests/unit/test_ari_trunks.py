# SPDX-License-Identifier: GPL-3.0-or-later
"""A trunk's bucket, cap and breaker: pure, on a clock made of numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_bridge.access import TrunkLimits
from ari_bridge.trunks import BreakerState, Edge, Trunk, Trunks, Verdict, judge
from dialer.telephony import NotDone, Refusal
from vocabulary.dispositions import EndedBy, LegEnd


def trunk(**limits: float) -> Trunk:
    return Trunk(TrunkLimits(name="t", **{"calls_per_s": 1000.0, "call_cap": 1000, **limits}), now=0.0)  # type: ignore[arg-type]


def run(target: Trunk, *verdicts: Verdict, at: float = 0.0) -> list[Edge | None]:
    """Calls one after the other, each ending so."""
    edges = []
    for verdict in verdicts:
        edges.append(target.left(target.admit(at), verdict, at))
    return edges


def refused(target: Trunk, at: float = 0.0) -> Refusal:
    with pytest.raises(NotDone) as caught:
        target.admit(at)
    return caught.value.refusal


def test_call_cap_is_held_and_given_back() -> None:
    """No more calls at once than the cap; a call that ends makes room."""
    full = trunk(call_cap=2)
    full.admit(0.0)
    full.admit(0.0)
    assert refused(full) is Refusal.TRUNK_FULL
    full.left(0, Verdict.FINE, 0.0)
    full.admit(0.0)


@given(
    rate=st.floats(0.5, 50.0),
    gaps=st.lists(st.floats(0.0, 2.0), min_size=1, max_size=200),
)
def test_rate_is_never_exceeded(rate: float, gaps: list[float]) -> None:
    """Whenever calls are asked for, no more are admitted than one burst and what time has filled in."""
    target, now, admitted = trunk(calls_per_s=rate), 0.0, 0
    for gap in gaps:
        now += gap
        try:
            target.admit(now)
        except NotDone:
            continue
        admitted += 1
    assert admitted <= max(1.0, rate) + now * rate + 1e-6


def test_a_steady_rate_is_admitted_in_full() -> None:
    """Calls spaced at the trunk's rate are never refused."""
    target = trunk(calls_per_s=5.0)
    for call in range(100):
        target.admit(call / 5.0)


@pytest.mark.parametrize(
    ("end", "gave_up", "cancelled", "verdict"),
    [
        (LegEnd(ended_by=EndedBy.NETWORK, rang=True, tech_cause=503), False, False, Verdict.FINE),
        (LegEnd(ended_by=EndedBy.NETWORK, was_up=True, cause=16), False, False, Verdict.FINE),
        (LegEnd(ended_by=EndedBy.NETWORK, tech_cause=486, cause=17), False, False, Verdict.FINE),
        (LegEnd(ended_by=EndedBy.NETWORK, tech_cause=603, cause=21), False, False, Verdict.FINE),
        (LegEnd(ended_by=EndedBy.NETWORK, tech_cause=404, cause=1), False, False, Verdict.INVALID),
        (LegEnd(ended_by=EndedBy.NETWORK, cause=1), False, False, Verdict.INVALID),
        *(
            (LegEnd(ended_by=EndedBy.NETWORK, tech_cause=code), False, False, Verdict.FAILED)
            for code in (302, 401, 402, 403, 407, 429, 488, 500, 502, 503, 504)
        ),
        (LegEnd(ended_by=EndedBy.NETWORK, cause=34), False, False, Verdict.FAILED),
        (LegEnd(ended_by=EndedBy.NETWORK, tech_cause=408, cause=18), False, False, Verdict.SLOW),
        (LegEnd(ended_by=EndedBy.NETWORK, tech_cause=480, cause=19), True, False, Verdict.SLOW),
        (LegEnd(ended_by=EndedBy.NETWORK, tech_cause=487, cause=16), False, True, Verdict.NOTHING),
        (LegEnd(ended_by=EndedBy.NETWORK, cause=21), False, False, Verdict.FINE),
        (LegEnd(ended_by=EndedBy.NETWORK, cause=16), False, False, Verdict.NOTHING),
        (LegEnd(ended_by=EndedBy.EVENTS_LOST), False, False, Verdict.NOTHING),
    ],
)
def test_what_an_end_says_of_the_trunk(end: LegEnd, gave_up: bool, cancelled: bool, verdict: Verdict) -> None:
    """Every way to end is judged: the trunk's fault, the number's, or nobody's."""
    assert judge(end, gave_up=gave_up, cancelled=cancelled) is verdict


def test_breaker_opens_on_failures_in_a_row() -> None:
    """Five failures in a row open it; one call that gets through in between starts the count anew."""
    target = trunk()
    assert run(target, *[Verdict.FAILED] * 4, Verdict.FINE, *[Verdict.FAILED] * 4) == [None] * 9
    (edge,) = run(target, Verdict.FAILED)
    assert edge is not None
    assert not edge.usable
    assert refused(target) is Refusal.TRUNK_BREAKER_OPEN


def test_rule_05_silent_trunk_is_known_by_its_first_calls() -> None:
    """Two calls in a row without any sign of life open the breaker, long before a list is burnt."""
    assert [edge is not None for edge in run(trunk(), Verdict.SLOW, Verdict.SLOW)] == [False, True]


def test_rule_20_one_wrong_prefix_opens_the_breaker() -> None:
    """Invalid numbers do not count as failures, but ten among the last twenty calls at 60 % do."""
    target = trunk()
    assert run(target, *[Verdict.INVALID] * 9) == [None] * 9
    (edge,) = run(target, Verdict.INVALID)
    assert edge is not None
    assert "prefix" in edge.why


def test_rule_20_a_list_of_poor_quality_does_not_open_it() -> None:
    """Half the numbers wrong is a bad list, not a broken trunk."""
    assert run(trunk(), *[Verdict.INVALID, Verdict.FINE] * 40) == [None] * 80


def opened() -> Trunk:
    target = trunk(open_s=30.0, open_max_s=100.0)
    run(target, *[Verdict.FAILED] * 5)
    return target


def test_half_open_lets_one_call_try() -> None:
    """After its rest one call may try it, and no second one meanwhile."""
    target = opened()
    assert target.tick(29.9) is None
    assert target.tick(30.0) == Edge("t", usable=True, why="rested; one call tries it")
    target.admit(30.0)
    assert refused(target, 30.0) is Refusal.TRUNK_BREAKER_OPEN


def test_half_open_closes_at_the_first_sign_of_life() -> None:
    """Ringing is enough: the trunk does its work again."""
    target = opened()
    target.tick(30.0)
    target.admit(30.0)
    edge = target.sign_of_life()
    assert edge is not None
    assert edge.usable
    assert target.state is BreakerState.CLOSED
    target.admit(30.0)


def test_half_open_opens_again_and_rests_longer() -> None:
    """A trial that fails opens it again for twice as long, up to a bound."""
    target, now = opened(), 0.0
    for rest_s in (30.0, 60.0, 100.0, 100.0):
        assert target.tick(now + rest_s - 0.1) is None
        now += rest_s
        assert target.tick(now) is not None
        (edge,) = run(target, Verdict.FAILED, at=now)
        assert edge is not None
        assert not edge.usable


def test_a_trial_that_shows_nothing_is_followed_by_another() -> None:
    """A trial cancelled by its RM says nothing: the next call may try."""
    target = opened()
    target.tick(30.0)
    assert run(target, Verdict.NOTHING, at=30.0) == [None]
    assert target.state is BreakerState.HALF_OPEN
    target.admit(30.0)


def test_a_call_from_before_the_break_does_not_fail_the_trial() -> None:
    """Calls that were out when it opened end as they end; only the one that tries it may fail it."""
    target = trunk(open_s=30.0)
    old = [target.admit(0.0), target.admit(0.0)]
    run(target, *[Verdict.FAILED] * 5)
    assert target.left(old[0], Verdict.FAILED, 1.0) is None
    target.tick(30.0)
    trial = target.admit(30.0)
    assert target.left(old[1], Verdict.FAILED, 31.0) is None
    assert refused(target, 31.0) is Refusal.TRUNK_BREAKER_OPEN
    edge = target.left(trial, Verdict.FINE, 32.0)
    assert edge is not None
    assert edge.usable


def test_unknown_trunk_is_refused() -> None:
    """A name nobody configured is a definite no."""
    with pytest.raises(NotDone) as caught:
        Trunks([TrunkLimits(name="a")], 0.0).find("b")
    assert caught.value.refusal is Refusal.UNKNOWN_TRUNK


def test_a_channels_trunk_is_read_from_its_name() -> None:
    """``PJSIP/trunk-<name>-<number>`` is that trunk's; a phone's channel is no trunk's."""
    trunks = Trunks([TrunkLimits(name="a_b")], 0.0)
    assert trunks.of_channel("PJSIP/trunk-a_b-0000000f") is trunks.find("a_b")
    assert trunks.of_channel("PJSIP/rm-anna-0000000f") is None
