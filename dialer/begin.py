# SPDX-License-Identifier: GPL-3.0-or-later
"""The durable row that precedes every INVITE: after it a crash can lose a call but never dial it twice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from crm.locks import lock_number
from dialer.calls import Move, find_call, move_call
from dialer.campaigns import find_campaign
from dialer.claim import check_contact
from dialer.limits import refusal
from dialer.rules import DialingRules
from foundation.ids import IdSource
from foundation.outbox import publish
from vocabulary.call_id import CallId
from vocabulary.events import CallDialed
from vocabulary.states import CallState


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What the row will say of a call that is about to be dialed."""

    call_id: CallId
    customer_id: int
    number_id: int
    leg: str
    bridge: str | None
    node: str
    trunk: str
    decided_at: datetime


def begin_dialing(
    conn: Connection, begin: Beginning, now: datetime, ids: IdSource, rules: DialingRules
) -> str | None:
    """Check everything again, then write the row. Returns why nobody may be dialed, in words, or None.

    A refusal writes nothing. The checks: no halt stands, the caps of the house, the campaign dials, consent,
    suppression, hours and caps of the customer, and that the number is still locked for this call.
    """
    row = find_call(conn, begin.call_id)
    campaign = find_campaign(conn, int(row.campaign_id))
    refused = refusal(conn, campaign, row.rm_id, now, rules)
    if refused is not None:
        return refused
    verdict = check_contact(conn, campaign, begin.customer_id, begin.number_id, row.number_blind, now, rules)
    if not verdict.allowed:
        return verdict.sentence
    if not lock_number(conn, row.number_blind, begin.call_id, now, now + rules.lease):
        return "Somebody else is being called on this number right now."
    move_call(
        conn,
        begin.call_id,
        [Move(state=CallState.DIALING, at=now, detail=begin.trunk)],
        leg=begin.leg,
        bridge=begin.bridge,
        node=begin.node,
        trunk=begin.trunk,
        decided_at=begin.decided_at,
        dialed_at=now,
        # Until it is known how the call ended it counts: a crash must not lift a cap.
        counted=True,
    )
    publish(
        conn,
        ids,
        CallDialed(
            at=now,
            call_id=begin.call_id,
            campaign_id=campaign.id,
            customer_id=begin.customer_id,
            rm_id=row.rm_id,
            trunk=begin.trunk,
        ),
    )
    return None
