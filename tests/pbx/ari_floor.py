# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PBX whose trunk and RM phones are scripted peers, and the bridge on top of it: for the ARI tests."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ari_bridge.access import Timings
from ari_bridge.adapter import AriTelephony
from ari_bridge.phone_script import Script, answers
from asterisk.lab import start_pbx
from asterisk.ports import free_port, free_rtp_range
from asterisk.process import AsteriskProcess
from asterisk.program import find_program
from asterisk.sounds import make_sounds, prompts
from asterisk.spec import Ari, Instance, PbxSpec, RmEndpoint, Sip, TrunkSpec
from tests.bridge_floor import CALLER_ID, NODE, QUICK, TRUNK, BridgeFloor, make_bridge
from tests.pbx.sip_peer import PeerCall, SipPeer


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


@dataclass(kw_only=True)
class Floor(BridgeFloor):
    """The bridge on a real PBX, and the peers."""

    spec: PbxSpec
    carrier: SipPeer
    phones: dict[str, SipPeer]

    def rm_script(self, rm: str, script: Script) -> None:
        self.phones[rm].default = script

    def customer_script(self, number: str, script: Script) -> None:
        self.carrier.scripts[number] = script

    def rm_holds(self, rm: str, held: bool) -> None:
        self.phones[rm].hold(self.phones[rm].live()[0], held)

    def customer_calls(self, number: str, called: str) -> PeerCall:
        return self.carrier.call(called, number, self.spec.sip.port)

    def customer_hangs_up(self, call: PeerCall) -> None:
        self.carrier.hang_up(call)

    @property
    def short_sound(self) -> str:
        return f"sound:{self.spec.sounds}/nobody_available"

    async def close_peers(self) -> None:
        """The phones and the carrier."""
        await self.carrier.close()
        for phone in self.phones.values():
            await phone.close()


def new_bridge(
    spec: PbxSpec, timings: Timings = QUICK, *, ari_port: int | None = None, **limits: Any
) -> AriTelephony:
    """The bridge for a PBX, not started; ``ari_port``: reached over another port than its own."""
    url = f"http://127.0.0.1:{ari_port or spec.ari.port}/ari"
    return make_bridge(url, spec.ari.user, spec.ari.password, timings, **limits)


async def open_floor(
    spec: PbxSpec, timings: Timings = QUICK, *, ari_port: int | None = None, **limits: Any
) -> Floor:
    """Peers and bridge on a running PBX."""
    telephony = new_bridge(spec, timings, ari_port=ari_port, **limits)
    carrier = await SipPeer().open(spec.trunks[0].port)
    phones = {rm.name: await SipPeer(default=answers(0.01)).open() for rm in spec.rms}
    floor = Floor(
        spec=spec,
        telephony=telephony,
        carrier=carrier,
        phones=phones,
    )
    try:
        for rm in spec.rms:
            await phones[rm.name].register(rm.endpoint, rm.password, spec.sip.port)
        await floor.start()
    except BaseException:
        await floor.close_peers()
        raise
    return floor


async def close_floor(floor: Floor) -> None:
    """Hang up what is left, then close everything."""
    try:
        for leg in await floor.telephony.survey():
            await floor.telephony.hang_up(leg.leg)
    finally:
        await floor.stop()
        await floor.close_peers()
