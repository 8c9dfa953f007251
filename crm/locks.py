# SPDX-License-Identifier: GPL-3.0-or-later
"""One lock per phone number across customers: two customers may share a phone, one call at a time reaches it.

The holder is a call ID; a lock that has run out may be taken over, so a dead process blocks nobody for ever.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, exists, insert, literal, or_, select, update

from crm.tables import number_lock


def lock_number(conn: Connection, blind: str, holder: str, now: datetime, until: datetime) -> bool:
    """Take the lock of a number until a moment; False when another holder has it.

    The same holder may take it again: that prolongs it.
    """
    lock = number_lock.c
    renewed = conn.execute(
        update(number_lock)
        .where(lock.e164_blind == blind, or_(lock.until <= now, lock.holder == holder))
        .values(holder=holder, until=until)
    )
    if renewed.rowcount:
        return True
    new_row = select(
        literal(blind, lock.e164_blind.type),
        literal(holder, lock.holder.type),
        literal(until, lock.until.type),
    ).where(~exists().where(lock.e164_blind == blind))
    taken = conn.execute(insert(number_lock).from_select(["e164_blind", "holder", "until"], new_row))
    return taken.rowcount == 1


def unlock_number(conn: Connection, holder: str) -> int:
    """Let go of every number a holder has; the count. None held is no error."""
    return conn.execute(delete(number_lock).where(number_lock.c.holder == holder)).rowcount
