# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever goes wrong, in whatever order, nothing is lost and nothing doubled: worlds drawn from seeds.

The rules are those of ``tests.sim.ledger``. More of them: ``./run bench seeds --count 1000``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sim.seeded import run_seed

pytestmark = pytest.mark.sim

ROOT = Path(__file__).parents[2]

SMALL = 5
"""Customers of the worlds told at every run of the tests."""


@pytest.mark.parametrize("first", range(1, 31, 10))
def test_nothing_is_lost_and_nothing_doubled(first: int) -> None:
    """Ten small worlds with every trouble: each keeps every rule to its end."""
    for seed in range(first, first + 10):
        told = run_seed(seed, customers=SMALL, trouble_s=200.0)
        assert not told.broken, f"seed {seed}: {told.broken}"


@pytest.mark.parametrize(
    ("seed", "customers", "trouble_s"),
    [
        pytest.param(1, 14, 600.0, id="a number stayed locked by a call in wrap-up"),
        pytest.param(3, 14, 600.0, id="the same, in a world of one life"),
        pytest.param(6026, 14, 600.0, id="a call found ringing after a restart had no time of ringing"),
    ],
)
def test_what_once_broke_holds(seed: int, customers: int, trouble_s: float) -> None:
    """A world that once broke a rule, told again in full size."""
    told = run_seed(seed, customers=customers, trouble_s=trouble_s)
    assert not told.broken


def test_a_broken_rule_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger is not blind: where profiler sessions are not closed it says so."""
    monkeypatch.setattr("dialer.finish.close_session", lambda *args: False)
    told = run_seed(4, customers=SMALL, trouble_s=100.0)
    assert any("is open" in sentence for sentence in told.broken)


def _hashes(hash_seed: str) -> str:
    command = [sys.executable, "-m", "benchmarks", "seeds", "--first", "11", "--count", "2", "--hashes"]
    more = ["--customers", str(SMALL), "--trouble-s", "200"]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [*command, *more], env=environment, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout


def test_the_same_seed_tells_the_same_story_in_every_process() -> None:
    """Log for log the same, whatever the order of Python's sets."""
    first, second = _hashes("1"), _hashes("2")
    assert first == second
    assert len(set(first.split())) == 4
