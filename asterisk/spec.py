# SPDX-License-Identifier: GPL-3.0-or-later
"""What a PBX shall be: the facts its configuration is rendered from.

Every value is checked when it is made, so that nothing a settings file or a carrier's letter holds can add a
line, a comment or a dialplan expression to the configuration (``BadSpec``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from asterisk.errors import BadSpec

# sockaddr_un.sun_path holds 108 bytes with its closing zero.
LONGEST_SOCKET_PATH = 107

_NODE = re.compile(r"[a-z][a-z0-9]{1,19}")
_APP = re.compile(r"[a-z][a-z0-9_]{0,39}")
_RM = re.compile(r"[a-z][a-z0-9]{1,19}")
_TRUNK = re.compile(r"[a-z][a-z0-9_]{0,29}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:]{2,39}\]")
_NETWORK = re.compile(rf"({_HOST.pattern})(:[0-9]{{1,5}})?(/[0-9]{{1,3}})?")
_SIP_USER = re.compile(r"[A-Za-z0-9._+-]{1,64}")
_CALLER_ID = re.compile(r"\+?[0-9]{3,15}")
_PREFIX = re.compile(r"[0-9*#+]{0,10}")
_CODEC = re.compile(r"ulaw|alaw|g722|opus|gsm|slin")
_REGION = re.compile(r"us|uk|de|fr")
# In the dialplan "&" joins sounds and "," ends one, so this path has fewer signs than others.
_SOUND_PATH = re.compile(r"/[A-Za-z0-9._/@+-]*")
_PATH = re.compile(r"/[A-Za-z0-9._/@+ -]*")


def _must_fit(what: str, value: str, pattern: re.Pattern[str]) -> None:
    if not pattern.fullmatch(value):
        raise BadSpec(f"{what} {value!r} does not fit {pattern.pattern}: nothing was written.")


def _must_be_secret(what: str, value: str) -> None:
    # The value itself is not shown. Asterisk cuts blanks, and reads "=>" as one sign.
    if not value or not value.isprintable() or value != value.strip() or value.startswith(">"):
        raise BadSpec(f"{what} is empty, or has a blank at an end, a leading '>' or a control character.")
    if len(value.encode()) > 128:
        raise BadSpec(f"{what} is longer than 128 bytes.")


def _must_be_port(what: str, value: int) -> None:
    if not 1 <= value <= 65535:
        raise BadSpec(f"{what} is {value}: a port is from 1 to 65535.")


def _must_be_interval(what: str, value_s: int) -> None:
    if not 0 <= value_s <= 3600:
        raise BadSpec(f"{what} is every {value_s} s: from 0 (never) to 3600.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RtpRange:
    """UDP ports for audio, two for each leg. Instances may overlap: a port in use is passed over."""

    first: int
    last: int

    def __post_init__(self) -> None:
        _must_be_port("The first RTP port", self.first)
        _must_be_port("The last RTP port", self.last)
        if self.last < self.first + 3:
            raise BadSpec(f"RTP ports {self.first} to {self.last} are fewer than four.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One Asterisk with folders of its own below ``folder``: several run side by side from one program."""

    folder: Path  #: absolute; keep it short, the control socket is below it
    rtp: RtpRange
    max_calls: int = 1000  #: calls in the dialplan at once; more are refused
    high_priority: bool = True  #: real-time priority, where the system allows it
    transmit_silence: bool = False  #: send silent audio while a call waits

    def __post_init__(self) -> None:
        _must_fit("The folder", str(self.folder), _PATH)
        length = len(bytes(self.control_socket))
        if length > LONGEST_SOCKET_PATH:
            raise BadSpec(
                f"{self.control_socket} has {length} bytes; a control socket has at most {LONGEST_SOCKET_PATH}: "
                "choose a shorter folder."
            )

    @property
    def conf(self) -> Path:
        return self.folder / "conf"

    @property
    def main_file(self) -> Path:
        return self.conf / "asterisk.conf"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def lib(self) -> Path:
        return self.folder / "lib"

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def control_socket(self) -> Path:
        return self.run / "asterisk.ctl"

    @property
    def pid_file(self) -> Path:
        return self.run / "asterisk.pid"

    def every_folder(self) -> tuple[Path, ...]:
        """All folders that must stand before Asterisk starts."""
        return (
            self.folder,
            self.conf,
            self.run,
            self.lib,
            self.lib / "keys",
            self.lib / "agi-bin",
            self.spool,
            self.spool / "recording",
            self.spool / "monitor",
            self.spool / "tmp",
            self.log,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ari:
    """The door of the dialer: on loopback alone."""

    port: int
    user: str
    password: str = field(repr=False)
    host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        _must_be_port("The ARI port", self.port)
        _must_fit("The ARI user", self.user, _APP)
        _must_be_secret("The ARI password", self.password)
        if self.host not in ("127.0.0.1", "[::1]"):
            raise BadSpec(f"ARI must be on loopback, not on {self.host!r}.")

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/ari"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sip:
    """Where the PBX takes SIP, over UDP and TCP."""

    host: str
    port: int

    def __post_init__(self) -> None:
        _must_fit("The SIP address", self.host, _HOST)
        _must_be_port("The SIP port", self.port)


@dataclass(frozen=True, slots=True, kw_only=True)
class RmEndpoint:
    """An RM's phone: it registers, it is called, it may dial nothing."""

    name: str
    password: str = field(repr=False)
    sends_audio: bool = True  #: known to send RTP all the time: no audio for 30 s ends the leg
    qualify_s: int = 30  #: seconds between checks that the phone answers; 0: it is not checked

    def __post_init__(self) -> None:
        _must_fit("The RM's name", self.name, _RM)
        _must_be_secret(f"The password of RM {self.name}", self.password)
        _must_be_interval(f"The check of RM {self.name}'s phone", self.qualify_s)

    @property
    def endpoint(self) -> str:
        return f"rm-{self.name}"


class TrunkKind(StrEnum):
    """How a carrier knows us."""

    IP = "ip"  #: by our address; we know it by its own
    REGISTER = "register"  #: we register with user and password


class TrunkTransport(StrEnum):
    """What carries SIP to the trunk."""

    UDP = "udp"
    TCP = "tcp"


class NumberFormat(StrEnum):
    """How a trunk wants numbers written (and writes them itself)."""

    E164_PLUS = "e164_plus"  #: +4930123456
    E164 = "e164"  #: 4930123456
    NATIONAL = "national"  #: 030123456


class CallerIdHeader(StrEnum):
    """Where a trunk wants our caller ID."""

    FROM = "from"  #: in From
    PAI = "pai"  #: in P-Asserted-Identity; From carries the account
    RPID = "rpid"  #: in Remote-Party-ID; From carries the account


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkSpec:
    """A carrier."""

    name: str
    kind: TrunkKind = TrunkKind.IP
    host: str
    port: int = 5060
    transport: TrunkTransport = TrunkTransport.UDP
    sends_from: tuple[str, ...] = ()  #: further addresses or networks from which the carrier calls us
    user: str | None = None  #: for registration and for challenges
    password: str | None = field(default=None, repr=False)
    number_format: NumberFormat = NumberFormat.E164_PLUS
    prefix: str = ""  #: put before every number that goes to the trunk
    caller_id_header: CallerIdHeader = CallerIdHeader.FROM
    call_cap: int = 30  #: calls at once that the carrier sold us
    codecs: tuple[str, ...] = ("ulaw", "alaw")
    qualify_s: int = (
        30  #: seconds between checks that the trunk answers; 0: for one that never answers OPTIONS
    )

    def __post_init__(self) -> None:
        _must_fit("The trunk's name", self.name, _TRUNK)
        _must_fit(f"The host of trunk {self.name}", self.host, _HOST)
        _must_be_port(f"The port of trunk {self.name}", self.port)
        _must_fit(f"The prefix of trunk {self.name}", self.prefix, _PREFIX)
        _must_be_interval(f"The check of trunk {self.name}", self.qualify_s)
        if self.call_cap < 1:
            raise BadSpec(f"Trunk {self.name} may carry {self.call_cap} calls: at least one.")
        for address in self.sends_from:
            _must_fit(f"An address of trunk {self.name}", address, _NETWORK)
        if not self.codecs:
            raise BadSpec(f"Trunk {self.name} has no codec.")
        for codec in self.codecs:
            _must_fit(f"The codec of trunk {self.name}", codec, _CODEC)
        if (self.user is None) != (self.password is None):
            raise BadSpec(f"Trunk {self.name} needs user and password both, or neither.")
        if self.user is not None and self.password is not None:
            _must_fit(f"The user of trunk {self.name}", self.user, _SIP_USER)
            _must_be_secret(f"The password of trunk {self.name}", self.password)
        elif self.kind is TrunkKind.REGISTER:
            raise BadSpec(f"Trunk {self.name} registers, so it needs user and password.")

    @property
    def endpoint(self) -> str:
        return f"trunk-{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PbxSpec:
    """The PBX of one node."""

    node: str
    app: str  #: the Stasis application
    instance: Instance
    sounds: Path  #: folder of ``sounds.make_sounds``
    ari: Ari
    sip: Sip
    rms: tuple[RmEndpoint, ...] = ()
    trunks: tuple[TrunkSpec, ...] = ()
    caller_ids: tuple[str, ...] = ()  #: our own numbers, E.164 with the plus sign: what may be called back
    region: str = "us"  #: whose ringing tone an RM hears: us, uk, de or fr

    def __post_init__(self) -> None:
        _must_fit("The node", self.node, _NODE)
        _must_fit("The application", self.app, _APP)
        _must_fit("The sounds folder", str(self.sounds), _SOUND_PATH)
        _must_fit("The region", self.region, _REGION)
        for caller_id in self.caller_ids:
            _must_fit("The caller ID", caller_id, _CALLER_ID)
        for what, names in (
            ("RM", [rm.name for rm in self.rms]),
            ("trunk", [trunk.name for trunk in self.trunks]),
            ("caller ID", list(self.caller_ids)),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise BadSpec(f"There are two of {what} {twice[0]}.")
