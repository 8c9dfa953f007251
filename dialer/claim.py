# SPDX-License-Identifier: GPL-3.0-or-later
"""The claim: one unit of work across rooms that takes the next customer, or takes nothing.

The profiler leases the entry, crm and lawful say whether this customer may be called now, the number is
locked, the call ID is issued, the profiler session opened, the snapshot fetched, the event published. If
anything fails nothing of it remains and nobody is dialed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Connection, select

from crm.contact import ContactVerdict, may_contact
from crm.locks import lock_number, unlock_number
from crm.numbers import CallableNumber, next_number, reveal
from crm.snapshot import CustomerSnapshot, snapshot
from dialer.calls import attempt_rows, find_call, insert_call
from dialer.campaigns import Campaign, find_campaign
from dialer.desk import DeskRm
from dialer.limits import refusal
from dialer.rules import DialingRules
from dialer.tables import call
from foundation.ids import IdSource
from foundation.outbox import publish
from lawful.attempts import Attempt
from lawful.numbers import verdict as number_verdict
from profiler.lists import EndOfList, Entry, NothingNow, Taken, give_back, settle, take
from profiler.rms import find as find_rm
from profiler.sessions import open_session
from vocabulary.call_id import CallId, new_call_id, show_call_id
from vocabulary.dispositions import Disposition
from vocabulary.events import CallClaimed, ListFinished
from vocabulary.states import EntryState

log = structlog.get_logger()

#: Customers passed over in one unit, so that a unit stays short; the next pass goes on.
_PASS_OVER: Final = 20
#: What cannot open by waiting is looked at again after this, should somebody put it right.
_LATER: Final = timedelta(days=1)
_ATTEMPTS_WINDOW: Final = timedelta(days=31)
_NUMBER_BUSY: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claimed customer with everything a call needs; nobody is dialed yet."""

    call_id: CallId
    campaign_id: int
    customer_id: int
    number_id: int
    pii_number: str = field(repr=False)
    zone: str
    caller_id: str
    trunks: tuple[str, ...]
    ring_s: float | None
    wrap_up_s: float | None
    snapshot: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingDue:
    """Nobody in the list may be called now."""

    next_at: datetime | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOver:
    """No open entry is left in the RM's list."""


def claim_next(
    conn: Connection,
    campaign: Campaign,
    rm: DeskRm,
    shift_id: int,
    now: datetime,
    ids: IdSource,
    rules: DialingRules,
    *,
    customer_id: int | None = None,
) -> Claim | NothingDue | ListOver:
    """Claim the next customer of an RM's list who may be called now, or the chosen one."""
    refused = refusal(conn, campaign, rm.id, now, rules)
    if refused is not None:
        return NothingDue(next_at=None, sentence=refused)
    passed_over = ""
    for _ in range(_PASS_OVER):
        call_id = _fresh_call_id(conn, ids)
        taken = take(conn, rm.id, campaign.id, call_id, now, now + rules.lease, customer_id)
        match taken:
            case EndOfList():
                return ListOver()
            case NothingNow(next_at=next_at):
                if customer_id is not None:
                    return NothingDue(next_at=next_at, sentence="This customer is not waiting in your list.")
                return NothingDue(next_at=next_at, sentence=passed_over or _waiting(next_at))
            case Taken(entry=entry):
                claim, why_not = _claim_entry(conn, campaign, rm, shift_id, call_id, entry, now, ids, rules)
                if claim is not None:
                    return claim
                if customer_id is not None:
                    return NothingDue(next_at=None, sentence=why_not)
                passed_over = why_not
    return NothingDue(next_at=now, sentence=passed_over)


def _waiting(next_at: datetime | None) -> str:
    if next_at is None:
        return "The last customers of your list are being called right now."
    return "Every customer in your list is waiting for a later time."


def _claim_entry(
    conn: Connection,
    campaign: Campaign,
    rm: DeskRm,
    shift_id: int,
    call_id: CallId,
    entry: Entry,
    now: datetime,
    ids: IdSource,
    rules: DialingRules,
) -> tuple[Claim | None, str]:
    """Claim a leased entry, or put it back with the reason."""
    customer_id = entry.customer_id
    number = next_number(conn, customer_id, now, own_blinds=rules.own_blinds)
    if number is None:
        return _drop(conn, call_id, now, ids, "The customer has no number that may be called.")
    checked = check_contact(conn, campaign, customer_id, number.number_id, number.e164_blind, now, rules)
    if not checked.allowed:
        if checked.opens_at is None and checked.code != "zone_unknown":
            return _drop(conn, call_id, now, ids, checked.sentence)
        give_back(conn, call_id, now, checked.opens_at or now + _LATER, checked.sentence)
        return None, checked.sentence
    e164 = reveal(conn, rules.cipher, number.number_id)
    allowed = number_verdict(e164, rules.numbers)
    if not allowed.allowed:
        return _drop(conn, call_id, now, ids, allowed.sentence)
    if not lock_number(conn, number.e164_blind, call_id, now, now + rules.lease):
        sentence = "Somebody else is being called on this number right now."
        give_back(conn, call_id, now, now + _NUMBER_BUSY * rules.time_scale, sentence)
        return None, sentence
    person = snapshot(conn, rules.cipher, customer_id, now)
    _write_claim(conn, campaign, rm, shift_id, call_id, entry, number, person, now, ids)
    return _claim(campaign, rm.display_name, call_id, customer_id, number.number_id, e164, person, entry), ""


