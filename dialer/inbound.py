# SPDX-License-Identifier: GPL-3.0-or-later
"""Call-backs: a customer calls the caller ID that a campaign showed.

They hear who had called and which key ends all calls. If the RM who owns them in that campaign is free
they are joined; if nobody is there within two seconds of the announcement a recorded message says so. The
opt-out key records suppression and ends the call. A call-back is no attempt and touches no target list.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Connection

from crm.interactions import NewInteraction, append
from crm.numbers import customers_of
from crm.records import number_blind
from crm.suppression import Source, suppress, this_customer, this_number
from dialer.desk import Desk
from dialer.engine import Engine
from dialer.rules import DialingRules
from dialer.telephony import (
    Digit,
    InboundCall,
    LegEnded,
    LegEvent,
    PlaybackFinished,
    TelephonyError,
)
from foundation.errors import DatabaseError
from foundation.ids import IdSource
from foundation.outbox import publish
from profiler.lists import owner
from vocabulary.events import CustomerSuppressed
from vocabulary.states import RmState

log = structlog.get_logger()

OPT_OUT_KEY = "9"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls back, as far as the record knows."""

    campaign_id: int | None
    customer_id: int | None
    owner_rm_id: int | None
    number_blind: str | None


class Inbound:
    """Serves each call-back in a task of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._means = engine.means
        self._says = engine.means.announcements

    def start(self) -> None:
        """Take call-backs from here on."""
        self._engine.on_inbound = self._take

    def _take(self, event: InboundCall) -> None:
        inbox: asyncio.Queue[LegEvent] = asyncio.Queue()
        self._engine.listen(event.leg, inbox.put_nowait)
        self._engine.spawn_call(self._serve(event, inbox), f"inbound-{event.leg.id}")

    async def _serve(self, event: InboundCall, inbox: asyncio.Queue[LegEvent]) -> None:
        caller = await self._who_calls(event)
        log.info("call_back", campaign_id=caller.campaign_id, known=caller.customer_id is not None)
        try:
            summary = await self._attend(event, caller, inbox)
        except TelephonyError as error:
            log.warning("call_back_failed", error=str(error))
            summary = "Called back and could not be served"
        self._engine.forget(event.leg)
        try:
            await self._means.telephony.hang_up(event.leg)
        except TelephonyError as error:
            log.info("call_back_leg_left", error=str(error))
        await self._record(event, caller, summary)

    async def _who_calls(self, event: InboundCall) -> Caller:
        campaign_id = self._campaign_of(event.called)
        try:
            return await self._means.db.read(who_calls, event.pii_number, campaign_id, self._means.rules)
        except DatabaseError as error:
            # They are answered all the same, and their phone can opt out; who it is cannot be known now.
            log.warning("call_back_not_looked_up", error=str(error))
            return Caller(
                campaign_id=campaign_id,
                customer_id=None,
                owner_rm_id=None,
                number_blind=_blind(event.pii_number, self._means.rules),
            )

    async def _attend(self, event: InboundCall, caller: Caller, inbox: asyncio.Queue[LegEvent]) -> str:
        """Answer, announce, join or take the opt-out. Returns what came of it, for the timeline."""
        await self._means.telephony.answer(event.leg)
        opted_out, gone = await self._announce(event, inbox, self._says.call_back)
        if not opted_out and not gone:
            desk = await self._join(event, caller)
            if desk is not None:
                await self._talk(desk, inbox)
                self._give_free(desk)
                return "Called back and spoke with the RM"
            opted_out, gone = await self._announce(event, inbox, self._says.nobody_available)
        if not opted_out:
            return "Called back and heard the announcement"
        await self._opt_out(caller)
        if not gone:
            await self._announce(event, inbox, self._says.opted_out)
        return "Called back and asked not to be called again"

    def _campaign_of(self, called: str) -> int | None:
        digits = called.lstrip("+")
        found = [c.id for c in self._engine.campaigns.values() if c.caller_id.lstrip("+") == digits]
        return max(found, default=None)

    async def _announce(
        self, event: InboundCall, inbox: asyncio.Queue[LegEvent], media: str
    ) -> tuple[bool, bool]:
        """Play to the end. Returns (opt-out key pressed, caller gone)."""
        playback = f"p-{event.leg.id}-{media.rsplit('/', 1)[-1]}"
        await self._means.telephony.play(event.leg, playback, media)
        while True:
            match await inbox.get():
                case Digit(digit=digit) if digit == OPT_OUT_KEY:
                    await self._means.telephony.stop_playback(playback)
                    return True, False
                case PlaybackFinished(playback=finished) if finished == playback:
                    return False, False
                case LegEnded():
                    return False, True
                case _:
                    pass

    async def _join(self, event: InboundCall, caller: Caller) -> Desk | None:
        """The owner RM, if free within the two seconds the law gives a live answer."""
        clock = self._means.clock
        desk = self._engine.desks.get(caller.owner_rm_id or -1)
        deadline = clock.monotonic() + self._means.timing.abandon_after_s
        while desk is not None and not desk.free and clock.monotonic() < deadline:
            await clock.sleep(0.1)
        if desk is None or not desk.free or desk.bridge is None:
            return None
        bridge = desk.bridge
        desk.move(RmState.TALKING, "a customer calls back")
        try:
            await self._means.telephony.bridge(event.leg, bridge)
        except TelephonyError as error:
            log.warning("call_back_not_joined", rm=desk.rm.name, error=str(error))
            self._give_free(desk)
            return None
        if desk.bridge != bridge:  # the phone went in this very moment
            self._give_free(desk)
            return None
        return desk

    async def _talk(self, desk: Desk, inbox: asyncio.Queue[LegEvent]) -> None:
        """Until either side hangs up; an RM's phone that went has another bridge when it comes back."""
        bridge = desk.bridge
        while desk.bridge == bridge:
            try:
                async with asyncio.timeout(1.0):
                    if isinstance(await inbox.get(), LegEnded):
                        return
            except TimeoutError:
                pass

    def _give_free(self, desk: Desk) -> None:
        desk.move(RmState.WRAP_UP, "call-back over")
        desk.between_calls()
        self._engine.desk_free_again(desk)

    async def _opt_out(self, caller: Caller) -> None:
        if caller.number_blind is not None:
            await self._means.journal.write(opt_out_caller, caller, self._means.clock.now(), self._means.ids)

    async def _record(self, event: InboundCall, caller: Caller, summary: str) -> None:
        if caller.customer_id is None:
            return
        await self._means.journal.write(
            note_call_back,
            caller.customer_id,
            event.leg.id,
            summary,
            self._means.clock.now(),
            self._means.rules,
        )


