# SPDX-License-Identifier: GPL-3.0-or-later
"""Every setting, its type, its default and what it means. ``config.load`` reads them.

The descriptions are the reference: ``docs/reference/settings.md`` is generated from them.
"""

from __future__ import annotations

import ipaddress
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

LAWFUL_RING_S = 15.0
"""47 CFR 64.1200(a)(6): an unanswered call may not be cut before 15 seconds or four rings."""


def _below_base(path: Path, info: ValidationInfo) -> Path:
    """Relative paths count from the folder of the settings file, wherever the program was started."""
    base: Path = (info.context or {}).get("base", Path.cwd())
    return base / path.expanduser()


File = Annotated[Path, AfterValidator(_below_base)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Port = Annotated[int, Field(ge=1, le=65_535)]
Prefix = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{0,14}$")]
OwnNumber = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
_Span = Annotated[str, Field(pattern=r"^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$")]


def is_loopback(host: str) -> bool:
    """Whether a host is this machine and nothing else."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Section(BaseModel):
    """A table of the settings file: unknown keys are errors, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class DatabaseSettings(Section):
    """Where records are kept."""

    path: File | None = Field(
        default=None, description="The SQLite file; left out: `offhook.db` in the state folder."
    )


class ConsoleSettings(Section):
    """The web pages and the JSON API."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: Port = Field(default=8080, description="Port to listen on.")
    session_idle_s: Seconds = Field(
        default=1_800, description="A web session ends after so long without a request."
    )
    session_max_s: Seconds = Field(
        default=43_200, description="A web session ends after so long in any case."
    )


class PbxSettings(Section):
    """The Asterisk that carries the calls."""

    mode: Literal["embedded", "external"] = Field(
        default="embedded",
        description="`embedded`: Offhook starts an Asterisk of its own; `external`: it uses yours.",
    )
    node: str = Field(
        default="pbx1", pattern=r"^[a-z][a-z0-9]{1,19}$", description="The node's name in channel ids."
    )
    app: str = Field(
        default="offhook", pattern=r"^[a-z][a-z0-9_]{0,39}$", description="The Stasis application's name."
    )
    ari_port: Port = Field(default=8088, description="Port of ARI on loopback (embedded).")
    ari_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="ARI of an external PBX, like `http://127.0.0.1:8088/ari`.",
    )
    ari_user: str = Field(default="offhook", pattern=r"^[a-z][a-z0-9_]{0,39}$", description="The ARI user.")
    ari_password_file: File | None = Field(default=None, description="File with the ARI password (external).")
    sip_host: str = Field(default="127.0.0.1", description="Address on which the PBX takes SIP (embedded).")
    sip_port: Port = Field(default=5060, description="Port on which the PBX takes SIP (embedded).")
    rtp_start: Port = Field(default=10_000, description="First UDP port for audio (embedded).")
    rtp_end: Port = Field(default=12_999, description="Last UDP port for audio (embedded).")
    high_priority: bool = Field(
        default=True,
        description="Real-time priority for the embedded Asterisk: without it a busy machine makes answered "
        "customers wait.",
    )
    caller_ids: list[OwnNumber] = Field(
        default=[],
        description="Our own numbers, E.164 with the plus sign: campaigns show them, customers call them back.",
    )

    @model_validator(mode="after")
    def _external_is_reachable(self) -> Self:
        if self.mode == "external" and (self.ari_url is None or self.ari_password_file is None):
            raise ValueError("An external PBX needs ari_url and ari_password_file.")
        if self.rtp_end < self.rtp_start + 3:
            raise ValueError("rtp_end must leave room for at least four ports after rtp_start.")
        return self


class TrunkSettings(Section):
    """A carrier. One `[[trunks]]` table for each."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,29}$", description="Its name in Offhook.")
    kind: Literal["ip", "register"] = Field(
        default="ip",
        description="`ip`: known by our address; `register`: we register with user and password.",
    )
    host: str = Field(description="The carrier's SIP host.")
    port: Port = Field(default=5060, description="The carrier's SIP port.")
    transport: Literal["udp", "tcp"] = Field(default="udp", description="What carries SIP to it.")
    sends_from: list[str] = Field(
        default=[], description="Further addresses or networks from which the carrier calls us."
    )
    qualify_s: int = Field(
        default=30,
        ge=0,
        le=3600,
        description="Seconds between checks that it answers; 0 for a carrier that never answers OPTIONS.",
    )
    user: str | None = Field(default=None, description="User for registration and challenges.")
    password_file: File | None = Field(default=None, description="File with the password.")
    number_format: Literal["e164_plus", "e164", "national"] = Field(
        default="e164_plus", description="How it wants numbers: `+4930123456`, `4930123456` or `030123456`."
    )
    prefix: str = Field(
        default="", pattern=r"^[0-9*#+]{0,10}$", description="Put before every number sent to it."
    )
    caller_id_header: Literal["from", "pai", "rpid"] = Field(
        default="from",
        description="Where it wants our caller ID: From, P-Asserted-Identity or Remote-Party-ID.",
    )
    call_cap: int = Field(default=30, ge=1, description="Calls at once that it carries for us.")
    calls_per_s: float = Field(default=5.0, gt=0, description="New calls a second that it takes from us.")
    priority: int = Field(
        default=10, ge=0, description="The usable trunk with the lowest number is taken first."
    )
    codecs: list[Literal["ulaw", "alaw", "g722", "opus", "gsm", "slin"]] = Field(
        default=["ulaw", "alaw"], min_length=1, description="Codecs offered, best first."
    )

    @model_validator(mode="after")
    def _credentials_are_whole(self) -> Self:
        if (self.user is None) != (self.password_file is None):
            raise ValueError("A trunk needs user and password_file both, or neither.")
        if self.kind == "register" and self.user is None:
            raise ValueError("A trunk that registers needs user and password_file.")
        return self


