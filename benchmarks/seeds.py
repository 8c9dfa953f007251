# SPDX-License-Identifier: GPL-3.0-or-later
"""Many seeded worlds with faults (``tests.sim.seeded``): how many keep every rule, and how fast they are told.

``python -m benchmarks seeds --first 1 --count 1000``; a seed that breaks a rule is named with what it broke,
and belongs into the regressions of ``tests/sim/test_fault_seeds.py`` once it is mended. ``--hashes`` prints
the hash of each story instead: the same in every process.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence

# Every room's tables, before a world makes its database.
import tests.conftest  # noqa: F401
from benchmarks.results import Row, report
from tests.sim.seeded import Told, run_seed


def tell(seed: int, customers: int, trouble_s: float) -> Told | str:
    """One world; a sentence where it did not come to its end."""
    try:
        return run_seed(seed, customers=customers, trouble_s=trouble_s)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def main(argv: Sequence[str]) -> int:
    """Tell the worlds one after the other; 1: a rule was broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks seeds", description=__doc__)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--customers", type=int, default=14)
    parser.add_argument("--trouble-s", type=float, default=600.0)
    parser.add_argument("--hashes", action="store_true")
    asked = parser.parse_args(argv)
    began, calls, lives, failed = time.perf_counter(), 0, 0, 0
    dispositions: Counter[str] = Counter()
    for seed in range(asked.first, asked.first + asked.count):
        told = tell(seed, asked.customers, asked.trouble_s)
        if isinstance(told, str) or told.broken:
            failed += 1
            print(f"seed {seed}: {told if isinstance(told, str) else '; '.join(told.broken)}", flush=True)
        if isinstance(told, Told):
            calls, lives = calls + told.calls, lives + told.lives
            dispositions.update(told.dispositions)
            if asked.hashes:
                print(f"{seed} {told.log_hash}")
        if (seed - asked.first + 1) % 50 == 0:
            print(
                f"{seed - asked.first + 1} of {asked.count} worlds, {failed} broken",
                file=sys.stderr,
                flush=True,
            )
    if asked.hashes:
        return int(failed > 0)
    print(", ".join(f"{count} {name}" for name, count in dispositions.most_common()))
    seconds = time.perf_counter() - began
    return report(
        "seeds",
        [
            Row(name="worlds that break a rule", unit="worlds", ours=failed, limit=0),
            Row(name="worlds told", unit="worlds", ours=asked.count),
            Row(name="calls in them", unit="calls", ours=calls),
            Row(name="lives of the dialer", unit="starts", ours=lives),
            Row(name="a world", unit="s", ours=seconds / asked.count),
        ],
    )
