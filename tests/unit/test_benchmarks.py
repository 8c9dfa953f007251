# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks can be listed and started, and a bar that is missed is told by the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.__main__ import main, names, purpose
from benchmarks.results import Row, report


def test_every_benchmark_is_listed_with_its_purpose(capsys: pytest.CaptureFixture[str]) -> None:
    """By name, without running any."""
    assert main(["--list"]) == 0
    told = capsys.readouterr().out
    assert {"demo", "seam", "kill"} <= set(names())
    assert all(f"  {name}" in told and purpose(name) in told for name in names())


def test_a_benchmark_that_is_not_there_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and which ones there are."""
    assert main(["no-such-thing"]) == 2
    assert "seam" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (Row(name="x", unit="ms", ours=5, limit=5), 0),
        (Row(name="x", unit="ms", ours=5.1, limit=5), 1),
        (Row(name="x", unit="1/s", ours=5, limit=5, better="more"), 0),
        (Row(name="x", unit="1/s", ours=4.9, limit=5, better="more"), 1),
        (Row(name="x", unit="ms", ours=1e9), 0),
    ],
)
def test_a_missed_bar_is_an_exit_code(
    row: Row, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bar itself is allowed; a figure without a bar only informs; all is kept as JSON."""
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    assert report("x", [row]) == code
    (kept,) = json.loads((tmp_path / "x.json").read_text())
    assert (kept["ours"], kept["limit"], kept["unit"]) == (row.ours, row.limit, row.unit)
