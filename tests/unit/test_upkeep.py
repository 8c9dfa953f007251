# SPDX-License-Identifier: GPL-3.0-or-later
"""What the main process does from time to time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from sqlalchemy import func, select

from config.settings import Settings
from foundation.audit import record, verify
from foundation.db.inline import Inline
from foundation.encryption import KeyRing
from foundation.ids import SeededIds
from foundation.tables import audit_seal
from foundation.testing import FakeClock
from offhook.upkeep import tidy


async def test_the_audit_is_signed_with_the_key_kept_for_it(inline_db: Inline, clock: FakeClock) -> None:
    """Whoever has the key ring can verify the seals; the keys of the fields are not used for it."""
    ring = KeyRing.create(SeededIds(1))
    await inline_db.write(record, clock.now(), actor="sam", action="campaign.start", subject="campaign:1")
    system: Any = SimpleNamespace(clock=clock, db=inline_db, settings=Settings(), ring=ring)
    await tidy(system)
    assert await inline_db.read(verify, ring.audit_key) is None
    assert await inline_db.read(lambda conn: conn.scalar(select(func.count()).select_from(audit_seal))) == 1
