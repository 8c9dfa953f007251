# SPDX-License-Identifier: GPL-3.0-or-later
"""What a phone must know to register: server, user, secret, and whether it may answer by itself.

Secrets never stand on a command line, where every user of the machine can read them: an account names a
file (readable by its owner alone) or an environment variable.
"""

from __future__ import annotations

import ipaddress
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from softphone.errors import BadAccount

SIP_PORT: Final = 5060
#: Phones of one process: the stack is built for 64 accounts and 64 calls (``tools/setup``), and a call that is
#: being replaced needs a place for a moment. A larger floor takes several processes.
MOST_PHONES: Final = 40
_USER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_ENVIRONMENT_PREFIX: Final = "env:"


class Transport(StrEnum):
    """How SIP messages travel."""

    UDP = "udp"  #: datagrams
    TCP = "tcp"  #: one connection, kept open


class AutoAnswer(StrEnum):
    """Whether the phone may answer a call without a hand on it."""

    NEVER = "never"  #: every call rings until the RM answers
    WHEN_ASKED = "when_asked"  #: a call from our registrar whose Call-Info says ``answer-after=0``


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The registrar: a host name or an IPv4 address, and a port."""

    host: str
    port: int = SIP_PORT

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """The registrar is on this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.IPv4Address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneAccount:
    """One phone's place at one server.

    ``tone_hz`` replaces the microphone by a quiet sine, so that a test can hear which phone speaks;
    ``None`` is the microphone, which on a machine without a sound card is silence.
    """

    user: str
    password: str = field(repr=False)
    server: Server
    transport: Transport = Transport.UDP
    auto_answer: AutoAnswer = AutoAnswer.NEVER
    tone_hz: int | None = None

    @property
    def address_of_record(self) -> str:
        return f"sip:{self.user}@{self.server}"

    @property
    def registrar(self) -> str:
        return f"sip:{self.server};transport={self.transport}"


def check_together(accounts: Sequence[PhoneAccount]) -> None:
    """Hold accounts to what one process can be.

    Raises:
        BadAccount: there are none, too many, or one is there twice.
    """
    if not 1 <= len(accounts) <= MOST_PHONES:
        raise BadAccount(f"One process holds 1 to {MOST_PHONES} phones, not {len(accounts)}: start several.")
    users = [account.user for account in accounts]
    twice = sorted({user for user in users if users.count(user) > 1})
    if twice:
        raise BadAccount(f"The account {twice[0]} is given twice.")


def parse_server(text: str) -> Server:
    """``HOST`` or ``HOST:PORT``; the host is a name or an IPv4 address.

    Raises:
        BadAccount: not a host, or a port outside 1 to 65535.
    """
    host, colon, port_text = text.partition(":")
    if _HOST.fullmatch(host) is None:
        raise BadAccount(f"{text!r} is not a server: give HOST or HOST:PORT (a name or an IPv4 address).")
    if not colon:
        return Server(host=host)
    if not (port_text.isascii() and port_text.isdigit() and 1 <= int(port_text) <= 65535):
        raise BadAccount(f"{text!r} is not a server: a port is a number from 1 to 65535.")
    return Server(host=host, port=int(port_text))


def parse_account(
    text: str,
    server: Server,
    environment: Mapping[str, str],
    *,
    transport: Transport = Transport.UDP,
    auto_answer: AutoAnswer = AutoAnswer.NEVER,
    tone_hz: int | None = None,
) -> PhoneAccount:
    """``USER:FILE`` (the file's first line is the secret) or ``USER:env:VARIABLE``.

    Raises:
        BadAccount: no such form, or the secret cannot be read, is empty, or is open to other users.
    """
    user, colon, source = text.partition(":")
    if not colon or not source:
        raise BadAccount(f"{user!r} names no secret: give USER:FILE or USER:env:VARIABLE.")
    if _USER.fullmatch(user) is None:
        raise BadAccount(
            f"{user!r} is not a SIP user: letters, digits, dot, underscore and hyphen, at most 64."
        )
    return PhoneAccount(
        user=user,
        password=read_secret(source, environment),
        server=server,
        transport=transport,
        auto_answer=auto_answer,
        tone_hz=tone_hz,
    )


def read_secret(source: str, environment: Mapping[str, str]) -> str:
    """The secret that ``FILE`` or ``env:VARIABLE`` holds.

    Raises:
        BadAccount: it is not there, cannot be read, is empty, or others on this machine can read the file.
    """
    if source.startswith(_ENVIRONMENT_PREFIX):
        variable = source.removeprefix(_ENVIRONMENT_PREFIX)
        secret = environment.get(variable, "")
        if not secret:
            raise BadAccount(f"The environment variable {variable} holds no secret.")
        return secret
    path = Path(source)
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadAccount(f"The secret file {source} cannot be read: {reason}.") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BadAccount(f"The secret file {source} is open to other users: run chmod 600 {source}.")
    lines = text.splitlines()
    if not lines or not lines[0]:
        raise BadAccount(f"The secret file {source} holds no secret in its first line.")
    return lines[0]
