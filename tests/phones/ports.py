# SPDX-License-Identifier: GPL-3.0-or-later
"""Free ports on loopback for programs that must be told theirs."""

from __future__ import annotations

import socket


def free_port(neighbours: int = 1) -> int:
    """A port that is free for UDP and TCP, with the next ``neighbours`` - 1 free as well.

    Between the look and the use another program could take it: a program that says its port is taken is
    to be started again on another.
    """
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port + neighbours <= 65535 and all(is_free(port + n) for n in range(neighbours)):
            return port
    raise OSError("No free ports on loopback.")


def is_free(port: int) -> bool:
    """Nobody on loopback holds the port, neither for UDP nor for TCP."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
