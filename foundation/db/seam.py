# SPDX-License-Identifier: GPL-3.0-or-later
"""The only doors to the database.

A *data function* is a plain synchronous function of a SQLAlchemy ``Connection`` that never commits::

    def claim(conn: Connection, rm_id: int, now: datetime) -> Claim: ...

    claim = await db.write(claim, rm_id, now)     # its own unit of work: all or nothing, durable on return
    rows = await db.read(open_entries, rm_id)     # a snapshot; may not write

``write`` returns only after COMMIT; if the function raises, nothing of it remains. A cancelled caller
does not cancel the unit: it is committed or rolled back as if nobody had been waiting.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection

P = ParamSpec("P")
R = TypeVar("R")


class Priority(Enum):
    """Who goes first when the writer has a queue."""

    CALLS = 0  #: the life of calls: always first
    BULK = 1  #: imports and jobs, in units of at most 20 ms each


class Health(Enum):
    """Whether writes can be trusted to succeed. While unwell nobody new is dialed."""

    WELL = "well"  #: the last unit of work that reached the disk was written
    UNWELL = "unwell"  #: full disk, input/output error or a lock held too long; probed until it is well


class Database(Protocol):
    """The seam: SqliteWriter and Inline today, Postgres later."""

    @property
    def health(self) -> Health: ...

    def on_health(self, callback: Callable[[Health], None]) -> None:
        """Call back on this event loop at each edge between well and unwell."""

    async def write(
        self, fn: Callable[Concatenate[Connection, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run ``fn`` as one unit of work at call priority.

        Raises:
            DatabaseError: the unit could not be written; nothing of it remains.
        """

    async def write_bulk(
        self, fn: Callable[Concatenate[Connection, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run ``fn`` as one unit of work behind all calls."""

    async def read(
        self, fn: Callable[Concatenate[Connection, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run ``fn`` on a reader of its own: it sees what was committed."""

    async def close(self) -> None: ...
