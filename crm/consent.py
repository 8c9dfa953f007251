# SPDX-License-Identifier: GPL-3.0-or-later
"""Consent, per customer, channel and purpose: only ever added to; the newest row speaks.

A row says who recorded it, on what evidence, and in which wording the customer was asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, insert, select

from crm.tables import consent


class ConsentState(StrEnum):
    """What a customer said to being contacted."""

    GRANTED = "granted"  #: said yes
    DECLINED = "declined"  #: said no when asked
    NOT_ASKED = "not_asked"  #: nobody asked; as good as no row at all
    WITHDRAWN = "withdrawn"  #: said yes before, and no since


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentLine:
    """What stands for one channel and purpose."""

    channel: str
    purpose: str
    state: ConsentState
    wording: str
    at: datetime


def record(
    conn: Connection,
    *,
    customer_id: int,
    channel: str,
    purpose: str,
    state: ConsentState,
    wording: str,
    evidence: str,
    actor: str,
    now: datetime,
) -> None:
    """Add what a customer said. ``evidence`` names where it can be looked up, such as ``call 4F7K2QX9``."""
    conn.execute(
        insert(consent).values(
            customer_id=customer_id,
            channel=channel,
            purpose=purpose,
            state=state,
            wording=wording,
            evidence=evidence,
            actor=actor,
            at=now,
        )
    )


def current(conn: Connection, customer_id: int, channel: str, purpose: str) -> ConsentLine | None:
    """What stands; None where nothing was ever recorded."""
    for line in lines(conn, customer_id):
        if (line.channel, line.purpose) == (channel, purpose):
            return line
    return None


def lines(conn: Connection, customer_id: int) -> tuple[ConsentLine, ...]:
    """What stands for every channel and purpose, ordered by them."""
    rows = conn.execute(
        select(consent.c.channel, consent.c.purpose, consent.c.state, consent.c.wording, consent.c.at)
        .where(consent.c.customer_id == customer_id)
        .order_by(consent.c.at, consent.c.id)
    )
    newest = {
        (row.channel, row.purpose): ConsentLine(
            channel=row.channel,
            purpose=row.purpose,
            state=ConsentState(row.state),
            wording=row.wording,
            at=row.at,
        )
        for row in rows
    }
    return tuple(newest[key] for key in sorted(newest))
