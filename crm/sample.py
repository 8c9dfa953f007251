# SPDX-License-Identifier: GPL-3.0-or-later
"""Invented customers for demonstrations and tests: the same seed gives the same file.

Their numbers begin with +999, a country code ITU-T E.164 keeps in reserve: they reach nobody. Columns are
those of ``mappings/plain.toml``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final, TypeVar

from lawful.numbers import SAMPLE_PREFIX
from vocabulary.call_id import Randomness

T = TypeVar("T")

COLUMNS: Final = (
    "id",
    "name",
    "phone",
    "phone2",
    "language",
    "zone",
    "country",
    "preferred_from",
    "preferred_to",
    "segment",
    "age_band",
    "job",
    "product",
    "amount",
    "bought_on",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where sample customers live, what they speak and what they are called."""

    country: str
    zone: str
    language: str
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]


PLACES: Final = (
    Place(
        country="PT",
        zone="Europe/Lisbon",
        language="pt",
        first_names=("Ana", "Beatriz", "Duarte", "Inês", "João", "Leonor", "Miguel", "Rui", "Sofia", "Tomás"),
        last_names=("Almeida", "Carvalho", "Costa", "Ferreira", "Gonçalves", "Lopes", "Martins", "Sousa"),
    ),
    Place(
        country="GB",
        zone="Europe/London",
        language="en",
        first_names=("Alice", "Ben", "Chloe", "Daniel", "Emma", "George", "Grace", "Oliver", "Ruth", "Tom"),
        last_names=("Baker", "Clarke", "Evans", "Hughes", "Murray", "Patel", "Turner", "Walker"),
    ),
    Place(
        country="ES",
        zone="Europe/Madrid",
        language="es",
        first_names=("Álvaro", "Carmen", "Elena", "Iván", "Lucía", "Marta", "Pablo", "Raúl", "Sara", "Teo"),
        last_names=("Castro", "Fernández", "Gil", "Herrera", "Molina", "Navarro", "Ortega", "Vega"),
    ),
)
_SEGMENTS: Final = ("basic", "plus", "premium")
_AGE_BANDS: Final = ("18-24", "25-34", "35-44", "45-54", "55-64", "65+")
_JOBS: Final = ("clerk", "engineer", "farmer", "nurse", "retired", "self-employed", "student", "teacher")
_PRODUCTS: Final = ("car loan", "credit card", "fund", "home insurance", "savings account", "term deposit")
_WISHES: Final = (("09:00", "12:00"), ("12:00", "14:00"), ("17:00", "20:00"))


def rows(
    count: int, randomness: Randomness, today: date, *, places: Sequence[Place] = PLACES
) -> Iterator[dict[str, str]]:
    """``count`` customers; some have a second number, preferred hours or a purchase before ``today``.

    One in fifty shares the phone, though never the name, of the customer before. ``random.Random`` fits.
    """

    def one_of(things: Sequence[T]) -> T:
        return things[randomness.randrange(len(things))]

    def chance(percent: int) -> bool:
        return randomness.randrange(100) < percent

    phone = name = ""
    for number in range(1, count + 1):
        place = one_of(places)
        before = name
        while name == before:
            name = f"{one_of(place.first_names)} {one_of(place.last_names)}"
        if number == 1 or not chance(2):
            phone = f"{SAMPLE_PREFIX}1{number:08d}"
        row = dict.fromkeys(COLUMNS, "")
        row |= {
            "id": f"sample-{number:06d}",
            "name": name,
            "phone": phone,
            "language": place.language,
            "zone": place.zone,
            "country": place.country,
            "segment": one_of(_SEGMENTS),
            "age_band": one_of(_AGE_BANDS),
            "job": one_of(_JOBS),
        }
        if chance(15):
            row["phone2"] = f"{SAMPLE_PREFIX}2{number:08d}"
        if chance(10):
            row["preferred_from"], row["preferred_to"] = one_of(_WISHES)
        if chance(60):
            row["product"] = one_of(_PRODUCTS)
            row["amount"] = f"{50 + randomness.randrange(20_000)}.{randomness.randrange(100):02d}"
            row["bought_on"] = (today - timedelta(days=1 + randomness.randrange(900))).isoformat()
        yield row


def write_csv(
    path: Path, count: int, randomness: Randomness, today: date, *, places: Sequence[Place] = PLACES
) -> None:
    """Write such a file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows(count, randomness, today, places=places))
