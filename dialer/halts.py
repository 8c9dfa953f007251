# SPDX-License-Identifier: GPL-3.0-or-later
"""The halt: while one stands, no unit of work lets a call begin, in any process."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from dialer.tables import halt


def order_halt(conn: Connection, actor: str, reason: str, now: datetime) -> None:
    """Stop everything. A second halt on top of a standing one only adds its record."""
    conn.execute(insert(halt).values(at=now, actor=actor, reason=reason))


def lift_halt(conn: Connection, actor: str, now: datetime) -> int:
    """Allow dialing again; returns how many standing halts were lifted."""
    result = conn.execute(
        update(halt).where(halt.c.lifted_at.is_(None)).values(lifted_at=now, lifted_by=actor)
    )
    return result.rowcount


def standing_halt(conn: Connection) -> Row[Any] | None:
    """The newest halt that stands, or None."""
    return conn.execute(
        select(halt).where(halt.c.lifted_at.is_(None)).order_by(halt.c.id.desc()).limit(1)
    ).first()
