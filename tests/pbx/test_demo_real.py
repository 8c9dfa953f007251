# SPDX-License-Identifier: GPL-3.0-or-later
"""``offhook demo`` as a person runs it: a process of its own, real Asterisk, real phones, an end by itself."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder near the root: the path of a control socket has an end."""
    with tempfile.TemporaryDirectory(prefix="oh") as folder:
        yield Path(folder)


async def _demo(*arguments: str, report: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "offhook", "demo", *arguments, "--report", str(report),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, stdin=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(150):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            # Not killed at once: it takes its PBX, carrier and phones down with it.
            process.terminate()
            async with asyncio.timeout(30):
                await process.communicate()
    return process.returncode or 0, output.decode()


@pytest.mark.parametrize("mode", ["progressive", "preview"])
async def test_a_demonstration_ends_by_itself_and_keeps_its_promises(tmp_path: Path, mode: str) -> None:
    """Every call one disposition, nobody dialed twice, no channel left, no event undelivered."""
    arguments = ("--customers", "12", "--rms", "4", "--mode", mode, "--time-scale", "0.05", "--seed", "5")
    code, output = await _demo(*arguments, report=tmp_path / "report")
    assert code == 0, output
    figures = json.loads((tmp_path / "report.json").read_text())
    assert figures["customers"] == 12
    assert figures["calls"] >= 12
    assert sum(figures["dispositions"].values()) == figures["calls"]
    for promised_zero in ("orphan_channels", "duplicate_dials", "undelivered_events", "unfinished_calls"):
        assert figures[promised_zero] == 0
    assert figures["promise"]["cut_while_ringing"] == 0
    assert "Every promise was kept." in output


async def test_a_mode_that_is_not_built_is_a_usage_error(tmp_path: Path) -> None:
    """Exit code 2 and one sentence; nothing is started."""
    code, output = await _demo("--mode", "predictive", report=tmp_path / "report")
    assert code == 2
    assert "predictive is not built yet" in output


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stopped_demonstration_leaves_no_process(short_folder: Path, signal_number: int) -> None:
    """Ctrl-C and SIGTERM in the middle: PBX, carrier and phones are gone, and nothing else was touched."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "offhook", "demo", "--customers", "40", "--rms", "2",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, stdin=asyncio.subprocess.DEVNULL,
        env=os.environ | {"TMPDIR": str(short_folder)},
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(60):
        said = b""
        while b"The campaign dials" not in said:
            line = await process.stdout.readline()
            assert line, f"It ended by itself: {said.decode()}"
            said += line
        assert len(_processes_below(short_folder)) >= 2
        process.send_signal(signal_number)
        await process.communicate()
    assert process.returncode == 130
    assert _processes_below(short_folder) == []


def _processes_below(folder: Path) -> list[str]:
    """Command lines of the processes that work in a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"{folder}/" in line:
            found.append(line)
    return found