class DialingSettings(Section):
    """The life of a call. A campaign may set ring time and wrap-up for itself."""

    promise_s: Seconds = Field(
        default=30,
        description="From confirmation to connected, or to a definite not connected, in under so long.",
    )
    ring_min_s: float = Field(
        default=LAWFUL_RING_S,
        ge=LAWFUL_RING_S,
        le=120,
        description="A phone rings at least so long: the law.",
    )
    ring_s: Seconds = Field(default=22, description="A phone rings so long before the try is given up.")
    setup_s: Seconds = Field(
        default=8,
        description="Without ringing for so long the trunk is too slow and the call is ended as failed.",
    )
    abandon_after_s: float = Field(
        default=2,
        gt=0,
        le=2,
        description="An answered customer with no RM for so long hears the recorded message.",
    )
    review_s: Seconds = Field(default=300, description="A customer under review is given back after so long.")
    wrap_up_s: Seconds = Field(default=60, description="Time to record the outcome.")
    are_you_there_s: Seconds = Field(
        default=20,
        description="After wrap-up without a sign of life, *Are you there?* stands so long; then: away.",
    )
    more_time_s: Seconds = Field(default=60, description="What *more time* adds to the wrap-up.")
    rm_answer_timeout_s: Seconds = Field(default=8, description="An RM's phone must answer within so long.")
    silence_grace_s: Seconds = Field(
        default=6, description="An RM's phone without audio is called anew after so long."
    )
    lease_s: Seconds = Field(
        default=600, description="A customer taken from a list by a process that died is free after so long."
    )
    time_scale: float = Field(
        default=1.0,
        gt=0,
        le=10,
        description="Multiplies all the dialer's timers. Sample profile only: for tests.",
    )

    @model_validator(mode="after")
    def _rings_long_enough(self) -> Self:
        if self.ring_s < self.ring_min_s:
            raise ValueError("ring_s must not be shorter than ring_min_s.")
        return self


