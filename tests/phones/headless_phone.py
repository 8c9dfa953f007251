# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own softphone, headless, in a process of its own, with its events kept in a list."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from softphone.account import PhoneAccount
from softphone.driver import PhoneProcess
from softphone.messages import AnyEvent

E = TypeVar("E", bound=AnyEvent)
WITHIN_S = 10.0


class HeadlessPhones:
    """A phone process and what it told."""

    def __init__(self, process: PhoneProcess) -> None:
        self.process = process
        self.events: list[AnyEvent] = []
        self.exit_code = 0  #: that the process must end with
        self._moved = asyncio.Condition()
        self.following = asyncio.create_task(self._follow(), name="headless-phones")

    async def until(self, kind: type[E], *, count: int = 1, phone: str | None = None) -> E:
        """Wait for the ``count``-th event of a kind, of one phone if it is named."""

        def found() -> list[E]:
            return [e for e in self.events if isinstance(e, kind) and phone in (None, e.phone)]

        async with asyncio.timeout(WITHIN_S), self._moved:
            await self._moved.wait_for(lambda: len(found()) >= count)
            return found()[count - 1]

    async def _follow(self) -> None:
        async for event in self.process.events():
            async with self._moved:
                self.events.append(event)
                self._moved.notify_all()


@asynccontextmanager
async def headless_phones(
    accounts: Sequence[PhoneAccount], *, recordings: Path | None = None, registered: bool = True
) -> AsyncIterator[HeadlessPhones]:
    """Phones in one process, registered unless told otherwise. On leaving it must end with ``exit_code``."""
    process = await PhoneProcess.start(accounts, recordings=recordings)
    phones = HeadlessPhones(process)
    try:
        if registered:
            await process.registered(timeout_s=WITHIN_S)
        yield phones
    finally:
        code = await process.close()
        await phones.following
    assert code == phones.exit_code, f"the phone process ended with {code}"
