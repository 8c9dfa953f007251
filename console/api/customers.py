# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding customers and what is known of them. Names and numbers come masked: enough to tell two apart."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints
from sqlalchemy import Connection

from console.ask import Ask
from console.errors import NotThere
from console.routes import Asked, Routes, Told
from console.views import masked_name
from crm.customers import search as search_customers
from crm.snapshot import CustomerSnapshot, snapshot
from vocabulary.states import NumberState

routes = Routes("customers")

#: Why something is done to or with a customer's record: it stands in the audit.
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class SearchAsked(Asked):
    """A name's words, a number with its plus, an e-mail address or an external id. In the body: addresses of
    requests are kept by proxies and browsers."""

    text: Annotated[str, Field(min_length=2, max_length=200, repr=False)]


class Hit(Told):
    """One customer found."""

    customer_id: int
    external_id: str
    name: str = Field(description="Masked.")
    numbers: list[str] = Field(description="Masked.")
    segment: str | None


class Hits(Told):
    """At most twenty, by id."""

    customers: list[Hit]


class NumberShown(Told):
    """One number, in the order in which they are dialed."""

    number: str = Field(description="Masked.")
    state: NumberState


class Line(Told):
    """One line of the customer's history; notes are left out."""

    at: datetime
    channel: str
    direction: str
    kind: str
    actor: str
    summary: str
    ref_id: str | None


class CustomerShown(Told):
    """A customer without what would say who it is."""

    customer_id: int
    external_id: str
    name: str = Field(description="Masked.")
    language: str | None
    zone: str | None
    country: str | None
    segment: str | None
    preferred_hours: str | None
    attributes: dict[str, Any]
    numbers: list[NumberShown]
    interactions: list[Line] = Field(description="The newest twenty first.")


class RevealAsked(Asked):
    """Why somebody has to know who this is."""

    reason: Reason


class CustomerRevealed(Told):
    """Who a customer is, in clear."""

    customer_id: int
    name: str = Field(repr=False)
    email: str | None = Field(repr=False)
    birth_date: date | None = Field(repr=False)
    numbers: list[str] = Field(repr=False, description="In the order in which they are dialed.")


@routes.get("/customers/{customer_id}", reply=CustomerShown)
async def show(ask: Ask) -> CustomerShown:
    """What is known of one customer."""
    found = await ask.read(
        snapshot, ask.parts.cipher, customer_number(ask), ask.parts.clock.now(), interactions=20
    )
    return CustomerShown(
        customer_id=found.customer_id,
        external_id=found.external_id,
        name=masked_name(found.name),
        language=found.language,
        zone=found.zone,
        country=found.country,
        segment=found.segment,
        preferred_hours=found.preferred_hours,
        attributes=found.attributes,
        numbers=[NumberShown(number=one.masked, state=one.state) for one in found.numbers],
        interactions=[
            Line(**{name: getattr(line, name) for name in Line.model_fields}) for line in found.interactions
        ],
    )


@routes.post("/customers/{customer_id}/reveal", body=RevealAsked, reply=CustomerRevealed)
async def reveal(ask: Ask, body: RevealAsked) -> CustomerRevealed:
    """Who a customer is. Kept in the audit, with the reason, in the same unit of work."""
    found = await ask.write(_reveal, ask, customer_number(ask), body.reason, ask.parts.clock.now())
    return CustomerRevealed(
        customer_id=found.customer_id,
        name=found.name,
        email=found.email,
        birth_date=found.birth_date,
        numbers=[one.e164 for one in found.numbers],
    )


@routes.post("/customers/search", body=SearchAsked, reply=Hits)
async def search(ask: Ask, body: SearchAsked) -> Hits:
    """Find customers by name, number, e-mail address or external id."""
    found = await ask.read(search_customers, ask.parts.cipher, body.text)
    return Hits(
        customers=[
            Hit(
                customer_id=hit.customer_id,
                external_id=hit.external_id,
                name=masked_name(hit.name),
                numbers=list(hit.numbers),
                segment=hit.segment,
            )
            for hit in found
        ]
    )


def customer_number(ask: Ask) -> int:
    """The customer that the path names.

    Raises:
        NotThere: this is no customer's number.
    """
    text = ask.path("customer_id")
    if not text.isdecimal() or len(text) > 15:
        raise NotThere(f"There is no customer {text[:20]!r}.", reason="no_customer")
    return int(text)


def _reveal(conn: Connection, ask: Ask, customer_id: int, reason: str, now: datetime) -> CustomerSnapshot:
    found = snapshot(conn, ask.parts.cipher, customer_id, now)
    ask.record(conn, "customer.reveal", f"customer:{customer_id}", reason=reason)
    return found
