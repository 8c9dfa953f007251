# SPDX-License-Identifier: GPL-3.0-or-later
"""Sealed fields open only where they belong; blind indexes find them; keys can change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.encryption import FieldCipher, KeyRing
from foundation.errors import BadKeyRing, CannotOpen
from foundation.ids import SeededIds, SystemIds

RING = KeyRing.create(SeededIds(1))
CIPHER = FieldCipher(RING, SystemIds())


@given(st.text(), st.text())
def test_what_is_sealed_opens_in_its_place(text: str, row: str) -> None:
    """Any text, any row; and never the same sealed form twice."""
    sealed = CIPHER.seal("customer", "name", row, text)
    assert CIPHER.open("customer", "name", row, sealed) == text
    assert CIPHER.seal("customer", "name", row, text) != sealed


@pytest.mark.parametrize(
    "place", [("customer", "name", "8"), ("customer", "email", "7"), ("partner", "name", "7")]
)
def test_a_sealed_field_moved_elsewhere_does_not_open(place: tuple[str, str, str]) -> None:
    """Another row, column or table."""
    with pytest.raises(CannotOpen):
        CIPHER.open(*place, CIPHER.seal("customer", "name", 7, "Anna"))


@given(st.data())
def test_a_changed_sealed_field_does_not_open(data: st.DataObject) -> None:
    """Whichever symbol is changed, it opens as what was sealed or not at all."""
    sealed = CIPHER.seal("customer", "name", 7, "Anna")
    at = data.draw(st.integers(0, len(sealed) - 1))
    changed = sealed[:at] + data.draw(st.characters(codec="ascii")) + sealed[at + 1 :]
    try:
        assert CIPHER.open("customer", "name", 7, changed) == "Anna"
    except CannotOpen:
        assert changed != sealed


def test_an_unknown_key_is_named() -> None:
    """So that the right backup can be found."""
    with pytest.raises(CannotOpen, match="key '9'"):
        CIPHER.open("customer", "name", 7, "9.AAAA")


def test_after_rotation_old_fields_open_and_new_ones_use_the_new_key() -> None:
    """And what should be sealed again can be told."""
    old = CIPHER.seal("customer", "name", 7, "Anna")
    ring = RING.rotated(SystemIds())
    cipher = FieldCipher(ring, SystemIds())
    new = cipher.seal("customer", "name", 7, "Ben")
    assert cipher.open("customer", "name", 7, old) == "Anna"
    assert cipher.open("customer", "name", 7, new) == "Ben"
    assert (cipher.needs_resealing(old), cipher.needs_resealing(new)) == (True, False)
    assert cipher.blind("number", "+3512") == CIPHER.blind("number", "+3512")
    with pytest.raises(CannotOpen):
        CIPHER.open("customer", "name", 7, new)


def test_blind_indexes_are_equal_for_equal_values_of_one_kind_and_ring_only() -> None:
    """64 hexadecimal digits that say nothing without the key."""
    blind = CIPHER.blind("number", "+351211234567")
    assert blind == CIPHER.blind("number", "+351211234567")
    assert len(blind) == 64
    assert blind != CIPHER.blind("email", "+351211234567")
    assert blind != FieldCipher(KeyRing.create(SeededIds(2)), SystemIds()).blind("number", "+351211234567")


def test_a_new_key_file_is_private_and_lasting(tmp_path: Path) -> None:
    """Mode 0600 from its first moment, the same keys ever after, nothing else left in the folder."""
    path = tmp_path / "keys" / "ring.json"
    ring = KeyRing.load_or_create(path, SystemIds())
    assert path.stat().st_mode & 0o777 == 0o600
    assert KeyRing.load_or_create(path, SystemIds()) == KeyRing.load(path) == ring
    assert list(path.parent.iterdir()) == [path]


def test_a_rotated_ring_replaces_the_file(tmp_path: Path) -> None:
    """In one step, still private."""
    path = tmp_path / "ring.json"
    rotated = KeyRing.load_or_create(path, SystemIds()).rotated(SystemIds())
    rotated.save(path)
    assert KeyRing.load(path) == rotated
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_key_file_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    """Missing, damaged, or readable by others: each says what to do, and no key is shown."""
    path = tmp_path / "ring.json"
    with pytest.raises(BadKeyRing, match="restore it from the backup"):
        KeyRing.load(path)
    KeyRing.load_or_create(path, SystemIds())
    path.chmod(0o640)
    with pytest.raises(BadKeyRing, match="chmod 600"):
        KeyRing.load(path)
    path.chmod(0o600)
    kept = json.loads(path.read_text())
    for damage in ({"current": "2"}, {"blind_key": "AAAA"}, {"seal_keys": []}):
        path.write_text(json.dumps({**kept, **damage}))
        with pytest.raises(BadKeyRing, match="restore it from the backup"):
            KeyRing.load(path)
    path.write_text("not JSON")
    with pytest.raises(BadKeyRing, match="damaged"):
        KeyRing.load(path)


def test_keys_are_not_shown() -> None:
    """Not in a log, not in a traceback's repr."""
    assert repr(RING) == "KeyRing(current='1')"
