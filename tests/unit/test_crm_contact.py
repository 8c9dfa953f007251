# SPDX-License-Identifier: GPL-3.0-or-later
"""May this customer be contacted? Numbers, locks, suppression, consent, caps and hours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Connection, insert, select, update

from crm import consent, customers, numbers, suppression
from crm.consent import ConsentState
from crm.contact import ContactPolicy, ContactVerdict, may_contact
from crm.errors import NoSuchCustomer
from crm.locks import lock_number, unlock_number
from crm.records import number_blind
from crm.suppression import Source, this_customer, this_number
from crm.tables import customer, customer_number, import_batch
from crm.testing import connection, field_cipher, new_customer
from foundation.encryption import FieldCipher
from lawful.attempts import Attempt, Caps
from lawful.hours import SAMPLE_HOURS, CallingPolicy
from vocabulary.states import NumberState

WEDNESDAY_NOON = datetime(2026, 1, 7, 12, 0, tzinfo=UTC)
NOW = WEDNESDAY_NOON
HOUR = timedelta(hours=1)
POLICY = ContactPolicy(hours=CallingPolicy.from_text(SAMPLE_HOURS), caps=Caps(per_day=2))


@pytest.fixture
def conn() -> Iterator[Connection]:
    """All tables, empty."""
    with connection() as conn:
        yield conn


@pytest.fixture
def cipher() -> FieldCipher:
    """A cipher to seal and open with."""
    return field_cipher()


@pytest.fixture
def ana(conn: Connection, cipher: FieldCipher) -> int:
    """Ana's customer id: two numbers, Lisbon."""
    return customers.add(conn, cipher, new_customer(numbers=("+351211234567", "+351912345678")), NOW)


@pytest.fixture
def number(conn: Connection, ana: int) -> int:
    """The id of Ana's first number."""
    return numbers.next_number(conn, ana, NOW).number_id  # type: ignore[union-attr]


@pytest.fixture
def blind(conn: Connection, cipher: FieldCipher) -> str:
    """The keyed hash of Ana's first number."""
    return number_blind(cipher, "+351211234567")


def ask(
    conn: Connection,
    customer_id: int,
    number_id: int | None,
    *,
    now: datetime = NOW,
    policy: ContactPolicy = POLICY,
    attempts: tuple[Attempt, ...] = (),
) -> ContactVerdict:
    """May this customer be called for marketing?"""
    return may_contact(conn, customer_id, number_id, "phone", "marketing", now, policy, attempts)


def say(conn: Connection, customer_id: int, state: ConsentState, at: datetime = NOW) -> None:
    """Record what a customer said to marketing calls."""
    consent.record(
        conn,
        customer_id=customer_id,
        channel="phone",
        purpose="marketing",
        state=state,
        wording="v1",
        evidence="call 4F7K2QX9",
        actor="anna",
        now=at,
    )


def test_no_objection(conn: Connection, ana: int, number: int) -> None:
    """A customer with nothing against it may be called."""
    verdict = ask(conn, ana, number)
    assert (verdict.allowed, verdict.code, verdict.sentence, verdict.opens_at) == (True, "allowed", "", None)


def test_objections_speak_in_the_order_of_their_weight(
    conn: Connection, ana: int, number: int, blind: str
) -> None:
    """Register, opt-out, consent, number, caps, hours; and all of them are given."""
    suppression.suppress(conn, this_number(blind), Source.LEGAL_DNC, NOW, actor="import", reason="register")
    suppression.suppress(conn, this_customer(ana), Source.OPT_OUT, NOW, actor="anna", reason="asked")
    say(conn, ana, ConsentState.WITHDRAWN)
    numbers.mark_number(conn, number, NumberState.INVALID)
    night = NOW + 10 * HOUR
    verdict = ask(conn, ana, number, now=night, attempts=(Attempt(at=NOW), Attempt(at=NOW)))
    assert [reason.code for reason in verdict.reasons] == [
        "suppressed_legal_dnc",
        "suppressed_opt_out",
        "consent_withdrawn",
        "number_invalid",
        "cap_reached",
        "outside_hours",
    ]
    assert (verdict.allowed, verdict.code, verdict.opens_at) == (False, "suppressed_legal_dnc", None)
    assert all(reason.sentence for reason in verdict.reasons)


# --- suppression --------------------------------------------------------------------------------------


