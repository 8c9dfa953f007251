# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a call as one unit of work: its one disposition, and everything that follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection, Row

from crm.interactions import NewInteraction, append
from crm.locks import lock_number, unlock_number
from crm.numbers import note_invalid, note_reached
from dialer.alarms import raise_alarm
from dialer.calls import Move, count_unheard, find_call, move_call
from dialer.campaigns import find_campaign
from dialer.rules import DialingRules
from foundation.ids import IdSource
from foundation.outbox import publish
from lawful.zones import known_zone
from profiler.lists import Entry, give_back, of_call, settle
from profiler.profiles import of_customer, prior
from profiler.retry import NextTry
from profiler.retry import decide as decide_next_try
from profiler.sessions import CloseReason, close_session
from vocabulary.call_id import CallId
from vocabulary.dispositions import RULES, Disposition, EndedBy, LegEnd
from vocabulary.events import CallAnswered, CallEnded, ListFinished, NumberCondemned
from vocabulary.states import EntryState, NumberState

log = structlog.get_logger()

_SKIPPED_FOR = timedelta(hours=1)
#: SIP sends an INVITE that nobody answers again until Timer B (8 s, ``asterisk/templates/pjsip.conf.j2``), and
#: cannot cancel it before: after our hang-up the phone may still ring. The PBX's clock is not ours to scale.
GHOST_RING = timedelta(seconds=9)
_OURS = frozenset({EndedBy.SETUP_TIMER, EndedBy.RING_TIMER, EndedBy.RM, EndedBy.CAMPAIGN})
#: A customer whose phone we let ring and cut is left alone for so long.
_RANG_AND_CUT = timedelta(minutes=15)
_UNHEARD_A_DAY = 3
_UNHEARD_PER_ATTEMPT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a call ended, as its runner saw it. ``facts`` are columns of the call row that became known."""

    call_id: CallId
    end: LegEnd
    disposition: Disposition
    dialed: bool
    reason: str = ""
    sent: bool = True  #: a request to dial has left, or may have
    skipped: bool = False
    recovered: bool = False  #: closed from its row alone, by somebody who had not followed it
    moves: Sequence[Move] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def counted(self) -> bool:
        """Whether it is an attempt: by the disposition's rule; what was cancelled counts once it rang."""
        if self.disposition is Disposition.CANCELLED:
            return self.dialed and self.end.rang
        return RULES[self.disposition].counts_as_attempt

    @property
    def may_still_ring(self) -> bool:
        """We gave up a call of which nothing was heard: its INVITE may still be on its way."""
        unheard = self.dialed and self.sent and not (self.end.rang or self.end.was_up)
        return unheard and self.end.ended_by in _OURS


def finish_call(conn: Connection, ending: Ending, now: datetime, ids: IdSource, rules: DialingRules) -> None:
    """Write the end down, free the number, settle the list entry, tell the outbox."""
    row = move_call(
        conn,
        ending.call_id,
        ending.moves,
        **ending.facts,
        disposition=ending.disposition,
        network_disposition=ending.disposition,
        ended_by=ending.end.ended_by,
        sip_code=ending.end.tech_cause,
        cause=ending.end.cause,
        counted=ending.counted,
        reason=ending.reason or None,
    )
    if ending.may_still_ring:
        lock_number(conn, row.number_blind, ending.call_id, now, now + GHOST_RING)
    else:
        unlock_number(conn, ending.call_id)
    close_session(conn, ending.call_id, now, _close_reason(ending))
    if ending.dialed:
        _note_number(conn, row, ending, now, ids)
        _note_interaction(conn, row, ending, rules)
        _publish(conn, find_call(conn, ending.call_id), ending, now, ids)
        _raise_alarm(conn, row, ending, now, ids)
    if not ending.end.bridged:
        _settle_entry(conn, row, ending, now, ids, rules)


def _close_reason(ending: Ending) -> CloseReason:
    if ending.recovered:
        return CloseReason.RECOVERED
    if not ending.dialed:
        return CloseReason.GIVEN_BACK
    return CloseReason.HUNG_UP if ending.end.bridged else CloseReason.NOT_CONNECTED


def _note_number(conn: Connection, row: Row[Any], ending: Ending, now: datetime, ids: IdSource) -> None:
    if ending.disposition is Disposition.INVALID_NUMBER:
        state = note_invalid(conn, row.number_id, row.trunk, _local(row.zone, now).date())
        if state is NumberState.INVALID:
            publish(conn, ids, NumberCondemned(at=now, customer_id=row.customer_id, number_id=row.number_id))
    elif ending.disposition in (Disposition.ANSWERED, Disposition.MACHINE):
        note_reached(conn, row.number_id)


