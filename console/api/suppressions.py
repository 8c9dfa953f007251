# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may not be called: saying so of a customer, and taking it back. Each with a reason, and audited."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field
from sqlalchemy import Connection

from console.api.customers import Reason, customer_number
from console.api.models import Done
from console.ask import Ask
from console.errors import NotPossible
from console.routes import Asked, Routes, Told
from crm.snapshot import snapshot
from crm.suppression import Scope, Source, lift_all, standing_of, suppress, this_customer
from foundation.outbox import publish
from vocabulary.events import CustomerSuppressed

routes = Routes("customers")


class SuppressAsked(Asked):
    """Whose word it is that this customer may not be called, and why."""

    source: Source = Source.STEWARD
    reason: Reason


class SuppressionShown(Told):
    """One suppression that stands."""

    scope: Scope
    channel: str
    source: Source
    at: datetime
    until: datetime | None = Field(description="Null: for good.")
    reason: str


class SuppressionsShown(Told):
    """What stands against calling the customer, about the person first, then about each number."""

    suppressions: list[SuppressionShown]


@routes.get("/customers/{customer_id}/suppressions", reply=SuppressionsShown)
async def standing(ask: Ask) -> SuppressionsShown:
    """What stands against calling a customer."""
    customer_id = customer_number(ask)
    now = ask.parts.clock.now()
    await ask.read(snapshot, ask.parts.cipher, customer_id, now)
    found = await ask.read(standing_of, customer_id, now)
    return SuppressionsShown(
        suppressions=[
            SuppressionShown(**{name: getattr(one, name) for name in SuppressionShown.model_fields})
            for _, one in found
        ]
    )


@routes.post("/customers/{customer_id}/suppress", body=SuppressAsked, reply=Done)
async def suppress_(ask: Ask, body: SuppressAsked) -> Done:
    """A customer may not be called any more, on no number; waiting entries of target lists are withdrawn."""
    await ask.write(_suppress, ask, customer_number(ask), body, ask.parts.clock.now())
    return Done()


@routes.post("/customers/{customer_id}/lift", body=SuppressAsked, reply=Done)
async def lift(ask: Ask, body: SuppressAsked) -> Done:
    """Take back what one source said of a customer and the customer's numbers; what others said stands."""
    await ask.write(_lift, ask, customer_number(ask), body, ask.parts.clock.now())
    return Done()


def _suppress(conn: Connection, ask: Ask, customer_id: int, body: SuppressAsked, now: datetime) -> None:
    snapshot(conn, ask.parts.cipher, customer_id, now)
    subject = this_customer(customer_id)
    suppress(conn, subject, body.source, now, actor=ask.actor.name, reason=body.reason)
    publish(conn, ask.parts.ids, CustomerSuppressed(at=now, customer_id=customer_id, source=str(body.source)))
    _record(conn, ask, "customer.suppress", customer_id, body)


def _lift(conn: Connection, ask: Ask, customer_id: int, body: SuppressAsked, now: datetime) -> None:
    snapshot(conn, ask.parts.cipher, customer_id, now)
    if not lift_all(conn, customer_id, body.source, now, actor=ask.actor.name, reason=body.reason):
        raise NotPossible(
            f"Nothing that {body.source} said stands against this customer; nothing was changed.",
            reason="not_suppressed",
        )
    _record(conn, ask, "customer.lift", customer_id, body)


def _record(conn: Connection, ask: Ask, action: str, customer_id: int, body: SuppressAsked) -> None:
    ask.record(
        conn, action, f"customer:{customer_id}", detail={"source": str(body.source)}, reason=body.reason
    )
