# SPDX-License-Identifier: GPL-3.0-or-later
"""Profiler sessions: one for each call, opened at the claim, closed when the call is over, however it ends.

An open session says that what the RM sees of this customer is in use; after a crash the open ones are the
calls to look after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from profiler.tables import SESSION_IS_OPEN, profiler_session
from vocabulary.call_id import CallId


class CloseReason(StrEnum):
    """What ended a session."""

    HUNG_UP = "hung_up"  #: the talk ended by either side
    DISCONNECTED = "disconnected"  #: the customer's leg was lost while talking
    NOT_CONNECTED = "not_connected"  #: dialed, and no talk came of it
    GIVEN_BACK = "given_back"  #: nobody was dialed: skipped, cancelled, or not allowed now
    RECOVERED = "recovered"  #: closed after a restart, when the call was found gone


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilerSession:
    """One session; open while ``closed_at`` is None."""

    session_id: int
    call_id: CallId
    rm_id: int | None
    customer_id: int
    campaign_id: int
    opened_at: datetime
    closed_at: datetime | None
    close_reason: CloseReason | None


def open_session(
    conn: Connection, call_id: CallId, rm_id: int | None, customer_id: int, campaign_id: int, now: datetime
) -> ProfilerSession:
    """Open the session of a call, in the unit of work that claims it.

    Raises:
        sqlalchemy.exc.IntegrityError: the call has one already; the unit of work fails as a whole.
    """
    row = conn.execute(
        insert(profiler_session)
        .values(call_id=call_id, rm_id=rm_id, customer_id=customer_id, campaign_id=campaign_id, opened_at=now)
        .returning(*profiler_session.c)
    ).one()
    return _session(row)


def close_session(conn: Connection, call_id: CallId, now: datetime, reason: CloseReason) -> bool:
    """Close the session of a call. The first close stands: False when there was nothing open to close."""
    return (
        conn.execute(
            update(profiler_session)
            .where(profiler_session.c.call_id == call_id, profiler_session.c.closed_at.is_(None))
            .values(closed_at=now, close_reason=reason)
        ).rowcount
        == 1
    )


def find_session(conn: Connection, call_id: CallId) -> ProfilerSession | None:
    """The session of a call, open or closed."""
    row = conn.execute(select(profiler_session).where(profiler_session.c.call_id == call_id)).one_or_none()
    return None if row is None else _session(row)


def open_sessions(conn: Connection) -> Sequence[ProfilerSession]:
    """Every open session, oldest first."""
    rows = conn.execute(select(profiler_session).where(SESSION_IS_OPEN).order_by(profiler_session.c.id))
    return [_session(row) for row in rows]


def _session(row: Row[Any]) -> ProfilerSession:
    return ProfilerSession(
        session_id=row.id,
        call_id=CallId(row.call_id),
        rm_id=row.rm_id,
        customer_id=row.customer_id,
        campaign_id=row.campaign_id,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        close_reason=None if row.close_reason is None else CloseReason(row.close_reason),
    )
