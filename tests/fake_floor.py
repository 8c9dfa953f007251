# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge on ``FakeAsterisk``: for tests of every fault."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from ari_bridge.access import Timings
from ari_bridge.fake_pbx import FakeChannel
from ari_bridge.phone_script import Script
from ari_bridge.testing import FakeAsterisk
from tests.bridge_floor import QUICK, TRUNK, BridgeFloor, make_bridge


@dataclass(kw_only=True)
class FakeFloor(BridgeFloor):
    """The bridge, and the fake below it."""

    pbx: FakeAsterisk

    def rm_script(self, rm: str, script: Script) -> None:
        self.pbx.world.scripts[f"rm-{rm}"] = script

    def customer_script(self, number: str, script: Script) -> None:
        self.pbx.world.scripts[number] = script

    def rm_holds(self, rm: str, held: bool) -> None:
        self.pbx.world.hold(next(id for id in self.pbx.world.channels if f"-{rm}-" in id), held)

    def customer_calls(self, number: str, called: str) -> FakeChannel:
        return self.pbx.world.inbound(called, number, TRUNK)

    def customer_hangs_up(self, call: FakeChannel) -> None:
        self.pbx.world.far_hang_up(call.id)

    @property
    def short_sound(self) -> str:
        return "sound:short"


@asynccontextmanager
async def fake_floor(
    timings: Timings = QUICK, *, start: bool = True, **limits: Any
) -> AsyncIterator[FakeFloor]:
    """A running bridge on a fake of its own."""
    async with FakeAsterisk() as pbx:
        pbx.world.missing_endpoints.add("rm-nobody")
        access = pbx.access
        floor = FakeFloor(
            telephony=make_bridge(access.url, access.user, access.password, timings, **limits), pbx=pbx
        )
        if start:
            await floor.start()
        try:
            yield floor
        finally:
            await floor.stop()
