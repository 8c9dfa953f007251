# SPDX-License-Identifier: GPL-3.0-or-later
"""The console on its two sockets: TCP for browsers, a Unix socket of mode 0600 for the operator."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web

from console.app import make_app
from console.errors import CannotListen
from console.parts import ConsoleParts, operator_socket

log = structlog.get_logger(__name__)

#: What is being answered may be finished within so long when the console stops.
GOODBYE_S: Final = 3.0


def listen_tcp(host: str, port: int) -> socket.socket:
    """The socket for browsers; the supervisor may keep it over restarts.

    Raises:
        CannotListen: the port is taken or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            why = f"port {port} on {host} is taken by another program: stop it, or choose another with --port"
        else:
            why = f"{host} port {port}: {error.strerror}; set [console] host and port"
        raise CannotListen(f"The console cannot be served: {why}.") from None


def listen_operator(path: Path) -> socket.socket:
    """The operator's socket, for its owner alone. A file left by a dead process is replaced.

    The caller holds the installation's lock, so no living process can be behind the file.

    Raises:
        CannotListen: the path is too long, or its folder cannot be written.
    """
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        path.unlink(missing_ok=True)
        opened.bind(str(path))
        opened.listen(16)
    except OSError as error:
        opened.close()
        raise CannotListen(
            f"The operator's socket {path} cannot be made: {error.strerror or error}. "
            "Choose a state_dir with a shorter path that can be written."
        ) from None
    finally:
        os.umask(before)
    return opened


class ConsoleServer:
    """Serves until it is stopped. ``start`` and ``stop`` once each."""

    def __init__(self, parts: ConsoleParts, tcp: socket.socket) -> None:
        self._path = operator_socket(parts.settings)
        self._tcp = tcp
        self._runners = {
            "browsers": web.AppRunner(make_app(parts), access_log=None, shutdown_timeout=GOODBYE_S),
            "operator": web.AppRunner(
                make_app(parts, operator=True), access_log=None, shutdown_timeout=GOODBYE_S
            ),
        }

    async def start(self) -> None:
        """Take requests.

        Raises:
            CannotListen: the operator's socket cannot be made.
        """
        for runner in self._runners.values():
            await runner.setup()
        await web.SockSite(self._runners["operator"], listen_operator(self._path)).start()
        await web.SockSite(self._runners["browsers"], self._tcp).start()
        host, port = self._tcp.getsockname()[:2]
        log.info("console_serves", host=host, port=port, operator=str(self._path))

    async def stop(self) -> None:
        """Take no more requests, end live updates, let what is being answered finish."""
        for runner in self._runners.values():
            await runner.cleanup()
        self._path.unlink(missing_ok=True)
