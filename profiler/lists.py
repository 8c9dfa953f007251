# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a target-list entry: taken for a call, given back or settled, withdrawn, moved to another RM.

Every list belongs to one RM in one campaign; a customer is open (pending or leased) in at most one list,
which a partial unique index holds. An entry is leased to one call at a time and found by that call's ID.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy import ColumnElement, Connection, Row, and_, exists, func, select, update

from foundation.db.dialect import claim_one
from profiler.tables import ENTRY_HAS_CALLBACK, ENTRY_HAS_LEASE, ENTRY_IS_OPEN, target_entry
from vocabulary.call_id import CallId
from vocabulary.dispositions import Disposition
from vocabulary.errors import IllegalMove
from vocabulary.outcomes import Outcome
from vocabulary.states import EntryState

log = structlog.get_logger(__name__)

#: Where a call's end may lead an entry. LEASED is entered by ``take`` alone.
_AFTER_A_CALL: Final = frozenset(
    {EntryState.PENDING, EntryState.DONE, EntryState.EXHAUSTED, EntryState.WITHDRAWN}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One customer in one RM's list."""

    entry_id: int
    campaign_id: int
    rm_id: int
    customer_id: int
    state: EntryState
    score: float  #: 0 to 100
    reasons: tuple[str, ...]  #: sentences, the weightiest first
    next_at: datetime  #: not to be taken before
    wait_reason: str | None  #: why it waits, if somebody said so
    attempts: int  #: calls that counted
    callback_at: datetime | None  #: the customer asked for this time
    lease_call_id: CallId | None
    lease_until: datetime | None
    last_disposition: Disposition | None
    last_outcome: Outcome | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """An entry is leased to the call."""

    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingNow:
    """The list is not at its end, but nobody in it is due.

    ``next_at`` is when the first one is; None when the only open entries are those of calls under way,
    or when the customer asked for is not waiting in this list.
    """

    next_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOfList:
    """No open entry is left in the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a settled entry leaves behind."""

    entry: Entry
    list_finished: bool  #: it was the last open one of its list


def take(
    conn: Connection,
    rm_id: int,
    campaign_id: int,
    call_id: CallId,
    now: datetime,
    lease_until: datetime,
    customer_id: int | None = None,
) -> Taken | NothingNow | EndOfList:
    """Lease the next entry of a list to a call: call-backs that are due, then the best score that is due.

    With ``customer_id`` that customer is taken, due or not: an RM's own choice (manual mode).
    """
    waiting = and_(
        target_entry.c.campaign_id == campaign_id,
        target_entry.c.rm_id == rm_id,
        target_entry.c.state == EntryState.PENDING,
    )
    due = and_(waiting, target_entry.c.next_at <= now)
    if customer_id is not None:
        chosen = and_(ENTRY_IS_OPEN, target_entry.c.customer_id == customer_id, waiting)
        row = _lease(conn, chosen, [target_entry.c.id], call_id, now, lease_until)
    else:
        row = _lease(
            conn,
            and_(due, ENTRY_HAS_CALLBACK, target_entry.c.callback_at <= now),
            [target_entry.c.callback_at, target_entry.c.id],
            call_id,
            now,
            lease_until,
        ) or _lease(conn, due, [target_entry.c.score.desc(), target_entry.c.id], call_id, now, lease_until)
    if row is not None:
        return Taken(entry=_entry(row))
    if customer_id is not None:
        return NothingNow(next_at=None)
    return _nothing(conn, rm_id, campaign_id)


def give_back(
    conn: Connection, call_id: CallId, now: datetime, next_at: datetime, reason: str
) -> Entry | None:
    """Put the entry of a call that never dialed back into its list: no attempt is counted.

    None when the call has no entry (any more): giving back twice changes nothing.
    """
    return _release(conn, call_id, now, EntryState.PENDING, {"next_at": next_at, "wait_reason": reason[:200]})


def settle(
    conn: Connection,
    call_id: CallId,
    now: datetime,
    state: EntryState,
    next_at: datetime | None,
    disposition: Disposition | None,
    outcome: Outcome | None,
    callback_at: datetime | None,
    counted: bool,
) -> Settled | None:
    """End the lease of a call and write down what came of it. ``profiler.retry.decide`` gives the values.

    ``next_at`` is needed for PENDING only. None when the call has no entry (any more): settling twice
    changes nothing.

    Raises:
        IllegalMove: ``state`` is not one a call can end in.
        ValueError: PENDING without ``next_at``.
    """
    if state is EntryState.PENDING and next_at is None:
        raise ValueError("An entry that waits needs a time to wait for; it stays leased.")
    values: dict[str, Any] = {
        "attempts": target_entry.c.attempts + int(counted),
        "next_at": next_at or now,
        "wait_reason": None,
        "last_disposition": disposition,
    }
    if counted or callback_at is not None or state is not EntryState.PENDING:
        # Otherwise the customer was not reached at all, and what they were promised still stands.
        values["callback_at"] = callback_at
    if outcome is not None:
        values["last_outcome"] = outcome
    entry = _release(conn, call_id, now, state, values)
    if entry is None:
        return None
    finished = state is not EntryState.PENDING and not _any_open(conn, entry.rm_id, entry.campaign_id)
    return Settled(entry=entry, list_finished=finished)


def release_expired(
    conn: Connection, now: datetime, live_call_ids: Collection[CallId]
) -> Sequence[tuple[CallId, Entry]]:
    """Put back entries whose lease ran out and whose call is not live: their process died before it settled.

    Returns each call ID with its entry. ``live_call_ids`` are the calls that are not over yet by the
    dialer's own rows: an entry of one of them stays leased however old the lease is.
    """
    expired = conn.execute(
        select(target_entry.c.lease_call_id)
        .where(ENTRY_HAS_LEASE, target_entry.c.lease_until <= now)
        .order_by(target_entry.c.lease_until, target_entry.c.id)
    ).scalars()
    released = []
    for call_id in [CallId(found) for found in expired if found not in live_call_ids]:
        entry = give_back(conn, call_id, now, now, "The call was lost before it was settled.")
        if entry is not None:
            released.append((call_id, entry))
    return released


def withdraw(conn: Connection, customer_id: int, now: datetime, reason: str) -> Entry | None:
    """Take a customer out of the list they wait in. An entry with a call under way is settled by that call."""
    row = conn.execute(
        update(target_entry)
        .where(
            ENTRY_IS_OPEN,
            target_entry.c.customer_id == customer_id,
            target_entry.c.state == EntryState.PENDING,
        )
        .values(state=EntryState.WITHDRAWN, wait_reason=reason[:200], callback_at=None, changed_at=now)
        .returning(*target_entry.c)
    ).one_or_none()
    if row is None:
        return None
    log.info("entry_moved", entry=row.id, to=row.state, why=reason)
    return _entry(row)


def reassign(
    conn: Connection,
    from_rm: int,
    to_rm: int,
    now: datetime,
    campaign_id: int | None = None,
    limit: int = 250,
) -> int:
    """Move waiting entries, the best first, from one RM's lists to another's; returns how many.

    At most ``limit`` in one unit of work, so that calls do not wait: call it until it returns 0.
    Entries with a call under way stay.
    """
    waiting = select(target_entry.c.id).where(
        ENTRY_IS_OPEN, target_entry.c.rm_id == from_rm, target_entry.c.state == EntryState.PENDING
    )
    if campaign_id is not None:
        waiting = waiting.where(target_entry.c.campaign_id == campaign_id)
    chosen = waiting.order_by(target_entry.c.score.desc(), target_entry.c.id).limit(limit)
    moved = conn.execute(
        update(target_entry).where(target_entry.c.id.in_(chosen)).values(rm_id=to_rm, changed_at=now)
    ).rowcount
    log.info("entries_reassigned", from_rm=from_rm, to_rm=to_rm, campaign=campaign_id, moved=moved)
    return moved


def owner(conn: Connection, customer_id: int, campaign_id: int) -> int | None:
    """The RM whose list in this campaign has, or last had, the customer."""
    return conn.execute(
        select(target_entry.c.rm_id)
        .where(target_entry.c.customer_id == customer_id, target_entry.c.campaign_id == campaign_id)
        .order_by(target_entry.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()


def of_call(conn: Connection, call_id: CallId) -> Entry | None:
    """The entry leased to a call."""
    row = conn.execute(select(target_entry).where(target_entry.c.lease_call_id == call_id)).one_or_none()
    return None if row is None else _entry(row)


def open_entry(conn: Connection, customer_id: int) -> Entry | None:
    """The one entry in which a customer is open, in whichever list."""
    row = conn.execute(
        select(target_entry).where(ENTRY_IS_OPEN, target_entry.c.customer_id == customer_id)
    ).one_or_none()
    return None if row is None else _entry(row)


def page(
    conn: Connection, rm_id: int, campaign_id: int, state: EntryState, limit: int = 50, offset: int = 0
) -> Sequence[Entry]:
    """One page of a list in its order, for screens."""
    rows = conn.execute(
        select(target_entry)
        .where(
            target_entry.c.campaign_id == campaign_id,
            target_entry.c.rm_id == rm_id,
            target_entry.c.state == state,
        )
        .order_by(target_entry.c.score.desc(), target_entry.c.id)
        .limit(limit)
        .offset(offset)
    )
    return [_entry(row) for row in rows]


def counts(conn: Connection, campaign_id: int) -> Mapping[int, Mapping[EntryState, int]]:
    """How many entries each RM has in each state (only states that occur)."""
    rows = conn.execute(
        select(target_entry.c.rm_id, target_entry.c.state, func.count())
        .where(target_entry.c.campaign_id == campaign_id)
        .group_by(target_entry.c.rm_id, target_entry.c.state)
        .order_by(target_entry.c.rm_id, target_entry.c.state)
    )
    found: dict[int, dict[EntryState, int]] = {}
    for rm_id, state, count in rows:
        found.setdefault(rm_id, {})[EntryState(state)] = count
    return found


def _lease(
    conn: Connection,
    where: ColumnElement[bool],
    order_by: Sequence[ColumnElement[Any]],
    call_id: CallId,
    now: datetime,
    lease_until: datetime,
) -> Row[Any] | None:
    """The one way into LEASED."""
    leased = {
        "state": EntryState.LEASED,
        "lease_call_id": call_id,
        "lease_until": lease_until,
        "wait_reason": None,
        "changed_at": now,
    }
    row = claim_one(conn, target_entry, where, order_by, leased)
    if row is not None:
        log.info("entry_moved", entry=row.id, to=row.state, call_id=call_id)
    return row


def _release(
    conn: Connection, call_id: CallId, now: datetime, state: EntryState, values: Mapping[str, Any]
) -> Entry | None:
    """The one way out of LEASED."""
    if state not in _AFTER_A_CALL:
        raise IllegalMove(f"A call cannot leave its list entry {state}; the entry stays leased.")
    row = conn.execute(
        update(target_entry)
        .where(target_entry.c.lease_call_id == call_id)
        .values(state=state, lease_call_id=None, lease_until=None, changed_at=now, **values)
        .returning(*target_entry.c)
    ).one_or_none()
    if row is None:
        return None
    log.info("entry_moved", entry=row.id, to=row.state, call_id=call_id)
    return _entry(row)


def _nothing(conn: Connection, rm_id: int, campaign_id: int) -> NothingNow | EndOfList:
    next_at = conn.execute(
        select(target_entry.c.next_at)
        .where(
            target_entry.c.campaign_id == campaign_id,
            target_entry.c.rm_id == rm_id,
            target_entry.c.state == EntryState.PENDING,
        )
        .order_by(target_entry.c.next_at)
        .limit(1)
    ).scalar_one_or_none()
    if next_at is not None or _any_open(conn, rm_id, campaign_id):
        return NothingNow(next_at=next_at)
    return EndOfList()


def _any_open(conn: Connection, rm_id: int, campaign_id: int) -> bool:
    found = exists().where(
        target_entry.c.campaign_id == campaign_id,
        target_entry.c.rm_id == rm_id,
        target_entry.c.state.in_([EntryState.PENDING, EntryState.LEASED]),
    )
    return bool(conn.execute(select(found)).scalar_one())


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        entry_id=row.id,
        campaign_id=row.campaign_id,
        rm_id=row.rm_id,
        customer_id=row.customer_id,
        state=EntryState(row.state),
        score=row.score,
        reasons=tuple(row.reasons),
        next_at=row.next_at,
        wait_reason=row.wait_reason,
        attempts=row.attempts,
        callback_at=row.callback_at,
        lease_call_id=None if row.lease_call_id is None else CallId(row.lease_call_id),
        lease_until=row.lease_until,
        last_disposition=None if row.last_disposition is None else Disposition(row.last_disposition),
        last_outcome=None if row.last_outcome is None else Outcome(row.last_outcome),
    )
