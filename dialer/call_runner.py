# SPDX-License-Identifier: GPL-3.0-or-later
"""One call from its claim to its wrap-up, as one task with one inbox: nothing about a call happens elsewhere.

What the PBX says and what people order comes in through ``give``; what is durable goes out through the
journal, in order. At the answer the talk comes first and the writing after it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from dialer.begin import Beginning, begin_dialing
from dialer.calls import Move, move_call
from dialer.claim import Claim
from dialer.desk import Desk, PhoneState
from dialer.finish import Ending, finish_call
from dialer.floor import Floor, Means
from dialer.legs import customer_leg
from dialer.orders import Cancel, Confirm, Extend, GiveOutcome, HangUpOrder, Order, PhoneLost, Stop
from dialer.outcomes import record_outcome
from dialer.telephony import (
    BridgeId,
    DialCustomer,
    HangUpReason,
    LegAnswered,
    LegEnded,
    LegEvent,
    LegId,
    LegJoined,
    LegRinging,
    NotDone,
    PlaybackFinished,
    TelephonyError,
    Unknown,
)
from foundation.errors import DatabaseError
from vocabulary.commands import Reply
from vocabulary.dispositions import RULES, Disposition, EndedBy, LegEnd, decide
from vocabulary.outcomes import Outcome
from vocabulary.states import CallState, RmState

log = structlog.get_logger()

NO_RM_IN_TIME: Final = "No RM was there in time."
#: A message that has not come to its end by then is cut.
MESSAGE_LIMIT_S: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What is known of a call that outlived a restart of the dialer."""

    state: CallState
    leg: LegId
    up: bool  #: the customer's leg is answered, and in the RM's bridge
    ringing_at: datetime | None
    bridged_at: datetime | None
    decided_ago_s: float


