# SPDX-License-Identifier: GPL-3.0-or-later
"""One lock per phone number across customers: two customers may share a phone, one call at a time reaches it.

The holder is a call ID; a lock that has run out may be taken over, so a dead process blocks nobody for ever.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, or_, update

from crm.tables import number_lock
from foundation.db.dialect import insert_if_absent


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
    return insert_if_absent(conn, number_lock, {"e164_blind": blind, "holder": holder, "until": until})


def unlock_number(conn: Connection, holder: str) -> int:
    """Let go of every number a holder has; the count. None held is no error."""
    return conn.execute(delete(number_lock).where(number_lock.c.holder == holder)).rowcount


def forget_run_out(conn: Connection, now: datetime) -> int:
    """Remove locks that have run out; the count. They hold nobody up, and would pile up."""
    return conn.execute(delete(number_lock).where(number_lock.c.until <= now)).rowcount
