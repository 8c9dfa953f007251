# SPDX-License-Identifier: GPL-3.0-or-later
"""Closing a call that nobody follows any more, whatever its row says: one disposition, one outcome, one unit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from dialer.calls import Move, find_call
from dialer.finish import Ending, finish_call
from dialer.outcomes import record_outcome
from dialer.rules import DialingRules
from foundation.ids import IdSource
from vocabulary.call_id import CallId
from vocabulary.dispositions import Disposition, EndedBy, LegEnd, decide
from vocabulary.outcomes import Outcome
from vocabulary.states import FINAL_CALL_STATES, CallState


def close_open_call(
    conn: Connection,
    call_id: CallId,
    ended_by: EndedBy,
    reason: str,
    now: datetime,
    ids: IdSource,
    rules: DialingRules,
    *,
    was_up: bool = False,
    rang: bool = False,
    for_wrap_up: bool = False,
) -> None:
    """Close a call from its row alone.

    ``was_up``, ``rang``: the PBX still had the customer's leg, answered or perhaps ringing.
    ``for_wrap_up``: an RM is there to say how the talk went; otherwise it is closed without an outcome.
    A final call stays as it is.
    """
    row = find_call(conn, call_id)
    state = CallState(row.state)
    if state in FINAL_CALL_STATES:
        return
    if state is not CallState.ENDED:
        finish_call(conn, _ending(row, ended_by, reason, now, was_up=was_up, rang=rang), now, ids, rules)
        state = CallState(find_call(conn, call_id).state)
    if state is CallState.ENDED and not for_wrap_up:
        record_outcome(conn, call_id, Outcome.NO_OUTCOME, now, ids, rules)


def _ending(
    row: Row[Any], ended_by: EndedBy, reason: str, now: datetime, *, was_up: bool, rang: bool
) -> Ending:
    joined = row.bridged_at is not None
    dialed = row.dialed_at is not None
    end = LegEnd(
        ended_by=ended_by,
        was_up=was_up or row.answered_at is not None,
        rang=rang or row.ringing_at is not None,
        bridged=joined,
    )
    state = CallState.ENDED if joined else CallState.NOT_CONNECTED
    return Ending(
        call_id=CallId(row.call_id),
        end=end,
        disposition=decide(end) if dialed else Disposition.CANCELLED,
        dialed=dialed,
        reason=reason,
        recovered=True,
        moves=(Move(state=state, at=now, detail=reason),),
        facts={"ended_at": now},
    )
