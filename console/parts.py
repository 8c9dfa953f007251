# SPDX-License-Identifier: GPL-3.0-or-later
"""What the console works with. No engine object is among it: the dialer is reached by commands alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from config.settings import Settings
from foundation.clock import Clock
from foundation.commands import CommandBus
from foundation.db.seam import Database
from foundation.encryption import FieldCipher
from foundation.ids import IdSource
from foundation.live import LiveBus

OPERATOR_SOCKET: Final = "operator.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    """argon2id in a worker: it takes tens of milliseconds on purpose, and the loop must not wait for it."""

    hash: Callable[[str], Awaitable[str]]
    verify: Callable[[str, str], Awaitable[bool]]  #: (hash, password)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How the installation is, for health checks: sentences without names or numbers."""

    reasons: tuple[str, ...] = ()  #: why it is degraded; empty: all is well
    stopping: bool = False  #: no new visitors should be sent here


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleParts:
    """Everything the console is given."""

    db: Database
    bus: CommandBus
    live: LiveBus
    settings: Settings
    cipher: FieldCipher = field(repr=False)
    ids: IdSource
    clock: Clock
    passwords: Passwords
    condition: Callable[[], Condition]
    #: A job was asked for: the runner need not wait for its poll.
    wake_jobs: Callable[[], None] = lambda: None
    #: RMs came or went: the PBX must know their phones.
    rms_changed: Callable[[], None] = lambda: None


def operator_socket(settings: Settings) -> Path:
    """Where the command line finds a running Offhook."""
    return settings.state_dir / OPERATOR_SOCKET
