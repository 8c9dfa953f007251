# SPDX-License-Identifier: GPL-3.0-or-later
"""One disposition for every way in which a call can end: the table of the house, line by line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocabulary.dispositions import RULES, Blame, Disposition, EndedBy, LegEnd, decide

D = Disposition
NETWORK = {"ended_by": EndedBy.NETWORK}
RANG = {**NETWORK, "rang": True}
UP = {**RANG, "was_up": True, "up_s": 1.0}
BRIDGED = {**UP, "bridged": True, "up_s": 60.0}


def _sip(codes: list[int], expected: Disposition, *, rang: bool) -> list[object]:
    return [
        pytest.param(
            {**NETWORK, "rang": rang, "tech_cause": code},
            expected,
            id=f"{code} {'rang' if rang else 'did not ring'}",
        )
        for code in codes
    ]


TABLE = [
    # answered, bridged to an RM
    pytest.param({**BRIDGED, "cause": 16}, D.ANSWERED, id="talked, customer hung up"),
    pytest.param({**BRIDGED, "ended_by": EndedBy.RM}, D.ANSWERED, id="talked, RM hung up"),
    pytest.param({**BRIDGED, "ended_by": EndedBy.EVENTS_LOST}, D.ANSWERED, id="talked, end not seen"),
    pytest.param({**BRIDGED, "up_s": 0.3}, D.ANSWERED, id="talked for a moment"),
    # rang, then our timer, 408 or 480
    pytest.param({"ended_by": EndedBy.RING_TIMER, "rang": True}, D.NO_ANSWER, id="our ring timer"),
    pytest.param(
        {"ended_by": EndedBy.RING_TIMER, "rang": True, "tech_cause": 487}, D.NO_ANSWER, id="our CANCEL"
    ),
    *_sip([408, 480, 487], D.NO_ANSWER, rang=True),
    *(pytest.param({**RANG, "cause": cause}, D.NO_ANSWER, id=f"rang, cause {cause}") for cause in (18, 19, 20)),
    *(
        pytest.param({**RANG, "cause": cause}, D.NO_ANSWER, id=f"rang, then nothing, cause {cause}")
        for cause in (None, 0, 16)
    ),
    # busy, declined, unwanted, invalid, rejected: whether it rang or not
    *(case for rang in (True, False) for case in _sip([486, 600], D.BUSY, rang=rang)),
    *(case for rang in (True, False) for case in _sip([603], D.DECLINED, rang=rang)),
    *(case for rang in (True, False) for case in _sip([607, 608], D.BLOCKED_AS_UNWANTED, rang=rang)),
    *(case for rang in (True, False) for case in _sip([404, 604, 410, 484], D.INVALID_NUMBER, rang=rang)),
    *(case for rang in (True, False) for case in _sip([403, 407, 401], D.CARRIER_REJECTED, rang=rang)),
    pytest.param({**NETWORK, "cause": 17}, D.BUSY, id="cause 17"),
    *(pytest.param({**NETWORK, "cause": cause}, D.INVALID_NUMBER, id=f"cause {cause}") for cause in (1, 22, 28)),
    pytest.param({**RANG, "cause": 21}, D.DECLINED, id="cause 21, rang"),
    pytest.param({**NETWORK, "cause": 21}, D.CARRIER_REJECTED, id="cause 21, did not ring"),
    # did not ring
    *_sip([480, 408, 402, 429, 488, 500, 502, 503, 504, 302], D.CARRIER_FAILED, rang=False),
    *_sip([500, 503, 302], D.CARRIER_FAILED, rang=True),
    pytest.param({"ended_by": EndedBy.SETUP_TIMER}, D.CARRIER_FAILED, id="our set-up timer"),
    pytest.param({"ended_by": EndedBy.RING_TIMER}, D.CARRIER_FAILED, id="ring timer, never rang"),
    pytest.param({"ended_by": EndedBy.REFUSED}, D.CARRIER_FAILED, id="the PBX refused the request"),
    *(pytest.param({**NETWORK, "cause": cause}, D.CARRIER_FAILED, id=f"cause {cause}") for cause in (3, 34, 0)),
    # answered, no usable media
    pytest.param({**UP, "cause": 127}, D.MEDIA_FAILED, id="up, cause 127"),
    pytest.param({**UP, "tech_cause": 406}, D.MEDIA_FAILED, id="up, 406"),
    pytest.param({**UP, "media_failed": True}, D.MEDIA_FAILED, id="up, no RTP at once"),
    pytest.param({**BRIDGED, "media_failed": True}, D.MEDIA_FAILED, id="bridged, no RTP at once"),
    # the rest of the answered ones
    pytest.param({**UP, "ended_by": EndedBy.SCREENING}, D.MACHINE, id="detector"),
    pytest.param({**UP, "ended_by": EndedBy.ABANDON_TIMER, "up_s": 2.1}, D.ABANDONED, id="no RM within 2 s"),
    pytest.param({**UP, "ended_by": EndedBy.RM}, D.ABANDONED, id="RM's phone lost at the answer"),
    pytest.param({**UP, "up_s": 5.0}, D.ABANDONED, id="waited, then hung up"),
    pytest.param({**UP, "cause": 16}, D.HUNG_UP_EARLY, id="hung up within 2 s, cause 16"),
    pytest.param({**UP, "cause": 0}, D.HUNG_UP_EARLY, id="hung up within 2 s, cause 0"),
    pytest.param({**UP, "ended_by": EndedBy.EVENTS_LOST}, D.LOST, id="answered, then lost"),
    # our own doing, and what nobody knows
    pytest.param({"ended_by": EndedBy.RM}, D.CANCELLED, id="RM cancelled"),
    pytest.param({"ended_by": EndedBy.RM, "rang": True}, D.CANCELLED, id="RM cancelled while it rang"),
    pytest.param({"ended_by": EndedBy.CAMPAIGN}, D.CANCELLED, id="stopped"),
    pytest.param({"ended_by": EndedBy.CAMPAIGN, "tech_cause": 486}, D.CANCELLED, id="stopped, crossed by 486"),
    pytest.param({"ended_by": EndedBy.EVENTS_LOST, "rang": True}, D.LOST, id="lost"),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "expected"), TABLE)
def test_the_table(facts: dict[str, object], expected: Disposition) -> None:
    """What the network and our timers say leads to exactly this disposition."""
    assert decide(LegEnd(**facts)) is expected  # type: ignore[arg-type]


def test_the_table_shows_every_disposition() -> None:
    """No disposition is out of reach."""
    assert {decide(LegEnd(**case.values[0])) for case in TABLE} == set(Disposition)  # type: ignore[attr-defined]


leg_ends = st.builds(
    LegEnd,
    ended_by=st.sampled_from(EndedBy),
    was_up=st.booleans(),
    rang=st.booleans(),
    bridged=st.booleans(),
    media_failed=st.booleans(),
    up_s=st.floats(min_value=0, max_value=7200),
    tech_cause=st.none() | st.integers(min_value=100, max_value=699),
    cause=st.none() | st.integers(min_value=0, max_value=127),
)


@given(leg_ends)
def test_every_end_has_a_disposition(end: LegEnd) -> None:
    """The table is total; a talk is never taken for a failure to reach somebody, nor the other way round."""
    disposition = decide(end)
    if end.was_up and end.bridged:
        assert disposition in (D.ANSWERED, D.MEDIA_FAILED)
    else:
        assert disposition is not D.ANSWERED
    if not end.was_up:
        assert disposition not in (D.MACHINE, D.ABANDONED, D.HUNG_UP_EARLY, D.MEDIA_FAILED)


@pytest.mark.parametrize("disposition", Disposition)
def test_every_disposition_has_its_rule(disposition: Disposition) -> None:
    """Each says whose record it touches and what an RM reads; the trunk's failures are no attempts."""
    rule = RULES[disposition]
    assert rule.sentence.endswith(".")
    if disposition in (D.CARRIER_FAILED, D.CARRIER_REJECTED):
        assert (rule.blame, rule.counts_as_attempt) == (Blame.TRUNK, False)


def test_what_may_have_reached_somebody_counts() -> None:
    """Only what certainly did not ring, or was our own cancelling, is no attempt."""
    assert {item for item in Disposition if not RULES[item].counts_as_attempt} == {
        D.CARRIER_FAILED,
        D.CARRIER_REJECTED,
        D.CANCELLED,
    }
