# SPDX-License-Identifier: GPL-3.0-or-later
"""May this customer be contacted, on this number, for this purpose, now? Asked at claim and again at dialing.

The order in which objections speak: the customer's record, public do-not-call register, opt-out, consent,
number, caps, hours. Whether the number's *prefix* may be dialed is ``lawful.numbers.verdict``, asked where
the number is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select

from crm import consent, suppression
from crm.consent import ConsentState
from crm.numbers import DIALABLE
from crm.tables import customer, customer_number, import_batch
from lawful import attempts as lawful_attempts
from lawful import hours as lawful_hours
from lawful.attempts import Attempt, Caps
from lawful.hours import CallingPolicy, Window
from lawful.verdicts import Reason, Verdict
from vocabulary.states import NumberState


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPolicy:
    """What a campaign allows.

    ``consent_required``: a customer whose consent was never recorded may not be contacted. A customer who
    declined or withdrew never may. ``own_blinds``: keyed hashes of our own caller IDs.
    ``rm_guaranteed``: an RM is there before dialing (lifts the quarantine after an abandoned call).
    """

    hours: CallingPolicy
    caps: Caps
    consent_required: bool = False
    rm_guaranteed: bool = True
    own_blinds: frozenset[str] = field(default_factory=frozenset, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """One reason against contact: a stable code, a sentence, and when it falls away by waiting (None: never)."""

    code: str
    sentence: str
    opens_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactVerdict:
    """The answer, with every objection in the order of their weight.

    ``opens_at``: the first moment (UTC) at which all of them have fallen away by waiting; None when it is
    allowed now, or when waiting will not help.
    """

    allowed: bool
    reasons: tuple[Objection, ...] = ()
    opens_at: datetime | None = None

    @property
    def code(self) -> str:
        """The weightiest objection's code; ``allowed`` where there is none."""
        return self.reasons[0].code if self.reasons else "allowed"

    @property
    def sentence(self) -> str:
        """The weightiest objection's sentence; empty where there is none."""
        return self.reasons[0].sentence if self.reasons else ""


def may_contact(
    conn: Connection,
    customer_id: int,
    number_id: int | None,
    channel: str,
    purpose: str,
    now: datetime,
    policy: ContactPolicy,
    attempts: Sequence[Attempt] = (),
) -> ContactVerdict:
    """Decide it.

    Args:
        number_id: None for channels that need no number.
        channel: ``phone``, ``sms``, ``email``.
        attempts: the counted attempts of the last 30 days to this customer and on this number (calls are
            the dialer's table, so the dialer looks them up).
    """
    person = _person(conn, customer_id)
    if person is None:
        return ContactVerdict(
            allowed=False,
            reasons=(Objection(code="no_such_customer", sentence="There is no such customer."),),
        )
    number = _number(conn, customer_id, number_id) if number_id is not None else None
    waiting = lawful_attempts.verdict(
        policy.caps, attempts, now, person.zone, rm_guaranteed=policy.rm_guaranteed
    )
    reasons = [
        *_record_objections(person),
        *_suppression_objections(conn, customer_id, number.e164_blind if number else None, channel, now),
        *_consent_objections(conn, customer_id, channel, purpose, policy),
        *(_number_objections(number, policy) if number_id is not None else ()),
        # An unknown zone is the answer of both rules; the hours give it.
        *(_legal(waiting) if waiting.reason is not Reason.ZONE_UNKNOWN else ()),
        *_legal(_hours_verdict(policy, person, now)),
    ]
    if not reasons:
        return ContactVerdict(allowed=True)
    return ContactVerdict(allowed=False, reasons=tuple(reasons), opens_at=_opening(policy, person, reasons))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Person:
    state: str
    zone: str | None
    country: str | None
    region: str | None
    preferred: Window | None
    batch_state: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Number:
    e164_blind: str
    state: NumberState


