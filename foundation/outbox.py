# SPDX-License-Identifier: GPL-3.0-or-later
"""The outbox: events written in the same unit of work as the change they tell of, and their delivery.

Delivery is at least once, the effect exactly once: a consumer runs in one unit of work together with its
receipt for that event. Each consumer gets all events in order; one that fails is tried again with growing
pauses, and after ``TRIES`` the event is set aside for a person, so that it blocks nobody for ever. A new
consumer is given every event that is still kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec
import structlog
from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, func, insert, select

from foundation.clock import Clock
from foundation.db.dialect import insert_if_absent
from foundation.db.seam import Database
from foundation.db.sqlite_engine import database_error
from foundation.errors import DatabaseError, UnknownEvent
from foundation.ids import IdSource
from foundation.tables import outbox, outbox_parked, outbox_receipt
from foundation.tasks import TaskOwner
from vocabulary.events import EVENT_TYPES, Event

log = structlog.get_logger(__name__)

Consumer = Callable[[Connection, str, Event], None]
"""``consumer(conn, event_id, event)``: a data function; it may be called again after a failure."""

TRIES: Final = 8
BATCH: Final = 50
"""Events in one unit of work at most; a unit also ends after ``BATCH_S``."""
BATCH_S: Final = 0.010
PAUSE_S: Final = 0.25
PAUSE_MAX_S: Final = 15.0
POLL_S: Final = 1.0
PURGE_EVERY_S: Final = 600.0
PURGE_ROWS: Final = 200


def publish(conn: Connection, ids: IdSource, event: Event) -> str:
    """Write an event in the caller's unit of work; the answer is its id."""
    event_id = ids.event_id(event.at)
    conn.execute(
        insert(outbox).values(
            event_id=event_id, kind=event.kind, at=event.at, body=msgspec.json.encode(event).decode()
        )
    )
    return event_id


def decode(kind: str, body: str) -> Event:
    """An event as it was published.

    Raises:
        UnknownEvent: no such kind, or its content does not fit it, in this version.
    """
    event_type = EVENT_TYPES.get(kind)
    if event_type is None:
        raise UnknownEvent(f"This version does not know events of kind {kind}; the event is kept.")
    try:
        return msgspec.json.decode(body, type=event_type)
    except msgspec.ValidationError as error:
        raise UnknownEvent(
            f"An event of kind {kind} does not fit this version ({error}); it is kept."
        ) from None


def undelivered_count(conn: Connection, consumers: Sequence[str]) -> int:
    """How often an event still lacks its effect on a consumer, those set aside included."""
    total = 0
    for consumer in consumers:
        missing = select(func.count()).select_from(outbox).where(~_settled(outbox_receipt, consumer))
        total += conn.execute(missing).scalar_one()
    return total


def parked_count(conn: Connection) -> int:
    """Events set aside because a consumer could not handle them."""
    return conn.execute(select(func.count()).select_from(outbox_parked)).scalar_one()


def newest(conn: Connection, kind: str, limit: int) -> list[Event]:
    """The newest events of a kind that are still kept, the newest first; what this version cannot read is left out."""
    wanted = (
        select(outbox.c.kind, outbox.c.body)
        .where(outbox.c.kind == kind)
        .order_by(outbox.c.seq.desc())
        .limit(limit)
    )
    found = []
    for row in conn.execute(wanted):
        try:
            found.append(decode(row.kind, row.body))
        except UnknownEvent:
            continue
    return found


def purge(conn: Connection, consumers: Sequence[str], before: datetime, limit: int = PURGE_ROWS) -> int:
    """Forget events older than ``before`` that every consumer has handled; the answer is how many."""
    done = [_settled(outbox_receipt, consumer) for consumer in consumers]
    old = list(
        conn.execute(
            select(outbox.c.event_id)
            .where(outbox.c.at < before, *done)
            .order_by(outbox.c.at, outbox.c.seq)
            .limit(limit)
        ).scalars()
    )
    conn.execute(delete(outbox_receipt).where(outbox_receipt.c.event_id.in_(old)))
    conn.execute(delete(outbox).where(outbox.c.event_id.in_(old)))
    return len(old)


def _settled(table: Table, consumer: str) -> ColumnElement[bool]:
    return exists().where(and_(table.c.consumer == consumer, table.c.event_id == outbox.c.event_id))


def _last_seq(conn: Connection) -> int:
    last: int = conn.execute(select(func.coalesce(func.max(outbox.c.seq), 0))).scalar_one()
    return last


def _before_first_due(conn: Connection, consumer: str) -> int:
    """The number before the first event the consumer has neither handled nor set aside."""
    due = select(func.min(outbox.c.seq)).where(
        ~_settled(outbox_receipt, consumer), ~_settled(outbox_parked, consumer)
    )
    first: int | None = conn.execute(due).scalar_one()
    return _last_seq(conn) if first is None else first - 1


class _Due(NamedTuple):
    """An event to be delivered, as it is stored."""

    seq: int
    event_id: str
    kind: str
    body: str


