# SPDX-License-Identifier: GPL-3.0-or-later
"""Filling the target lists and keeping them in order: customers are matched, scored and put in.

``build`` and ``refresh_order`` are one unit of work, for some hundred customers; ``build_in_units`` and
``refresh_in_units`` do the same for any number, in units that let calls go first.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import structlog
from sqlalchemy import ColumnElement, Connection, TextClause, and_, bindparam, func, insert, select, update

from foundation.db.seam import Database
from profiler import profiles, rms
from profiler.errors import NotPlaced, UnknownRm
from profiler.features import read_features
from profiler.lists import Entry, open_entry
from profiler.matching import Assignment, CampaignNeeds, Candidate, Placement, WhyUnplaced, assign
from profiler.reach import local_slot
from profiler.score import DEFAULT_WEIGHTS, CustomerFeatures, Score, Weights, score
from profiler.tables import ENTRY_IS_OPEN, target_entry
from vocabulary.states import OPEN_ENTRY_STATES, EntryState

log = structlog.get_logger(__name__)

#: Customers in one bulk unit: a unit of this size takes well under 20 ms.
UNIT: Final = 100
#: Customers whose features are read at once.
_READ: Final = 1000

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What became of the customers given to ``build``; the numbers add up to how many they were."""

    entries: int  #: now in a list
    already_open: int  #: open in a list already, of this campaign or another
    already_finished: int  #: were in a list of this campaign before, which is over for them
    unknown: int  #: no such customer
    unplaced: Mapping[WhyUnplaced, int]

    @property
    def customers(self) -> int:
        return (
            self.entries
            + self.already_open
            + self.already_finished
            + self.unknown
            + sum(self.unplaced.values())
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sifted:
    """Customers apart: who may be placed and who not."""

    features: Sequence[CustomerFeatures]
    already_open: int
    already_finished: int
    unknown: int


def build(conn: Connection, needs: CampaignNeeds, customer_ids: Iterable[int], now: datetime) -> Built:
    """Match customers to the active RMs and put them into their lists. A customer given twice counts once."""
    sifted = _sift(conn, needs.campaign_id, sorted(set(customer_ids)))
    assignment = assign(
        sifted.features, candidates(conn, needs.campaign_id), needs, now, profiles.prior(conn)
    )
    placed = place(conn, needs.campaign_id, assignment.placements, now)
    return _built(needs, [sifted], assignment, placed)


async def build_in_units(
    db: Database,
    needs: CampaignNeeds,
    customer_ids: Iterable[int],
    now: datetime,
    executor: Executor | None = None,
) -> Built:
    """``build`` for any number of customers: read in chunks, matched all at once, written in bulk units.

    Args:
        executor: where the matching runs, seconds for 50,000 customers; None runs it on the event loop.

    If it is interrupted, what was placed stays; building again with the same customers places the rest.
    """
    sifted = [
        await db.read(_sift, needs.campaign_id, chunk) for chunk in _chunks(sorted(set(customer_ids)), _READ)
    ]
    features = [one for part in sifted for one in part.features]
    rm_candidates = await db.read(candidates, needs.campaign_id)
    prior = await db.read(profiles.prior)
    if executor is None:
        assignment = assign(features, rm_candidates, needs, now, prior)
    else:
        assignment = await asyncio.get_running_loop().run_in_executor(
            executor, assign, features, rm_candidates, needs, now, prior
        )
    placed = 0
    for chunk in _chunks(assignment.placements, UNIT):
        placed += await db.write_bulk(place, needs.campaign_id, chunk, now)
    return _built(needs, sifted, assignment, placed)


def candidates(conn: Connection, campaign_id: int) -> Sequence[Candidate]:
    """The active RMs with what they have open, by name."""
    everywhere = _open_by_rm(conn, ENTRY_IS_OPEN)
    here = _open_by_rm(
        conn,
        and_(target_entry.c.campaign_id == campaign_id, target_entry.c.state.in_(sorted(OPEN_ENTRY_STATES))),
    )
    return [
        Candidate(rm=rm, open_here=here.get(rm.rm_id, 0), open_everywhere=everywhere.get(rm.rm_id, 0))
        for rm in rms.everybody(conn)
    ]


def place(conn: Connection, campaign_id: int, placements: Sequence[Placement], now: datetime) -> int:
    """Put matched customers into lists, due at once; returns how many. Who is open in a list by now is skipped."""
    open_now = _open_among(conn, [placement.customer_id for placement in placements])
    rows = [
        {
            "campaign_id": campaign_id,
            "rm_id": placement.rm_id,
            "customer_id": placement.customer_id,
            "state": EntryState.PENDING,
            **_scored(placement.score),
            "next_at": now,
            "attempts": 0,
            "changed_at": now,
        }
        for placement in placements
        if placement.customer_id not in open_now
    ]
    if rows:
        conn.execute(insert(target_entry), rows)
    return len(rows)


def add_customer(
    conn: Connection, needs: CampaignNeeds, customer_id: int, now: datetime, rm_id: int | None = None
) -> Entry:
    """Put one customer into a list: of the RM named, a person's decision, or else of the best match.

    Raises:
        NotPlaced: the customer is open in a list, does not exist, or no RM fits.
        UnknownRm: there is no such RM.
    """
    taken = open_entry(conn, customer_id)
    if taken is not None:
        raise NotPlaced(
            f"Customer {customer_id} is open in the list of RM {taken.rm_id} in campaign {taken.campaign_id}"
            " and can be in one list only. Withdraw or reassign that entry first."
        )
    features = read_features(conn, [customer_id]).get(customer_id)
    if features is None:
        raise NotPlaced(f"There is no customer {customer_id}; no list was changed.")
    prior = profiles.prior(conn)
    if rm_id is None:
        assignment = assign([features], candidates(conn, needs.campaign_id), needs, now, prior)
        if not assignment.placements:
            raise NotPlaced(
                f"No RM fits customer {customer_id} ({assignment.unplaced[customer_id]});"
                " no list was changed. Name an RM, or change the RMs' abilities or limits."
            )
        placements = assignment.placements
    else:
        rm = rms.find(conn, rm_id)
        if rm is None:
            raise UnknownRm(f"There is no RM with the id {rm_id}; no list was changed.")
        slot = local_slot(features.zone, now)
        placements = [Placement(customer_id, rm_id, score(features, rm, now, slot, prior, needs.weights))]
    place(conn, needs.campaign_id, placements, now)
    entry = open_entry(conn, customer_id)
    assert entry is not None
    return entry


def refresh_order(
    conn: Connection, campaign_id: int, rm_id: int, now: datetime, weights: Weights = DEFAULT_WEIGHTS
) -> int:
    """Score the waiting entries of one list anew, which orders it; returns how many scores changed."""
    return sum(
        _rescore(conn, rm_id, chunk, now, weights)
        for chunk in _chunks(_waiting(conn, campaign_id, rm_id), UNIT)
    )


async def refresh_in_units(
    db: Database, campaign_id: int, rm_id: int, now: datetime, weights: Weights = DEFAULT_WEIGHTS
) -> int:
    """``refresh_order`` in bulk units; between two of them the list is partly in its old order."""
    changed = 0
    for chunk in _chunks(await db.read(_waiting, campaign_id, rm_id), UNIT):
        changed += await db.write_bulk(_rescore, rm_id, chunk, now, weights)
    return changed


def _sift(conn: Connection, campaign_id: int, customer_ids: Sequence[int]) -> _Sifted:
    already_open: set[int] = set()
    finished: set[int] = set()
    features: list[CustomerFeatures] = []
    known = 0
    for chunk in _chunks(customer_ids, _READ):
        open_here = _open_among(conn, chunk)
        listed = set(
            conn.execute(
                select(target_entry.c.customer_id)
                .where(target_entry.c.customer_id.in_(chunk), target_entry.c.campaign_id == campaign_id)
                .order_by(target_entry.c.customer_id)
            ).scalars()
        )
        already_open |= open_here
        finished |= listed - open_here
        found = read_features(conn, chunk)
        known += len(found)
        features += [one for one in found.values() if one.customer_id not in open_here | listed]
    return _Sifted(
        features=features,
        already_open=len(already_open),
        already_finished=len(finished),
        unknown=len(customer_ids) - known,
    )


def _open_by_rm(conn: Connection, where: ColumnElement[bool] | TextClause) -> dict[int, int]:
    rows = conn.execute(
        select(target_entry.c.rm_id, func.count().label("open_entries"))
        .where(where)
        .group_by(target_entry.c.rm_id)
        .order_by(target_entry.c.rm_id)
    )
    return {row.rm_id: row.open_entries for row in rows}


def _open_among(conn: Connection, customer_ids: Collection[int]) -> set[int]:
    return set(
        conn.execute(
            select(target_entry.c.customer_id)
            .where(ENTRY_IS_OPEN, target_entry.c.customer_id.in_(customer_ids))
            .order_by(target_entry.c.customer_id)
        ).scalars()
    )


def _waiting(conn: Connection, campaign_id: int, rm_id: int) -> Sequence[int]:
    return (
        conn.execute(
            select(target_entry.c.id)
            .where(
                target_entry.c.campaign_id == campaign_id,
                target_entry.c.rm_id == rm_id,
                target_entry.c.state == EntryState.PENDING,
            )
            .order_by(target_entry.c.id)
        )
        .scalars()
        .all()
    )


def _rescore(conn: Connection, rm_id: int, entry_ids: Sequence[int], now: datetime, weights: Weights) -> int:
    rm = rms.find(conn, rm_id)
    if rm is None:
        raise UnknownRm(f"There is no RM with the id {rm_id}; the list's order stays.")
    rows = conn.execute(
        select(target_entry.c.id, target_entry.c.customer_id, target_entry.c.score, target_entry.c.reasons)
        .where(target_entry.c.id.in_(entry_ids), target_entry.c.state == EntryState.PENDING)
        .order_by(target_entry.c.id)
    ).all()
    features = read_features(conn, [row.customer_id for row in rows])
    prior = profiles.prior(conn)
    changed = []
    for row in rows:
        customer = features.get(row.customer_id)
        if customer is None:
            continue
        scored = _scored(score(customer, rm, now, local_slot(customer.zone, now), prior, weights))
        if (scored["score"], scored["reasons"]) != (row.score, row.reasons):
            changed.append({"entry_id": row.id, **scored})
    if changed:
        conn.execute(update(target_entry).where(target_entry.c.id == bindparam("entry_id")), changed)
    return len(changed)


def _scored(result: Score) -> dict[str, object]:
    return {"score": result.value, "reasons": list(result.sentences())}


def _built(needs: CampaignNeeds, sifted: Sequence[_Sifted], assignment: Assignment, placed: int) -> Built:
    built = Built(
        entries=placed,
        already_open=sum(part.already_open for part in sifted) + len(assignment.placements) - placed,
        already_finished=sum(part.already_finished for part in sifted),
        unknown=sum(part.unknown for part in sifted),
        unplaced=dict(sorted(Counter(assignment.unplaced.values()).items())),
    )
    log.info(
        "lists_built",
        campaign=needs.campaign_id,
        entries=built.entries,
        already_open=built.already_open,
        already_finished=built.already_finished,
        unknown=built.unknown,
        unplaced=sum(built.unplaced.values()),
    )
    return built


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