def _note_interaction(conn: Connection, row: Row[Any], ending: Ending, rules: DialingRules) -> None:
    append(
        conn,
        rules.cipher,
        NewInteraction(
            customer_id=row.customer_id,
            at=row.dialed_at,
            channel="phone",
            direction="out",
            kind="call",
            actor=f"rm:{row.rm_id}",
            summary=f"Call {ending.disposition}",
            ref_type="call",
            ref_id=ending.call_id,
            data={"disposition": str(ending.disposition), "campaign_id": row.campaign_id},
            source="dialer",
            source_event_id=f"{ending.call_id}:ended",
        ),
    )


def _publish(conn: Connection, row: Row[Any], ending: Ending, now: datetime, ids: IdSource) -> None:
    common = {
        "at": now,
        "call_id": ending.call_id,
        "campaign_id": row.campaign_id,
        "customer_id": row.customer_id,
        "rm_id": row.rm_id,
    }
    if row.answered_at is not None:
        publish(conn, ids, CallAnswered(**common, rang_s=_between(row.ringing_at, row.answered_at)))
    local = _local(row.zone, row.dialed_at)
    publish(
        conn,
        ids,
        CallEnded(
            **common,
            disposition=ending.disposition,
            number_id=row.number_id,
            trunk=row.trunk,
            dialed=ending.dialed,
            local_hour=local.hour,
            weekday=local.weekday(),
            rang_s=_between(row.ringing_at, row.answered_at or row.ended_at),
            talk_s=_between(row.bridged_at, row.ended_at),
        ),
    )


def _raise_alarm(conn: Connection, row: Row[Any], ending: Ending, now: datetime, ids: IdSource) -> None:
    rule = RULES[ending.disposition]
    if rule.alarm:
        log.error("alarm", alarm=ending.disposition, subject=row.trunk or row.node or "")
        raise_alarm(conn, str(ending.disposition), row.trunk or row.node or "", rule.sentence, now, ids)


def _settle_entry(
    conn: Connection, row: Row[Any], ending: Ending, now: datetime, ids: IdSource, rules: DialingRules
) -> None:
    """What becomes of the list entry of a call that was not connected."""
    if not ending.dialed:
        next_at = now + _SKIPPED_FOR * rules.time_scale if ending.skipped else now
        give_back(conn, ending.call_id, now, next_at, ending.reason or "given back")
        return
    entry = of_call(conn, ending.call_id)
    if entry is None:
        return
    campaign = find_campaign(conn, int(row.campaign_id))
    step = decide_next_try(
        rules.retry(campaign),
        ending.disposition,
        None,
        entry.attempts,
        now,
        row.zone or None,
        of_customer(conn, row.customer_id).reach,
        prior(conn),
    )
    if not ending.counted and ending.disposition is not Disposition.CANCELLED:
        step = _spare_the_trunk(conn, step, entry, campaign.policy.max_attempts, now, rules)
    if ending.disposition is Disposition.CANCELLED and ending.counted and step.next_at is not None:
        # The phone rang and was silenced by us: ringing again at once is what a person calls harassment.
        step = replace(step, next_at=max(step.next_at, now + _RANG_AND_CUT * rules.time_scale))
    settled = settle(
        conn,
        ending.call_id,
        now,
        step.state,
        step.next_at,
        ending.disposition,
        None,
        entry.callback_at if ending.disposition is Disposition.CANCELLED else None,
        ending.counted,
    )
    if settled is not None and settled.list_finished:
        publish(conn, ids, ListFinished(at=now, campaign_id=row.campaign_id, rm_id=settled.entry.rm_id))


def _spare_the_trunk(
    conn: Connection, step: NextTry, entry: Entry, max_attempts: int, now: datetime, rules: DialingRules
) -> NextTry:
    """Dials that never rang count as no attempt, yet they do not go on for ever: three a day, and an end."""
    day = timedelta(days=1) * rules.time_scale
    if count_unheard(conn, entry.entry_id, now - timedelta(days=365)) >= _UNHEARD_PER_ATTEMPT * max_attempts:
        return replace(step, state=EntryState.EXHAUSTED, next_at=None)
    if step.next_at is not None and count_unheard(conn, entry.entry_id, now - day) >= _UNHEARD_A_DAY:
        return replace(step, next_at=max(step.next_at, now + day))
    return step


def _local(zone: str, at: datetime) -> datetime:
    return at.astimezone(known_zone(zone) or ZoneInfo("UTC"))


def _between(start: datetime | None, end: datetime | None) -> float:
    if start is None or end is None:
        return 0.0
    return max(0.0, (end - start).total_seconds())
