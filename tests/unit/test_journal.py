# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal: what happened is written in order and to the last note, whatever the database does meanwhile."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Connection, select

from dialer.halts import order_halt
from dialer.journal import Journal
from dialer.tables import halt
from foundation.db.inline import Inline
from foundation.db.testing import memory_database
from foundation.errors import DatabaseBusy
from foundation.testing import MONDAY_TEN, VirtualClock, run_virtual


class Ground:
    """A database that can be busy, a journal on it, and how often somebody was told of news."""

    busy = False
    trouble: Exception = DatabaseBusy("The database is busy. Nothing was written.")
    told = 0

    async def begin(self) -> None:
        self.clock = VirtualClock()
        self.db: Inline = await memory_database(before=self._before)
        self.journal = Journal(self.db, self.clock, self._news)
        self.journal.start()

    async def _before(self, unit: str) -> None:
        if self.busy and unit.startswith("write"):
            raise self.trouble

    def _news(self) -> None:
        self.told += 1

    def note(self, reason: str) -> asyncio.Future[None]:
        return self.journal.note(order_halt, "t", reason, MONDAY_TEN)

    async def written(self) -> list[str]:
        """What is in the database, in the order in which it was written."""
        return await self.db.read(lambda conn: list(conn.scalars(select(halt.c.reason).order_by(halt.c.id))))

    async def end(self) -> None:
        await self.journal.close()
        await self.db.close()


def _breaks_a_rule(conn: Connection) -> None:
    order_halt(conn, "t", "half done", MONDAY_TEN)
    raise ValueError("a bug")


def test_notes_are_written_in_order_and_whoever_waits_is_told() -> None:
    """The value of a note comes back; the outbox is woken."""

    async def story() -> None:
        ground = Ground()
        await ground.begin()
        for name in "abc":
            ground.note(name)
        await ground.journal.write(order_halt, "t", "d", MONDAY_TEN)
        assert await ground.written() == ["a", "b", "c", "d"]
        assert ground.told >= 1
        await ground.end()

    run_virtual(story())


@pytest.mark.parametrize("trouble", [Ground.trouble, RuntimeError("a fault of the adapter")], ids=repr)
def test_a_database_in_trouble_delays_and_loses_nothing(trouble: Exception) -> None:
    """While it lasts nobody new is dialed; afterwards everything stands in its order."""

    async def story() -> None:
        ground = Ground()
        await ground.begin()
        ground.busy, ground.trouble = True, trouble
        notes = [ground.note(str(number)) for number in range(200)]
        await ground.clock.sleep(20.0)
        assert ground.journal.unwell
        assert not any(note.done() for note in notes)
        ground.busy = False
        await asyncio.gather(*notes)
        assert not ground.journal.unwell
        assert await ground.written() == [str(number) for number in range(200)]
        await ground.end()

    run_virtual(story())


def test_a_note_that_breaks_a_rule_fails_alone() -> None:
    """Its waiter gets the error, nothing of it is written, and its neighbours are."""

    async def story() -> None:
        ground = Ground()
        await ground.begin()
        ground.note("before")
        broken = ground.journal.note(_breaks_a_rule)
        ground.note("after")
        with pytest.raises(ValueError, match="a bug"):
            await broken
        assert await ground.written() == ["before", "after"]
        await ground.end()

    run_virtual(story())


def test_a_waiter_who_is_cancelled_does_not_take_the_note_along() -> None:
    """What happened is recorded, also when nobody waits for it any more."""

    async def story() -> None:
        ground = Ground()
        await ground.begin()
        ground.busy = True
        waiter = asyncio.create_task(ground.journal.write(order_halt, "t", "kept", MONDAY_TEN))
        await ground.clock.sleep(1.0)
        waiter.cancel()
        await asyncio.wait([waiter])
        ground.busy = False
        await ground.journal.write(order_halt, "t", "later", MONDAY_TEN)
        assert await ground.written() == ["kept", "later"]
        await ground.end()

    run_virtual(story())


def test_closing_writes_what_waits() -> None:
    """A graceful stop leaves nothing unwritten."""

    async def story() -> None:
        ground = Ground()
        await ground.begin()
        for name in "abc":
            ground.note(name)
        await ground.journal.close()
        assert await ground.written() == ["a", "b", "c"]
        await ground.db.close()

    run_virtual(story())
