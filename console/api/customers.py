# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding customers. Names and numbers come masked: enough to tell two hits apart."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from console.ask import Ask
from console.routes import Asked, Routes, Told
from console.views import masked_name
from crm.customers import search as search_customers

routes = Routes("customers")


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
