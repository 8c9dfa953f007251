# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of a benchmark: a row each, printed as a table and kept as JSON in ``build/bench``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

FOLDER = Path("build/bench")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure. ``baseline``: the obvious other way, in the same run; ``limit``: the bar."""

    name: str
    unit: str
    ours: float
    baseline: float | None = None
    limit: float | None = None
    better: Literal["more", "less"] = "less"

    @property
    def holds(self) -> bool:
        """Whether the bar is met."""
        if self.limit is None:
            return True
        return self.ours >= self.limit if self.better == "more" else self.ours <= self.limit


def report(benchmark: str, rows: Sequence[Row]) -> int:
    """Print and keep the rows; the exit code is 0 when every bar is met."""
    table = Table("what", "ours", "baseline", "limit", "unit", "", title=benchmark)
    for row in rows:
        bar = "" if row.limit is None else f"{'≥' if row.better == 'more' else '≤'} {row.limit:,g}"
        table.add_row(
            row.name, _figure(row.ours), _figure(row.baseline), bar, row.unit, "" if row.holds else "MISSED"
        )
    Console().print(table)
    FOLDER.mkdir(parents=True, exist_ok=True)
    kept = [asdict(row) for row in rows]
    (FOLDER / f"{benchmark}.json").write_text(json.dumps(kept, indent=1) + "\n")
    return 0 if all(row.holds for row in rows) else 1


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
