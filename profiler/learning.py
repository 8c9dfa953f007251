# SPDX-License-Identifier: GPL-3.0-or-later
"""The profiler's ear: call events change the profiles, exactly once in effect, with the reason kept.

``consume`` fits ``foundation.outbox.Dispatcher``. It does not lean on the dispatcher's receipts: the same
event twice, or a call's events in another order, lead to the same profiles (``profiler.facts`` says how).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, Table, insert, select, update

from profiler import lists
from profiler.facts import CallFacts, Effect, difference, effect, learn
from profiler.profiles import Subject
from profiler.reach import Slot
from profiler.tables import (
    customer_profile,
    profile_change,
    profiled_call,
    reach,
    reach_prior,
    rm_profile,
)
from vocabulary.call_id import CallId
from vocabulary.dispositions import Blame, Disposition
from vocabulary.events import (
    CallEvent,
    CustomerSuppressed,
    Event,
    ListFinished,
    NumberCondemned,
    OutcomeRecorded,
)
from vocabulary.outcomes import OUTCOME_RULES, Outcome

_FACT_NAMES: Final = tuple(field.name for field in fields(CallFacts))
_NO_SUMS: Final[Mapping[str, int]] = {
    "attempts": 0,
    "answers": 0,
    "short_calls": 0,
    "talk_ms": 0,
    "numbers_condemned": 0,
}
_NO_RM_SUMS: Final[Mapping[str, Any]] = {
    "calls": 0,
    "answered": 0,
    "talk_ms": 0,
    "wrap_up_ms": 0,
    "lists_finished": 0,
    "outcomes": {},
}


class _Why(NamedTuple):
    event_id: str
    at: datetime
    reason: str
    sentence: str


def consume(conn: Connection, event_id: str, event: Event) -> None:
    """Let one event have its effect on the profiles; events that teach nothing of them pass by."""
    match event:
        case CallEvent():
            _learn_of_call(conn, event_id, event)
        case NumberCondemned(customer_id=customer_id):
            why = _Why(
                event_id, event.at, "number_condemned", "A number of this customer was marked invalid."
            )
            _once(conn, why, Subject.CUSTOMER, customer_id, _condemn)
        case CustomerSuppressed(customer_id=customer_id):
            why = _Why(event_id, event.at, "suppressed", f"May not be called any more ({event.source}).")
            _once(conn, why, Subject.CUSTOMER, customer_id, _suppress)
        case ListFinished(rm_id=rm_id):
            why = _Why(
                event_id,
                event.at,
                "list_finished",
                f"The list in campaign {event.campaign_id} is at its end.",
            )
            _once(conn, why, Subject.RM, rm_id, _finish_list)
        case _:
            pass


def _learn_of_call(conn: Connection, event_id: str, event: CallEvent) -> None:
    row = conn.execute(select(profiled_call).where(profiled_call.c.call_id == event.call_id)).one_or_none()
    old = None if row is None else _facts(row)
    new = learn(old, event_id, event)
    if new == old:
        return
    if old is None:
        conn.execute(insert(profiled_call).values(asdict(new)))
    else:
        conn.execute(update(profiled_call).where(profiled_call.c.call_id == new.call_id).values(asdict(new)))
    was, becomes = effect(old), effect(new)
    why = _why(event_id, event, new)
    if Blame.CUSTOMER in (new.blame, old and old.blame):
        sums, tallies = difference(becomes.customer, was.customer), difference(becomes.reach, was.reach)
        _move_customer(conn, new, sums, tallies, why)
    old_rm = None if old is None else old.rm_id
    if old_rm == new.rm_id:
        _move_rm(conn, new.rm_id, was, becomes, why)
    else:
        nothing = effect(None)
        _move_rm(conn, old_rm, was, nothing, why)
        _move_rm(conn, new.rm_id, nothing, becomes, why)


def _move_customer(
    conn: Connection, facts: CallFacts, sums: Mapping[str, int], tallies: Mapping[str, int], why: _Why
) -> None:
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    if tallies and facts.slot is not None:
        place = f"reach_{facts.slot.day}_{facts.slot.hour}h"
        before[place], after[place] = _add_tally(conn, facts.customer_id, facts.slot, tallies)
    old = _row(conn, customer_profile, facts.customer_id, _NO_SUMS)
    values = {name: old[name] + amount for name, amount in sums.items()} | _last_contact(
        conn, facts.customer_id
    )
    changed = {name: value for name, value in values.items() if old[name] != value}
    if changed:
        conn.execute(
            update(customer_profile)
            .where(customer_profile.c.customer_id == facts.customer_id)
            .values(changed)
        )
    before |= {name: old[name] for name in changed}
    after |= changed
    if after:
        _keep(conn, why, Subject.CUSTOMER, facts.customer_id, before, after)


def _add_tally(
    conn: Connection, customer_id: int, slot: Slot, amounts: Mapping[str, int]
) -> tuple[list[int], list[int]]:
    """Add to the customer's tally and to everybody's; the customer's [tries, answers] before and after."""
    own = (reach.c.customer_id == customer_id) & (reach.c.day == slot.day) & (reach.c.hour == slot.hour)
    row = conn.execute(select(reach.c.tries, reach.c.answers).where(own)).one_or_none()
    old = [0, 0] if row is None else [row.tries, row.answers]
    new = [old[0] + amounts.get("tries", 0), old[1] + amounts.get("answers", 0)]
    values = {"tries": new[0], "answers": new[1]}
    if row is None:
        conn.execute(insert(reach).values(customer_id=customer_id, day=slot.day, hour=slot.hour, **values))
    else:
        conn.execute(update(reach).where(own).values(values))
    everybody = (reach_prior.c.day == slot.day) & (reach_prior.c.hour == slot.hour)
    added = {name: reach_prior.c[name] + amount for name, amount in amounts.items()}
    if conn.execute(update(reach_prior).where(everybody).values(added)).rowcount == 0:
        conn.execute(
            insert(reach_prior).values(
                {"day": slot.day, "hour": slot.hour, "tries": 0, "answers": 0, **amounts}
            )
        )
    return old, new


