# SPDX-License-Identifier: GPL-3.0-or-later
"""One life of the dialer's process: whatever it does to the world goes through here, and any act can be its last.

A process that is dead does nothing more, not even what its ``finally`` clauses would: ``kill -9`` runs none.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from dialer.telephony import TelephonyEvent
from dialer.testing import FakeTelephony
from foundation.db.inline import Inline
from foundation.db.seam import Health


class Process:
    """Counts the acts of one life; at ``dies_at`` it is over, before or after that act took effect."""

    def __init__(
        self, db: Inline, pbx: FakeTelephony, *, dies_at: int = 0, after_effect: bool = False
    ) -> None:
        """``dies_at``: the number of the last act; 0: it lives until ``die``."""
        self.dead = asyncio.Event()
        self.acts = 0
        self.last_act = ""
        self._dies_at = dies_at
        self._after_effect = after_effect
        self.db: Any = _Database(self, db)
        self.telephony: Any = _Telephony(self, pbx)

    def die(self) -> None:
        """It is over."""
        self.dead.set()

    def spare(self) -> None:
        """It lives until ``die``, whatever it was to die of."""
        self._dies_at = 0

    async def act(self, name: str, effect: Callable[[], Awaitable[Any]]) -> Any:
        """Do something to the world, if there is life left."""
        self.acts += 1
        last = self.acts == self._dies_at
        if last:
            self.last_act = name
        if last and not self._after_effect:
            self.die()
        if self.dead.is_set():
            await _for_ever()
        try:
            result = await effect()
        finally:
            if last:
                self.die()
            if self.dead.is_set():
                await _for_ever()
        return result


async def _for_ever() -> None:
    await asyncio.get_running_loop().create_future()


class _Database:
    """The database seam of a process."""

    def __init__(self, process: Process, db: Inline) -> None:
        self._process = process
        self._db = db

    @property
    def health(self) -> Health:
        return self._db.health

    def on_health(self, callback: Callable[[Health], None]) -> None:
        self._db.on_health(callback)

    async def write(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        return await self._process.act(f"write:{fn.__name__}", lambda: self._db.write(fn, *args, **kwargs))

    async def write_bulk(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        return await self._process.act(
            f"bulk:{fn.__name__}", lambda: self._db.write_bulk(fn, *args, **kwargs)
        )

    async def read(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        return await self._process.act(f"read:{fn.__name__}", lambda: self._db.read(fn, *args, **kwargs))


class _Telephony:
    """The telephony port of a process."""

    def __init__(self, process: Process, pbx: FakeTelephony) -> None:
        self._process = process
        self._pbx = pbx

    def events(self) -> AsyncIterator[TelephonyEvent]:
        return self._pbx.events()

    def __getattr__(self, name: str) -> Any:
        request = getattr(self._pbx, name)

        async def requested(*args: Any, **kwargs: Any) -> Any:
            return await self._process.act(name, lambda: request(*args, **kwargs))

        return requested
