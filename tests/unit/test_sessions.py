# SPDX-License-Identifier: GPL-3.0-or-later
"""Profiler sessions open at the claim and close once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from foundation.db.inline import Inline
from foundation.testing import MONDAY_TEN
from profiler.sessions import CloseReason, close_session, find_session, open_session, open_sessions
from vocabulary.call_id import CallId

CALL = CallId("4F7K2QX9")
OTHER = CallId("00000000")
LATER = MONDAY_TEN + timedelta(minutes=3)


async def test_a_session_is_open_from_claim_to_close(inline_db: Inline) -> None:
    """Open sessions are the calls under way."""
    opened = await inline_db.write(open_session, CALL, 1, 2, 3, MONDAY_TEN)
    await inline_db.write(open_session, OTHER, None, 4, 3, MONDAY_TEN)
    assert [session.call_id for session in await inline_db.read(open_sessions)] == [CALL, OTHER]
    assert await inline_db.write(close_session, CALL, LATER, CloseReason.HUNG_UP)
    assert [session.call_id for session in await inline_db.read(open_sessions)] == [OTHER]
    closed = await inline_db.read(find_session, CALL)
    assert closed is not None
    assert (closed.session_id, closed.closed_at) == (opened.session_id, LATER)
    assert closed.close_reason is CloseReason.HUNG_UP


async def test_the_first_close_stands(inline_db: Inline) -> None:
    """Closing again, or closing what never was, changes nothing."""
    await inline_db.write(open_session, CALL, 1, 2, 3, MONDAY_TEN)
    await inline_db.write(close_session, CALL, MONDAY_TEN, CloseReason.DISCONNECTED)
    assert not await inline_db.write(close_session, CALL, LATER, CloseReason.RECOVERED)
    assert not await inline_db.write(close_session, OTHER, LATER, CloseReason.RECOVERED)
    session = await inline_db.read(find_session, CALL)
    assert session is not None
    assert (session.closed_at, session.close_reason) == (MONDAY_TEN, CloseReason.DISCONNECTED)


async def test_a_call_has_one_session(inline_db: Inline) -> None:
    """A second open fails the whole unit of work: the call was claimed twice."""
    await inline_db.write(open_session, CALL, 1, 2, 3, MONDAY_TEN)
    with pytest.raises(IntegrityError):
        await inline_db.write(open_session, CALL, 1, 2, 3, LATER)
