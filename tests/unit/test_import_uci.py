# SPDX-License-Identifier: GPL-3.0-or-later
"""The 41,188 real bank customers become callable; sample customers do too."""

from __future__ import annotations

import os
import random
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select

from crm import customers, numbers
from crm.contact import ContactPolicy, may_contact
from crm.imports.batches import ImportState
from crm.imports.importer import run_import
from crm.imports.mapping import shipped
from crm.sample import COLUMNS, rows, write_csv
from crm.snapshot import snapshot
from crm.tables import customer, customer_number
from crm.testing import RING, contents, field_cipher, import_file
from foundation.clock import SystemClock
from foundation.db.inline import Inline
from foundation.db.sqlite import SqliteWriter
from foundation.testing import FakeClock
from lawful.attempts import Caps
from lawful.hours import SAMPLE_HOURS, CallingPolicy
from lawful.numbers import NumberPolicy, verdict

BANK = Path(os.environ.get("OFFHOOK_DATA", "../shared/data")) / "bank-additional-full.csv.gz"
WEDNESDAY_NOON = datetime(2026, 1, 7, 12, 0, tzinfo=UTC)
POLICY = ContactPolicy(hours=CallingPolicy.from_text(SAMPLE_HOURS), caps=Caps())


def callable_now(conn: Connection) -> int:
    """How many customers may be called on a Wednesday noon, on a number the samples' allow-list takes."""
    cipher = field_cipher()
    dialable = NumberPolicy(allowed_prefixes=("+999",), sample_prefixes=("+999",))
    found = 0
    for customer_id in conn.scalars(select(customer.c.id).order_by(customer.c.id)):
        number = numbers.next_number(conn, customer_id, WEDNESDAY_NOON)
        assert number is not None
        contact = may_contact(
            conn, customer_id, number.number_id, "phone", "marketing", WEDNESDAY_NOON, POLICY
        )
        found += contact.allowed and verdict(numbers.reveal(conn, cipher, number.number_id), dialable).allowed
    return found


@pytest.mark.skipif(not BANK.exists(), reason=f"the bank file is not there: {BANK} (set OFFHOOK_DATA)")
async def test_the_whole_bank_file_becomes_customers(db: SqliteWriter, tmp_path: Path) -> None:
    """By a worker process and the real writer: every row, each with a number of its own, none refused."""
    with ProcessPoolExecutor(1) as pool:
        batch = await run_import(
            db,
            RING,
            BANK,
            shipped("uci_bank"),
            clock=SystemClock(),
            executor=pool,
            work_dir=tmp_path / "work",
            errors_path=tmp_path / "errors.csv",
        )
    assert (batch.state, batch.added, batch.refused) == (ImportState.DONE, 41_188, 0)
    distinct = select(func.count(func.distinct(customer_number.c.e164_blind)))
    assert await db.read(lambda conn: conn.scalar(distinct)) == 41_188
    first = await db.read(customers.find, "uci-bank", "row-00001")
    assert first is not None
    found = await db.read(snapshot, field_cipher(), first, WEDNESDAY_NOON)
    assert (found.name, found.language, found.zone) == ("Cliente 00001", "pt", "Europe/Lisbon")
    assert found.numbers[0].e164 == "+999700000001"
    assert found.attributes["age_band"] == "55-64"
    assert not {"duration", "y"} & found.attributes.keys()


async def test_a_row_of_the_bank_file_is_always_the_same_customer(inline_db: Inline, tmp_path: Path) -> None:
    """The numbers come from the row: imported again from a plain copy nothing changes, and all are callable."""
    header = ";".join(f'"{name}"' for name in sorted(shipped("uci_bank").columns()))
    values = {"age": "41", "campaign": "1", "pdays": "999", "previous": "0"}
    numeric = {"emp.var.rate", "cons.price.idx", "cons.conf.idx", "euribor3m", "nr.employed"}
    line = ";".join(
        values.get(name, "1.1" if name in numeric else '"unknown"')
        for name in sorted(shipped("uci_bank").columns())
    )
    path = tmp_path / "bank.csv"
    path.write_text("\n".join([header, *([line] * 30)]))
    batch = await import_file(inline_db, path, shipped("uci_bank"), FakeClock())
    assert (batch.added, batch.refused) == (30, 0)
    before = await inline_db.read(contents)
    path.write_text(path.read_text() + "\n")
    again = await import_file(inline_db, path, shipped("uci_bank"), FakeClock())
    assert (again.added, again.unchanged) == (0, 30)
    assert await inline_db.read(contents) == before
    assert await inline_db.read(callable_now) == 30


async def test_sample_customers_are_callable(inline_db: Inline, tmp_path: Path) -> None:
    """Written, imported, sealed: nobody is refused, and most may be called at noon (preferred hours differ)."""
    path = tmp_path / "sample.csv"
    write_csv(path, 200, random.Random(7), date(2026, 1, 7))
    batch = await import_file(inline_db, path, shipped("plain"), FakeClock())
    assert (batch.added, batch.refused) == (200, 0)
    assert 150 < await inline_db.read(callable_now) <= 200


def test_one_seed_is_one_sample() -> None:
    """The same seed gives the same customers, another seed others; some share a phone."""
    day = date(2026, 1, 7)
    made = list(rows(500, random.Random(7), day))
    assert made == list(rows(500, random.Random(7), day))
    assert made != list(rows(500, random.Random(8), day))
    assert all(tuple(row) == COLUMNS for row in made)
    phones = [row["phone"] for row in made]
    assert 480 < len(set(phones)) < 500
    assert all(phone.startswith("+999") for phone in phones)