class CallRunner:
    """Owns one call; its RM's desk is moved by it and by nobody else while it lives."""

    def __init__(self, floor: Floor, desk: Desk, claim: Claim, *, decided_at: float) -> None:
        """``decided_at``: monotonic time of the dialer's decision; a confirmation sets it anew."""
        self.claim = claim
        self.desk = desk
        self.call_id = claim.call_id
        self.state = CallState.CLAIMED
        self.disposition: Disposition | None = None
        self.are_you_there = False
        self.snapshot: dict[str, object] = claim.snapshot
        self._floor = floor
        self._means = floor.means
        self._timing = replace(
            floor.means.timing,
            ring_s=_scaled(claim.ring_s, floor.means) or floor.means.timing.ring_s,
            wrap_up_s=_scaled(claim.wrap_up_s, floor.means) or floor.means.timing.wrap_up_s,
        )
        self.leg = customer_leg(floor.means.node, claim.call_id)
        self._bridge: BridgeId | None = None
        self._trunk: str | None = None
        self._inbox: asyncio.Queue[LegEvent | Order] = asyncio.Queue()
        self._decided_at = decided_at
        self._dialed = False
        self._rang_at: float | None = None
        self._answered_at: float | None = None
        self._bridged = False
        self._ended_by: EndedBy | None = None
        self._reason = ""
        self._moves: list[Move] = []
        self._facts: dict[str, Any] = {}

    # --- from outside -------------------------------------------------------------------------------

    def give(self, item: LegEvent | Order) -> None:
        """An event or an order; handled in turn."""
        self._inbox.put_nowait(item)

    def phone_lost(self, reason: str, *, gone: bool) -> None:
        """The RM's phone went (``gone``) or fell silent."""
        if gone or not self._bridged:
            self.give(PhoneLost(reason=reason))

    # --- the life -----------------------------------------------------------------------------------

    async def run(self, *, review: bool) -> None:
        """From the claim to the end."""
        with structlog.contextvars.bound_contextvars(call_id=self.call_id):
            try:
                end = await self._begin_to_end(review=review)
            except DatabaseError as error:
                # Claimed, and the durable row that must precede the dialing could not be written.
                log.error("call_not_begun", error=str(error))
                self._reason = "The database cannot be written right now, so nobody was dialed."
                end = LegEnd(ended_by=EndedBy.CAMPAIGN)
            await self._close(end)

    async def resume(self, adopted: Adopted) -> None:
        """Go on with a call found alive after a restart of the dialer."""
        with structlog.contextvars.bound_contextvars(call_id=self.call_id):
            clock = self._means.clock
            self.state, self.leg, self._dialed = adopted.state, adopted.leg, True
            self._dress()
            self._bridge = self.desk.bridge
            self._decided_at = clock.monotonic() - adopted.decided_ago_s
            if adopted.ringing_at is not None:
                self._rang_at = clock.monotonic() - (clock.now() - adopted.ringing_at).total_seconds()
            self._floor.listen(self.leg, self.give)
            try:
                await self._means.telephony.adopt(self.leg, customer=True, bridge=self._bridge)
            except TelephonyError as error:
                log.warning("adoption_failed", error=str(error))
                await self._close(self._complete(LegEnd(ended_by=EndedBy.EVENTS_LOST)))
                return
            if adopted.bridged_at is not None:
                self._bridged, self._answered_at = True, clock.monotonic()
            elif adopted.up:
                # Answered while nobody was looking: the early bridge had joined them without us.
                self._answered_at = clock.monotonic()
                self._facts["answered_at"] = clock.now()
                self._talk(clock.now())
            await self._close(await self._follow())

    async def wrap_up_only(self) -> None:
        """The talk was over before a restart: only the outcome is missing."""
        with structlog.contextvars.bound_contextvars(call_id=self.call_id):
            self.state, self._bridged = CallState.ENDED, True
            self._dress()
            await self._wrap_up()

    def _dress(self) -> bool:
        """Script and guidelines for the screen. False: they cannot be had, so nobody is dialed."""
        try:
            self.snapshot = self._means.dress(self.claim.snapshot)
        except Exception as error:  # whatever a script's author did wrong, the customer is not called blind
            log.error("snapshot_not_dressed", error=str(error))
            self._reason = f"The script or the guidelines could not be retrieved; nobody was dialed. {error}"
            return False
        return True

    async def _begin_to_end(self, *, review: bool) -> LegEnd:
        if not self._dress():
            return LegEnd(ended_by=EndedBy.CAMPAIGN)
        if review:
            end, reply = await self._await_decision()
            if end is not None:
                return end
        else:
            reply = None
        refusal = await self._begin()
        if refusal is not None:
            self._reason = refusal
            _answer(reply, Reply(done=False, reason="not_allowed", sentence=refusal))
            return LegEnd(ended_by=EndedBy.CAMPAIGN)
        _answer(reply, Reply(done=True, call_id=self.call_id))
        return await self._place() or await self._follow()

    async def _await_decision(self) -> tuple[LegEnd | None, asyncio.Future[Reply] | None]:
        """Review: until the RM confirms, cancels, or the review time is over."""
        self._step(CallState.REVIEWING)
        await self._flush()
        self.desk.move(RmState.REVIEWING)
        deadline = self._means.clock.monotonic() + self._timing.review_s
        while True:
            match await self._next(deadline):
                case None:
                    self._reason = "The review time ran out; nobody was dialed."
                    return LegEnd(ended_by=EndedBy.RM), None
                case Confirm(reply=reply):
                    self._decided_at = self._means.clock.monotonic()
                    return None, reply
                case Cancel(reason=reason, skip=skip, reply=reply):
                    self._reason = reason
                    self._facts["skipped"] = skip
                    _answer(reply, Reply(done=True, call_id=self.call_id))
                    return LegEnd(ended_by=EndedBy.RM), None
                case Stop(reason=reason):
                    self._reason = reason
                    return LegEnd(ended_by=EndedBy.CAMPAIGN), None
                case PhoneLost(reason=reason):
                    self._reason = reason
                    return LegEnd(ended_by=EndedBy.RM), None
                case _:
                    pass

    async def _begin(self) -> str | None:
        """The durable row that comes before the INVITE. Returns why nobody may be dialed, in words."""
        blocked = self._floor.dialing_blocked()
        if blocked is None and (self.desk.phone is not PhoneState.UP or self.desk.bridge is None):
            blocked = "Your phone is not connected, so nobody was dialed."
        self._trunk = self._floor.pick_trunk(self.claim.trunks)
        if blocked is None and self._trunk is None:
            blocked = "No trunk can be used right now, so nobody was dialed."
        if blocked is not None:
            return blocked
        assert self._trunk is not None
        self._bridge = self.desk.bridge
        now = self._means.clock.now()
        refusal = await self._means.db.write(
            begin_dialing,
            Beginning(
                call_id=self.call_id,
                customer_id=self.claim.customer_id,
                number_id=self.claim.number_id,
                leg=self.leg.id,
                bridge=self._bridge.id if self._bridge else None,
                node=self.leg.node,
                trunk=self._trunk,
                decided_at=now - timedelta(seconds=self._means.clock.monotonic() - self._decided_at),
            ),
            now,
            self._means.ids,
            self._means.rules,
        )
        if refusal is None:
            self.state, self._dialed = CallState.DIALING, True
            self.desk.move(RmState.DIALING)
        return refusal

    async def _place(self) -> LegEnd | None:
        """Ask the PBX. Returns the end when the request definitely did not happen."""
        assert self._trunk is not None
        blocked = self._floor.dialing_blocked()
        if blocked is not None:
            # A halt ordered while the row was being written: nothing has left.
            self._reason = blocked
            return LegEnd(ended_by=EndedBy.CAMPAIGN)
        self._floor.listen(self.leg, self.give)
        try:
            await self._means.telephony.dial(
                DialCustomer(
                    leg=self.leg,
                    pii_number=self.claim.pii_number,
                    trunk=self._trunk,
                    caller_id=self.claim.caller_id,
                    bridge=self._bridge,
                    backstop_s=self._timing.backstop(),
                )
            )
        except NotDone as refused:
            self._floor.forget(self.leg)
            self._reason = (
                f"The PBX did not place the call ({refused.refusal}); the customer's phone did not ring."
            )
            log.warning("dial_refused", refusal=refused.refusal, detail=refused.detail, trunk=self._trunk)
            return LegEnd(ended_by=EndedBy.REFUSED)
        except Unknown:
            log.warning("dial_unknown", trunk=self._trunk)
        self._facts["confirm_to_invite_ms"] = (self._means.clock.monotonic() - self._decided_at) * 1000
        return None

    async def _follow(self) -> LegEnd:
        """From the INVITE to the last event of the customer's leg."""
        clock, timing = self._means.clock, self._timing
        if self._bridged:
            deadline: float | None = None
        elif self._rang_at is not None:
            deadline = timing.ring_deadline(decided_at=self._decided_at, rang_at=self._rang_at)
        else:
            deadline = clock.monotonic() + timing.setup_s
        while True:
            item = await self._next(deadline)
            match item:
                case None if self._ended_by is not None:
                    end = await self._missing()
                    if end is not None:
                        return self._complete(end)
                    deadline = clock.monotonic() + timing.goodbye_s
                case None:
                    deadline = await self._time_is_up()
                case LegRinging(at=at):
                    if self._rang_at is None and not self._bridged:
                        self._rang_at = clock.monotonic()
                        self._step(CallState.RINGING, at=at)
                        self._facts["ringing_at"] = at
                        if self._ended_by is None:
                            deadline = timing.ring_deadline(
                                decided_at=self._decided_at, rang_at=self._rang_at
                            )
                case LegAnswered(at=at, joined=joined):
                    deadline = await self._answered(at, joined=joined)
                case LegJoined(at=at):
                    self._talk(at)
                    deadline = None
                case PlaybackFinished() if not self._bridged:
                    deadline = await self._end_leg(EndedBy.ABANDON_TIMER, NO_RM_IN_TIME)
                case LegEnded(end=end, at=at):
                    self._facts["ended_at"] = at
                    return self._complete(end)
                case Cancel(reason=reason, reply=reply) if not self._bridged:
                    deadline = await self._end_leg(EndedBy.RM, reason)
                    _answer(reply, Reply(done=True, call_id=self.call_id))
                case Cancel(reply=reply):
                    _answer(
                        reply, Reply(done=False, reason="connected", sentence="The customer has answered.")
                    )
                case HangUpOrder(reply=reply):
                    deadline = await self._end_leg(EndedBy.RM, "The RM hung up.")
                    _answer(reply, Reply(done=True, call_id=self.call_id))
                case Stop(reason=reason) if not self._bridged:
                    deadline = await self._end_leg(EndedBy.CAMPAIGN, reason)
                case PhoneLost(reason=reason):
                    deadline = await self._without_phone(reason)
                case GiveOutcome(reply=reply):
                    _answer(reply, Reply(done=False, reason="talking", sentence="The call is not over yet."))
                case _:
                    pass

    async def _time_is_up(self) -> float:
        """A timer of ours fired before the answer, or nobody joined an answered customer."""
        if self._answered_at is not None:
            return await self._apologise()
        if self._rang_at is not None:
            return await self._end_leg(EndedBy.RING_TIMER, "", HangUpReason.NO_ANSWER)
        return await self._end_leg(EndedBy.SETUP_TIMER, "The trunk was too slow.", HangUpReason.NO_ANSWER)

    async def _apologise(self) -> float:
        """Nobody joined an answered customer within the two seconds: the recorded message, then the end."""
        self._ended_by, self._reason = EndedBy.ABANDON_TIMER, NO_RM_IN_TIME
        telephony = self._means.telephony
        try:
            if self._bridge is not None:
                await telephony.unbridge(self.leg, self._bridge)
            await telephony.play(self.leg, f"p-{self.leg.id}", self._means.announcements.identification)
        except TelephonyError as error:
            log.warning("message_not_played", error=str(error))
            return await self._end_leg(EndedBy.ABANDON_TIMER, NO_RM_IN_TIME)
        return self._means.clock.monotonic() + MESSAGE_LIMIT_S

    async def _answered(self, at: datetime, *, joined: bool) -> float | None:
        """The customer is up. Returns the next deadline."""
        if self._answered_at is not None:
            return None if self._bridged else self._answered_at + self._timing.abandon_after_s
        self._answered_at = self._means.clock.monotonic()
        self._facts["answered_at"] = at
        if joined and self.desk.phone is not PhoneState.DOWN:
            self._talk(at)
            return None
        self._step(CallState.ANSWERED, at=at)
        await self._rescue()
        return None if self._bridged else self._answered_at + self._timing.abandon_after_s

    async def _rescue(self) -> None:
        """An answered customer without an RM: join the RM's bridge, or that of the next free one."""
        desk = self.desk if self.desk.phone is PhoneState.UP else None
        desk = desk or self._floor.free_desk(self.desk.campaign_id, self.desk)
        if desk is None or desk.bridge is None:
            return
        if desk is not self.desk:
            desk.claiming = True
        try:
            await self._means.telephony.bridge(self.leg, desk.bridge)
        except TelephonyError as error:
            log.warning("rescue_failed", rm=desk.rm.name, error=str(error))
            desk.claiming = False
            return
        if desk is not self.desk:
            self._hand_over(desk)
        self._talk(self._means.clock.now())

    def _hand_over(self, desk: Desk) -> None:
        """Another RM takes the customer: the change of owner is recorded with the call."""
        log.info("call_handed_over", old=self.desk.rm.name, new=desk.rm.name)
        old, self.desk = self.desk, desk
        old.between_calls()
        desk.call, desk.claiming = self, False
        desk.move(RmState.DIALING, "took over an answered call")
        self._facts |= {"rm_id": desk.rm.id, "shift_id": desk.shift_id}

    def _talk(self, at: datetime) -> None:
        """Customer and RM are in one bridge."""
        if self._bridged:
            return
        self._bridged = True
        self._step(CallState.BRIDGED, at=at)
        answered_at: datetime = self._facts.get("answered_at", at)
        self._facts |= {
            "bridged_at": at,
            "answer_to_bridge_ms": max(0.0, (at - answered_at).total_seconds() * 1000),
            "connect_ms": (self._means.clock.monotonic() - self._decided_at) * 1000,
        }
        self.desk.move(RmState.TALKING)
        self._note()

    async def _without_phone(self, reason: str) -> float | None:
        """The RM's phone is gone: before the answer nobody may be left with silence; in a talk it is the end."""
        if self._answered_at is not None and not self._bridged:
            await self._rescue()
            if self._bridged:
                return None
            return self._answered_at + self._timing.abandon_after_s
        return await self._end_leg(EndedBy.RM, reason)

    async def _end_leg(self, by: EndedBy, reason: str, how: HangUpReason = HangUpReason.NORMAL) -> float:
        """Hang the customer up. Returns until when its last event must have come."""
        if self._ended_by is None:
            self._ended_by, self._reason = by, reason
        try:
            await self._means.telephony.hang_up(self.leg, how)
        except TelephonyError as error:
            log.warning("hang_up_unsure", error=str(error))
        return self._means.clock.monotonic() + self._timing.goodbye_s

    async def _missing(self) -> LegEnd | None:
        """We hung up and no last event came: ask the PBX. None: it is still there or cannot be asked."""
        try:
            legs = await self._means.telephony.survey()
        except TelephonyError:
            log.warning("survey_unanswered")
            return None
        if any(surveyed.leg == self.leg for surveyed in legs):
            await self._end_leg(EndedBy.CAMPAIGN, self._reason)
            return None
        log.warning("last_event_missing")
        return LegEnd(ended_by=self._ended_by or EndedBy.EVENTS_LOST)

    def _complete(self, end: LegEnd) -> LegEnd:
        """The PBX's facts with what only we know: who ended it."""
        self._floor.forget(self.leg)
        by = end.ended_by
        if self._ended_by is not None and by is EndedBy.NETWORK:
            by = self._ended_by
        return replace(
            end,
            ended_by=by,
            rang=end.rang or self._rang_at is not None,
            was_up=end.was_up or self._answered_at is not None,
            bridged=self._bridged,
        )

    # --- the end ------------------------------------------------------------------------------------

    async def _close(self, end: LegEnd) -> None:
        """Make the one disposition durable, then wrap up or give the desk free."""
        self.disposition = Disposition.CANCELLED if not self._dialed else decide(end)
        if self._bridged:
            self._step(CallState.ENDED)
            self.desk.move(RmState.WRAP_UP, self._who_ended(end))
        else:
            self._step(CallState.NOT_CONNECTED, detail=self._reason)
            self._facts.setdefault("connect_ms", (self._means.clock.monotonic() - self._decided_at) * 1000)
        self._facts.setdefault("ended_at", self._means.clock.now())
        skipped = bool(self._facts.pop("skipped", False))
        moves, facts, self._moves, self._facts = self._moves, self._facts, [], {}
        await self._means.journal.write(
            finish_call,
            Ending(
                call_id=self.call_id,
                end=end,
                disposition=self.disposition,
                dialed=self._dialed,
                reason=self._reason,
                skipped=skipped,
                moves=tuple(moves),
                facts=facts,
            ),
            self._means.clock.now(),
            self._means.ids,
            self._means.rules,
        )
        if self._bridged:
            await self._wrap_up()
        else:
            self._leave_desk(RULES[self.disposition].sentence if self._dialed else self._reason)

    def _who_ended(self, end: LegEnd) -> str:
        return (
            "The customer hung up."
            if end.ended_by is EndedBy.NETWORK
            else (self._reason or "The call ended.")
        )

    async def _wrap_up(self) -> None:
        """Until the RM gives an outcome; without a sign of life the RM is away, never ready."""
        timing, clock = self._timing, self._means.clock
        if self.desk.state is not RmState.WRAP_UP:
            self.desk.move(RmState.WRAP_UP)
        deadline = clock.monotonic() + timing.wrap_up_s
        while True:
            match await self._next(deadline):
                case None if not self.are_you_there:
                    self.are_you_there = True
                    self._floor.desk_changed(self.desk)
                    deadline = clock.monotonic() + timing.are_you_there_s
                case None:
                    await self._means.journal.write(
                        record_outcome,
                        self.call_id,
                        Outcome.NO_OUTCOME,
                        clock.now(),
                        self._means.ids,
                        self._means.rules,
                    )
                    self.desk.call = None
                    self.desk.move(RmState.AWAY, "gave no sign of life in wrap-up")
                    return
                case Extend(reply=reply):
                    self.are_you_there = False
                    deadline = clock.monotonic() + timing.more_time_s
                    self._floor.desk_changed(self.desk)
                    _answer(reply, Reply(done=True))
                case GiveOutcome() as given:
                    if await self._take_outcome(given):
                        self._leave_desk("")
                        return
                case HangUpOrder(reply=reply) | Cancel(reply=reply):
                    _answer(reply, Reply(done=True, call_id=self.call_id))
                case _:
                    pass

    async def _nobody_there(self) -> None:
        """Wrap-up ran out without a sign of life: the call is closed without an outcome, the RM is away."""
        means = self._means
        await means.journal.write(
            record_outcome, self.call_id, Outcome.NO_OUTCOME, means.clock.now(), means.ids, means.rules
        )
        self.desk.call = None
        self.desk.move(RmState.AWAY, "gave no sign of life in wrap-up")

    async def _take_outcome(self, given: GiveOutcome) -> bool:
        try:
            refusal = await self._means.db.write(
                record_outcome,
                self.call_id,
                given.outcome,
                self._means.clock.now(),
                self._means.ids,
                self._means.rules,
                note=given.note,
                callback_at=given.callback_at,
                answers=given.answers,
            )
        except DatabaseError as error:
            refusal = f"The outcome could not be saved: {error} Please try again; nothing was lost."
        if refusal is not None:
            _answer(given.reply, Reply(done=False, reason="not_saved", sentence=refusal))
            return False
        _answer(given.reply, Reply(done=True, call_id=self.call_id))
        return True

    def _leave_desk(self, last_result: str) -> None:
        self.desk.last_result = last_result
        self.desk.between_calls()
        while not self._inbox.empty():
            reply = getattr(self._inbox.get_nowait(), "reply", None)
            _answer(reply, Reply(done=False, reason="over", sentence="This call is over already."))
        self._floor.desk_free_again(self.desk)

    # --- small things -------------------------------------------------------------------------------

    async def _next(self, deadline: float | None) -> LegEvent | Order | None:
        """The next item, or None at the deadline."""
        if self._inbox.empty() and deadline is not None:
            try:
                async with asyncio.timeout(deadline - self._means.clock.monotonic()):
                    return await self._inbox.get()
            except TimeoutError:
                return None
        return await self._inbox.get()

    def _step(self, state: CallState, *, at: datetime | None = None, detail: str = "") -> None:
        """One step of the story, written with the next note."""
        self.state = state
        self._moves.append(Move(state=state, at=at or self._means.clock.now(), detail=detail))
        self._floor.desk_changed(self.desk)

    def _note(self) -> asyncio.Future[Any]:
        moves, facts, self._moves, self._facts = self._moves, self._facts, [], {}
        return self._means.journal.note(move_call, self.call_id, moves, **facts)

    async def _flush(self) -> None:
        await asyncio.shield(self._note())


def _scaled(seconds: float | None, means: Means) -> float | None:
    """A campaign's own timer, scaled like all others."""
    return None if seconds is None else seconds * means.rules.time_scale


def _answer(reply: asyncio.Future[Reply] | None, content: Reply) -> None:
    if reply is not None and not reply.done():
        reply.set_result(content)