def _last_contact(conn: Connection, customer_id: int) -> dict[str, Any]:
    """The last-contact columns, from the customer's calls: a correction may take the last one back."""
    rows = conn.execute(
        select(profiled_call)
        .where(profiled_call.c.customer_id == customer_id, profiled_call.c.ended_at.is_not(None))
        .order_by(profiled_call.c.ended_at.desc(), profiled_call.c.call_id.desc())
    )
    contacts = [facts for row in rows if (facts := _facts(row)).blame is Blame.CUSTOMER]
    talks = (facts.rm_id for facts in contacts if facts.verdict is Disposition.ANSWERED)
    last = contacts[0] if contacts else None
    return {
        "last_call_id": last and last.call_id,
        "last_ended_at": last and last.ended_at,
        "last_disposition": last and last.verdict,
        "last_outcome": last and last.outcome,
        "last_rm_id": next(talks, None),
    }


def _move_rm(conn: Connection, rm_id: int | None, was: Effect, becomes: Effect, why: _Why) -> None:
    sums = difference(becomes.rm, was.rm)
    if rm_id is None or (not sums and was.outcome == becomes.outcome):
        return
    old = _row(conn, rm_profile, rm_id, _NO_RM_SUMS)
    changed: dict[str, Any] = {name: old[name] + amount for name, amount in sums.items()}
    if was.outcome != becomes.outcome:
        changed["outcomes"] = _recount(old["outcomes"], was.outcome, becomes.outcome)
    conn.execute(update(rm_profile).where(rm_profile.c.rm_id == rm_id).values(changed))
    _keep(conn, why, Subject.RM, rm_id, {name: old[name] for name in changed}, changed)


def _recount(counts: Mapping[str, int], less: Outcome | None, more: Outcome | None) -> dict[str, int]:
    new = dict(counts)
    if less is not None:
        new[less] = new.get(less, 0) - 1
    if more is not None:
        new[more] = new.get(more, 0) + 1
    return {name: count for name, count in sorted(new.items()) if count}


