# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports of a lab: free ones, kept in its folder, so that a lab that still runs is found again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from asterisk.files import write_whole
from asterisk.ports import free_port, free_rtp_range
from asterisk.process import running_pid
from asterisk.spec import Instance, RtpRange

KEPT = "lab-ports.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabPorts:
    """Where the two Asterisks of a lab are."""

    ari: int
    pbx_sip: int
    carrier_sip: int
    pbx_rtp: RtpRange
    carrier_rtp: RtpRange


def lab_ports(state: Path) -> LabPorts:
    """The ports of the lab that runs in the folder ``state``, or, when none does, free ones, which are kept there."""
    path = state / KEPT
    kept = _read(path)
    if kept and any(
        running_pid(Instance(folder=state / name, rtp=kept.pbx_rtp)) for name in ("pbx", "carrier")
    ):
        return kept
    ports = LabPorts(
        ari=free_port(),
        pbx_sip=free_port(),
        carrier_sip=free_port(),
        pbx_rtp=free_rtp_range(),
        carrier_rtp=free_rtp_range(),
    )
    write_whole(path, json.dumps(asdict(ports), indent=2).encode() + b"\n")
    return ports


def _read(path: Path) -> LabPorts | None:
    try:
        said = json.loads(path.read_bytes())
        pbx_rtp, carrier_rtp = RtpRange(**said.pop("pbx_rtp")), RtpRange(**said.pop("carrier_rtp"))
        return LabPorts(**said, pbx_rtp=pbx_rtp, carrier_rtp=carrier_rtp)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # None was kept, or nothing that we wrote: free ports will do.
        return None
