# SPDX-License-Identifier: GPL-3.0-or-later
"""For tests: a customer to vary, a cipher with keys from a seed, and a connection with all tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection

from crm.records import NewCustomer
from foundation.db.metadata import metadata
from foundation.db.sqlite_engine import IN_MEMORY, sqlite_engine
from foundation.encryption import FieldCipher, KeyRing
from foundation.ids import SeededIds

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
