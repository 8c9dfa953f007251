# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms: what an administrator should look at, as an event in the outbox."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from foundation.ids import IdSource
from foundation.outbox import publish
from vocabulary.events import AlarmRaised


def raise_alarm(
    conn: Connection, alarm: str, subject: str, sentence: str, now: datetime, ids: IdSource
) -> None:
    """Put an alarm on record. ``alarm`` is its stable name."""
    publish(conn, ids, AlarmRaised(at=now, alarm=alarm, subject=subject, sentence=sentence))