def who_calls(
    conn: Connection, pii_number: str | None, campaign_id: int | None, rules: DialingRules
) -> Caller:
    """Look a caller up by number, and their RM by the campaign whose caller ID was dialed."""
    blind = _blind(pii_number, rules)
    known = customers_of(conn, blind) if blind is not None else ()
    customer_id = known[0] if known else None
    rm_id = owner(conn, customer_id, campaign_id) if customer_id and campaign_id else None
    return Caller(campaign_id=campaign_id, customer_id=customer_id, owner_rm_id=rm_id, number_blind=blind)


def _blind(pii_number: str | None, rules: DialingRules) -> str | None:
    return None if pii_number is None else number_blind(rules.cipher, pii_number)


def opt_out_caller(conn: Connection, caller: Caller, now: datetime, ids: IdSource) -> None:
    """The opt-out key was pressed: the number, and the customer if known, are not called again."""
    assert caller.number_blind is not None
    suppress(conn, this_number(caller.number_blind), Source.OPT_OUT, now, actor="caller", reason="key press")
    if caller.customer_id is not None:
        subject = this_customer(caller.customer_id)
        suppress(conn, subject, Source.OPT_OUT, now, actor="caller", reason="key press")
        publish(
            conn, ids, CustomerSuppressed(at=now, customer_id=caller.customer_id, source=str(Source.OPT_OUT))
        )


def note_call_back(
    conn: Connection, customer_id: int, leg: str, summary: str, now: datetime, rules: DialingRules
) -> None:
    """A call-back in the customer's timeline."""
    append(
        conn,
        rules.cipher,
        NewInteraction(
            customer_id=customer_id,
            at=now,
            channel="phone",
            direction="in",
            kind="call_back",
            actor="customer",
            summary=summary,
            ref_type="leg",
            ref_id=leg,
            data={},
            source="dialer",
            source_event_id=f"{leg}:in",
        ),
    )
