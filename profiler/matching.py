# SPDX-License-Identifier: GPL-3.0-or-later
"""Which RM gets which customer: eligibility first, then the best score within a fair share. Pure.

A greedy assignment with capacities. Customers with the fewest eligible RMs choose first, then the highest
scores; each goes to the RM who adds most to the score and still has room in their share, ties to the RM
with the shortest list, then the lowest id. The share is the even split; what does not fit goes round again
with a new even split of the rest, so that no RM gets a long list while another waits for a few. Exact
optimisation (min-cost flow) would gain little: the score of a pair differs between RMs only by language,
expertise and relation, and the list is worked through by score anyway.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from profiler.reach import Rates, Slot, local_slot
from profiler.rms import Rm
from profiler.score import (
    DEFAULT_WEIGHTS,
    CustomerFeatures,
    Reason,
    Score,
    Term,
    Weights,
    customer_terms,
    pair_terms,
    speaks,
    total,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignNeeds:
    """What a campaign asks of the RMs who work in it, and of its lists."""

    campaign_id: int
    language: str | None = None  #: the script's: every RM must speak it
    skills: frozenset[str] = frozenset()  #: every RM must have all of them, lower case
    licences: frozenset[str] = frozenset()  #: every RM must hold all of them, lower case
    max_per_rm: int | None = None  #: open entries of one RM in this campaign
    match_customer_language: bool = True  #: a customer of known language only goes to an RM who speaks it
    weights: Weights = field(default_factory=lambda: DEFAULT_WEIGHTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An RM who may get customers, and what they have already."""

    rm: Rm
    open_here: int = 0  #: open entries in this campaign
    open_everywhere: int = 0  #: open entries over all campaigns

    def room(self, needs: CampaignNeeds) -> int:
        """How many more customers fit."""
        everywhere = self.rm.max_open_entries - self.open_everywhere
        here = everywhere if needs.max_per_rm is None else needs.max_per_rm - self.open_here
        return max(0, min(everywhere, here))


class WhyUnplaced(StrEnum):
    """Why a customer got no RM."""

    NOBODY_QUALIFIED = "nobody_qualified"  #: no RM has the campaign's language, skills and licences
    LANGUAGE = "language"  #: none of them speaks the customer's language
    NO_ROOM = "no_room"  #: all who could have full lists


