# SPDX-License-Identifier: GPL-3.0-or-later
"""The PBX that Offhook runs itself."""

from __future__ import annotations

from asterisk.files import make_folder, write_files
from asterisk.ports import Listener, Protocol
from asterisk.process import AsteriskProcess
from asterisk.program import Program
from asterisk.render import render
from asterisk.spec import PbxSpec, Sip


def sip_listeners(sip: Sip) -> tuple[Listener, ...]:
    """The ports of a SIP address."""
    return tuple(
        Listener(protocol=protocol, host=sip.host, port=sip.port, what="SIP") for protocol in Protocol
    )


def pbx_listeners(spec: PbxSpec) -> tuple[Listener, ...]:
    """The ports that the PBX needs for itself, those for audio apart."""
    return (
        Listener(protocol=Protocol.TCP, host=spec.ari.host, port=spec.ari.port, what="ARI"),
        *sip_listeners(spec.sip),
    )


def pbx_process(spec: PbxSpec, program: Program) -> AsteriskProcess:
    """The PBX's process, running or not."""
    return AsteriskProcess(
        name=spec.node, program=program, instance=spec.instance, listeners=pbx_listeners(spec)
    )


async def start_pbx(spec: PbxSpec, program: Program) -> AsteriskProcess:
    """Write the configuration and start the PBX; one that runs already takes the changes over, calls stay.

    Raises:
        NotOurs, PortTaken, DidNotStart: as ``write_files`` and ``AsteriskProcess.start`` say.
    """
    for folder in spec.instance.every_folder():
        make_folder(folder)
    changed = write_files(spec.instance.conf, render(spec, program))
    pbx = pbx_process(spec, program)
    if not await pbx.start() and changed:
        await pbx.reload()
    return pbx
