# SPDX-License-Identifier: GPL-3.0-or-later
"""An installation's records: its database with the lock on it and the keys to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from config.settings import Settings
from foundation.clock import Clock
from foundation.db.open import InstanceLock, open_database
from foundation.db.sqlite import SqliteWriter
from foundation.encryption import FieldCipher, KeyRing
from foundation.ids import IdSource
from offhook.migrate import upgrade


@dataclass(slots=True, kw_only=True)
class Records:
    """The database of one installation, in the hands of one process at a time."""

    db: SqliteWriter
    ring: KeyRing = field(repr=False)
    cipher: FieldCipher = field(repr=False)
    lock: InstanceLock

    @classmethod
    def open(cls, settings: Settings, clock: Clock, ids: IdSource) -> Self:
        """Take the database, make it if there is none, and bring it up to date.

        Raises:
            SecondInstance: another process has this database.
            BadKeyRing: the keys are gone or cannot be read.
        """
        settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = InstanceLock(settings.database_path, clock)
        lock.acquire()
        try:
            keys = settings.state_dir / "keys.json"
            # A lost key file must not be replaced in silence: every sealed field would be lost with it.
            fresh = not settings.database_path.exists()
            ring = KeyRing.load_or_create(keys, ids) if fresh else KeyRing.load(keys)
            upgrade(settings.database_path)
            db = open_database(settings.database_path)
        except BaseException:
            lock.release()
            raise
        return cls(db=db, ring=ring, cipher=FieldCipher(ring, ids), lock=lock)

    async def close(self) -> None:
        """Let go of the database; another process may take it."""
        await self.db.close()
        self.lock.release()