def test_a_suppressed_number_is_suppressed_for_all_who_share_it(
    conn: Connection, cipher: FieldCipher, ana: int, number: int, blind: str
) -> None:
    """Who opts out on a phone opts out for everybody on that phone, and for no other phone."""
    ben = customers.add(conn, cipher, new_customer(external_id="c-2", name="Ben"), NOW)
    bens = numbers.next_number(conn, ben, NOW)
    assert bens is not None
    suppression.suppress(conn, this_number(blind), Source.OPT_OUT, NOW, actor="anna", reason="asked")
    assert ask(conn, ana, number).code == "suppressed_opt_out"
    assert ask(conn, ben, bens.number_id).code == "suppressed_opt_out"
    assert numbers.next_number(conn, ben, NOW) is None
    other = numbers.next_number(conn, ana, NOW)
    assert other is not None
    assert other.last2 == "78"
    assert ask(conn, ana, other.number_id).allowed


def test_a_suppression_runs_out(conn: Connection, ana: int, number: int) -> None:
    """Until its end it refuses and says when it opens; then it is as if it were not there."""
    end = NOW + 24 * HOUR
    suppression.suppress(
        conn, this_customer(ana), Source.COMPLAINT, NOW, actor="sue", reason="angry", until=end
    )
    assert (ask(conn, ana, number).code, ask(conn, ana, number).opens_at) == ("suppressed_complaint", end)
    assert ask(conn, ana, number, now=end).allowed


def test_lifting_takes_back_what_one_source_said(conn: Connection, ana: int, number: int) -> None:
    """The newest word of each source counts; lifting an opt-out leaves a register's entry standing."""
    for source in (Source.LEGAL_DNC, Source.OPT_OUT):
        suppression.suppress(conn, this_customer(ana), source, NOW, actor="a", reason="r")
    suppression.lift(conn, this_customer(ana), Source.OPT_OUT, NOW, actor="sue", reason="asked back")
    assert [reason.code for reason in ask(conn, ana, number).reasons] == ["suppressed_legal_dnc"]
    suppression.lift(conn, this_customer(ana), Source.LEGAL_DNC, NOW, actor="sue", reason="left register")
    assert ask(conn, ana, number).allowed
    suppression.suppress(conn, this_customer(ana), Source.OPT_OUT, NOW, actor="a", reason="again")
    assert ask(conn, ana, number).code == "suppressed_opt_out"


def test_a_suppression_may_be_of_one_channel(conn: Connection, ana: int, number: int) -> None:
    """No e-mail does not mean no calls."""
    suppression.suppress(
        conn, this_customer(ana), Source.OPT_OUT, NOW, actor="a", reason="r", channel="email"
    )
    assert ask(conn, ana, number).allowed
    assert may_contact(conn, ana, None, "email", "news", NOW, POLICY).code == "suppressed_opt_out"


# --- consent ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "required", "code"),
    [
        (None, False, "allowed"),
        (None, True, "consent_unknown"),
        (ConsentState.NOT_ASKED, False, "allowed"),
        (ConsentState.NOT_ASKED, True, "consent_unknown"),
        (ConsentState.GRANTED, True, "allowed"),
        (ConsentState.DECLINED, False, "consent_declined"),
        (ConsentState.WITHDRAWN, False, "consent_withdrawn"),
    ],
)
def test_consent(
    conn: Connection, ana: int, number: int, state: ConsentState | None, required: bool, code: str
) -> None:
    """A no is a no everywhere; where nobody asked the campaign's policy decides."""
    if state is not None:
        say(conn, ana, state)
    policy = ContactPolicy(hours=POLICY.hours, caps=POLICY.caps, consent_required=required)
    assert ask(conn, ana, number, policy=policy).code == code


def test_the_newest_consent_speaks(conn: Connection, ana: int, number: int) -> None:
    """Whatever the order in which it was recorded, per channel and purpose."""
    say(conn, ana, ConsentState.WITHDRAWN, NOW)
    say(conn, ana, ConsentState.GRANTED, NOW - HOUR)
    assert ask(conn, ana, number).code == "consent_withdrawn"
    assert may_contact(conn, ana, number, "phone", "service", NOW, POLICY).allowed


# --- caps and hours -----------------------------------------------------------------------------------


