# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PBX whose trunk and RM phones are scripted peers, and the bridge on top of it: for the ARI tests."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ari_bridge.access import AriAccess, NumberFormat, Timings, TrunkLimits
from ari_bridge.adapter import AriTelephony
from asterisk.lab import start_pbx
from asterisk.ports import free_port, free_rtp_range
from asterisk.process import AsteriskProcess
from asterisk.program import find_program
from asterisk.sounds import make_sounds, prompts
from asterisk.spec import Ari, Instance, PbxSpec, RmEndpoint, Sip, TrunkSpec
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
from tests.pbx.sip_peer import Script, SipPeer, answers

E = TypeVar("E", bound=TelephonyEvent)
NODE = "pbx1"
TRUNK = "carrier"
CALLER_ID = "+12025550100"
CUSTOMER = "+12025550199"
PATIENCE_S = 15.0
#: Fast enough for tests; RTP polls stay as they are where a test is about them.
QUICK = Timings(
    ping_every_s=0.3, ping_timeout_s=0.5, backoff_max_s=0.5, gc_every_s=0.5, settle_s=(0.1, 0.2, 0.3)
)


def pbx_spec(folder: Path) -> PbxSpec:
    """A PBX on free ports with one trunk and two RMs; the peers take the trunk's port."""
    sounds = folder / "sounds"
    make_sounds(sounds, prompts("Test Bank"))
    return PbxSpec(
        node=NODE,
        app="offhook",
        instance=Instance(folder=folder / "pbx", rtp=free_rtp_range(), high_priority=False),
        sounds=sounds,
        ari=Ari(port=free_port(), user="offhook", password="not-a-secret"),
        sip=Sip(host="127.0.0.1", port=free_port()),
        rms=(
            RmEndpoint(name="anna", password="anna-secret", qualify_s=0),
            RmEndpoint(name="ben", password="ben-secret", qualify_s=0),
        ),
        trunks=(TrunkSpec(name=TRUNK, host="127.0.0.1", port=free_port(), qualify_s=0),),
        caller_ids=(CALLER_ID,),
    )


async def run_pbx(spec: PbxSpec) -> AsteriskProcess:
    """Start the PBX of a spec."""
    return await start_pbx(spec, find_program(Path(sys.prefix)))


@dataclass
class Floor:
    """The bridge, its events so far, and the peers."""

    spec: PbxSpec
    telephony: AriTelephony
    carrier: SipPeer
    phones: dict[str, SipPeer]
    events: list[TelephonyEvent] = field(default_factory=list)
    _serial: int = 0
    _reader: asyncio.Task[None] | None = None

    async def read(self) -> None:
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

    async def connect(self, rm: str = "anna", script: Script | None = None) -> tuple[LegId, BridgeId]:
        """An RM's phone up and in its bridge."""
        self._serial += 1
        self.phones[rm].default = script or answers(0.01)
        shift = random.randrange(10**9)
        leg = LegId(NODE, f"rm-{NODE}-{rm}-{shift}-1")
        bridge = BridgeId(NODE, f"b-{NODE}-{rm}-{shift}-1")
        await self.telephony.connect_rm(
            ConnectRm(leg=leg, bridge=bridge, rm=rm, endpoint=f"PJSIP/rm-{rm}", answer_timeout_s=8)
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
        number: str = CUSTOMER,
        backstop_s: float = 30,
        headers: dict[str, str] | None = None,
    ) -> LegId:
        """Dial a customer whose phone does as ``script`` says."""
        if script is not None:
            self.carrier.scripts[number] = script
        leg = self.new_leg()
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


async def new_bridge(
    spec: PbxSpec, timings: Timings = QUICK, *, ari_port: int | None = None, **limits: object
) -> AriTelephony:
    """The bridge for a PBX, not started."""
    url = f"http://127.0.0.1:{ari_port or spec.ari.port}/ari"
    return AriTelephony(
        AriAccess(url=url, user=spec.ari.user, password=spec.ari.password, app=spec.app, node=NODE),
        [
            TrunkLimits(
                name=TRUNK,
                number_format=NumberFormat.E164_PLUS,
                **{"calls_per_s": 200.0, "call_cap": 100, **limits},  # type: ignore[arg-type]
            )
        ],
        clock=SystemClock(),
        randomness=random.Random(1),
        timings=timings,
    )


async def open_floor(
    spec: PbxSpec, timings: Timings = QUICK, *, ari_port: int | None = None, **limits: object
) -> Floor:
    """Peers and bridge on a running PBX; ``ari_port``: reached over another port than its own."""
    carrier = await SipPeer().open(spec.trunks[0].port)
    phones = {}
    for rm in spec.rms:
        phones[rm.name] = await SipPeer(default=answers(0.01)).open()
        await phones[rm.name].register(rm.endpoint, rm.password, spec.sip.port)
    telephony = await new_bridge(spec, timings, ari_port=ari_port, **limits)
    await telephony.start()
    floor = Floor(spec=spec, telephony=telephony, carrier=carrier, phones=phones)
    floor._reader = asyncio.get_running_loop().create_task(floor.read(), name="floor-events")
    return floor


async def close_floor(floor: Floor) -> None:
    """Hang up what is left, then close everything."""
    try:
        for leg in await floor.telephony.survey():
            await floor.telephony.hang_up(leg.leg)
    finally:
        await floor.telephony.stop()
        if floor._reader is not None:
            await floor._reader
        await close_floor_peers(floor)


async def close_floor_peers(floor: Floor) -> None:
    """The phones and the carrier."""
    await floor.carrier.close()
    for phone in floor.phones.values():
        await phone.close()
