# SPDX-License-Identifier: GPL-3.0-or-later
"""What the bridge is told about its PBX: access, trunks, timers. Plain values; settings are read elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class AriAccess:
    """One PBX node."""

    url: str  #: for example ``http://127.0.0.1:8088/ari``
    user: str
    password: str = field(repr=False)
    app: str = "offhook"
    node: str = "pbx1"


class NumberFormat(StrEnum):
    """How a trunk wants numbers written."""

    E164_PLUS = "e164_plus"  #: +4930123456
    E164 = "e164"  #: 4930123456
    NATIONAL = "national"  #: 030123456 at home, with the international prefix elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkLimits:
    """A trunk: how it wants its numbers, how much it bears, when it counts as broken."""

    name: str
    number_format: NumberFormat = NumberFormat.E164_PLUS
    country: str = "US"  #: ISO 3166 code of the trunk's home, for national numbers
    prefix: str = ""  #: put before every dialed number
    call_cap: int = 30
    calls_per_s: float = 5.0
    failures_to_open: int = 5  #: in a row, whatever the trunk's words for it
    slow_to_open: int = 2  #: in a row: neither ringing nor an answer within the set-up time
    #: One wrong prefix turns every number into a 404: so many of the last calls, and at least so large a share.
    invalid_window: int = 20
    invalid_least: int = 10
    invalid_share: float = 0.6
    open_s: float = 30.0  #: how long it rests before one call tries it; doubles up to ``open_max_s``
    open_max_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """All timers of the bridge, in seconds; scaled together in tests."""

    request_s: float = 4.0
    start_s: float = 15.0
    heartbeat_s: float = 15.0
    ping_every_s: float = 5.0
    ping_timeout_s: float = 3.0
    backoff_first_s: float = 0.1
    backoff_max_s: float = 10.0
    stable_s: float = 30.0  #: a connection that held so long starts the backoff anew
    settle_s: tuple[float, ...] = (0.2, 0.6, 1.2)  #: when an unknown request is asked for
    gc_every_s: float = 30.0
    bridge_age_s: float = 60.0  #: an empty bridge of nobody is kept so long
    #: Two polls without a packet make an RM's leg silent: a phone that dies is noticed within 3 polls, 4.5 s.
    rtp_poll_s: float = 1.5
    #: An RTP time-out within this after the answer means that no audio ever came.
    no_media_s: float = 35.0
    trunk_tick_s: float = 1.0

    def scaled(self, factor: float) -> Timings:
        """Every timer times ``factor``: for tests only."""

        def scale(value: float | tuple[float, ...]) -> float | tuple[float, ...]:
            return tuple(part * factor for part in value) if isinstance(value, tuple) else value * factor

        return Timings(**{item.name: scale(getattr(self, item.name)) for item in fields(self)})  # type: ignore[arg-type]