def test_caps_and_hours_open_together(conn: Connection, ana: int, number: int) -> None:
    """The cap opens at midnight, when nobody may be called: it opens at eight."""
    verdict = ask(conn, ana, number, attempts=(Attempt(at=NOW - HOUR), Attempt(at=NOW)))
    assert verdict.code == "cap_reached"
    assert verdict.opens_at == datetime(2026, 1, 8, 8, 0, tzinfo=UTC)


def test_the_customers_own_hours_and_country_count(conn: Connection, cipher: FieldCipher) -> None:
    """Preferred hours and public holidays are the customer's."""
    late = customers.add(
        conn, cipher, new_customer(preferred_from_min=17 * 60, preferred_to_min=19 * 60), NOW
    )
    number = numbers.next_number(conn, late, NOW)
    assert number is not None
    verdict = ask(conn, late, number.number_id)
    assert (verdict.code, verdict.opens_at) == ("outside_preferred_hours", NOW + 5 * HOUR)
    christmas = datetime(2026, 12, 25, 18, 0, tzinfo=UTC)
    assert ask(conn, late, number.number_id, now=christmas).code == "holiday"


def test_no_zone_no_call(conn: Connection, cipher: FieldCipher) -> None:
    """Where the time zone is not known every hour is refused, and waiting does not help."""
    lost = customers.add(conn, cipher, new_customer(zone=None), NOW)
    number = numbers.next_number(conn, lost, NOW)
    assert number is not None
    verdict = ask(conn, lost, number.number_id)
    assert [reason.code for reason in verdict.reasons] == ["zone_unknown"]
    assert verdict.opens_at is None


def test_an_abandoned_call_is_followed_by_quiet_without_a_reserved_rm(
    conn: Connection, ana: int, number: int
) -> None:
    """Pacing that may find no RM waits 72 hours; with an RM reserved the customer may be called."""
    attempts = (Attempt(at=NOW - 24 * HOUR, abandoned=True),)
    alone = ContactPolicy(hours=POLICY.hours, caps=POLICY.caps, rm_guaranteed=False)
    assert ask(conn, ana, number, policy=alone, attempts=attempts).code == "quarantined"
    assert ask(conn, ana, number, attempts=attempts).allowed


# --- records ------------------------------------------------------------------------------------------


def test_who_is_not_there_is_not_contacted(
    conn: Connection, cipher: FieldCipher, ana: int, number: int
) -> None:
    """Nobody, somebody else's number, an erased customer."""
    ben = customers.add(conn, cipher, new_customer(external_id="c-2"), NOW)
    assert ask(conn, 77, number).code == "no_such_customer"
    assert ask(conn, ben, number).code == "no_such_number"
    conn.execute(update(customer).where(customer.c.id == ana).values(state=customers.ERASED))
    assert ask(conn, ana, number).code == "erased"


def test_our_own_number_is_not_called(conn: Connection, ana: int, number: int, blind: str) -> None:
    """A caller ID of ours in a customer's record is skipped and refused."""
    policy = ContactPolicy(hours=POLICY.hours, caps=POLICY.caps, own_blinds=frozenset({blind}))
    assert ask(conn, ana, number, policy=policy).code == "own_number"
    other = numbers.next_number(conn, ana, NOW, own_blinds=policy.own_blinds)
    assert other is not None
    assert other.number_id != number


def test_a_customer_whose_import_is_undone_is_not_called(conn: Connection, ana: int, number: int) -> None:
    """From the first moment of undoing, so that nobody is called and then taken away."""
    conn.execute(
        insert(import_batch).values(
            id=1,
            state="undoing",
            source="test",
            file_name="f",
            file_digest="d",
            mapping_digest="m",
            started_at=NOW,
            byte_position=0,
            line_position=1,
            total_bytes=1,
        )
    )
    conn.execute(update(customer).values(import_batch_id=1))
    assert ask(conn, ana, number).code == "import_undone"


# --- numbers ------------------------------------------------------------------------------------------

MONDAY, TUESDAY = date(2026, 1, 5), date(2026, 1, 6)


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ([("a", MONDAY)], NumberState.SUSPECT),
        ([("a", MONDAY), ("a", MONDAY)], NumberState.SUSPECT),
        ([("a", MONDAY), ("a", TUESDAY)], NumberState.INVALID),
        ([("a", MONDAY), ("b", MONDAY)], NumberState.INVALID),
        ([("a", MONDAY), ("b", TUESDAY), ("c", TUESDAY)], NumberState.INVALID),
    ],
)
def test_the_second_no_such_number_on_another_day_or_trunk_condemns(
    conn: Connection, number: int, said: list[tuple[str, date]], state: NumberState
) -> None:
    """One trunk that refuses everything on one day condemns nobody."""
    for trunk, day in said:
        found = numbers.note_invalid(conn, number, trunk, day)
    assert found is state


