# SPDX-License-Identifier: GPL-3.0-or-later
"""Every task has a name and an owner who awaits it."""

from __future__ import annotations

import asyncio

import pytest

from foundation.errors import OwnerClosed
from foundation.tasks import TaskOwner


async def for_ever(ended: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("ended")


async def fail() -> None:
    raise ZeroDivisionError("on purpose")


async def test_tasks_are_named_after_their_owner_and_forgotten_when_done() -> None:
    """The name tells whose task it is."""
    owner = TaskOwner("desk")
    task = owner.spawn(asyncio.sleep(0, "done"), name="wrap_up")
    assert (task.get_name(), len(owner)) == ("desk.wrap_up", 1)
    assert await task == "done"
    await asyncio.sleep(0)
    assert len(owner) == 0


async def test_close_cancels_and_awaits_all_and_refuses_more() -> None:
    """After close nothing runs, and nothing can be started."""
    owner, ended = TaskOwner("desk"), list[str]()
    for number in range(3):
        owner.spawn(for_ever(ended), name=f"wait_{number}")
    await asyncio.sleep(0)
    await owner.close()
    assert ended == ["ended"] * 3
    with pytest.raises(OwnerClosed):
        owner.spawn(for_ever(ended), name="late")


async def test_a_crash_is_reported_and_harms_nobody_else() -> None:
    """The owner hears of it; the other tasks go on."""
    crashes: list[tuple[str, type]] = []
    owner = TaskOwner("desk", on_crash=lambda name, error: crashes.append((name, type(error))))
    other = owner.spawn(for_ever([]), name="other")
    crashing = owner.spawn(fail(), name="crashing")
    await asyncio.wait([crashing])
    await asyncio.sleep(0)
    assert crashes == [("desk.crashing", ZeroDivisionError)]
    assert not other.done()
    await owner.close()


async def test_a_task_may_close_its_own_owner() -> None:
    """It does not wait for itself."""
    owner, ended = TaskOwner("desk"), list[str]()
    owner.spawn(for_ever(ended), name="other")
    await asyncio.sleep(0)
    await owner.spawn(owner.close(), name="closer")
    assert ended == ["ended"]
