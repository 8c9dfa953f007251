# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m benchmarks [--list | NAME [ARGUMENTS]]``: one benchmark, or all of them.

Exit code 1: a bar was missed; 2: there is no such benchmark.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Sequence

import benchmarks

_NOT_BENCHMARKS = {"__main__", "results"}


def names() -> list[str]:
    """Every module of this folder with a ``main(argv) -> int``."""
    return sorted({module.name for module in pkgutil.iter_modules(benchmarks.__path__)} - _NOT_BENCHMARKS)


def purpose(name: str) -> str:
    """The first line of a benchmark's own description."""
    return (importlib.import_module(f"benchmarks.{name}").__doc__ or "").partition("\n")[0]


def main(argv: Sequence[str]) -> int:
    """Run what is asked for."""
    if argv and argv[0] in ("--list", "-h", "--help"):
        print(__doc__)
        for name in names():
            print(f"  {name:<12}{purpose(name)}")
        return 0
    if argv and argv[0] not in names():
        print(f"There is no benchmark {argv[0]!r}; there are: {', '.join(names())}.", file=sys.stderr)
        return 2
    wanted, rest = ([argv[0]], argv[1:]) if argv else (names(), [])
    codes = [importlib.import_module(f"benchmarks.{name}").main(rest) for name in wanted]
    return max(codes, default=0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
