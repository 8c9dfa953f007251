# SPDX-License-Identifier: GPL-3.0-or-later
"""Live updates for screens: per topic a numbered snapshot and the changes after it. Never in the database."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

KEPT_DELTAS: Final = 64
"""Changes kept per topic for subscribers who come back; also the longest queue of a slow one."""


class Kind(StrEnum):
    """What an update holds."""

    SNAPSHOT = "snapshot"  #: everything: replaces what the screen has
    DELTA = "delta"  #: the top-level keys that changed since the number before


class Update(NamedTuple):
    """One message to a screen."""

    number: int
    kind: Kind
    data: Mapping[str, Any]


@dataclass(slots=True)
class _Topic:
    number: int
    data: dict[str, Any] = field(default_factory=dict)
    deltas: deque[Update] = field(default_factory=lambda: deque(maxlen=KEPT_DELTAS))
    subscriptions: list[Subscription] = field(default_factory=list)


class Subscription:
    """The updates of one topic from now on: ``async for number, kind, data in bus.subscribe(topic)``.

    A subscriber too slow to take every change is given a fresh snapshot instead of an endless queue.
    Close it, or use it in a ``with`` block.
    """

    def __init__(self, topic: _Topic, after: int | None) -> None:
        self._topic = topic
        self._waiting: deque[Update] = deque()
        self._news = asyncio.Event()
        self._stale = True
        self._closed = False
        if after is not None and (after == topic.number or any(d.number == after + 1 for d in topic.deltas)):
            self._waiting.extend(delta for delta in topic.deltas if delta.number > after)
            self._stale = False
        topic.subscriptions.append(self)

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Update:
        while not (self._stale or self._waiting or self._closed):
            self._news.clear()
            await self._news.wait()
        if self._closed:
            raise StopAsyncIteration
        if self._stale:
            self._stale = False
            self._waiting.clear()
            return Update(self._topic.number, Kind.SNAPSHOT, self._topic.data)
        return self._waiting.popleft()

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """No more updates; a waiting reader ends."""
        if not self._closed:
            self._closed = True
            self._topic.subscriptions.remove(self)
            self._news.set()

    def _tell(self, update: Update) -> None:
        self._waiting.append(update)
        if len(self._waiting) > KEPT_DELTAS:
            self._waiting.clear()
            self._stale = True
        self._news.set()


class LiveBus:
    """Topics by name.

    ``first_number``: where numbering begins. Given the Unix time in milliseconds, numbers of an earlier run
    are never mistaken for this one's, and a screen that reconnects after a restart gets a snapshot.
    """

    def __init__(self, first_number: int = 1) -> None:
        self._first_number = first_number
        self._topics: dict[str, _Topic] = {}

    def publish(self, topic: str, data: Mapping[str, Any]) -> None:
        """The topic's whole state as it is now; subscribers are told what changed, if anything did."""
        state = self._topic(topic)
        changed = {
            key: value for key, value in data.items() if key not in state.data or state.data[key] != value
        }
        gone = state.data.keys() - data.keys()
        if not changed and not gone:
            return
        state.number += 1
        state.data = dict(data)
        if gone:
            # A delta cannot say that a key is gone.
            state.deltas.clear()
            update = Update(state.number, Kind.SNAPSHOT, state.data)
        else:
            update = Update(state.number, Kind.DELTA, changed)
            state.deltas.append(update)
        for subscription in list(state.subscriptions):
            subscription._tell(update)

    def subscribe(self, topic: str, after: int | None = None) -> Subscription:
        """The topic's updates: a snapshot first, or the changes after number ``after`` if they are still kept."""
        return Subscription(self._topic(topic), after)

    def snapshot(self, topic: str) -> Update:
        """The topic as it is now."""
        state = self._topic(topic)
        return Update(state.number, Kind.SNAPSHOT, state.data)

    def forget(self, topic: str) -> None:
        """The topic is over: its readers end."""
        state = self._topics.pop(topic, None)
        if state is not None:
            for subscription in list(state.subscriptions):
                subscription.close()

    def _topic(self, name: str) -> _Topic:
        return self._topics.setdefault(name, _Topic(self._first_number))
