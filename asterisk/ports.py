# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports: which are free, and who is told when one is not."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from enum import StrEnum

from asterisk.errors import PortTaken
from asterisk.spec import RtpRange


class Protocol(StrEnum):
    """What listens at a port."""

    TCP = "tcp"
    UDP = "udp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A port that an Asterisk of ours shall hold."""

    protocol: Protocol
    host: str
    port: int
    what: str  #: for the error: ``ARI``, ``SIP``


_KIND = {Protocol.TCP: socket.SOCK_STREAM, Protocol.UDP: socket.SOCK_DGRAM}


def _bind(protocol: Protocol, host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    door = socket.socket(family, _KIND[protocol])
    try:
        if protocol is Protocol.TCP:
            # Asterisk does so too: connections that have just ended do not hold the port.
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((host.strip("[]"), port))
    except OSError:
        door.close()
        raise
    return door


def is_free(listener: Listener) -> bool:
    """Whether nobody holds the port now."""
    try:
        _bind(listener.protocol, listener.host, listener.port).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise
    return True


def must_be_free(listeners: tuple[Listener, ...]) -> None:
    """Raise ``PortTaken`` for the first port that another program holds or that may not be had."""
    for listener in listeners:
        try:
            free = is_free(listener)
        except OSError as error:
            raise PortTaken(
                f"{listener.what} cannot have {listener.protocol} port {listener.port} on {listener.host} "
                f"({error.strerror}): choose another in the settings."
            ) from error
        if not free:
            raise PortTaken(
                f"{listener.protocol.upper()} port {listener.port} on {listener.host}, for {listener.what}, "
                "is taken by another program: end that one, or choose another port in the settings."
            )


def free_port(host: str = "127.0.0.1") -> int:
    """A port that is free now for TCP and for UDP."""
    while True:
        with _bind(Protocol.TCP, host, 0) as door:
            port: int = door.getsockname()[1]
            try:
                _bind(Protocol.UDP, host, port).close()
            except OSError:
                continue
            return port


def free_rtp_range(legs: int = 400) -> RtpRange:
    """A range with room for some legs. Another program may hold some of its ports: Asterisk passes them over."""
    size = 2 * legs
    first = min(free_port(), 65535 - size) & ~1
    return RtpRange(first=first, last=first + size)