def _write_claim(
    conn: Connection,
    campaign: Campaign,
    rm: DeskRm,
    shift_id: int,
    call_id: CallId,
    entry: Entry,
    number: CallableNumber,
    person: CustomerSnapshot,
    now: datetime,
    ids: IdSource,
) -> None:
    insert_call(
        conn,
        call_id,
        now,
        campaign_id=campaign.id,
        customer_id=entry.customer_id,
        number_id=number.number_id,
        number_blind=number.e164_blind,
        entry_id=entry.entry_id,
        rm_id=rm.id,
        shift_id=shift_id,
        mode=campaign.mode,
        caller_id=campaign.caller_id,
        zone=person.zone or "",
        script=campaign.policy.script,
    )
    open_session(conn, call_id, rm.id, entry.customer_id, campaign.id, now)
    publish(
        conn,
        ids,
        CallClaimed(
            at=now, call_id=call_id, campaign_id=campaign.id, customer_id=entry.customer_id, rm_id=rm.id
        ),
    )


def _claim(
    campaign: Campaign,
    rm_name: str,
    call_id: CallId,
    customer_id: int,
    number_id: int,
    e164: str,
    person: CustomerSnapshot,
    entry: Entry | None,
) -> Claim:
    return Claim(
        call_id=call_id,
        campaign_id=campaign.id,
        customer_id=customer_id,
        number_id=number_id,
        pii_number=e164,
        zone=person.zone or "",
        caller_id=campaign.caller_id,
        trunks=campaign.policy.trunks,
        ring_s=campaign.policy.ring_s,
        wrap_up_s=campaign.policy.wrap_up_s,
        snapshot={
            "customer": person.as_mapping(),
            "call": {"id": show_call_id(call_id)},
            "rm": {"name": rm_name, "first_name": rm_name.partition(" ")[0]},
            "campaign": {
                "name": campaign.name,
                "title": campaign.title,
                "caller_id": campaign.caller_id,
                "script": campaign.policy.script,
                "guidelines": list(campaign.policy.guidelines),
            },
            "why_chosen": list(entry.reasons) if entry is not None else [],
            "outcomes": [str(outcome) for outcome in campaign.policy.outcomes],
        },
    )


def reclaim(conn: Connection, call_id: CallId, now: datetime, rules: DialingRules) -> Claim:
    """The claim of a call that outlived a restart of the dialer, fetched anew."""
    row = find_call(conn, call_id)
    campaign = find_campaign(conn, int(row.campaign_id))
    person = snapshot(conn, rules.cipher, row.customer_id, now)
    e164 = reveal(conn, rules.cipher, row.number_id)
    rm = None if row.rm_id is None else find_rm(conn, row.rm_id)
    rm_name = "" if rm is None else rm.display_name
    claim = _claim(campaign, rm_name, call_id, row.customer_id, row.number_id, e164, person, None)
    return replace(claim, caller_id=row.caller_id)


def check_contact(
    conn: Connection,
    campaign: Campaign,
    customer_id: int,
    number_id: int,
    number_blind: str,
    now: datetime,
    rules: DialingRules,
) -> ContactVerdict:
    """``crm.may_contact`` with the attempts that only the dialer's table knows."""
    return may_contact(
        conn,
        customer_id,
        number_id,
        "phone",
        campaign.policy.purpose,
        now,
        rules.contact(campaign),
        _attempts(attempt_rows(conn, customer_id, number_blind, now - _ATTEMPTS_WINDOW)),
    )


def _attempts(rows: Sequence[Any]) -> list[Attempt]:
    return [Attempt(at=row.dialed_at, abandoned=row.disposition == Disposition.ABANDONED) for row in rows]


def _drop(conn: Connection, call_id: CallId, now: datetime, ids: IdSource, why: str) -> tuple[None, str]:
    """Take a customer out of the list: waiting would not help."""
    settled = settle(conn, call_id, now, EntryState.WITHDRAWN, None, None, None, None, counted=False)
    if settled is not None:
        log.info("entry_withdrawn", entry=settled.entry.entry_id, why=why)
        if settled.list_finished:
            entry = settled.entry
            publish(conn, ids, ListFinished(at=now, campaign_id=entry.campaign_id, rm_id=entry.rm_id))
    unlock_number(conn, call_id)
    return None, why


def _fresh_call_id(conn: Connection, ids: IdSource) -> CallId:
    """A call ID that was never used: 34 milliards of them, so one look is nearly always enough."""
    while True:
        call_id = new_call_id(ids)
        if conn.execute(select(call.c.call_id).where(call.c.call_id == call_id)).first() is None:
            return call_id
