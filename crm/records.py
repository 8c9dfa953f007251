# SPDX-License-Identifier: GPL-3.0-or-later
"""A customer on the way into the tables: in clear as it came, and sealed as it is stored. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from crm.consent import ConsentState
from crm.names import name_key, name_tokens
from foundation.encryption import FieldCipher


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPurchase:
    """Something a customer bought; the amount in the currency's minor units (cents)."""

    external_id: str
    at: datetime
    product: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConsent:
    """What a customer said to being contacted, as a file or a form states it."""

    channel: str
    purpose: str
    state: ConsentState
    wording: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCustomer:
    """A customer in clear. ``numbers`` are E.164 (``lawful.numbers.parse``), the preferred one first.

    ``attributes`` hold what is not personal by itself (age band, job, ...): they are kept in clear and
    scored. Preferred hours are minutes of the customer's local day.
    """

    source: str
    external_id: str
    name: str = field(repr=False)
    numbers: tuple[str, ...] = field(repr=False)
    email: str | None = field(default=None, repr=False)
    birth_date: date | None = field(default=None, repr=False)
    language: str | None = None
    zone: str | None = None
    country: str | None = None
    region: str | None = None
    preferred_channel: str | None = None
    preferred_from_min: int | None = None
    preferred_to_min: int | None = None
    segment: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    purchases: tuple[NewPurchase, ...] = ()
    consents: tuple[NewConsent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedNumber:
    """One number as it is stored."""

    e164_sealed: str
    e164_blind: str
    last2: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedCustomer:
    """A customer as it is stored: nothing personal in clear."""

    source: str
    external_id: str
    name_sealed: str
    name_blind: str
    token_blinds: tuple[str, ...]
    email_sealed: str | None
    email_blind: str | None
    birth_sealed: str | None
    language: str | None
    zone: str | None
    country: str | None
    region: str | None
    preferred_channel: str | None
    preferred_from_min: int | None
    preferred_to_min: int | None
    segment: str | None
    attributes: dict[str, Any]
    numbers: tuple[SealedNumber, ...]
    purchases: tuple[NewPurchase, ...]
    consents: tuple[NewConsent, ...]


def owner_of(source: str, external_id: str) -> str:
    """What a customer's fields are sealed to: known before the customer has a row."""
    return f"{source}/{external_id}"


def number_blind(cipher: FieldCipher, e164: str) -> str:
    """The keyed hash a number is found, locked and suppressed by."""
    return cipher.blind("number", e164)


def token_blind(cipher: FieldCipher, token: str) -> str:
    """The keyed hash of one word of a name; 96 bits of it tell words apart, and there are many rows of them."""
    return cipher.blind("name_token", token)[:24]


def email_blind(cipher: FieldCipher, email: str) -> str:
    """The keyed hash an e-mail address is found by."""
    return cipher.blind("email", email.strip().casefold())


def seal(cipher: FieldCipher, new: NewCustomer) -> SealedCustomer:
    """Seal everything personal."""
    owner = owner_of(new.source, new.external_id)
    birth = new.birth_date.isoformat() if new.birth_date else None
    return SealedCustomer(
        source=new.source,
        external_id=new.external_id,
        name_sealed=cipher.seal("customer", "name", owner, new.name),
        name_blind=cipher.blind("name", name_key(new.name)),
        token_blinds=tuple(token_blind(cipher, token) for token in name_tokens(new.name)),
        email_sealed=cipher.seal("customer", "email", owner, new.email) if new.email else None,
        email_blind=email_blind(cipher, new.email) if new.email else None,
        birth_sealed=cipher.seal("customer", "birth", owner, birth) if birth else None,
        language=new.language,
        zone=new.zone,
        country=new.country,
        region=new.region,
        preferred_channel=new.preferred_channel,
        preferred_from_min=new.preferred_from_min,
        preferred_to_min=new.preferred_to_min,
        segment=new.segment,
        attributes=dict(new.attributes),
        numbers=tuple(
            SealedNumber(
                e164_sealed=cipher.seal("customer_number", "e164", owner, e164),
                e164_blind=number_blind(cipher, e164),
                last2=e164[-2:],
            )
            for e164 in dict.fromkeys(new.numbers)
        ),
        purchases=new.purchases,
        consents=new.consents,
    )