class Placement(NamedTuple):
    """A customer for an RM's list."""

    customer_id: int
    rm_id: int
    score: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Who goes where. Placements are ordered by RM, then best score, then customer id."""

    placements: Sequence[Placement]
    unplaced: Mapping[int, WhyUnplaced]  #: by customer id


class _Kind(NamedTuple):
    """All that the pair part of a score sees of a customer, apart from whom they spoke with."""

    language: str | None
    topics: frozenset[str]


class _Waiting(NamedTuple):
    """A customer in the order of choosing."""

    eligible: int
    minus_score: float
    customer_id: int
    customer: CustomerFeatures
    base: tuple[Reason, ...]


def qualifies(rm: Rm, needs: CampaignNeeds) -> bool:
    """Whether an RM may work in a campaign at all."""
    return speaks(rm, needs.language) and needs.skills <= rm.skills and needs.licences <= rm.licences


def assign(
    customers: Iterable[CustomerFeatures],
    candidates: Iterable[Candidate],
    needs: CampaignNeeds,
    now: datetime,
    prior: Rates,
) -> Assignment:
    """Assign customers to RMs. The same input gives the same assignment, in whatever order it comes."""
    everybody = list(customers)
    qualified = sorted((c for c in candidates if qualifies(c.rm, needs)), key=lambda c: c.rm.rm_id)
    if not qualified:
        return Assignment(
            placements=(),
            unplaced={customer.customer_id: WhyUnplaced.NOBODY_QUALIFIED for customer in everybody},
        )
    floor = _Floor(qualified, needs)
    unplaced: dict[int, WhyUnplaced] = {}
    waiting: list[_Waiting] = []
    slots: dict[str | None, Slot | None] = {}
    for customer in everybody:
        eligible, best = floor.outlook(customer)
        if not eligible:
            unplaced[customer.customer_id] = WhyUnplaced.LANGUAGE
            continue
        if customer.zone not in slots:
            slots[customer.zone] = local_slot(customer.zone, now)
        base = customer_terms(customer, now, slots[customer.zone], prior, needs.weights)
        score = math.fsum(reason.points for reason in base) + best
        waiting.append(_Waiting(eligible, -score, customer.customer_id, customer, base))
    waiting.sort(key=lambda one: one[:3])
    placements: list[Placement] = []
    while waiting and floor.share_out([one.customer for one in waiting]):
        left = []
        for one in waiting:
            rm_id = floor.choose(one.customer)
            if rm_id is None:
                left.append(one)
            else:
                placements.append(
                    Placement(one.customer_id, rm_id, floor.score(one.customer, rm_id, one.base))
                )
        waiting = left
    unplaced.update((one.customer_id, WhyUnplaced.NO_ROOM) for one in waiting)
    placements.sort(key=lambda placement: (placement.rm_id, -placement.score.value, placement.customer_id))
    return Assignment(placements=placements, unplaced=unplaced)


class _Floor:
    """The RMs while customers are handed out: their room, and for each kind of customer who fits best."""

    def __init__(self, qualified: Sequence[Candidate], needs: CampaignNeeds) -> None:
        self._needs = needs
        self._rms = {candidate.rm.rm_id: candidate.rm for candidate in qualified}
        self._full_at = {c.rm.rm_id: c.open_here + c.room(needs) for c in qualified}
        self._load = Counter({c.rm.rm_id: c.open_here for c in qualified})
        self._share = 0
        self._terms: dict[tuple[_Kind, int], tuple[Reason, ...]] = {}
        self._tiers: dict[_Kind, list[tuple[float, list[tuple[int, int]]]]] = {}
        self._eligible: dict[_Kind, frozenset[int]] = {}

    def outlook(self, customer: CustomerFeatures) -> tuple[int, float]:
        """How many RMs are eligible, and the most points one of them would add."""
        kind = self._kind(customer)
        tiers = self._tiers[kind]
        return len(self._eligible[kind]), tiers[0][0] if tiers else 0.0

    def share_out(self, waiting: Sequence[CustomerFeatures]) -> bool:
        """A new round: an even split, of what they have and what waits, between the RMs who may still get some.

        At least one customer finds a place in a round: somebody's list is always shorter than the split.
        False when there is no room left.
        """
        kinds = {self._kind(customer) for customer in waiting}
        reachable = {rm_id for kind in kinds for rm_id in self._eligible[kind]}
        with_room = [rm_id for rm_id in reachable if self._load[rm_id] < self._full_at[rm_id]]
        if with_room:
            total_load = sum(self._load[rm_id] for rm_id in with_room) + len(waiting)
            self._share = math.ceil(total_load / len(with_room))
        return bool(with_room)

    def choose(self, customer: CustomerFeatures) -> int | None:
        """The best RM with room in their share, one customer fuller; None in this round."""
        kind = self._kind(customer)
        chosen = self._spoke_before(customer, kind)
        if chosen is None:
            for _points, heap in self._tiers[kind]:
                chosen = self._shortest_list(heap)
                if chosen is not None:
                    break
        if chosen is not None:
            self._load[chosen] += 1
        return chosen

    def score(self, customer: CustomerFeatures, rm_id: int, base: tuple[Reason, ...]) -> Score:
        """The whole score of the pair."""
        if customer.last_rm_id == rm_id:
            return total(base, pair_terms(customer, self._rms[rm_id], self._needs.weights))
        return total(base, self._terms[self._kind(customer), rm_id])

    def _kind(self, customer: CustomerFeatures) -> _Kind:
        kind = _Kind(customer.language, customer.topics)
        if kind not in self._tiers:
            self._rank(kind)
        return kind

    def _rank(self, kind: _Kind) -> None:
        typical = CustomerFeatures(customer_id=0, language=kind.language, topics=kind.topics)
        by_points: dict[float, list[tuple[int, int]]] = {}
        for rm_id, rm in self._rms.items():
            if self._needs.match_customer_language and not speaks(rm, kind.language):
                continue
            terms = pair_terms(typical, rm, self._needs.weights)
            self._terms[kind, rm_id] = terms
            points = math.fsum(term.points for term in terms)
            by_points.setdefault(points, []).append((self._load[rm_id], rm_id))
        for heap in by_points.values():
            heapq.heapify(heap)
        self._tiers[kind] = sorted(by_points.items(), reverse=True)
        self._eligible[kind] = frozenset(rm_id for heap in by_points.values() for _load, rm_id in heap)

    def _spoke_before(self, customer: CustomerFeatures, kind: _Kind) -> int | None:
        rm_id = customer.last_rm_id
        if rm_id is None or not customer.answers or rm_id not in self._eligible[kind]:
            return None
        if self._load[rm_id] >= min(self._share, self._full_at[rm_id]):
            return None
        points = math.fsum(term.points for term in self._terms[kind, rm_id])
        best = self._tiers[kind][0][0]
        return rm_id if points + self._needs.weights[Term.RELATION] >= best else None

    def _shortest_list(self, heap: list[tuple[int, int]]) -> int | None:
        """The RM of a tier with the shortest list, if it is within the share. Stale loads are put right here."""
        while heap:
            load, rm_id = heap[0]
            if self._load[rm_id] >= self._full_at[rm_id]:
                heapq.heappop(heap)
            elif self._load[rm_id] != load:
                heapq.heapreplace(heap, (self._load[rm_id], rm_id))
            else:
                return rm_id if load < self._share else None
        return None