class SafetySettings(Section):
    """What keeps a mistake or a thief from calling the world."""

    allowed_prefixes: list[Prefix] = Field(
        default=[],
        description="Numbers that may be dialed, by E.164 prefix, like `+351`. Empty: nobody outside the "
        "built-in carrier.",
    )
    max_calls: int = Field(default=200, ge=1, description="Calls at once over all trunks.")
    max_calls_per_minute: int = Field(default=600, ge=1, description="New calls a minute over all campaigns.")
    max_calls_per_rm_per_hour: int = Field(default=300, ge=1, description="New calls an hour for one RM.")


class LawSettings(Section):
    """Hours and caps. They hold at the called person's place."""

    home_country: Country | None = Field(
        default=None,
        description="ISO 3166 country of numbers without a country code, and of holidays where none is known.",
    )
    hours: dict[str, _Span | list[_Span]] = Field(
        default={"mon-fri": "08:00-21:00", "sat": "08:00-20:00"},
        description="When people may be called, by weekday. Days left out are closed.",
    )
    national_holidays: bool = Field(
        default=True, description="Public holidays of the called country are closed."
    )
    closed_days: list[date] = Field(default=[], description="More closed days, everywhere.")
    attempts_per_day: int = Field(default=3, ge=1, description="Tries to reach one person in a day.")
    attempts_per_7_days: int | None = Field(
        default=None, ge=1, description="Tries in seven days; left out: no cap."
    )
    attempts_per_30_days: int = Field(default=10, ge=1, description="Tries in thirty days.")
    min_gap_s: int = Field(default=0, ge=0, description="Least time between two tries.")
    quarantine_after_abandon_h: float = Field(
        default=72, ge=0, description="A person who answered and met nobody is left alone so long, in hours."
    )


class LoggingSettings(Section):
    """What is logged, how and where."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least level logged."
    )
    format: Literal["console", "json"] = Field(
        default="console", description="For people, or one JSON object a line."
    )
    file: File | None = Field(default=None, description="Log to this file; left out: to standard error.")
    show_personal_data: bool = Field(
        default=False, description="Do not mask names and numbers. For a machine without real customers only."
    )


class Settings(Section):
    """All settings. Keys of this level stand before the first table of the file."""

    profile: Literal["production", "sample"] = Field(
        default="production",
        description="`production`, or `sample`: invented customers, and trunks must be on this machine.",
    )
    company: str = Field(
        default="our company",
        min_length=1,
        max_length=80,
        description="The name recorded messages give to the called.",
    )
    state_dir: File = Field(
        default=Path("var"), description="Folder of the database, keys, recordings and PBX files."
    )
    database: DatabaseSettings = DatabaseSettings()
    console: ConsoleSettings = ConsoleSettings()
    pbx: PbxSettings = PbxSettings()
    trunks: list[TrunkSettings] = Field(default=[], description="Carriers.")
    dialing: DialingSettings = DialingSettings()
    safety: SafetySettings = SafetySettings()
    law: LawSettings = LawSettings()
    logging: LoggingSettings = LoggingSettings()

    @property
    def database_path(self) -> Path:
        return self.database.path or self.state_dir / "offhook.db"

    @model_validator(mode="after")
    def _sample_stays_at_home(self) -> Self:
        names = [trunk.name for trunk in self.trunks]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"There are two trunks named {twice[0]}.")
        abroad = [trunk for trunk in self.trunks if not is_loopback(trunk.host)]
        if self.profile == "sample" and abroad:
            raise ValueError(
                f"Trunk {abroad[0].name} leads to {abroad[0].host}: the sample profile calls invented "
                'customers, so its trunks must be on this machine. Set profile = "production" for a real trunk.'
            )
        if abroad and not self.safety.allowed_prefixes:
            raise ValueError(
                f"Trunk {abroad[0].name} could call nobody: [safety] allowed_prefixes is empty. "
                "Name the prefixes that may be dialed."
            )
        if self.profile == "production" and self.dialing.time_scale != 1.0:
            raise ValueError("[dialing] time_scale is for tests: only the sample profile may change it.")
        return self
