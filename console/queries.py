# SPDX-License-Identifier: GPL-3.0-or-later
"""What screens read across rooms: an RM's own day, names for an own list, the calls of a customer set. Only SELECTs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select

from crm.customers import ACTIVE
from crm.records import owner_of
from crm.tables import customer, customer_number
from dialer.tables import call, campaign
from foundation.encryption import FieldCipher
from lawful.numbers import masked
from profiler import lists
from profiler.tables import rm, target_entry
from vocabulary.call_id import CallId, show_call_id
from vocabulary.outcomes import Outcome
from vocabulary.states import LIVE_CALL_STATES, CallState, EntryState


@dataclass(frozen=True, slots=True, kw_only=True)
class LastCall:
    """The newest call that was dialed for an RM and is over."""

    call_id: CallId
    shown: str
    customer_id: int
    disposition: str | None
    outcome: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnDay:
    """An RM's calls since a moment."""

    dialed: int
    answered: int
    talk: timedelta
    outcomes: Mapping[Outcome, int]
    last: LastCall | None


def own_day(conn: Connection, rm_id: int, since: datetime) -> OwnDay:
    """What an RM did since ``since``, and the last call whenever it was."""
    rows = conn.execute(
        select(call.c.dialed_at, call.c.bridged_at, call.c.ended_at, call.c.outcome)
        .where(call.c.rm_id == rm_id, call.c.dialed_at >= since)
        .order_by(call.c.dialed_at)
    ).all()
    talked = [row for row in rows if row.bridged_at is not None]
    outcomes = [Outcome(row.outcome) for row in talked if row.outcome is not None]
    return OwnDay(
        dialed=len(rows),
        answered=len(talked),
        talk=sum(
            (row.ended_at - row.bridged_at for row in talked if row.ended_at is not None),
            start=timedelta(),
        ),
        outcomes={outcome: outcomes.count(outcome) for outcome in Outcome if outcome in outcomes},
        last=_last_call(conn, rm_id),
    )


def _last_call(conn: Connection, rm_id: int) -> LastCall | None:
    row = conn.execute(
        select(call.c.call_id, call.c.customer_id, call.c.disposition, call.c.outcome)
        .where(
            call.c.rm_id == rm_id,
            call.c.dialed_at.is_not(None),
            call.c.state.in_([str(CallState.WRAPPED_UP), str(CallState.NOT_CONNECTED)]),
        )
        .order_by(call.c.dialed_at.desc(), call.c.call_id)
        .limit(1)
    ).first()
    if row is None:
        return None
    return LastCall(
        call_id=CallId(row.call_id),
        shown=show_call_id(row.call_id),
        customer_id=row.customer_id,
        disposition=row.disposition,
        outcome=row.outcome,
    )


def list_states(
    conn: Connection, rm_id: int, campaign_ids: Collection[int]
) -> dict[int, dict[EntryState, int]]:
    """How many customers of an RM's own lists are in each state, by campaign (only what occurs)."""
    entry = target_entry.c
    rows = conn.execute(
        select(entry.campaign_id, entry.state, func.count().label("entries"))
        .where(entry.campaign_id.in_(campaign_ids), entry.rm_id == rm_id)
        .group_by(entry.campaign_id, entry.state)
        .order_by(entry.campaign_id, entry.state)
    )
    found: dict[int, dict[EntryState, int]] = {}
    for row in rows:
        found.setdefault(row.campaign_id, {})[EntryState(row.state)] = row.entries
    return found


def names_of(conn: Connection, cipher: FieldCipher, customer_ids: Collection[int]) -> dict[int, str]:
    """The names of customers whose data stands; the caller has made sure that they may be seen."""
    rows = conn.execute(
        select(customer.c.id, customer.c.source, customer.c.external_id, customer.c.name_sealed)
        .where(customer.c.id.in_(customer_ids), customer.c.state == ACTIVE)
        .order_by(customer.c.id)
    )
    return {
        row.id: cipher.open("customer", "name", owner_of(row.source, row.external_id), row.name_sealed)
        for row in rows
    }


