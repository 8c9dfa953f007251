# SPDX-License-Identifier: GPL-3.0-or-later
"""A PBX and the simulated carrier side by side on free ports: for the sample floor, demos and tests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from asterisk.carrier.mix import Mix
from asterisk.carrier.spec import PHRASES, Account, CarrierSpec, render_carrier
from asterisk.embedded import sip_listeners, start_pbx
from asterisk.files import make_folder, write_files
from asterisk.from_settings import SECRETS
from asterisk.lab_ports import lab_ports
from asterisk.process import AsteriskProcess
from asterisk.program import Program
from asterisk.secrets_file import load_or_make
from asterisk.sounds import make_sounds, prompts
from asterisk.spec import Ari, Instance, PbxSpec, RmEndpoint, Sip, TrunkKind, TrunkSpec
from vocabulary.call_id import Randomness

TRUNK = "carrier"
REGISTERED_TRUNK = "registered"
"""The same carrier, by registration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """The two, and what they were made from."""

    pbx_spec: PbxSpec
    pbx: AsteriskProcess
    carrier_spec: CarrierSpec
    carrier: AsteriskProcess

    async def stop(self) -> None:
        """End both."""
        await self.pbx.stop()
        await self.carrier.stop()


def carrier_process(spec: CarrierSpec, program: Program) -> AsteriskProcess:
    """The carrier's process, running or not."""
    return AsteriskProcess(
        name="carrier", program=program, instance=spec.instance, listeners=sip_listeners(spec.sip)
    )


async def start_carrier(spec: CarrierSpec, program: Program) -> AsteriskProcess:
    """Write the configuration and start the carrier: nobody was called yet. One that runs goes on as it is."""
    for folder in spec.instance.every_folder():
        make_folder(folder)
    carrier = carrier_process(spec, program)
    if carrier.pid is None:
        write_files(spec.instance.conf, render_carrier(spec, program))
        for kept in (spec.calls_file, spec.instance.lib / "astdb.sqlite3"):
            kept.unlink(missing_ok=True)
    await carrier.start()
    return carrier


def lab_specs(
    *,
    state: Path,
    rms: Iterable[str],
    mix: Mix,
    randomness: Randomness,
    caller_ids: tuple[str, ...] = (),
    company: str = "Offhook Sample Bank",
    node: str = "pbx1",
    app: str = "offhook",
) -> tuple[PbxSpec, CarrierSpec]:
    """What ``start_lab`` starts or finds running below ``state``; makes ports, sounds and passwords there."""
    names = tuple(rms)
    passwords = load_or_make(
        state / SECRETS, ["ari", REGISTERED_TRUNK, *(f"rm-{name}" for name in names)], randomness
    )
    pbx_sounds, carrier_sounds = state / "sounds" / "pbx", state / "sounds" / "carrier"
    make_sounds(pbx_sounds, prompts(company))
    make_sounds(carrier_sounds, PHRASES)
    ports = lab_ports(state)
    carrier = CarrierSpec(
        instance=Instance(folder=state / "carrier", rtp=ports.carrier_rtp, transmit_silence=True),
        sounds=carrier_sounds,
        sip_port=ports.carrier_sip,
        pbx_sip_port=ports.pbx_sip,
        mix=mix,
        accounts=(Account(user="offhook", password=passwords[REGISTERED_TRUNK]),),
    )
    pbx = PbxSpec(
        node=node,
        app=app,
        instance=Instance(folder=state / "pbx", rtp=ports.pbx_rtp),
        sounds=pbx_sounds,
        ari=Ari(port=ports.ari, user="offhook", password=passwords["ari"]),
        sip=Sip(host="127.0.0.1", port=ports.pbx_sip),
        rms=tuple(RmEndpoint(name=name, password=passwords[f"rm-{name}"]) for name in names),
        trunks=(
            TrunkSpec(name=TRUNK, host="127.0.0.1", port=ports.carrier_sip),
            TrunkSpec(
                name=REGISTERED_TRUNK,
                kind=TrunkKind.REGISTER,
                host="127.0.0.1",
                port=ports.carrier_sip,
                user="offhook",
                password=passwords[REGISTERED_TRUNK],
            ),
        ),
        caller_ids=caller_ids,
    )
    return pbx, carrier


async def start_lab(pbx_spec: PbxSpec, carrier_spec: CarrierSpec, program: Program) -> Lab:
    """Start both, or take over what still runs; if the PBX does not start, a carrier started here is ended."""
    ran = carrier_process(carrier_spec, program).pid is not None
    carrier = await start_carrier(carrier_spec, program)
    try:
        pbx = await start_pbx(pbx_spec, program)
    except BaseException:
        if not ran:
            await carrier.stop()
        raise
    return Lab(pbx_spec=pbx_spec, pbx=pbx, carrier_spec=carrier_spec, carrier=carrier)
