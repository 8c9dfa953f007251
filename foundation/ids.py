# SPDX-License-Identifier: GPL-3.0-or-later
"""Identities as a parameter: event ids, session tokens and call-ID randomness from one source."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Protocol

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class IdSource(Protocol):
    """Where every id and secret of the process comes from."""

    def randrange(self, stop: int, /) -> int:
        """An integer from 0 to ``stop`` - 1; fits ``vocabulary.call_id.Randomness``."""

    def token_bytes(self, count: int) -> bytes: ...

    def event_id(self, at: datetime) -> str:
        """26 symbols that sort by time (a ULID)."""


class _Source:
    def __init__(self, generator: random.Random) -> None:
        self._generator = generator

    def randrange(self, stop: int, /) -> int:
        return self._generator.randrange(stop)

    def token_bytes(self, count: int) -> bytes:
        return self._generator.randbytes(count)

    def event_id(self, at: datetime) -> str:
        value = (int(at.timestamp() * 1000) << 80) | self._generator.getrandbits(80)
        return "".join(_CROCKFORD[(value >> shift) & 31] for shift in range(125, -1, -5))


class SystemIds(_Source):
    """Ids from the operating system's randomness."""

    def __init__(self) -> None:
        super().__init__(random.SystemRandom())


class SeededIds(_Source):
    """Repeatable ids, for simulation and tests: never for secrets that guard anything."""

    def __init__(self, seed: int) -> None:
        super().__init__(random.Random(seed))
