# SPDX-License-Identifier: GPL-3.0-or-later
"""One RM, one campaign and some customers in a database in memory: for tests of the dialer's units of work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from crm.customers import add
from crm.tables import number_lock
from crm.testing import connection, field_cipher, new_customer
from dialer.begin import Beginning, begin_dialing
from dialer.calls import Move, find_call
from dialer.campaigns import Campaign, CampaignPolicy, create_campaign, move_campaign
from dialer.claim import Claim, ListOver, NothingDue, claim_next
from dialer.desk import DeskRm
from dialer.finish import Ending, finish_call
from dialer.outcomes import record_outcome
from dialer.rules import DialingRules
from dialer.shifts import open_shift
from foundation.ids import SeededIds
from foundation.outbox import decode
from foundation.tables import outbox
from foundation.testing import MONDAY_TEN
from lawful.attempts import Caps
from lawful.hours import CallingPolicy
from lawful.numbers import NumberPolicy
from profiler.building import add_customer
from profiler.lists import Entry, open_entry
from profiler.tables import target_entry
from profiler.testing import add_rm
from vocabulary.call_id import CallId
from vocabulary.dispositions import Disposition, EndedBy, LegEnd, decide
from vocabulary.events import Event
from vocabulary.outcomes import Outcome
from vocabulary.states import CallState, CampaignState, PacingMode

NUMBER = "+351211234567"
OTHER = "+351217654321"


def dialing_rules(**changes: Any) -> DialingRules:
    """Portuguese numbers, weekdays from nine to six, the caps of the house."""
    rules = DialingRules(
        cipher=field_cipher(),
        numbers=NumberPolicy(allowed_prefixes=("+351",)),
        hours=CallingPolicy.from_text({"mon-fri": "09:00-18:00"}, national_holidays=False),
        caps=Caps(per_day=3, per_30_days=10),
        own_blinds=frozenset(),
        max_calls=5,
        max_calls_per_minute=10,
        max_calls_per_rm_per_hour=100,
        lease=timedelta(minutes=10),
    )
    return replace(rules, **changes)


@dataclass(slots=True)
class Book:
    """Time stands still at ``now``, a Monday at ten in Lisbon, unless a test moves it."""

    conn: Connection
    rules: DialingRules
    campaign: Campaign
    rm: DeskRm
    shift_id: int
    now: datetime = MONDAY_TEN
    ids: SeededIds = field(default_factory=lambda: SeededIds(3))
    customers: int = 0

    def customer(self, *numbers: str, rm_id: int | None = None, **changes: Any) -> int:
        """A customer in the RM's list."""
        self.customers += 1
        new = new_customer(external_id=f"c-{self.customers}", numbers=numbers or (NUMBER,), **changes)
        customer_id = add(self.conn, self.rules.cipher, new, self.now)
        add_customer(self.conn, self.campaign.needs(), customer_id, self.now, rm_id or self.rm.id)
        return customer_id

    def claim(self, customer_id: int | None = None) -> Claim | NothingDue | ListOver:
        return claim_next(
            self.conn,
            self.campaign,
            self.rm,
            self.shift_id,
            self.now,
            self.ids,
            self.rules,
            customer_id=customer_id,
        )

    def claimed(self) -> Claim:
        """A claim that must succeed."""
        claim = self.claim()
        assert isinstance(claim, Claim), claim
        return claim

    def begin(self, claim: Claim, trunk: str = "carrier") -> str | None:
        return begin_dialing(
            self.conn,
            Beginning(
                call_id=claim.call_id,
                customer_id=claim.customer_id,
                number_id=claim.number_id,
                leg=f"c-pbx1-{claim.call_id}-1",
                bridge="b-pbx1-anna-1-1",
                node="pbx1",
                trunk=trunk,
                decided_at=self.now,
            ),
            self.now,
            self.ids,
            self.rules,
        )

    def dialed(self, trunk: str = "carrier") -> Claim:
        """A call that has left for the PBX."""
        claim = self.claimed()
        assert self.begin(claim, trunk) is None
        return claim

    def finish(self, claim: Claim, end: LegEnd, *, dialed: bool = True, skipped: bool = False) -> Disposition:
        """End a call as its runner would."""
        moves = [Move(state=CallState.NOT_CONNECTED, at=self.now)]
        facts: dict[str, Any] = {"ended_at": self.now}
        if end.bridged:
            moves = [Move(state=state, at=self.now) for state in (CallState.BRIDGED, CallState.ENDED)]
            facts |= {"answered_at": self.now, "bridged_at": self.now}
        disposition = decide(end) if dialed else Disposition.CANCELLED
        ending = Ending(
            call_id=claim.call_id,
            end=end,
            disposition=disposition,
            dialed=dialed,
            skipped=skipped,
            moves=moves,
            facts=facts,
        )
        finish_call(self.conn, ending, self.now, self.ids, self.rules)
        return disposition

    def talked(self) -> Claim:
        """A talk that is over; the RM wraps up."""
        claim = self.dialed()
        end = LegEnd(ended_by=EndedBy.NETWORK, was_up=True, rang=True, bridged=True, up_s=60.0)
        self.finish(claim, end)
        return claim

    def outcome(self, claim: Claim, outcome: Outcome, **more: Any) -> str | None:
        return record_outcome(self.conn, claim.call_id, outcome, self.now, self.ids, self.rules, **more)

    def call(self, call_id: CallId) -> Any:
        return find_call(self.conn, call_id)

    def entry(self, customer_id: int) -> Entry | None:
        """The open entry of a customer."""
        return open_entry(self.conn, customer_id)

    def entry_state(self, customer_id: int) -> str:
        """The state of a customer's newest entry, open or not."""
        return self.conn.execute(
            select(target_entry.c.state)
            .where(target_entry.c.customer_id == customer_id)
            .order_by(target_entry.c.id.desc())
            .limit(1)
        ).scalar_one()

    def events(self, event_type: type[Event]) -> list[Any]:
        """What the outbox was told, in order."""
        rows = self.conn.execute(
            select(outbox.c.kind, outbox.c.body)
            .where(outbox.c.kind == event_type.kind)
            .order_by(outbox.c.seq)
        )
        return [decode(kind, body) for kind, body in rows]

    def locked(self, at: datetime | None = None) -> list[str]:
        """Who has a number locked, now or at another time."""
        return list(
            self.conn.scalars(
                select(number_lock.c.holder)
                .where(number_lock.c.until > (at or self.now))
                .order_by(number_lock.c.holder)
            )
        )

    def later(self, **span: float) -> None:
        """Let time pass."""
        self.now += timedelta(**span)


@contextmanager
def book(policy: CampaignPolicy | None = None, **rules: Any) -> Iterator[Book]:
    """A running progressive campaign and its RM at work; no customers yet."""
    with connection() as conn:
        anna = add_rm(conn, languages=("en", "pt"))
        campaign = create_campaign(
            conn,
            name="spring",
            title="Spring",
            mode=PacingMode.PROGRESSIVE,
            caller_id="+351210000000",
            policy=policy or CampaignPolicy(),
            now=MONDAY_TEN,
        )
        campaign = move_campaign(conn, campaign.id, CampaignState.RUNNING, MONDAY_TEN)
        shift_id = open_shift(conn, anna.rm_id, campaign.id, MONDAY_TEN)
        assert shift_id is not None
        rm = DeskRm(id=anna.rm_id, name="anna", display_name="Anna", endpoint="PJSIP/rm-anna")
        yield Book(conn, dialing_rules(**rules), campaign, rm, shift_id)
