# SPDX-License-Identifier: GPL-3.0-or-later
"""The kept recordings are true of the real PBX; ``tests/unit/test_ari_fake.py`` holds ``FakeAsterisk`` to them.

To record anew: ``OFFHOOK_RECORD=1 python -m pytest tests/pbx/test_ari_recordings.py``, then read the diff.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from asterisk.spec import PbxSpec
from tests.ari_scenarios import FIXTURES, SCENARIOS, read, record, write
from tests.pbx.ari_floor import close_floor, open_floor, pbx_spec, run_pbx

pytestmark = pytest.mark.pbx


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PbxSpec]:
    """One PBX for all tests here."""
    made = pbx_spec(Path(tmp_path_factory.mktemp("rec")))
    pbx = asyncio.run(run_pbx(made))
    yield made
    asyncio.run(pbx.stop())


@pytest.mark.parametrize("name", SCENARIOS)
async def test_the_real_pbx_does_as_recorded(spec: PbxSpec, name: str) -> None:
    """A call on the real PBX gives the requests and events that were recorded of it."""
    floor = await open_floor(spec)
    try:
        lines = await record(name, floor)
    finally:
        await close_floor(floor)
    if os.environ.get("OFFHOOK_RECORD"):
        write(name, lines)
    assert lines == read(name)


def test_every_recording_has_its_call() -> None:
    """No recording is left of a call that is not played any more."""
    assert sorted(path.stem for path in FIXTURES.glob("*.jsonl")) == sorted(SCENARIOS)
