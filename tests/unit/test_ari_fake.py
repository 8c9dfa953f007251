# SPDX-License-Identifier: GPL-3.0-or-later
"""``FakeAsterisk`` does as the real one did: held to the recordings that ``tests/pbx`` holds to a real PBX."""

from __future__ import annotations

import pytest

from tests.ari_scenarios import SCENARIOS, read, record
from tests.fake_floor import fake_floor


@pytest.mark.parametrize("name", SCENARIOS)
async def test_the_fake_does_as_the_real_pbx_did(name: str) -> None:
    """A call on the fake gives the requests and events that were recorded of the real PBX."""
    async with fake_floor() as floor:
        assert await record(name, floor) == read(name)
