# SPDX-License-Identifier: GPL-3.0-or-later
"""For tests: a customer to vary, a cipher with keys from a seed, an import without processes, all that is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

from sqlalchemy import Connection, select

from crm.imports.batches import Batch
from crm.imports.importer import run_import
from crm.imports.mapping import Mapping
from crm.records import NewCustomer, owner_of
from crm.tables import consent, customer, customer_name_token, customer_number, purchase
from foundation.clock import Clock
from foundation.db.metadata import metadata
from foundation.db.seam import Database
from foundation.db.sqlite_engine import IN_MEMORY, sqlite_engine
from foundation.encryption import FieldCipher, KeyRing
from foundation.ids import SeededIds

P = ParamSpec("P")
T = TypeVar("T")

RING: Final = KeyRing.create(SeededIds(7))

_ANA: Final = NewCustomer(
    source="test",
    external_id="c-1",
    name="Ana Gonçalves",
    numbers=("+351211234567",),
    email="ana@example.org",
    language="pt",
    zone="Europe/Lisbon",
    country="PT",
    segment="plus",
    attributes={"age_band": "35-44"},
)


def field_cipher() -> FieldCipher:
    """A cipher whose keys come from a seed: it guards nothing."""
    return FieldCipher(RING, SeededIds(8))


def new_customer(**changes: Any) -> NewCustomer:
    """Ana, a customer in Lisbon with one number; changed as asked."""
    return replace(_ANA, **changes)


@contextmanager
def connection() -> Iterator[Connection]:
    """A connection to a database in memory with every table imported so far."""
    engine = sqlite_engine(IN_MEMORY, busy_timeout_ms=0)
    with engine.begin() as conn:
        metadata.create_all(conn)
        yield conn
    engine.dispose()


class InThisThread(Executor):
    """An executor that does the work at once: no processes, no threads, the same every time."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


async def import_file(db: Database, path: Path, mapping: Mapping, clock: Clock) -> Batch:
    """Import without worker processes; refused lines go to ``errors.csv`` beside the file."""
    return await run_import(
        db,
        RING,
        path,
        mapping,
        clock=clock,
        executor=InThisThread(),
        work_dir=path.parent / "work",
        errors_path=path.parent / "errors.csv",
    )


def contents(conn: Connection) -> dict[str, dict[str, Any]]:
    """All that is known of every customer, opened, by ``source/external_id``: no ids, no times of writing."""
    cipher = field_cipher()
    return {
        owner_of(row.source, row.external_id): _contents_of(conn, cipher, row)
        for row in conn.execute(select(customer).order_by(customer.c.source, customer.c.external_id))
    }


def _contents_of(conn: Connection, cipher: FieldCipher, row: Any) -> dict[str, Any]:
    owner = owner_of(row.source, row.external_id)

    def of(table: Any, *columns: str, order_by: str) -> list[tuple[Any, ...]]:
        found = conn.execute(
            select(*(table.c[name] for name in columns))
            .where(table.c.customer_id == row.id)
            .order_by(table.c[order_by])
        )
        return [tuple(one) for one in found]

    sealed = ("name", "email", "birth")
    opened = {
        name: None
        if (text := getattr(row, f"{name}_sealed")) is None
        else cipher.open("customer", name, owner, text)
        for name in sealed
    }
    plain = (
        "state",
        "name_blind",
        "email_blind",
        "language",
        "zone",
        "country",
        "region",
        "preferred_channel",
    )
    more = ("preferred_from_min", "preferred_to_min", "segment", "attributes", "import_digest")
    return {
        **opened,
        **{name: getattr(row, name) for name in (*plain, *more)},
        "tokens": of(customer_name_token, "token_blind", order_by="token_blind"),
        "numbers": [
            (position, state, blind, cipher.open("customer_number", "e164", owner, e164))
            for position, state, blind, e164 in of(
                customer_number, "position", "state", "e164_blind", "e164_sealed", order_by="position"
            )
        ],
        "purchases": of(
            purchase, "external_id", "at", "product", "amount_minor", "currency", order_by="external_id"
        ),
        "consents": of(consent, "channel", "purpose", "state", order_by="id"),
    }
