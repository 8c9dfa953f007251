# SPDX-License-Identifier: GPL-3.0-or-later
"""Shifts: an RM at work in a campaign, with every state and how long it lasted."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from dialer.tables import rm_move, rm_shift
from vocabulary.states import RmState


def open_shift(conn: Connection, rm_id: int, campaign_id: int, now: datetime) -> int | None:
    """Begin a shift; returns its number. None: the RM has an open one, and one is all the database allows."""
    standing = conn.execute(
        select(rm_shift.c.id).where(rm_shift.c.rm_id == rm_id, rm_shift.c.ended_at.is_(None))
    ).first()
    if standing is not None:
        return None
    result = conn.execute(insert(rm_shift).values(rm_id=rm_id, campaign_id=campaign_id, started_at=now))
    assert result.inserted_primary_key is not None
    return int(result.inserted_primary_key[0])


def close_shift(conn: Connection, shift_id: int, reason: str, now: datetime) -> None:
    """End a shift; ended already: nothing changes."""
    conn.execute(
        update(rm_shift)
        .where(rm_shift.c.id == shift_id, rm_shift.c.ended_at.is_(None))
        .values(ended_at=now, end_reason=reason)
    )


def next_leg(conn: Connection, shift_id: int) -> int:
    """The number of the shift's next RM leg: durable before the phone is called, so never reused."""
    number: int = conn.execute(
        update(rm_shift)
        .where(rm_shift.c.id == shift_id)
        .values(legs=rm_shift.c.legs + 1)
        .returning(rm_shift.c.legs)
    ).scalar_one()
    return number


def note_state(
    conn: Connection, shift_id: int, rm_id: int, state: RmState, reason: str, now: datetime
) -> None:
    """One step of an RM's day."""
    conn.execute(insert(rm_move).values(shift_id=shift_id, rm_id=rm_id, at=now, state=state, reason=reason))


def open_shifts(conn: Connection) -> list[Row[Any]]:
    """The shifts that have not ended, oldest first."""
    return list(conn.execute(select(rm_shift).where(rm_shift.c.ended_at.is_(None)).order_by(rm_shift.c.id)))


def last_state(conn: Connection, shift_id: int) -> RmState | None:
    """The state a shift was last noted in; None: none yet."""
    state = conn.execute(
        select(rm_move.c.state).where(rm_move.c.shift_id == shift_id).order_by(rm_move.c.id.desc()).limit(1)
    ).scalar_one_or_none()
    return None if state is None else RmState(state)
