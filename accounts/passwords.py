# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords: argon2id hashes, made and checked by pure functions that a worker can run.

A hash takes tens of milliseconds on purpose, so it never runs on the event loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from accounts.errors import WeakPassword

SHORTEST: Final = 12
LONGEST: Final = 128
SALT_BYTES: Final = 16
_FEWEST_DIFFERENT: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """How much work a hash is."""

    memory_kib: int
    passes: int
    lanes: int = 1


OWASP: Final = Cost(memory_kib=19_456, passes=2)
"""OWASP Password Storage Cheat Sheet: argon2id with 19 MiB, two passes, one lane."""
TESTS_ONLY: Final = Cost(memory_kib=8, passes=1)

#: Fits no password. Checked when nobody has the name, so that the answer takes as long.
NOBODYS_HASH: Final = (
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)


def hash_password(password: str, salt: bytes, cost: Cost = OWASP) -> str:
    """The hash to keep. ``salt``: ``SALT_BYTES`` random bytes, new for every hash."""
    return _hasher(cost).hash(password, salt=salt)


def password_fits(kept: str, password: str) -> bool:
    """Whether a password belongs to a hash, at whatever cost it was made."""
    try:
        return _hasher(OWASP).verify(kept, password)
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False


def outdated(kept: str, cost: Cost = OWASP) -> bool:
    """Whether a hash was made at another cost: make it anew at the next login."""
    return _hasher(cost).check_needs_rehash(kept)


def check_new_password(password: str, name: str) -> None:
    """Refuse what is easy to guess. Length counts, kinds of symbols do not (NIST SP 800-63B, 3.1.1.2).

    Raises:
        WeakPassword: too short, too long, the account's own name, or a few symbols repeated.
    """
    if len(password) < SHORTEST:
        raise WeakPassword(f"A password has at least {SHORTEST} symbols; a short sentence is a good one.")
    if len(password) > LONGEST:
        raise WeakPassword(f"A password has at most {LONGEST} symbols.")
    if name.casefold() in password.casefold():
        raise WeakPassword("The password must not contain the account's name.")
    if len(set(password.casefold())) < _FEWEST_DIFFERENT:
        raise WeakPassword("The password repeats too few symbols.")


def _hasher(cost: Cost) -> PasswordHasher:
    return PasswordHasher(
        time_cost=cost.passes,
        memory_cost=cost.memory_kib,
        parallelism=cost.lanes,
        salt_len=SALT_BYTES,
        type=Type.ID,
    )
