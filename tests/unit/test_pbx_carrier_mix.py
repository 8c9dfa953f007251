# SPDX-License-Identifier: GPL-3.0-or-later
"""How simulated customers behave: the mix file, and the decision for a call."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asterisk.carrier.carrier_log import Seen, invites, read_events
from asterisk.carrier.mix import CHANCES, Behaviour, Mix, Rule, Span, Times, decide
from asterisk.carrier.mix_file import SAMPLE, read_mix
from asterisk.errors import BadSpec

numbers = st.from_regex(r"\+[1-9][0-9]{6,13}", fullmatch=True)


def test_the_sample_is_a_mix_file() -> None:
    """The shipped sample is read, and its times are those that the code has when a file says nothing."""
    mix = read_mix(SAMPLE)
    assert mix.times == Times()
    assert mix.chance[Behaviour.ANSWER] > mix.chance[Behaviour.BUSY] > 0


@given(numbers, st.integers(1, 9), st.integers(0, 2**31))
def test_a_decision_can_be_repeated(number: str, attempt: int, seed: int) -> None:
    """Seed, number and attempt decide alone; a plus sign does not count; every time is within its span."""
    mix = Mix(seed=seed, chance=read_mix(SAMPLE).chance)
    decision = decide(mix, number, attempt)
    assert decision == decide(mix, number.lstrip("+"), attempt)
    assert mix.times.post_dial.least_ms <= decision.post_dial_ms <= mix.times.post_dial.most_ms
    ring = mix.times.voicemail_ring if decision.behaviour is Behaviour.VOICEMAIL else mix.times.ring
    assert ring.least_ms <= decision.ring_ms <= ring.most_ms
    assert (decision.talk_ms is None) or decision.behaviour in (Behaviour.ANSWER, Behaviour.EARLY_HANG_UP)


def test_chance_is_as_the_weights_say() -> None:
    """Of many numbers each behaviour has its share; a second call to a number may meet something else."""
    mix = read_mix(SAMPLE)
    first = [decide(mix, f"+447946{n:06d}", 1).behaviour for n in range(5000)]
    second = [decide(mix, f"+447946{n:06d}", 2).behaviour for n in range(5000)]
    whole = sum(mix.chance.values())
    for behaviour, count in Counter(first).items():
        assert abs(count / 5000 - mix.chance[behaviour] / whole) < 0.03
    assert set(first) == {behaviour for behaviour, weight in mix.chance.items() if weight}
    assert first != second


@given(st.dictionaries(st.sampled_from(Behaviour), st.integers(0, 1000)).filter(lambda c: any(c.values())))
def test_every_chance_has_an_owner(chance: dict[Behaviour, int]) -> None:
    """The thresholds ascend to the last chance, and nothing of weight 0 ever comes."""
    limits = Mix(chance=chance).thresholds()
    assert limits[-1][1] == CHANCES
    before = 0
    for behaviour, limit in limits:
        assert limit >= before
        assert chance.get(behaviour, 0) or limit == before
        before = limit


@pytest.mark.parametrize(
    ("numbers", "number", "fits"),
    [
        ("4915*", "+49151234", True),
        ("4915*", "+49161234", False),
        ("*0001", "+4915550001", True),
        ("*0001", "+49155500011", False),
        ("49155?", "+491559", True),
        ("49155?", "+4915599", False),
    ],
)
def test_a_rule_decides_before_chance(numbers: str, number: str, fits: bool) -> None:
    """``*`` is any digits and ``?`` one; the first rule that fits wins."""
    mix = Mix(
        chance={Behaviour.BUSY: 1},
        rules=(
            Rule(numbers=numbers, behaviour=Behaviour.ECHO),
            Rule(numbers=numbers, behaviour=Behaviour.SILENT),
        ),
    )
    assert decide(mix, number, 1).behaviour is (Behaviour.ECHO if fits else Behaviour.BUSY)


def test_time_scale_shortens_everything() -> None:
    """All spans are multiplied alike."""
    scaled = Times().scaled(0.1)
    assert scaled.ring == Span(least_ms=200, most_ms=1200)
    assert scaled.talk == Span(least_ms=800, most_ms=4000)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed = 1\n", "weights"),
        ("[chance]\nbusy = 0\n", "weights"),
        ("[chance]\nbusy = -1\nanswer = 2\n", "weights"),
        ("[chance]\nsleeps = 1\n", "chance.sleeps: there is no behaviour 'sleeps'"),
        ("[chance]\nbusy = 'x'\n", "chance.busy is a whole number"),
        ("sede = 1\n[chance]\nbusy = 1\n", "there is no sede"),
        ("seed = 'x'\n[chance]\nbusy = 1\n", "seed is a whole number"),
        ("waits_for_us = 2\n[chance]\nbusy = 1\n", "from 0 to 1"),
        ("[chance]\nbusy = 1\n[times_s]\nring = 3\n", "times_s.ring is"),
        ("[chance]\nbusy = 1\n[times_s]\nring = [3, 2]\n", "no span"),
        ("[chance]\nbusy = 1\n[times_s]\nrings = [3, 4]\n", "there is no times_s.rings"),
        ("[chance]\nbusy = 1\n[[rule]]\nnumbers = '[x]'\nbehaviour = 'busy'\n", "digits"),
        ("[chance]\nbusy = 1\n[[rule]]\nnumbers = '1'\nbehaviour = 'x'\n", "rule 1, behaviour"),
        ("rule = 1\n[chance]\nbusy = 1\n", r"\[\[rule\]\]"),
        ("[chance\n", "mix.toml"),
    ],
)
def test_a_wrong_mix_file_is_named_by_its_key(tmp_path: Path, text: str, words: str) -> None:
    """The error names the file and the key, and what would be right."""
    path = tmp_path / "mix.toml"
    path.write_text(text)
    with pytest.raises(BadSpec, match=words) as raised:
        read_mix(path)
    assert str(path) in str(raised.value)


def test_no_mix_file_is_an_error(tmp_path: Path) -> None:
    """A path that leads nowhere is said so."""
    with pytest.raises(BadSpec, match="cannot be read"):
        read_mix(tmp_path / "none.toml")


def test_what_the_carrier_saw_is_read(tmp_path: Path) -> None:
    """Each line of its file is an event; INVITEs are counted per number; no file is no events."""
    path = tmp_path / "calls.csv"
    assert read_events(path) == []
    path.write_text(
        "2026-11-21T10:02:02.856Z,invite,a@b,491,+4930,busy,1\n"
        "2026-11-21T10:02:02.904Z,ended,a@b,491,+4930,busy,1\n"
        "2026-11-21T10:02:03.000Z,invite,c@d,491,+4930,answer,2\n"
    )
    events = read_events(path)
    assert [event.seen for event in events] == [Seen.INVITE, Seen.ENDED, Seen.INVITE]
    assert events[0].at == datetime(2026, 11, 21, 10, 2, 2, 856000, UTC)
    assert (events[2].behaviour, events[2].attempt) == (Behaviour.ANSWER, 2)
    assert invites(events) == {"491": 2}