def own_list(
    conn: Connection,
    cipher: FieldCipher,
    rm_id: int,
    campaign_id: int,
    state: EntryState,
    limit: int,
    offset: int,
) -> list[tuple[lists.Entry, str]]:
    """A page of an RM's own list with names, in one snapshot."""
    entries = lists.page(conn, rm_id, campaign_id, state, limit, offset)
    names = names_of(conn, cipher, [entry.customer_id for entry in entries])
    return [(entry, names.get(entry.customer_id, "")) for entry in entries]


def rm_of_call(conn: Connection, call_id: CallId) -> int | None:
    """Whose call it is; None where there is no such call or it has no RM."""
    return conn.scalar(select(call.c.rm_id).where(call.c.call_id == call_id))


def masked_number(conn: Connection, number_id: int) -> str:
    """A customer's number as everybody may see it; empty where the customer is gone."""
    last2 = conn.scalar(select(customer_number.c.last2).where(customer_number.c.id == number_id))
    return "" if last2 is None else masked(last2)


def customers_called_since(conn: Connection, customer_ids: Sequence[int], since: datetime) -> Collection[int]:
    """Which of these customers had a call of any state since a moment."""
    rows = conn.execute(
        select(call.c.customer_id)
        .where(call.c.customer_id.in_(customer_ids), call.c.claimed_at >= since)
        .distinct()
        .order_by(call.c.customer_id)
    )
    return set(rows.scalars())


def active_customers(
    conn: Connection, *, after_id: int, limit: int, segment: str | None, import_id: int | None
) -> list[int]:
    """A page of customers by id, all or those of a segment or an import."""
    query = select(customer.c.id).where(customer.c.state == ACTIVE, customer.c.id > after_id)
    if segment is not None:
        query = query.where(customer.c.segment == segment)
    if import_id is not None:
        query = query.where(customer.c.import_batch_id == import_id)
    return list(conn.scalars(query.order_by(customer.c.id).limit(limit)))


def live_calls_by_trunk(conn: Connection) -> Mapping[str, int]:
    """How many calls each trunk may be carrying now."""
    live = [str(state) for state in LIVE_CALL_STATES]
    rows = conn.execute(
        select(call.c.trunk, func.count())
        .where(call.c.state.in_(live), call.c.trunk.is_not(None))
        .group_by(call.c.trunk)
        .order_by(call.c.trunk)
    )
    return {row[0]: row[1] for row in rows}


def recent_calls(
    conn: Connection,
    *,
    campaign_id: int | None,
    rm_id: int | None,
    disposition: str | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """The newest calls first, with the names of campaign and RM, and the number's last two digits."""
    query = (
        select(call, campaign.c.name.label("campaign"), rm.c.name.label("rm"), customer_number.c.last2)
        .join(campaign, campaign.c.id == call.c.campaign_id)
        .outerjoin(rm, rm.c.id == call.c.rm_id)
        .outerjoin(customer_number, customer_number.c.id == call.c.number_id)
    )
    for column, wanted in (
        (call.c.campaign_id, campaign_id),
        (call.c.rm_id, rm_id),
        (call.c.disposition, disposition),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    return conn.execute(query.order_by(call.c.claimed_at.desc(), call.c.call_id).limit(limit)).all()


def dispositions(conn: Connection, campaign_id: int) -> Mapping[str, int]:
    """How many calls of a campaign ended in each disposition."""
    rows = conn.execute(
        select(call.c.disposition, func.count().label("calls"))
        .where(call.c.campaign_id == campaign_id, call.c.disposition.is_not(None))
        .group_by(call.c.disposition)
        .order_by(call.c.disposition)
    )
    return {row.disposition: row.calls for row in rows}
