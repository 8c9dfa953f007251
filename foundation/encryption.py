# SPDX-License-Identifier: GPL-3.0-or-later
"""Personal fields, sealed one by one with AES-256-GCM, and found again by keyed hashes.

A sealed field is text, ``<key id>.<base64 of nonce and ciphertext>``, bound to its table, column and row:
moved elsewhere it does not open. A blind index is an HMAC-SHA256 with a key of its own, so that equal
values can be found without being readable. The *row* may be any text that stays with the row for life.

The key ring is a file readable by its owner alone. Without it every sealed field is lost: it belongs in the
backup, apart from the database.
"""

from __future__ import annotations

import binascii
import hmac
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from foundation.errors import BadKeyRing, CannotOpen
from foundation.ids import IdSource

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
"""Random nonces allow 2^32 fields per key (NIST SP 800-38D, 8.3): rotate long before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRing:
    """Keys for sealing by id (all open, ``current`` seals), for blind indexes, and for signing the audit."""

    current: str
    seal_keys: Mapping[str, bytes] = field(repr=False)
    blind_key: bytes = field(repr=False)
    audit_key: bytes = field(repr=False)

    @classmethod
    def create(cls, ids: IdSource) -> Self:
        """New keys, in memory only."""
        return cls(
            current="1",
            seal_keys={"1": ids.token_bytes(KEY_BYTES)},
            blind_key=ids.token_bytes(KEY_BYTES),
            audit_key=ids.token_bytes(KEY_BYTES),
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """The ring kept in a file.

        Raises:
            BadKeyRing: the file is missing, damaged, or readable by others than its owner.
        """
        try:
            mode = path.stat().st_mode
            kept = json.loads(path.read_bytes())
            ring = cls(
                current=kept["current"],
                seal_keys={name: _key(text) for name, text in kept["seal_keys"].items()},
                blind_key=_key(kept["blind_key"]),
                audit_key=_key(kept["audit_key"]),
            )
        except OSError as error:
            raise BadKeyRing(
                f"The key file {path} cannot be read: {error.strerror}. Without it personal data cannot be "
                "opened: restore it from the backup."
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            # The cause may hold key material.
            raise BadKeyRing(f"The key file {path} is damaged: restore it from the backup.") from None
        if mode & 0o077:
            raise BadKeyRing(f"The key file {path} can be read by others. Run: chmod 600 {path}")
        if ring.current not in ring.seal_keys:
            raise BadKeyRing(f"The key file {path} lacks its current key: restore it from the backup.")
        return ring

    @classmethod
    def load_or_create(cls, path: Path, ids: IdSource) -> Self:
        """The ring in the file, or a new one kept there: for a new installation, with an empty database.

        Raises:
            BadKeyRing: the file is there and cannot be used.
        """
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                _write_new(path, cls.create(ids)._dump())
            except FileExistsError:
                pass  # another process was first: its keys count
        return cls.load(path)

    def rotated(self, ids: IdSource) -> KeyRing:
        """The ring with a new key for sealing; the old ones still open."""
        name = str(max(int(name) for name in self.seal_keys) + 1)
        return KeyRing(
            current=name,
            seal_keys={**self.seal_keys, name: ids.token_bytes(KEY_BYTES)},
            blind_key=self.blind_key,
            audit_key=self.audit_key,
        )

    def save(self, path: Path) -> None:
        """Replace the file in one step: at every moment it is the old ring or the new one."""
        fresh = path.with_name(path.name + ".new")
        fresh.unlink(missing_ok=True)
        _write_new(fresh, self._dump())
        fresh.replace(path)

    def _dump(self) -> bytes:
        kept = {
            "current": self.current,
            "seal_keys": {name: _text(key) for name, key in self.seal_keys.items()},
            "blind_key": _text(self.blind_key),
            "audit_key": _text(self.audit_key),
        }
        return json.dumps(kept, indent=1).encode()


class FieldCipher:
    """Seals and opens fields, and makes blind indexes. Safe to use from several threads."""

    def __init__(self, ring: KeyRing, ids: IdSource) -> None:
        self._ids = ids
        self._current = ring.current
        self._keys = {name: AESGCM(key) for name, key in ring.seal_keys.items()}
        self._blind_key = ring.blind_key

    def seal(self, table: str, column: str, row: str | int, text: str) -> str:
        """The sealed form of ``text`` for this place."""
        nonce = self._ids.token_bytes(NONCE_BYTES)
        sealed = self._keys[self._current].encrypt(nonce, text.encode(), _place(table, column, row))
        return f"{self._current}.{_text(nonce + sealed)}"

    def open(self, table: str, column: str, row: str | int, sealed: str) -> str:
        """What was sealed for this place.

        Raises:
            CannotOpen: sealed for another place, changed, or with a key this ring does not have.
        """
        name, _, body = sealed.partition(".")
        key = self._keys.get(name)
        if key is None:
            raise CannotOpen(
                f"{table}.{column} was sealed with key {name!r}, which the key file does not have."
            )
        try:
            raw = urlsafe_b64decode(body)
            return key.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _place(table, column, row)).decode()
        except (InvalidTag, ValueError):
            raise CannotOpen(
                f"A sealed {table}.{column} does not open: it was changed, moved, or sealed with other keys."
            ) from None

    def needs_resealing(self, sealed: str) -> bool:
        """Whether it was sealed with a key that is no longer the current one."""
        return not sealed.startswith(f"{self._current}.")

    def blind(self, kind: str, text: str) -> str:
        """The blind index of a value, 64 hexadecimal digits; equal for equal ``kind`` and ``text``.

        The caller normalises ``text`` first.
        """
        return hmac.digest(self._blind_key, f"{kind}\x1f{text}".encode(), "sha256").hex()


def _place(table: str, column: str, row: str | int) -> bytes:
    return f"{table}\x1f{column}\x1f{row}".encode()


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode()


def _key(text: str) -> bytes:
    raw = urlsafe_b64decode(text)
    if len(raw) != KEY_BYTES:
        raise binascii.Error("wrong length")
    return raw


def _write_new(path: Path, content: bytes) -> None:
    """Make a file of mode 0600 that is whole when it can first be seen; it must not exist yet."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(file, content)
        os.fsync(file)
        os.link(part, path)
    finally:
        os.close(file)
        part.unlink()