def _once(
    conn: Connection,
    why: _Why,
    subject: Subject,
    subject_id: int,
    change: Callable[[Connection, int, _Why], tuple[dict[str, Any], dict[str, Any]]],
) -> None:
    """Events that are no call's have their effect once because their change row is there once."""
    seen = conn.execute(
        select(profile_change.c.id).where(
            profile_change.c.event_id == why.event_id,
            profile_change.c.subject == subject,
            profile_change.c.subject_id == subject_id,
        )
    ).one_or_none()
    if seen is None:
        before, after = change(conn, subject_id, why)
        _keep(conn, why, subject, subject_id, before, after)


def _condemn(conn: Connection, customer_id: int, why: _Why) -> tuple[dict[str, Any], dict[str, Any]]:
    old = _row(conn, customer_profile, customer_id, _NO_SUMS)["numbers_condemned"]
    _set(conn, customer_profile, customer_id, numbers_condemned=old + 1)
    return {"numbers_condemned": old}, {"numbers_condemned": old + 1}


def _suppress(conn: Connection, customer_id: int, why: _Why) -> tuple[dict[str, Any], dict[str, Any]]:
    old = _row(conn, customer_profile, customer_id, _NO_SUMS)["suppressed_at"]
    new = why.at if old is None else min(old, why.at)
    _set(conn, customer_profile, customer_id, suppressed_at=new)
    lists.withdraw(conn, customer_id, why.at, why.sentence)
    return {"suppressed_at": old}, {"suppressed_at": new}


def _finish_list(conn: Connection, rm_id: int, why: _Why) -> tuple[dict[str, Any], dict[str, Any]]:
    old = _row(conn, rm_profile, rm_id, _NO_RM_SUMS)["lists_finished"]
    _set(conn, rm_profile, rm_id, lists_finished=old + 1)
    return {"lists_finished": old}, {"lists_finished": old + 1}


def _row(conn: Connection, table: Table, key: int, empty: Mapping[str, Any]) -> dict[str, Any]:
    """The row of this key, made first if it is not there."""
    (column,) = table.primary_key.columns
    query = select(table).where(column == key)
    row = conn.execute(query).one_or_none()
    if row is None:
        conn.execute(insert(table).values({column.name: key, **empty}))
        row = conn.execute(query).one()
    return dict(row._mapping)


def _set(conn: Connection, table: Table, key: int, **values: Any) -> None:
    (column,) = table.primary_key.columns
    conn.execute(update(table).where(column == key).values(values))


def _keep(
    conn: Connection,
    why: _Why,
    subject: Subject,
    subject_id: int,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> None:
    conn.execute(
        insert(profile_change).values(
            event_id=why.event_id,
            subject=subject,
            subject_id=subject_id,
            at=why.at,
            reason=why.reason,
            sentence=why.sentence,
            before=_plain(before),
            after=_plain(after),
        )
    )


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()
    }


def _why(event_id: str, event: CallEvent, facts: CallFacts) -> _Why:
    when = "" if facts.slot is None else f" at {facts.slot.hour}h on a {facts.slot.day}"
    if isinstance(event, OutcomeRecorded):
        sentence = f"The RM said: {OUTCOME_RULES[event.outcome].sentence.lower()}."
        if event.corrected_from is not None:
            sentence += f" This corrects {event.corrected_from.replace('_', ' ')}{when}."
        return _Why(event_id, event.at, f"outcome_{event.outcome}", sentence)
    verdict = facts.verdict or "under way"
    return _Why(event_id, event.at, f"call_{verdict}", f"Called{when}: {verdict.replace('_', ' ')}.")


def _facts(row: Row[Any]) -> CallFacts:
    known = {name: row._mapping[name] for name in _FACT_NAMES}
    known["call_id"] = CallId(row.call_id)
    known["disposition"] = None if row.disposition is None else Disposition(row.disposition)
    known["outcome"] = None if row.outcome is None else Outcome(row.outcome)
    return CallFacts(**known)
