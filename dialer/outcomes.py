# SPDX-License-Identifier: GPL-3.0-or-later
"""What the RM said of a call, as one unit of work: the outcome, what it corrects, and what follows for the list."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from crm.interactions import NewInteraction, append
from crm.numbers import mark_number
from crm.suppression import Source, suppress, this_customer, this_number
from dialer.calls import Move, find_call, move_call
from dialer.campaigns import Campaign, find_campaign
from dialer.rules import DialingRules
from foundation.ids import IdSource
from foundation.outbox import publish
from profiler.lists import of_call, settle
from profiler.profiles import of_customer, prior
from profiler.retry import decide as decide_next_try
from vocabulary.call_id import CallId
from vocabulary.dispositions import RULES, Disposition
from vocabulary.events import CustomerSuppressed, ListFinished, OutcomeRecorded
from vocabulary.outcomes import OUTCOME_RULES, Outcome
from vocabulary.states import CallState, NumberState


def record_outcome(
    conn: Connection,
    call_id: CallId,
    outcome: Outcome,
    now: datetime,
    ids: IdSource,
    rules: DialingRules,
    *,
    note: str = "",
    callback_at: datetime | None = None,
    answers: dict[str, str] | None = None,
) -> str | None:
    """Record it. Returns why it cannot be, in words (and nothing is written), or None."""
    row = find_call(conn, call_id)
    campaign = find_campaign(conn, int(row.campaign_id))
    refusal = _refusal(row, campaign, outcome, callback_at, now)
    if refusal is not None:
        return refusal
    rule = OUTCOME_RULES[outcome]
    was = Disposition(row.disposition)
    disposition = rule.corrects_to or was
    move_call(
        conn,
        call_id,
        [Move(state=CallState.WRAPPED_UP, at=now, detail=str(outcome))],
        outcome=outcome,
        disposition=disposition,
        counted=RULES[disposition].counts_as_attempt,
        answers=answers or None,
        wrapped_up_at=now,
    )
    if rule.suppresses:
        _suppress(conn, row, now, ids)
    if rule.marks_number:
        suppress(
            conn,
            this_number(row.number_blind),
            Source.WRONG_PERSON,
            now,
            actor=f"rm:{row.rm_id}",
            reason=f"call {call_id}",
        )
        mark_number(conn, row.number_id, NumberState.INVALID)
    _note(conn, row, outcome, note, now, rules)
    publish(
        conn,
        ids,
        OutcomeRecorded(
            at=now,
            call_id=call_id,
            campaign_id=row.campaign_id,
            customer_id=row.customer_id,
            rm_id=row.rm_id,
            outcome=outcome,
            corrected_from=was if disposition is not was else None,
            talk_s=_seconds(row.bridged_at, row.ended_at),
            wrap_up_s=_seconds(row.ended_at, now),
        ),
    )
    _settle_entry(conn, row, campaign, was, outcome, callback_at, now, ids, rules)
    return None


def _refusal(
    row: Row[Any], campaign: Campaign, outcome: Outcome, callback_at: datetime | None, now: datetime
) -> str | None:
    if row.state == CallState.WRAPPED_UP:
        return "The outcome of this call is recorded already."
    if row.state != CallState.ENDED:
        return "This call is not over, or was not connected: it takes no outcome."
    if outcome is not Outcome.NO_OUTCOME and outcome not in campaign.policy.outcomes:
        return f"This campaign has no outcome {outcome}."
    if OUTCOME_RULES[outcome].needs_callback_time:
        if callback_at is None:
            return "Say when the customer wants to be called back."
        if callback_at <= now:
            return "The call-back time has passed already; choose a later one."
    return None


def _suppress(conn: Connection, row: Row[Any], now: datetime, ids: IdSource) -> None:
    actor, reason = f"rm:{row.rm_id}", f"call {row.call_id}"
    for subject in (this_customer(row.customer_id), this_number(row.number_blind)):
        suppress(conn, subject, Source.OPT_OUT, now, actor=actor, reason=reason)
    publish(conn, ids, CustomerSuppressed(at=now, customer_id=row.customer_id, source=str(Source.OPT_OUT)))


def _note(
    conn: Connection, row: Row[Any], outcome: Outcome, note: str, now: datetime, rules: DialingRules
) -> None:
    append(
        conn,
        rules.cipher,
        NewInteraction(
            customer_id=row.customer_id,
            at=now,
            channel="phone",
            direction="out",
            kind="outcome",
            actor=f"rm:{row.rm_id}",
            summary=OUTCOME_RULES[outcome].sentence,
            note=note or None,
            ref_type="call",
            ref_id=row.call_id,
            data={"outcome": str(outcome)},
            source="dialer",
            source_event_id=f"{row.call_id}:outcome",
        ),
    )


def _settle_entry(
    conn: Connection,
    row: Row[Any],
    campaign: Campaign,
    disposition: Disposition,
    outcome: Outcome,
    callback_at: datetime | None,
    now: datetime,
    ids: IdSource,
    rules: DialingRules,
) -> None:
    entry = of_call(conn, CallId(row.call_id))
    if entry is None:
        return
    step = decide_next_try(
        rules.retry(campaign),
        disposition,
        outcome,
        entry.attempts,
        now,
        row.zone or None,
        of_customer(conn, row.customer_id).reach,
        prior(conn),
        callback_at,
    )
    settled = settle(
        conn,
        CallId(row.call_id),
        now,
        step.state,
        step.next_at,
        step.disposition,
        outcome,
        step.callback_at,
        step.counted,
    )
    if settled is not None and settled.list_finished:
        publish(conn, ids, ListFinished(at=now, campaign_id=row.campaign_id, rm_id=settled.entry.rm_id))


def _seconds(start: datetime | None, end: datetime | None) -> float:
    return 0.0 if start is None or end is None else max(0.0, (end - start).total_seconds())
