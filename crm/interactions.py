# SPDX-License-Identifier: GPL-3.0-or-later
"""The timeline of a customer: what happened, over all channels, only ever added to.

Each row has a key of its source (``source``, ``source_event_id``), so that an event delivered twice is
one row. What a person wrote in their own words is sealed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, or_, select

from crm.tables import interaction
from foundation.db.dialect import insert_if_absent
from foundation.encryption import FieldCipher


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInteraction:
    """Something that happened between a customer and us."""

    customer_id: int
    at: datetime
    channel: str  #: ``phone``, ``email``, ``sms``, ``web``, ...
    direction: str  #: ``out``, ``in`` or ``none``
    kind: str  #: for example ``call``, ``note``, ``purchase``
    actor: str  #: an RM's name, or ``system``
    summary: str  #: one line without personal data
    note: str | None = field(default=None, repr=False)  #: a person's own words
    ref_type: str | None = None
    ref_id: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    source: str
    source_event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionLine:
    """One line of the timeline."""

    interaction_id: int
    at: datetime
    channel: str
    direction: str
    kind: str
    actor: str
    summary: str
    note: str | None = field(repr=False)
    ref_type: str | None
    ref_id: str | None
    data: dict[str, Any]


def append(conn: Connection, cipher: FieldCipher, new: NewInteraction) -> bool:
    """Add it; False when this event of this source is there already (nothing is changed then)."""
    note = None
    if new.note:
        owner = f"{new.source}/{new.source_event_id}"
        note = cipher.seal("interaction", "note", owner, new.note)
    values = {
        "customer_id": new.customer_id,
        "at": new.at,
        "channel": new.channel,
        "direction": new.direction,
        "kind": new.kind,
        "actor": new.actor,
        "summary": new.summary,
        "note_sealed": note,
        "ref_type": new.ref_type,
        "ref_id": new.ref_id,
        "data": dict(new.data),
        "source": new.source,
        "source_event_id": new.source_event_id,
    }
    return insert_if_absent(conn, interaction, values)


def timeline(
    conn: Connection,
    cipher: FieldCipher,
    customer_id: int,
    *,
    limit: int = 20,
    before: InteractionLine | None = None,
) -> tuple[InteractionLine, ...]:
    """The newest lines first; ``before``: the last line of the page before."""
    row = interaction.c
    query = select(interaction).where(row.customer_id == customer_id)
    if before is not None:
        query = query.where(
            or_(row.at < before.at, and_(row.at == before.at, row.id < before.interaction_id))
        )
    found = conn.execute(query.order_by(row.at.desc(), row.id.desc()).limit(limit))
    return tuple(
        InteractionLine(
            interaction_id=line.id,
            at=line.at,
            channel=line.channel,
            direction=line.direction,
            kind=line.kind,
            actor=line.actor,
            summary=line.summary,
            note=None
            if line.note_sealed is None
            else cipher.open(
                "interaction", "note", f"{line.source}/{line.source_event_id}", line.note_sealed
            ),
            ref_type=line.ref_type,
            ref_id=line.ref_id,
            data=line.data,
        )
        for line in found
    )
