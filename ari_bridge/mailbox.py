# SPDX-License-Identifier: GPL-3.0-or-later
"""What came off the socket and was not looked at yet.

The reader of the socket only appends; it never waits for those who act on the events, because Asterisk cuts
a reader that falls behind. One pump takes the events out in their order and gives each to its leg, so the
order of a leg's events is that of the PBX. While the gate is closed (resync) events are kept.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec
import structlog

from ari_bridge.messages import Event, read_event
from foundation.clock import Clock

#: The pump gives the loop back after so long: no callback holds it over 10 ms.
SLICE_S = 0.005

log = structlog.get_logger()


class Mailbox:
    """An unbounded queue of raw messages with a gate."""

    def __init__(self, handle: Callable[[Event], None], clock: Clock) -> None:
        self._handle = handle
        self._clock = clock
        self._waiting: deque[str] = deque()
        self._wake = asyncio.Event()
        self._open = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, raw: str) -> None:
        """Called by the reader; never blocks."""
        self._waiting.append(raw)
        self._wake.set()

    def close_gate(self) -> None:
        """Keep what comes."""
        self._open = False

    def open_gate(self) -> None:
        """Let the pump go on."""
        self._open = True
        self._wake.set()

    async def replay(self) -> None:
        """Handle everything that waits, gate or no gate."""
        while self._waiting:
            self._handle_slice()
            await asyncio.sleep(0)

    async def pump(self) -> None:
        """Handle events as they come, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting and self._open:
                self._handle_slice()
                if self._waiting:
                    await asyncio.sleep(0)

    def _handle_slice(self) -> None:
        until = self._clock.monotonic() + SLICE_S
        while self._waiting:
            raw = self._waiting.popleft()
            try:
                event = read_event(raw)
            except msgspec.DecodeError as error:
                log.warning("event_unreadable", error=str(error))
                continue
            try:
                self._handle(event)
            except Exception:
                # One bad event must not stop the others; it belongs to one leg at most.
                log.exception("event_failed", event_type=event.type)
            if self._clock.monotonic() > until:
                return
