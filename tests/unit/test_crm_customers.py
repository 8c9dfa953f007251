# SPDX-License-Identifier: GPL-3.0-or-later
"""Customers: added whole, sealed, found again, and fetched in one snapshot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select, update
from sqlalchemy.exc import IntegrityError

from crm import consent, customers, interactions
from crm.consent import ConsentState
from crm.errors import NoSuchCustomer
from crm.interactions import NewInteraction
from crm.names import name_key, name_tokens
from crm.records import NewPurchase
from crm.snapshot import snapshot
from crm.tables import customer, customer_number
from crm.testing import connection, field_cipher, new_customer
from foundation.encryption import FieldCipher
from foundation.errors import CannotOpen

NOW = datetime(2026, 7, 6, 10, 0, tzinfo=UTC)


@pytest.fixture
def conn() -> Iterator[Connection]:
    """All tables, empty."""
    with connection() as conn:
        yield conn


@pytest.fixture
def cipher() -> FieldCipher:
    """A cipher to seal and open with."""
    return field_cipher()


def test_nothing_personal_is_stored_in_clear(conn: Connection, cipher: FieldCipher) -> None:
    """Neither name, number, e-mail nor birth date can be read out of the database file."""
    customers.add(conn, cipher, new_customer(birth_date=date(1984, 2, 29)), NOW)
    dump = "\n".join(conn.connection.driver_connection.iterdump())
    assert "c-1" in dump
    for personal in ("Ana", "ana", "Gon", "211234567", "example.org", "1984"):
        assert personal not in dump


def test_a_snapshot_has_everything_at_once(conn: Connection, cipher: FieldCipher) -> None:
    """Name, numbers, local time, hours, purchases and talks newest first, consent: as JSON too."""
    purchases = tuple(
        NewPurchase(
            external_id=f"p-{days}",
            at=NOW - timedelta(days=days),
            product=f"bought {days} days ago",
            amount_minor=125050,
            currency="EUR",
        )
        for days in (400, 40)
    )
    new = new_customer(
        numbers=("+351211234567", "+351912345678"),
        birth_date=date(1984, 2, 29),
        preferred_from_min=9 * 60,
        preferred_to_min=12 * 60,
        purchases=purchases,
    )
    customer_id = customers.add(conn, cipher, new, NOW)
    for number, hours in enumerate((2, 1)):
        interactions.append(conn, cipher, talk(customer_id, f"e{number}", NOW - timedelta(hours=hours)))
    consent.record(
        conn,
        customer_id=customer_id,
        channel="phone",
        purpose="marketing",
        state=ConsentState.GRANTED,
        wording="v1",
        evidence="call 4F7K2QX9",
        actor="anna",
        now=NOW,
    )

    found = snapshot(conn, cipher, customer_id, NOW)

    assert (found.name, found.first_name, found.email) == ("Ana Gonçalves", "Ana", "ana@example.org")
    assert found.birth_date == date(1984, 2, 29)
    assert [line.e164 for line in found.numbers] == ["+351211234567", "+351912345678"]
    assert [line.masked for line in found.numbers] == ["•••67", "•••78"]
    assert found.local_time is not None
    assert found.local_time.isoformat() == "2026-07-06T11:00:00+01:00"
    assert found.preferred_hours == "09:00-12:00"
    assert [line.product for line in found.purchases] == ["bought 40 days ago", "bought 400 days ago"]
    assert [line.at for line in found.interactions] == [NOW - timedelta(hours=1), NOW - timedelta(hours=2)]
    assert found.consents[0].state is ConsentState.GRANTED
    assert json.loads(json.dumps(found.as_mapping()))["local_time"] == "2026-07-06T11:00:00+01:00"


def test_a_snapshot_shows_nothing_personal_in_a_log_line(conn: Connection, cipher: FieldCipher) -> None:
    """Its ``repr`` leaves out names, numbers and addresses."""
    customer_id = customers.add(conn, cipher, new_customer(), NOW)
    shown = repr(snapshot(conn, cipher, customer_id, NOW)) + repr(new_customer())
    for personal in ("Ana", "351211234567", "example.org"):
        assert personal not in shown


def test_a_customer_at_an_unknown_place_has_no_local_time(conn: Connection, cipher: FieldCipher) -> None:
    """No zone, no guess."""
    customer_id = customers.add(conn, cipher, new_customer(zone=None), NOW)
    assert snapshot(conn, cipher, customer_id, NOW).local_time is None


def test_no_snapshot_of_nobody(conn: Connection, cipher: FieldCipher) -> None:
    """Unknown and erased customers are refused."""
    with pytest.raises(NoSuchCustomer):
        snapshot(conn, cipher, 77, NOW)
    customer_id = customers.add(conn, cipher, new_customer(), NOW)
    conn.execute(update(customer).values(state=customers.ERASED, name_sealed=None))
    with pytest.raises(NoSuchCustomer):
        snapshot(conn, cipher, customer_id, NOW)


def test_a_snapshot_fails_whole(conn: Connection, cipher: FieldCipher) -> None:
    """One field that does not open and nothing is shown: nobody is dialed on half a record."""
    customer_id = customers.add(conn, cipher, new_customer(), NOW)
    other = customers.add(conn, cipher, new_customer(external_id="c-2"), NOW)
    stolen = conn.scalar(select(customer_number.c.e164_sealed).where(customer_number.c.customer_id == other))
    conn.execute(
        update(customer_number).where(customer_number.c.customer_id == customer_id).values(e164_sealed=stolen)
    )
    with pytest.raises(CannotOpen):
        snapshot(conn, cipher, customer_id, NOW)


def test_an_external_id_is_taken_once_per_source(conn: Connection, cipher: FieldCipher) -> None:
    """The same id from another source is another customer."""
    first = customers.add(conn, cipher, new_customer(), NOW)
    other = customers.add(conn, cipher, new_customer(source="other"), NOW)
    assert first != other
    assert customers.find(conn, "test", "c-1") == first
    assert customers.find(conn, "other", "c-1") == other
    assert customers.find(conn, "test", "c-2") is None
    with pytest.raises(IntegrityError):
        customers.add(conn, cipher, new_customer(), NOW)


@pytest.mark.parametrize(
    "text",
    [
        "c-1",
        "ana goncalves",
        "GONÇALVES",
        "gonçalves, ana",
        "+351 21 123 4567",
        "Ana@Example.org",
        "ana-gonçalves",
    ],
)
def test_search_finds(conn: Connection, cipher: FieldCipher, text: str) -> None:
    """By id, number, e-mail, or words of the name in any case, order and accents."""
    customer_id = customers.add(conn, cipher, new_customer(), NOW)
    customers.add(
        conn,
        cipher,
        new_customer(
            external_id="c-9", name="Rui Costa", numbers=("+351912345678",), email="rui@example.org"
        ),
        NOW,
    )
    (hit,) = customers.search(conn, cipher, text)
    assert (hit.customer_id, hit.name, hit.numbers) == (customer_id, "Ana Gonçalves", ("•••67",))


@pytest.mark.parametrize("text", ["", "  ", "an", "ana costa", "+351 21 123 4568", "%", "@"])
def test_search_finds_nobody(conn: Connection, cipher: FieldCipher, text: str) -> None:
    """Parts of words, words of two people, other numbers, signs."""
    customers.add(conn, cipher, new_customer(), NOW)
    assert customers.search(conn, cipher, text) == ()


def test_search_is_limited_and_ordered(conn: Connection, cipher: FieldCipher) -> None:
    """The oldest first, no more than asked for, and everybody who shares a phone."""
    ids = [customers.add(conn, cipher, new_customer(external_id=f"c-{number}"), NOW) for number in range(5)]
    assert [hit.customer_id for hit in customers.search(conn, cipher, "ana", limit=3)] == ids[:3]
    assert len(customers.search(conn, cipher, "+351211234567")) == 5


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("José  da Silva", ("da", "jose", "silva")),
        ("O'Brien-Smith", ("brien", "o", "smith")),
        ("STRASSE Straße", ("strasse",)),
        ("王小明", ("王小明",)),
        ("...", ()),
    ],
)
def test_words_of_a_name(name: str, tokens: tuple[str, ...]) -> None:
    """Folded, without accents, each once, in order."""
    assert name_tokens(name) == tokens


@settings(deadline=None)
@given(st.text(max_size=30))
def test_folding_twice_is_folding_once(name: str) -> None:
    """A folded name is its own folded form, so that blind indexes of both agree."""
    assert name_key(name_key(name)) == name_key(name)


def talk(customer_id: int, event: str, at: datetime, note: str | None = None) -> NewInteraction:
    """A call with a customer."""
    return NewInteraction(
        customer_id=customer_id,
        at=at,
        channel="phone",
        direction="out",
        kind="call",
        actor="anna",
        summary="Answered",
        note=note,
        source="dialer",
        source_event_id=event,
    )


def test_an_event_is_one_line_of_the_timeline(conn: Connection, cipher: FieldCipher) -> None:
    """Delivered twice it is there once, as it was first."""
    customer_id = customers.add(conn, cipher, new_customer(), NOW)
    assert interactions.append(conn, cipher, talk(customer_id, "e1", NOW, note="first"))
    assert not interactions.append(conn, cipher, talk(customer_id, "e1", NOW, note="second"))
    assert [line.note for line in interactions.timeline(conn, cipher, customer_id)] == ["first"]


def test_the_timeline_is_paged_newest_first(conn: Connection, cipher: FieldCipher) -> None:
    """Pages join without gap or repeat, also within one moment."""
    customer_id = customers.add(conn, cipher, new_customer(), NOW)
    for number in range(7):
        moment = NOW + timedelta(minutes=number // 3)
        interactions.append(conn, cipher, talk(customer_id, f"e{number}", moment))
    whole = interactions.timeline(conn, cipher, customer_id)
    paged, before = [], None
    while page := interactions.timeline(conn, cipher, customer_id, limit=2, before=before):
        paged.extend(page)
        before = page[-1]
    assert paged == list(whole)
    assert [line.at for line in whole] == sorted((line.at for line in whole), reverse=True)
    assert len(whole) == 7
