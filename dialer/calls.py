# SPDX-License-Identifier: GPL-3.0-or-later
"""Call rows and their story: what is durable of one attempt to reach one customer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection, Row, func, insert, or_, select, update

from dialer.errors import NoSuchCall
from dialer.tables import call, call_move
from vocabulary.call_id import CallId, show_call_id
from vocabulary.dispositions import Disposition
from vocabulary.states import CALL_MOVES, FINAL_CALL_STATES, LIVE_CALL_STATES, CallState, check_move

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One step of a call's story."""

    state: CallState
    at: datetime
    detail: str = ""


def insert_call(conn: Connection, call_id: CallId, now: datetime, **values: Any) -> None:
    """A call that was just claimed."""
    conn.execute(insert(call).values(call_id=call_id, state=CallState.CLAIMED, claimed_at=now, **values))
    conn.execute(insert(call_move).values(call_id=call_id, at=now, state=CallState.CLAIMED, detail=""))


def find_call(conn: Connection, call_id: CallId) -> Row[Any]:
    """The row of a call. Raises ``NoSuchCall``."""
    row = conn.execute(select(call).where(call.c.call_id == call_id)).first()
    if row is None:
        raise NoSuchCall(f"There is no call {show_call_id(call_id)}.")
    return row


def move_call(conn: Connection, /, call_id: CallId, moves: Sequence[Move], **values: Any) -> Row[Any]:
    """The one place where a call changes its state: through every move in turn, with what became known.

    Returns the row as it was before. Raises ``NoSuchCall``, ``IllegalMove``.
    """
    row = find_call(conn, call_id)
    state = CallState(row.state)
    for move in moves:
        check_move(CALL_MOVES, state, move.state, f"Call {show_call_id(call_id)}")
        state = move.state
    conn.execute(update(call).where(call.c.call_id == call_id).values(state=state, **values))
    if moves:
        conn.execute(
            insert(call_move),
            [{"call_id": call_id, "at": m.at, "state": m.state, "detail": m.detail} for m in moves],
        )
        log.info("call_moved", call_id=call_id, old=row.state, new=state)
    return row


def open_calls(conn: Connection) -> list[Row[Any]]:
    """Every call that is not final, oldest first."""
    return list(
        conn.execute(
            select(call)
            .where(call.c.state.not_in([str(s) for s in FINAL_CALL_STATES]))
            .order_by(call.c.claimed_at, call.c.call_id)
        )
    )


def count_live(conn: Connection) -> int:
    """How many calls may have a channel now, in all processes."""
    live = [str(state) for state in LIVE_CALL_STATES]
    return conn.execute(select(func.count()).select_from(call).where(call.c.state.in_(live))).scalar_one()


def count_dialed_since(conn: Connection, since: datetime, rm_id: int | None = None) -> int:
    """How many calls were dialed since a time; by one RM, if one is named."""
    counted = select(func.count()).select_from(call).where(call.c.dialed_at >= since)
    if rm_id is not None:
        counted = counted.where(call.c.rm_id == rm_id)
    return conn.execute(counted).scalar_one()


def count_unheard(conn: Connection, entry_id: int, since: datetime) -> int:
    """How many dials of a list entry since a time never reached the customer's phone."""
    return conn.execute(
        select(func.count())
        .select_from(call)
        .where(
            call.c.entry_id == entry_id,
            call.c.dialed_at >= since,
            call.c.counted.is_(False),
            call.c.disposition != Disposition.CANCELLED,
        )
    ).scalar_one()


def attempt_rows(conn: Connection, customer_id: int, number_blind: str, since: datetime) -> Sequence[Any]:
    """The attempts that count, at a customer or on a phone they share: ``dialed_at``, ``disposition``.

    Oldest first.
    """
    whose = or_(call.c.customer_id == customer_id, call.c.number_blind == number_blind)
    return conn.execute(
        select(call.c.dialed_at, call.c.disposition)
        .where(whose, call.c.dialed_at >= since, call.c.counted.is_(True))
        .order_by(call.c.dialed_at, call.c.call_id)
    ).all()


def story(conn: Connection, call_id: CallId) -> tuple[Row[Any], Sequence[Any]]:
    """A call with all its moves, first to last. Raises ``NoSuchCall``."""
    row = find_call(conn, call_id)
    moves = conn.execute(
        select(call_move.c.at, call_move.c.state, call_move.c.detail)
        .where(call_move.c.call_id == call_id)
        .order_by(call_move.c.id)
    )
    return row, moves.all()