def _after(conn: Connection, seq: int) -> list[_Due]:
    rows = conn.execute(
        select(outbox.c.seq, outbox.c.event_id, outbox.c.kind, outbox.c.body)
        .where(outbox.c.seq > seq)
        .order_by(outbox.c.seq)
        .limit(BATCH)
    )
    return [_Due(*row) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Handled:
    """What one unit of work got done: through which number, and the failure that ended it early."""

    seq: int
    failed: _Due | None = None
    error: Exception | None = None


def _handle(
    conn: Connection, name: str, consumer: Consumer, rows: Sequence[_Due], monotonic: Callable[[], float]
) -> _Handled:
    began, seq = monotonic(), rows[0].seq - 1
    for row in rows:
        try:
            with conn.begin_nested():
                _handle_one(conn, name, consumer, row)
        except Exception as error:
            if database_error(error) is not None:
                raise
            return _Handled(seq=seq, failed=row, error=error)
        seq = row.seq
        if monotonic() - began > BATCH_S:
            break
    return _Handled(seq=seq)


def _handle_one(conn: Connection, name: str, consumer: Consumer, row: _Due) -> None:
    if insert_if_absent(conn, outbox_receipt, {"consumer": name, "event_id": row.event_id}):
        consumer(conn, row.event_id, decode(row.kind, row.body))


def _park(conn: Connection, consumer: str, event_id: str, error: str, now: datetime) -> None:
    conn.execute(
        insert(outbox_parked).values(consumer=consumer, event_id=event_id, parked_at=now, error=error)
    )


@dataclass(slots=True)
class _Delivery:
    """One consumer and how far it is."""

    name: str
    consumer: Consumer
    news: asyncio.Event = field(default_factory=asyncio.Event)
    seq: int = 0
    tries: int = 0


class Dispatcher:
    """Delivers the outbox to its consumers, one task for each, while started.

    Args:
        on_parked: told ``(consumer, event_id, error)`` when an event is set aside, as an alarm.
        keep_s: how long delivered events are kept.
    """

    def __init__(
        self,
        db: Database,
        consumers: Mapping[str, Consumer],
        clock: Clock,
        *,
        on_parked: Callable[[str, str, str], None] | None = None,
        keep_s: float = 14 * 86_400,
    ) -> None:
        self._db = db
        self._clock = clock
        self._on_parked = on_parked
        self._keep_s = keep_s
        self._deliveries = [_Delivery(name, consumer) for name, consumer in consumers.items()]
        self._progress = asyncio.Condition()
        self._owner = TaskOwner("outbox")

    def start(self) -> None:
        for delivery in self._deliveries:
            self._owner.spawn(self._deliver(delivery), name=delivery.name)
        self._owner.spawn(self._forget_old(), name="purge")

    async def close(self) -> None:
        """Stop; what is not delivered is delivered after the next start."""
        await self._owner.close()

    def wake(self) -> None:
        """Something may have been published: look now, not at the next poll."""
        for delivery in self._deliveries:
            delivery.news.set()

    async def drained(self) -> None:
        """Wait until every event published so far is handled, or set aside, by every consumer."""
        target = await self._db.read(_last_seq)
        self.wake()
        async with self._progress:
            await self._progress.wait_for(lambda: all(d.seq >= target for d in self._deliveries))

    async def _deliver(self, delivery: _Delivery) -> None:
        while True:
            try:
                delivery.seq = await self._db.read(_before_first_due, delivery.name)
                while True:
                    await self._step(delivery)
            except DatabaseError as error:
                log.warning("outbox_waits_for_database", consumer=delivery.name, error=str(error))
                await self._clock.sleep(PAUSE_S)

    async def _step(self, delivery: _Delivery) -> None:
        """Deliver one batch, or wait for news."""
        delivery.news.clear()
        rows = await self._db.read(_after, delivery.seq)
        if not rows:
            await self._advanced()
            await self._wait_for_news(delivery)
            return
        handled = await self._db.write_bulk(
            _handle, delivery.name, delivery.consumer, rows, self._clock.monotonic
        )
        if handled.seq > delivery.seq:
            delivery.seq, delivery.tries = handled.seq, 0
            await self._advanced()
        if handled.failed is not None and handled.error is not None:
            await self._failed(delivery, handled.failed, handled.error)

    async def _failed(self, delivery: _Delivery, row: _Due, error: Exception) -> None:
        delivery.tries += 1
        said = f"{type(error).__name__}: {error}"
        if delivery.tries < TRIES:
            log.warning(
                "outbox_event_failed",
                consumer=delivery.name,
                event_id=row.event_id,
                kind=row.kind,
                tries=delivery.tries,
                error=said,
            )
            await self._clock.sleep(min(PAUSE_S * 2 ** (delivery.tries - 1), PAUSE_MAX_S))
            return
        await self._db.write(_park, delivery.name, row.event_id, said, self._clock.now())
        delivery.seq, delivery.tries = row.seq, 0
        log.error("outbox_event_parked", consumer=delivery.name, event_id=row.event_id, error=said)
        if self._on_parked is not None:
            self._on_parked(delivery.name, row.event_id, said)
        await self._advanced()

    async def _wait_for_news(self, delivery: _Delivery) -> None:
        try:
            async with asyncio.timeout(POLL_S):
                await delivery.news.wait()
        except TimeoutError:
            pass

    async def _advanced(self) -> None:
        async with self._progress:
            self._progress.notify_all()

    async def _forget_old(self) -> None:
        names = [delivery.name for delivery in self._deliveries]
        while True:
            try:
                before = self._clock.now() - timedelta(seconds=self._keep_s)
                while await self._db.write_bulk(purge, names, before) == PURGE_ROWS:
                    pass
            except DatabaseError as error:
                log.warning("outbox_purge_failed", error=str(error))
            await self._clock.sleep(PURGE_EVERY_S)
