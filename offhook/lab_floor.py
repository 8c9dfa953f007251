# SPDX-License-Identifier: GPL-3.0-or-later
"""A floor without customers' phones: embedded PBX, simulated carrier, and a process of headless RM phones."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ari_bridge.access import AriAccess
from asterisk.carrier.mix import Mix
from asterisk.lab import Lab, lab_specs, start_lab
from asterisk.program import find_program
from softphone.account import AutoAnswer, PhoneAccount, Server
from softphone.driver import PhoneProcess


@dataclass(slots=True)
class LabFloor:
    """Everything on this machine that calls can go through; stops what it started and nothing else."""

    lab: Lab
    phones: PhoneProcess | None = None

    @classmethod
    async def start(
        cls,
        *,
        state: Path,
        rms: Sequence[str],
        mix: Mix,
        caller_ids: tuple[str, ...],
        company: str,
        trunk: tuple[str, int] | None = None,
    ) -> LabFloor:
        """PBX and carrier up; the phones come with ``start_phones``. ``trunk``: where calls go instead."""
        pbx_spec, carrier_spec = lab_specs(
            state=state,
            rms=rms,
            mix=mix,
            randomness=random.SystemRandom(),
            caller_ids=caller_ids,
            company=company,
        )
        if trunk is not None:
            elsewhere = replace(pbx_spec.trunks[0], host=trunk[0], port=trunk[1])
            pbx_spec = replace(pbx_spec, trunks=(elsewhere, *pbx_spec.trunks[1:]))
        return cls(await start_lab(pbx_spec, carrier_spec, find_program(Path(sys.prefix))))

    @property
    def access(self) -> AriAccess:
        """How the bridge reaches this PBX."""
        spec = self.lab.pbx_spec
        return AriAccess(
            url=spec.ari.url,
            user=spec.ari.user,
            password=spec.ari.password,
            app=spec.app,
            node=spec.node,
        )

    async def start_phones(self, rms: Sequence[str]) -> None:
        """Headless phones for these RMs, registered."""
        spec = self.lab.pbx_spec
        passwords = {rm.name: rm.password for rm in spec.rms}
        self.phones = await PhoneProcess.start(
            [
                PhoneAccount(
                    user=f"rm-{name}",
                    password=passwords[name],
                    server=Server(host=spec.sip.host, port=spec.sip.port),
                    auto_answer=AutoAnswer.WHEN_ASKED,
                )
                for name in rms
            ]
        )
        await self.phones.registered(timeout_s=20)

    async def stop(self) -> None:
        """Phones first, so that they say goodbye to a PBX that is there."""
        if self.phones is not None:
            await self.phones.close()
        await self.lab.stop()
