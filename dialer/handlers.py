# SPDX-License-Identifier: GPL-3.0-or-later
"""What the dialer does with commands. Each answers with a ``Reply``; a refusal has a sentence for the screen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from dialer.by_hand import prepare_by_hand
from dialer.calls import find_call
from dialer.campaigns import Campaign, move_campaign, require_built
from dialer.claim import Claim, ListOver
from dialer.desk import Desk, DeskRm, Wish
from dialer.engine import Engine
from dialer.errors import DialerError, NoSuchCall
from dialer.halts import lift_halt, order_halt
from dialer.orders import Cancel, Confirm, Extend, GiveOutcome, HangUpOrder, Order, Stop
from dialer.pacer import END_OF_LIST, Pacer, claim_for
from dialer.shifts import open_shift
from foundation import audit
from foundation.commands import CommandBus
from foundation.errors import DatabaseError
from profiler.rms import RmStanding, find
from vocabulary import commands as c
from vocabulary.commands import Reply
from vocabulary.errors import IllegalMove
from vocabulary.states import CampaignState, PacingMode, RmState

DONE = Reply(done=True)

_CampaignCommand = c.StartCampaign | c.PauseCampaign | c.StopCampaign


def refuse(reason: str, sentence: str) -> Reply:
    """A command that was not done, and why."""
    return Reply(done=False, reason=reason, sentence=sentence)


NO_CAMPAIGN = refuse("no_campaign", "There is no such campaign.")
AT_WORK = refuse("at_work", "You are at work already.")
NOT_AT_WORK = refuse("not_at_work", "Start your shift first.")


class Handlers:
    """Registers itself on the command bus; knows the engine and the pacer."""

    def __init__(self, engine: Engine, pacer: Pacer) -> None:
        self._engine = engine
        self._pacer = pacer
        self._means = engine.means

    def register(self, bus: CommandBus) -> None:
        """Take over every command of the vocabulary."""
        table: dict[type[c.Command], Callable[[Any], Awaitable[Reply]]] = {
            c.StartShift: self.start_shift,
            c.GoReady: self.go_ready,
            c.TakeBreak: self.take_break,
            c.EndShift: self.end_shift,
            c.NextCustomer: self.next_customer,
            c.ConfirmCall: self.confirm,
            c.CancelCall: self.cancel,
            c.SkipCustomer: self.skip,
            c.CallAgain: self.call_again,
            c.HangUp: self.hang_up,
            c.RecordOutcome: self.outcome,
            c.MoreTime: self.more_time,
            c.PlaceCall: self.place_call,
            c.StartCampaign: self.start_campaign,
            c.PauseCampaign: self.pause_campaign,
            c.StopCampaign: self.stop_campaign,
            c.Halt: self.halt,
            c.LiftHalt: self.lift,
        }
        for command_type, handler in table.items():
            bus.handle(command_type.kind, _guarded(handler))

    # --- the RM's day -------------------------------------------------------------------------------

    async def start_shift(self, command: c.StartShift) -> Reply:
        seated = self._engine.desks.get(command.rm_id)
        if seated is not None and seated.state is RmState.OFFLINE:
            return refuse("leaving", "Your last shift is just ending; try again in a moment.")
        if seated is not None:
            return AT_WORK
        campaign = await self._campaign(command.campaign_id)
        if campaign is None:
            return NO_CAMPAIGN
        found = await self._means.db.read(find, command.rm_id)
        if found is None or found.standing is RmStanding.LEFT:
            return refuse("no_rm", "There is no such RM.")
        rm = DeskRm(
            id=found.rm_id,
            name=found.name,
            display_name=found.display_name,
            endpoint=found.endpoint,
            sends_audio=found.sends_audio,
        )
        shift_id = await self._means.db.write(open_shift, rm.id, campaign.id, self._means.clock.now())
        if shift_id is None:
            return AT_WORK
        desk = self._engine.seat(rm, shift_id, campaign.id)
        self._engine.connect(desk)
        return DONE

    async def go_ready(self, command: c.GoReady) -> Reply:
        desk = self._desk(command.rm_id)
        if desk is None:
            return NOT_AT_WORK
        desk.wish = None
        if desk.state in (RmState.BREAK, RmState.AWAY):
            desk.come_back()
            self._engine.desk_free_again(desk)
        elif desk.busy:
            self._engine.desk_changed(desk)
        return DONE

    async def take_break(self, command: c.TakeBreak) -> Reply:
        desk = self._desk(command.rm_id)
        if desk is None:
            return NOT_AT_WORK
        if command.reason not in self._engine.campaigns[desk.campaign_id].policy.break_reasons:
            return refuse("reason", f"This campaign has no break reason {command.reason}.")
        desk.wish, desk.wish_reason = Wish.BREAK, command.reason
        if not desk.busy:
            desk.grant_wish()
        else:
            self._engine.desk_changed(desk)
        return DONE

    async def end_shift(self, command: c.EndShift) -> Reply:
        desk = self._desk(command.rm_id)
        if desk is None:
            return DONE
        desk.wish = Wish.LEAVE
        if not desk.busy:
            desk.grant_wish()
        else:
            self._engine.desk_changed(desk)
        return DONE

    # --- calls --------------------------------------------------------------------------------------

    async def next_customer(self, command: c.NextCustomer) -> Reply:
        desk = self._desk(command.rm_id)
        if desk is None:
            return NOT_AT_WORK
        campaign = self._engine.campaigns[desk.campaign_id]
        if campaign.mode is PacingMode.PROGRESSIVE:
            return refuse("progressive", "In this campaign customers come by themselves.")
        if campaign.mode is PacingMode.MANUAL and command.customer_id is None:
            return refuse("choose", "Choose a customer from your list.")
        return await self._review(desk, campaign, command.customer_id)

    async def _review(self, desk: Desk, campaign: Campaign, customer_id: int | None) -> Reply:
        why_not = self._pacer.why_not(campaign)
        if why_not is not None:
            return refuse("not_now", why_not)
        if not desk.free:
            return refuse("not_ready", desk.why_not or f"You are not ready ({desk.state}).")
        desk.claiming = True
        try:
            claimed = await claim_for(self._engine, campaign, desk, customer_id)
            if isinstance(claimed, Claim):
                now_s = self._means.clock.monotonic()
                self._engine.run_call(desk, claimed, review_first=True, decided_at=now_s)
                return Reply(done=True, call_id=claimed.call_id)
        except DatabaseError as error:
            return refuse(
                "details", f"The customer's details could not be retrieved; nobody was dialed. {error}"
            )
        finally:
            if desk.call is None:
                desk.claim_over()
        if isinstance(claimed, ListOver):
            desk.say_why_not(END_OF_LIST)
            await self._pacer.list_over(campaign)
            return refuse("end_of_list", END_OF_LIST)
        return refuse("nothing_now", claimed.sentence)

    async def confirm(self, command: c.ConfirmCall) -> Reply:
        return await self._order(command, lambda reply: Confirm(reply=reply))

    async def cancel(self, command: c.CancelCall) -> Reply:
        return await self._order(command, lambda reply: Cancel(reply=reply, reason=command.reason))

    async def skip(self, command: c.SkipCustomer) -> Reply:
        if not command.reason.strip():
            return refuse("reason", "Say why this customer is skipped.")
        return await self._order(command, lambda reply: Cancel(reply=reply, reason=command.reason, skip=True))

    async def hang_up(self, command: c.HangUp) -> Reply:
        return await self._order(command, lambda reply: HangUpOrder(reply=reply))

    async def outcome(self, command: c.RecordOutcome) -> Reply:
        return await self._order(
            command,
            lambda reply: GiveOutcome(
                reply=reply,
                outcome=command.outcome,
                note=command.note,
                callback_at=command.callback_at,
                answers=command.answers,
            ),
        )

    async def more_time(self, command: c.MoreTime) -> Reply:
        desk = self._desk(command.rm_id)
        if desk is None or desk.call is None:
            return refuse("no_call", "There is no call to wrap up.")
        return await self._ask(desk, lambda reply: Extend(reply=reply))

    async def call_again(self, command: c.CallAgain) -> Reply:
        desk = self._desk(command.rm_id)
        if desk is None:
            return NOT_AT_WORK
        try:
            row = await self._means.db.read(find_call, command.call_id)
        except NoSuchCall as error:
            return refuse("no_call", str(error))
        if row.rm_id != command.rm_id:
            return refuse("no_call", "This was not your call.")
        return await self._review(desk, self._engine.campaigns[desk.campaign_id], row.customer_id)

    async def place_call(self, command: c.PlaceCall) -> Reply:
        desk = self._desk(command.rm_id)
        if desk is None:
            return NOT_AT_WORK
        campaign = self._engine.campaigns[desk.campaign_id]
        prepared = await self._means.db.write(
            prepare_by_hand, command, campaign, self._means.clock.now(), self._means.rules
        )
        if isinstance(prepared, str):
            return refuse("not_allowed", prepared)
        reply = await self._review(desk, campaign, prepared)
        if not reply.done or reply.call_id is None:
            return reply
        return await self.confirm(c.ConfirmCall(rm_id=command.rm_id, call_id=reply.call_id))

    async def _order(
        self,
        command: c.ConfirmCall | c.CancelCall | c.SkipCustomer | c.HangUp | c.RecordOutcome,
        make: Callable[[asyncio.Future[Reply]], Order],
    ) -> Reply:
        desk = self._desk(command.rm_id)
        if desk is None:
            return NOT_AT_WORK
        if desk.call is None or desk.call.call_id != command.call_id:
            return refuse("over", "This call is over already.")
        return await self._ask(desk, make)

    async def _ask(self, desk: Desk, make: Callable[[asyncio.Future[Reply]], Order]) -> Reply:
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        assert desk.call is not None
        desk.call.give(make(reply))
        return await reply

    # --- campaigns and the halt ---------------------------------------------------------------------

    async def start_campaign(self, command: c.StartCampaign) -> Reply:
        return await self._move_campaign(command, CampaignState.RUNNING)

    async def pause_campaign(self, command: c.PauseCampaign) -> Reply:
        return await self._move_campaign(command, CampaignState.PAUSED)

    async def stop_campaign(self, command: c.StopCampaign) -> Reply:
        return await self._move_campaign(command, CampaignState.STOPPED)

    async def _move_campaign(self, command: _CampaignCommand, new: CampaignState) -> Reply:
        campaign_id = command.campaign_id
        campaign = await self._campaign(campaign_id)
        if campaign is None:
            return NO_CAMPAIGN
        try:
            require_built(campaign.mode)
            moved = await self._means.db.write(_move, command, new, self._means.clock.now())
        except (DialerError, IllegalMove) as error:
            return refuse("not_possible", str(error))
        self._pacer.campaign_moved(moved)
        return DONE

    async def halt(self, command: c.Halt) -> Reply:
        """The flag first, then the ringing calls, then the record: the INVITEs stop before anything is written."""
        self._engine.halted = command.reason
        self._engine.publish_floor()
        for desk in list(self._engine.desks.values()):
            if desk.call is not None:
                desk.call.give(Stop(reason=f"Everything was stopped: {command.reason}"))
        await self._means.journal.write(order_halt, command.by, command.reason, self._means.clock.now())
        return DONE

    async def lift(self, command: c.LiftHalt) -> Reply:
        # Through the journal, as the halt itself: a lift must not overtake a halt that waits to be written.
        await self._means.journal.write(lift_halt, command.by, self._means.clock.now())
        self._engine.halted = ""
        self._engine.publish_floor()
        self._pacer.poke()
        return DONE

    async def _campaign(self, campaign_id: int) -> Campaign | None:
        """A campaign, also one that was set up after the start."""
        if campaign_id not in self._engine.campaigns:
            await self._pacer.refresh_campaigns()
        return self._engine.campaigns.get(campaign_id)

    def _desk(self, rm_id: int) -> Desk | None:
        desk = self._engine.desks.get(rm_id)
        return None if desk is None or desk.state is RmState.OFFLINE else desk


def _move(conn: Connection, command: _CampaignCommand, new: CampaignState, now: datetime) -> Campaign:
    """Move a campaign by somebody's order, which is audited."""
    moved = move_campaign(conn, command.campaign_id, new, now)
    audit.record(conn, now, actor=command.by, action=command.kind, subject=f"campaign:{moved.name}")
    return moved


def _guarded(handler: Callable[[Any], Awaitable[Reply]]) -> Callable[[Any], Awaitable[Reply]]:
    async def guarded(command: c.Command) -> Reply:
        try:
            return await handler(command)
        except DatabaseError as error:
            return refuse("database", f"Nothing was changed: {error}")

    return guarded
