# SPDX-License-Identifier: GPL-3.0-or-later
"""The halt: while one stands, no unit of work lets a call begin, in any process."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from dialer.tables import halt
from foundation import audit


def order_halt(conn: Connection, actor: str, reason: str, now: datetime, *, chain: str = "main") -> None:
    """Stop everything, and audit who ordered it. A second halt on top of a standing one only adds its record.

    ``chain``: of the audit, if it is not the main process that writes.
    """
    conn.execute(insert(halt).values(at=now, actor=actor, reason=reason))
    audit.record(conn, now, actor=actor, action="halt", subject="floor", reason=reason, chain=chain)


def lift_halt(conn: Connection, actor: str, now: datetime, *, chain: str = "main") -> int:
    """Allow dialing again, and audit who did; returns how many standing halts were lifted."""
    result = conn.execute(
        update(halt).where(halt.c.lifted_at.is_(None)).values(lifted_at=now, lifted_by=actor)
    )
    audit.record(conn, now, actor=actor, action="halt.lift", subject="floor", chain=chain)
    return result.rowcount


def standing_halt(conn: Connection) -> Row[Any] | None:
    """The newest halt that stands, or None."""
    return conn.execute(
        select(halt).where(halt.c.lifted_at.is_(None)).order_by(halt.c.id.desc()).limit(1)
    ).first()
