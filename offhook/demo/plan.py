# SPDX-License-Identifier: GPL-3.0-or-later
"""What a demonstration is asked to be. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from asterisk.carrier.mix import Mix
from config.settings import (
    DialingSettings,
    LawSettings,
    LoggingSettings,
    PbxSettings,
    SafetySettings,
    Settings,
    TrunkSettings,
    is_loopback,
)
from dialer.campaigns import CampaignPolicy
from vocabulary.dispositions import Disposition
from vocabulary.states import PacingMode

_TRUNK = re.compile(r"sip:(?P<host>[A-Za-z0-9.-]+):(?P<port>[0-9]{1,5})")

CALLER_ID = "+99900000001"
COMPANY = "Offhook Sample Bank"
NAMES = (
    "anna", "ben", "carl", "dora", "emil", "fay", "gus", "hana", "ivan", "jana",
    "karl", "lena", "max", "nora", "otto", "pia", "quin", "rosa", "sven", "tara",
)  # fmt: skip


class BadPlan(ValueError):
    """A demonstration cannot be as asked; nothing was started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan:
    """One demonstration. ``time_scale`` shortens the carrier's times and our own timers alike."""

    customers: int
    rms: int
    mode: PacingMode
    seed: int
    mix: Mix
    time_scale: float = 1.0
    trunk: str | None = None  #: ``sip:HOST:PORT`` on this machine, instead of the built-in carrier
    customers_file: Path | None = None
    mapping: str = "plain"

    def __post_init__(self) -> None:
        if not 1 <= self.rms <= len(NAMES):
            raise BadPlan(f"A demonstration has 1 to {len(NAMES)} RMs.")
        if self.customers < 1:
            raise BadPlan("A demonstration needs at least one customer.")
        if (address := self.trunk_address) is not None and not is_loopback(address[0]):
            raise BadPlan(
                f"{address[0]} is another machine: a demonstration calls invented customers, and only here."
            )

    @property
    def rm_names(self) -> tuple[str, ...]:
        """Who works."""
        return NAMES[: self.rms]

    @property
    def trunk_address(self) -> tuple[str, int] | None:
        """Host and port of the trunk asked for; None: the built-in carrier.

        Raises:
            BadPlan: not of the form ``sip:HOST:PORT``.
        """
        if self.trunk is None:
            return None
        found = _TRUNK.fullmatch(self.trunk)
        if found is None or not 1 <= int(found["port"]) <= 65535:
            raise BadPlan(f"{self.trunk!r} is not a trunk; write it like sip:127.0.0.1:5080.")
        return found["host"], int(found["port"])


def demo_settings(plan: DemoPlan, state: Path, host: str, port: int) -> Settings:
    """Settings of a demonstration: the sample profile, any hour, every timer scaled."""
    return Settings(
        profile="sample",
        company=COMPANY,
        state_dir=state,
        pbx=PbxSettings(caller_ids=[CALLER_ID]),
        trunks=[TrunkSettings(name="carrier", host=host, port=port, call_cap=100, calls_per_s=50)],
        law=LawSettings(hours={"mon-sun": "00:00-24:00"}, national_holidays=False),
        dialing=DialingSettings(time_scale=plan.time_scale),
        safety=SafetySettings(max_calls=100, max_calls_per_minute=3000),
        logging=LoggingSettings(level="warning"),
    )


def demo_policy() -> CampaignPolicy:
    """One try each, except for a busy line and a failed trunk, so that the lists come to their end."""
    waits: dict[Disposition, int | None] = dict.fromkeys(Disposition)
    del waits[Disposition.ANSWERED]
    waits[Disposition.BUSY] = 20
    waits[Disposition.CARRIER_FAILED] = 20
    return CampaignPolicy(max_attempts=2, retry_s=waits, script="term-deposit", guidelines=())