def _person(conn: Connection, customer_id: int) -> _Person | None:
    who = customer.c
    row = conn.execute(
        select(
            who.state,
            who.zone,
            who.country,
            who.region,
            who.preferred_from_min,
            who.preferred_to_min,
            import_batch.c.state.label("batch_state"),
        )
        .select_from(customer.outerjoin(import_batch, import_batch.c.id == who.import_batch_id))
        .where(who.id == customer_id)
    ).one_or_none()
    if row is None:
        return None
    preferred = None
    if row.preferred_from_min is not None and row.preferred_to_min is not None:
        preferred = Window(opens_min=row.preferred_from_min, closes_min=row.preferred_to_min)
    return _Person(
        state=row.state,
        zone=row.zone,
        country=row.country,
        region=row.region,
        preferred=preferred,
        batch_state=row.batch_state,
    )


def _number(conn: Connection, customer_id: int, number_id: int) -> _Number | None:
    number = customer_number.c
    row = conn.execute(
        select(number.e164_blind, number.state).where(
            number.id == number_id, number.customer_id == customer_id
        )
    ).one_or_none()
    return None if row is None else _Number(e164_blind=row.e164_blind, state=NumberState(row.state))


def _record_objections(person: _Person) -> list[Objection]:
    if person.state != "active":
        return [Objection(code="erased", sentence="This customer's data was erased.")]
    if person.batch_state == "undoing":
        return [
            Objection(code="import_undone", sentence="The import that brought this customer is being undone.")
        ]
    return []


def _suppression_objections(
    conn: Connection, customer_id: int, blind: str | None, channel: str, now: datetime
) -> list[Objection]:
    sentences = {
        suppression.Source.LEGAL_DNC: "The number or the customer is on a do-not-call register.",
        suppression.Source.OPT_OUT: "The customer asked not to be contacted.",
        suppression.Source.COMPLAINT: "The customer complained and is not contacted.",
        suppression.Source.WRONG_PERSON: "This number reaches somebody else.",
        suppression.Source.STEWARD: "A data steward has stopped contact with this customer.",
    }
    return [
        Objection(code=f"suppressed_{found.source}", sentence=sentences[found.source], opens_at=found.until)
        for found in suppression.standing(
            conn, customer_id=customer_id, e164_blind=blind, channel=channel, now=now
        )
    ]


def _consent_objections(
    conn: Connection, customer_id: int, channel: str, purpose: str, policy: ContactPolicy
) -> list[Objection]:
    line = consent.current(conn, customer_id, channel, purpose)
    match line.state if line else ConsentState.NOT_ASKED:
        case ConsentState.GRANTED:
            return []
        case ConsentState.DECLINED:
            return [
                Objection(code="consent_declined", sentence="The customer declined this kind of contact.")
            ]
        case ConsentState.WITHDRAWN:
            return [
                Objection(code="consent_withdrawn", sentence="The customer withdrew consent to this contact.")
            ]
        case _ if policy.consent_required:
            return [Objection(code="consent_unknown", sentence="The customer's consent was never recorded.")]
        case _:
            return []


def _number_objections(number: _Number | None, policy: ContactPolicy) -> list[Objection]:
    if number is None:
        return [Objection(code="no_such_number", sentence="The customer does not have this number.")]
    if number.e164_blind in policy.own_blinds:
        return [Objection(code="own_number", sentence="This is one of our own caller IDs.")]
    if number.state in DIALABLE:
        return []
    sentences = {
        NumberState.INVALID: "The network said twice that there is no such number.",
        NumberState.OPTED_OUT: "The holder of this number asked not to be called.",
    }
    return [Objection(code=f"number_{number.state}", sentence=sentences[number.state])]


def _hours_verdict(policy: ContactPolicy, person: _Person, at: datetime) -> Verdict:
    return lawful_hours.verdict(
        policy.hours,
        person.zone,
        at,
        country=person.country,
        region=person.region,
        preferred=person.preferred,
    )


def _legal(verdict: Verdict) -> list[Objection]:
    if verdict.allowed:
        return []
    return [Objection(code=verdict.reason, sentence=verdict.sentence, opens_at=verdict.opens_at)]


def _opening(policy: ContactPolicy, person: _Person, reasons: list[Objection]) -> datetime | None:
    moments = [reason.opens_at for reason in reasons if reason.opens_at is not None]
    if len(moments) < len(reasons):
        return None
    # Caps open at a midnight and suppressions at any time: the hours of *that* moment must allow it too.
    latest = max(moments)
    hours = _hours_verdict(policy, person, latest)
    return latest if hours.allowed else hours.opens_at