def test_a_suspect_number_that_answers_is_active_again(conn: Connection, ana: int, number: int) -> None:
    """And begins anew: the earlier evidence is gone."""
    numbers.note_invalid(conn, number, "a", MONDAY)
    assert numbers.next_number(conn, ana, NOW).number_id == number  # type: ignore[union-attr]
    assert numbers.note_reached(conn, number) is NumberState.ACTIVE
    assert numbers.note_invalid(conn, number, "b", TUESDAY) is NumberState.SUSPECT


def test_an_invalid_number_stays_invalid_until_corrected(conn: Connection, ana: int, number: int) -> None:
    """An answer by mistake does not revive it; marking it does. Meanwhile the next one is dialed."""
    numbers.mark_number(conn, number, NumberState.INVALID)
    assert numbers.note_reached(conn, number) is NumberState.INVALID
    assert numbers.next_number(conn, ana, NOW).last2 == "78"  # type: ignore[union-attr]
    numbers.mark_number(conn, number, NumberState.ACTIVE)
    assert numbers.next_number(conn, ana, NOW).number_id == number  # type: ignore[union-attr]


def test_no_number_is_left(conn: Connection, ana: int) -> None:
    """All invalid or opted out: there is none."""
    ids = conn.scalars(select(customer_number.c.id).order_by(customer_number.c.id)).all()
    for number_id, state in zip(ids, (NumberState.INVALID, NumberState.OPTED_OUT), strict=True):
        numbers.mark_number(conn, number_id, state)
    assert numbers.next_number(conn, ana, NOW) is None


def test_a_number_is_revealed_by_its_id(conn: Connection, cipher: FieldCipher, number: int) -> None:
    """The number itself, or nobody's."""
    assert numbers.reveal(conn, cipher, number) == "+351211234567"
    for ask_of in (lambda: numbers.reveal(conn, cipher, 77), lambda: numbers.note_reached(conn, 77)):
        with pytest.raises(NoSuchCustomer):
            ask_of()


def test_whose_number_is_it(conn: Connection, cipher: FieldCipher, ana: int, blind: str) -> None:
    """Everybody who shares it, the oldest first."""
    ben = customers.add(conn, cipher, new_customer(external_id="c-2"), NOW)
    assert numbers.customers_of(conn, blind) == (ana, ben)
    assert numbers.customers_of(conn, "0" * 64) == ()


# --- locks --------------------------------------------------------------------------------------------


def test_one_call_at_a_time_reaches_a_phone(conn: Connection) -> None:
    """The second holder waits until the first lets go."""
    assert lock_number(conn, "phone", "CALL1", NOW, NOW + HOUR)
    assert not lock_number(conn, "phone", "CALL2", NOW, NOW + HOUR)
    assert lock_number(conn, "other phone", "CALL2", NOW, NOW + HOUR)
    assert unlock_number(conn, "CALL1") == 1
    assert unlock_number(conn, "CALL1") == 0
    assert lock_number(conn, "phone", "CALL2", NOW, NOW + HOUR)


def test_a_lock_that_ran_out_is_taken_over(conn: Connection) -> None:
    """A dead process blocks nobody for ever; what it lets go of late is not the new holder's."""
    lock_number(conn, "phone", "CALL1", NOW, NOW + HOUR)
    assert lock_number(conn, "phone", "CALL2", NOW + HOUR, NOW + 2 * HOUR)
    assert unlock_number(conn, "CALL1") == 0
    assert not lock_number(conn, "phone", "CALL1", NOW + HOUR, NOW + 2 * HOUR)


def test_a_holder_may_prolong_its_lock(conn: Connection) -> None:
    """Taking it again moves its end."""
    lock_number(conn, "phone", "CALL1", NOW, NOW + HOUR)
    assert lock_number(conn, "phone", "CALL1", NOW, NOW + 3 * HOUR)
    assert not lock_number(conn, "phone", "CALL2", NOW + 2 * HOUR, NOW + 3 * HOUR)
