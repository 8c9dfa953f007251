# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold of every world whatever went wrong in it, checked at each dial and once at the end."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from crm.tables import number_lock
from dialer.tables import call, rm_shift
from dialer.telephony import DialCustomer, LegId
from foundation.outbox import parked_count, undelivered_count
from foundation.tables import outbox
from profiler.sessions import open_sessions
from profiler.tables import target_entry
from tests.sim.world import World
from vocabulary.dispositions import Disposition, EndedBy
from vocabulary.states import FINAL_CALL_STATES, OPEN_ENTRY_STATES, EntryState, RmState

LEFT_ALONE_S = 30
"""So long a customer may be in a bridge without an RM's phone: as long as a restart with a busy database takes."""


class Ledger:
    """Collects broken rules as sentences."""

    def __init__(self, world: World, *, after_lost_s: float) -> None:
        """``after_lost_s``: how long a customer whose call was lost is to be left alone."""
        self._world = world
        self._after_lost_s = after_lost_s
        self._number_of: dict[LegId, str] = {}
        self._alone_s: dict[LegId, int] = {}
        self.broken: list[str] = []

    def dialed(self, request: DialCustomer) -> None:
        """At a dial: nobody is on that phone already, no RM has another customer, nothing was halted."""
        live = set(self._world.pbx.live_legs)
        for leg, number in self._number_of.items():
            if leg in live and number == request.pii_number:
                self.broken.append(f"{request.leg.id} was dialed while {leg.id} had the same phone")
        for leg in live - {request.leg}:
            if leg in self._number_of and self._world.pbx.bridge_of(leg) == request.bridge:
                self.broken.append(f"{request.leg.id} was dialed to the RM of {leg.id}")
        self._number_of[request.leg] = request.pii_number
        dialer = self._world.dialer
        if dialer is not None and dialer.engine.halted:
            self.broken.append(f"{request.leg.id} was dialed during a halt")

    async def watch(self) -> None:
        """Every second: nobody shares an RM, and nobody is left with silence while there is a dialer to see it."""
        while True:
            await self._world.clock.sleep(1.0)
            pbx = self._world.pbx
            in_bridge = {leg: bridge for leg in pbx.live_legs if (bridge := pbx.bridge_of(leg)) is not None}
            phones = {bridge for leg, bridge in in_bridge.items() if leg.id.startswith("rm-")}
            guests = {leg: bridge for leg, bridge in in_bridge.items() if not leg.id.startswith("rm-")}
            for bridge, count in Counter(guests.values()).items():
                if count > 1:
                    self.broken.append(f"{count} people are in {bridge.id}")
            blind = self._world.dialer is None or pbx.mute_events
            alone = set() if blind else {leg for leg, bridge in guests.items() if bridge not in phones}
            self._alone_s = {
                leg: self._alone_s.get(leg, 0) + 1 for leg in sorted(alone, key=lambda leg: leg.id)
            }
            self.broken += [
                f"{leg.id} is left alone" for leg, s in self._alone_s.items() if s == LEFT_ALONE_S
            ]

    async def waiting_customer(self, rm_id: int) -> int | None:
        """The first customer who waits in an RM's list."""
        return await self._world.db.read(peek_waiting_customer, rm_id, self._world.clock.now())

    async def anybody_waiting(self) -> bool:
        """Whether any list is not at its end."""
        return await self._world.db.read(peek_anybody_waiting)

    async def audit(self) -> list[str]:
        """Everything that does not hold at the end."""
        self.broken += await self._world.db.read(_of_the_record, self._world.clock.now(), self._after_lost_s)
        self._legs()
        self._desks()
        return self.broken

    def _legs(self) -> None:
        legs = [leg.id for leg in self._world.pbx.live_legs]
        self.broken += [f"leg {leg} is left" for leg in legs if not leg.startswith("rm-")]
        per_rm = Counter(leg.split("-")[2] for leg in legs if leg.startswith("rm-"))
        self.broken += [f"{rm} has {count} legs" for rm, count in sorted(per_rm.items()) if count > 1]

    def _desks(self) -> None:
        assert self._world.dialer is not None
        for desk in self._world.dialer.engine.desks.values():
            at_rest = (RmState.READY, RmState.BREAK, RmState.AWAY)
            if desk.call is not None or desk.claiming or desk.state not in at_rest or desk.wish is not None:
                self.broken.append(
                    f"{desk.rm.name} is left {desk.state}, phone {desk.phone}, call {desk.call}, wish {desk.wish}"
                )


