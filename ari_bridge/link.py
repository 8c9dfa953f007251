# SPDX-License-Identifier: GPL-3.0-or-later
"""The link to one PBX: opened, watched, opened anew, and given up for good when another dialer takes over.

It is up when events flow *and* requests are answered: a PBX whose ARI is deadlocked keeps the socket open and
says nothing. Then there is no reconnecting under the same name (it would hang in the same lock), only asking
until it answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Protocol

import msgspec
import structlog

from ari_bridge.access import AriAccess, Timings
from ari_bridge.ari import Ari
from ari_bridge.errors import NotConnected, WontConnect, WrongCredentials
from ari_bridge.http import Done, Outcome, Refused
from ari_bridge.mailbox import Mailbox
from ari_bridge.socket import EventSocket
from foundation.clock import Clock
from foundation.tasks import TaskOwner

#: A ping may fall into a hiccup; two in a row do not.
DEAF_PINGS = 2

log = structlog.get_logger()


class LinkState(StrEnum):
    """The states of the link."""

    DOWN = "down"  #: no event stream, or a PBX that does not answer: dial nobody
    RESYNCING = "resyncing"  #: events are kept while we ask what was missed
    UP = "up"  #: events flow
    FENCED = "fenced"  #: another dialer owns the application: for good
    CLOSED = "closed"  #: closed by ourselves: for good


_LEGAL: dict[LinkState, frozenset[LinkState]] = {
    LinkState.DOWN: frozenset({LinkState.RESYNCING, LinkState.FENCED, LinkState.CLOSED}),
    LinkState.RESYNCING: frozenset({LinkState.UP, LinkState.DOWN, LinkState.FENCED, LinkState.CLOSED}),
    LinkState.UP: frozenset({LinkState.DOWN, LinkState.FENCED, LinkState.CLOSED}),
    LinkState.FENCED: frozenset(),
    LinkState.CLOSED: frozenset(),
}


class Randomness(Protocol):
    """What of ``random.Random`` is needed."""

    def uniform(self, low: float, high: float, /) -> float: ...


class Backoff:
    """Full jitter: anything between nothing and a bound that doubles."""

    def __init__(self, first_s: float, max_s: float, randomness: Randomness) -> None:
        self._first_s, self._max_s, self._randomness = first_s, max_s, randomness
        self._tries = 0

    def next_s(self) -> float:
        bound = min(self._max_s, self._first_s * 2.0 ** min(self._tries, 30))
        self._tries += 1
        return self._randomness.uniform(0.0, bound)

    def reset(self) -> None:
        self._tries = 0


class Link:
    """Owns the event socket of one node and says when it may be relied on."""

    def __init__(
        self,
        access: AriAccess,
        ari: Ari,
        mailbox: Mailbox,
        *,
        clock: Clock,
        randomness: Randomness,
        timings: Timings,
        resync: Callable[[], Awaitable[None]],
        on_move: Callable[[LinkState, LinkState, str], None],
    ) -> None:
        """``resync`` asks what was missed and replays what was kept; ``on_move`` hears (old, new, why)."""
        self.state = LinkState.DOWN
        #: How often events may have been missed.
        self.gaps = 0
        self._access, self._ari, self._mailbox = access, ari, mailbox
        self._clock, self._timings = clock, timings
        self._resync, self._on_move = resync, on_move
        self._backoff = Backoff(timings.backoff_first_s, timings.backoff_max_s, randomness)
        self._readers = TaskOwner("ari_socket")

    async def run(self) -> None:
        """Hold the link until it is fenced or this task is cancelled.

        Raises:
            WontConnect: it was never up and trying again is of no use.
        """
        was_up = False
        while self.state is not LinkState.FENCED:
            socket = EventSocket(self._access, self._timings)
            began = self._clock.monotonic()
            try:
                why = await self._session(socket)
            except WontConnect as error:
                why = str(error)
                if not was_up:
                    raise
            except (NotConnected, msgspec.DecodeError) as error:
                why = str(error)
            finally:
                was_up = was_up or self.state is LinkState.UP
                await socket.close()
            if socket.replaced:
                await self._mailbox.replay()
                self._move(LinkState.FENCED, "another dialer opened the application's event socket")
                return
            if self.state is LinkState.UP:
                await self._mailbox.replay()
            self._down(why)
            if self._clock.monotonic() - began >= self._timings.stable_s:
                self._backoff.reset()
            await self._clock.sleep(self._backoff.next_s())

    async def _session(self, socket: EventSocket) -> str:
        """One socket from its opening to its end. Returns why it ended."""
        # Ask before opening: in a deadlocked PBX the opening itself would hang and hold one more lock.
        answer = await self._ari.ping()
        if not isinstance(answer, Done):
            if isinstance(answer, Refused) and answer.status in (401, 403):
                raise WrongCredentials(f"{answer.status} for user {self._access.user}")
            return f"the PBX does not answer: {_short(answer)}"
        await socket.open()
        reader = self._readers.spawn(socket.read(self._mailbox.put), name="reader")
        try:
            await self._ari.subscribe()
            await self._catch_up(reader)
            return await self._hold(reader)
        finally:
            self._mailbox.close_gate()
            reader.cancel()
            await asyncio.wait({reader})

    async def _catch_up(self, reader: asyncio.Task[str]) -> None:
        self._move(LinkState.RESYNCING, "connected")
        await self._resync()
        if reader.done():
            raise NotConnected(reader.result())
        self._mailbox.open_gate()
        self._move(LinkState.UP, "resynced")

    async def _hold(self, reader: asyncio.Task[str]) -> str:
        """Probe until the socket ends. Returns why it ended."""
        deaf = 0
        while True:
            done, _ = await asyncio.wait({reader}, timeout=self._timings.ping_every_s)
            if done:
                return reader.result()
            answer = await self._ari.ping()
            if isinstance(answer, Done):
                deaf = 0
                if self.state is not LinkState.UP:
                    await self._catch_up(reader)
                continue
            deaf += 1
            if deaf == DEAF_PINGS and not reader.done():
                self._mailbox.close_gate()
                await self._mailbox.replay()
                self._down(f"the PBX does not answer: {_short(answer)}; it may have to be restarted")

    def close(self) -> None:
        """For good; the task of ``run`` has been ended before."""
        if _LEGAL[self.state]:
            self._move(LinkState.CLOSED, "stopped")

    def _down(self, why: str) -> None:
        if self.state is not LinkState.DOWN:
            self._move(LinkState.DOWN, why)

    def _move(self, state: LinkState, why: str) -> None:
        """The one place where the link changes state."""
        old = self.state
        if state not in _LEGAL[old]:
            raise AssertionError(f"{old} to {state}")
        self.state = state
        if old is LinkState.UP:
            self.gaps += 1
        log.info("ari_link", node=self._access.node, old=old, new=state, why=why)
        self._on_move(old, state, why)


def _short(outcome: Outcome) -> str:
    match outcome:
        case Refused(status=status, message=message):
            return f"{status} {message}"
        case _:
            return getattr(outcome, "why", "")
