# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge under test and the phones around it, whichever PBX is below: a real one or ``FakeAsterisk``."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ari_bridge.access import AriAccess, Timings, TrunkLimits
from ari_bridge.adapter import AriTelephony
from ari_bridge.phone_script import Script, answers
from dialer.telephony import (
    BridgeId,
    ConnectRm,
    DialCustomer,
    LegEnded,
    LegId,
    RmLegUp,
    TelephonyEvent,
)
from foundation.clock import SystemClock

E = TypeVar("E", bound=TelephonyEvent)
NODE = "pbx1"
TRUNK = "carrier"
CALLER_ID = "+12025550100"
CUSTOMER = "+12025550199"
PATIENCE_S = 15.0
#: Fast enough for tests; what is said of seconds is tested with the timers of production.
QUICK = Timings(
    ping_every_s=0.3, ping_timeout_s=0.5, backoff_max_s=0.5, gc_every_s=0.5, settle_s=(0.1, 0.2, 0.3)
)


#: For ``FakeAsterisk``: every wait as short as it can be.
FAST = Timings(
    request_s=0.5,
    start_s=2.0,
    ping_every_s=0.05,
    ping_timeout_s=0.1,
    backoff_first_s=0.01,
    backoff_max_s=0.05,
    settle_s=(0.02, 0.03, 0.05),
    gc_every_s=0.05,
    bridge_age_s=60.0,
    rtp_poll_s=0.05,
)


def make_bridge(url: str, user: str, password: str, timings: Timings = QUICK, **limits: Any) -> AriTelephony:
    """The bridge for a PBX, not started; ``limits``: those of its one trunk."""
    return AriTelephony(
        AriAccess(url=url, user=user, password=password, node=NODE),
        [TrunkLimits(name=TRUNK, **{"calls_per_s": 200.0, "call_cap": 100, **limits})],
        clock=SystemClock(),
        randomness=random.Random(1),
        timings=timings,
    )


@dataclass
class BridgeFloor:
    """The bridge and its events so far. What the phones do is for those below to say."""

    telephony: AriTelephony
    events: list[TelephonyEvent] = field(default_factory=list)
    _reader: asyncio.Task[None] | None = None

    # --- the phones ---------------------------------------------------------------------------------

    def rm_script(self, rm: str, script: Script) -> None:
        """What an RM's phone does from now on."""
        raise NotImplementedError

    def customer_script(self, number: str, script: Script) -> None:
        """What a customer's phone does from now on."""
        raise NotImplementedError

    def rm_holds(self, rm: str, held: bool) -> None:
        """An RM presses hold on the phone."""
        raise NotImplementedError

    def customer_calls(self, number: str, called: str) -> Any:
        """A customer calls one of our caller IDs; gives a handle for ``customer_hangs_up``."""
        raise NotImplementedError

    def customer_hangs_up(self, call: Any) -> None:
        """The customer who called ends the call."""
        raise NotImplementedError

    @property
    def short_sound(self) -> str:
        """An announcement that the PBX has."""
        raise NotImplementedError

    # --- the bridge ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the bridge and listen to it."""
        await self.telephony.start()
        self.listen()

    def listen(self) -> None:
        """Read the events of the bridge that is started."""
        self._reader = asyncio.get_running_loop().create_task(self._read(), name="floor-events")

    async def stop(self) -> None:
        """Stop the bridge."""
        await self.telephony.stop()
        if self._reader is not None:
            await self._reader

    async def _read(self) -> None:
        async for event in self.telephony.events():
            self.events.append(event)

    async def until(self, condition: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
        """Poll a condition with a deadline."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience_s
        while not condition():
            if loop.time() > deadline:
                raise AssertionError(f"{what}: not within {patience_s} s; events: {self.events}")
            await asyncio.sleep(0.01)

    def all_of(self, kind: type[E], leg: LegId | None = None) -> list[E]:
        """Events of a kind, of one leg or of all."""
        return [
            event
            for event in self.events
            if isinstance(event, kind) and (leg is None or getattr(event, "leg", None) == leg)
        ]

    async def wait_for(self, kind: type[E], leg: LegId | None = None, patience_s: float = PATIENCE_S) -> E:
        """The first event of a kind, now or later."""
        await self.until(lambda: self.all_of(kind, leg), f"{kind.__name__} of {leg}", patience_s)
        return self.all_of(kind, leg)[0]

    async def connect(
        self, rm: str = "anna", script: Script | None = None, *, sends_audio: bool = True
    ) -> tuple[LegId, BridgeId]:
        """An RM's phone up and in its bridge."""
        self.rm_script(rm, script or answers(0.01))
        shift = random.randrange(10**9)
        leg = LegId(NODE, f"rm-{NODE}-{rm}-{shift}-1")
        bridge = BridgeId(NODE, f"b-{NODE}-{rm}-{shift}-1")
        await self.telephony.connect_rm(
            ConnectRm(
                leg=leg,
                bridge=bridge,
                rm=rm,
                endpoint=f"PJSIP/rm-{rm}",
                answer_timeout_s=8,
                sends_audio=sends_audio,
            )
        )
        await self.wait_for(RmLegUp, leg)
        return leg, bridge

    def new_leg(self) -> LegId:
        return LegId(NODE, f"c-{NODE}-{random.randrange(10**8):08d}-1")

    async def dial(
        self,
        bridge: BridgeId | None,
        script: Script | None = None,
        *,
        leg: LegId | None = None,
        number: str = CUSTOMER,
        backstop_s: float = 30,
        headers: dict[str, str] | None = None,
    ) -> LegId:
        """Dial a customer whose phone does as ``script`` says."""
        if script is not None:
            self.customer_script(number, script)
        leg = leg or self.new_leg()
        await self.telephony.dial(
            DialCustomer(
                leg=leg,
                pii_number=number,
                trunk=TRUNK,
                caller_id=CALLER_ID,
                bridge=bridge,
                backstop_s=backstop_s,
                headers=headers or {},
            )
        )
        return leg

    async def ended(self, leg: LegId, patience_s: float = PATIENCE_S) -> LegEnded:
        """The last event of a leg; fails when it came twice."""
        event = await self.wait_for(LegEnded, leg, patience_s)
        assert len(self.all_of(LegEnded, leg)) == 1
        assert [e for e in self.events if getattr(e, "leg", None) == leg][-1] is event
        return event