def peek_waiting_customer(conn: Connection, rm_id: int, now: Any) -> int | None:
    return conn.execute(
        select(target_entry.c.customer_id)
        .where(
            target_entry.c.rm_id == rm_id,
            target_entry.c.state == EntryState.PENDING,
            target_entry.c.next_at <= now,
        )
        .order_by(target_entry.c.score.desc(), target_entry.c.id)
        .limit(1)
    ).scalar_one_or_none()


def peek_anybody_waiting(conn: Connection) -> bool:
    open_states = [str(state) for state in OPEN_ENTRY_STATES]
    found = select(target_entry.c.id).where(target_entry.c.state.in_(open_states)).limit(1)
    return conn.execute(found).first() is not None


def _of_the_record(conn: Connection, now: datetime, after_lost_s: float) -> list[str]:
    broken: list[str] = []
    calls = list(conn.execute(select(call).order_by(call.c.claimed_at, call.c.call_id)))
    final = [str(state) for state in FINAL_CALL_STATES]
    broken += [f"{row.call_id} is left {row.state}" for row in calls if row.state not in final]
    broken += [f"{row.call_id} has no disposition" for row in calls if row.disposition is None]
    broken += [
        f"{row.call_id} rang too short"
        for row in calls
        if row.ended_by == EndedBy.RING_TIMER and (row.ended_at - row.ringing_at).total_seconds() < 14.9
    ]
    for row in calls:
        if row.disposition == Disposition.LOST:
            broken += [
                f"{later.call_id} was dialed too soon after {row.call_id} was lost"
                for later in calls
                if later.customer_id == row.customer_id
                and later.dialed_at is not None
                and later.claimed_at > row.claimed_at
                and (later.dialed_at - row.ended_at).total_seconds() < after_lost_s
            ]
    broken += [f"session of {session.call_id} is open" for session in open_sessions(conn)]
    locked = select(number_lock.c.holder).where(number_lock.c.until > now).order_by(number_lock.c.holder)
    broken += [f"a number is locked by {holder}" for holder in conn.scalars(locked)]
    if waiting := undelivered_count(conn, ["profiler"]):
        broken.append(f"{waiting} events are not delivered, {parked_count(conn)} set aside")
    broken += _entries(conn, calls)
    broken += _events(conn, calls)
    per_rm = conn.execute(
        select(rm_shift.c.rm_id, func.count()).where(rm_shift.c.ended_at.is_(None)).group_by(rm_shift.c.rm_id)
    )
    broken += [f"RM {rm_id} has {count} open shifts" for rm_id, count in per_rm if count > 1]
    return broken


def _entries(conn: Connection, calls: list[Any]) -> list[str]:
    counted = Counter(row.entry_id for row in calls if row.counted)
    broken = []
    for entry in conn.execute(select(target_entry).order_by(target_entry.c.id)):
        if entry.state in [str(state) for state in OPEN_ENTRY_STATES] or entry.lease_call_id is not None:
            broken.append(f"entry {entry.id} is left {entry.state}, leased to {entry.lease_call_id}")
        if entry.attempts != counted[entry.id]:
            broken.append(
                f"entry {entry.id} says {entry.attempts} attempts, its calls say {counted[entry.id]}"
            )
    return broken


def _events(conn: Connection, calls: list[Any]) -> list[str]:
    """Each call was claimed once, and what was dialed ended once."""
    broken = []
    told: Counter[tuple[str, str]] = Counter()
    for kind, body in conn.execute(select(outbox.c.kind, outbox.c.body).order_by(outbox.c.seq)):
        for row in calls:
            if row.call_id in body:
                told[row.call_id, kind] += 1
    for row in calls:
        dialed = int(row.dialed_at is not None)
        for kind, times in (("call.claimed", 1), ("call.dialed", dialed), ("call.ended", dialed)):
            if told[row.call_id, kind] != times:
                broken.append(f"{row.call_id} has {told[row.call_id, kind]} {kind}, not {times}")
    return broken
