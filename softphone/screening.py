# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do with a call that comes in: answer, ring, or refuse. Pure.

Automatic answering opens a microphone without a hand on the phone, so it needs all of: the account allows
it, the call comes from the host that confirmed our registration, and its Call-Info asks for it. A call from
any other host is refused outright: scanners ring every phone that listens on the SIP port.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from softphone.account import AutoAnswer

SESSION_HEADER: Final = "x-offhook-session"


class Verdict(StrEnum):
    """What the phone does with the call."""

    ANSWER = "answer"  #: 200 at once; a call in progress gives way
    RING = "ring"  #: 180, until the RM answers
    BUSY = "busy"  #: 486: the RM is in a call, and this one does not come from the dialer
    STRANGER = "stranger"  #: 403: not from our registrar


SIP_CODES: Final[dict[Verdict, int]] = {
    Verdict.ANSWER: 200,
    Verdict.RING: 180,
    Verdict.BUSY: 486,
    Verdict.STRANGER: 403,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """What is read of an INVITE: its headers by lower-case name, each with its values in order."""

    headers: dict[str, tuple[str, ...]]

    @property
    def session(self) -> str | None:
        """The RM's session, as the dialer sent it."""
        values = self.headers.get(SESSION_HEADER, ())
        return values[0] if values else None

    @property
    def asks_auto_answer(self) -> bool:
        """A Call-Info value carries ``answer-after=0``; a delay other than zero is not honoured."""
        return any(
            parameter.replace(" ", "").lower() == "answer-after=0"
            for value in self.headers.get("call-info", ())
            for entry in value.split(",")
            for parameter in entry.split(";")[1:]
        )


def read_invite(message: str) -> Invite:
    """Read the headers of a SIP message (RFC 3261, 7.3); folded lines are joined, the body is left alone."""
    headers: dict[str, list[str]] = {}
    last: list[str] | None = None
    for line in message.replace("\r\n", "\n").split("\n")[1:]:
        if not line:
            break
        if line[0] in " \t":
            if last:
                last[-1] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        if not colon:
            last = None
            continue
        last = headers.setdefault(name.strip().lower(), [])
        last.append(value.strip())
    return Invite(headers={name: tuple(values) for name, values in headers.items()})


def host_of(address: str) -> str:
    """The host of ``host:port``."""
    return address.rpartition(":")[0] or address


def screen(
    invite: Invite, *, source_host: str, registrar_host: str | None, policy: AutoAnswer, in_call: bool
) -> Verdict:
    """Decide. ``registrar_host`` is the host that confirmed the registration; ``None`` before it has.

    A call that may be answered automatically takes the place of one in progress: the dialer calls a phone
    again only when it knows the earlier leg is gone, and after a crash of the PBX no BYE ever told the phone.
    """
    if registrar_host is None or source_host != registrar_host:
        return Verdict.STRANGER
    if policy is AutoAnswer.WHEN_ASKED and invite.asks_auto_answer:
        return Verdict.ANSWER
    return Verdict.BUSY if in_call else Verdict.RING
