# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks with a name and an owner who awaits them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog

from foundation.errors import OwnerClosed

T = TypeVar("T")
log = structlog.get_logger(__name__)


class TaskOwner:
    """Owns tasks: forgets each when it is done, ends them all when it is closed.

    A task that crashes is logged and reported to ``on_crash(task_name, error)``; the others go on.
    """

    def __init__(self, name: str, on_crash: Callable[[str, BaseException], None] | None = None) -> None:
        self.name = name
        self._on_crash = on_crash
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, coro: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Start a task.

        Raises:
            OwnerClosed: the owner is closed; the coroutine was not started.
        """
        if self._closed:
            coro.close()
            raise OwnerClosed(f"{self.name} is closed; {name} was not started.")
        task = asyncio.get_running_loop().create_task(coro, name=f"{self.name}.{name}")
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    async def close(self) -> None:
        """Refuse new tasks, cancel those that run and wait for their end."""
        self._closed = True
        # A task may call its own owner's close: it must not wait for itself.
        others = self._tasks - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            return
        log.error("task_crashed", owner=self.name, task=task.get_name(), exc_info=error)
        if self._on_crash is not None:
            self._on_crash(task.get_name(), error)
