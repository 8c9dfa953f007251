# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine: routes what the PBX says to the calls and phones it concerns, and holds the desks.

It owns the tasks of calls and phones. Everything on its loop is short: nothing here waits for a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from dialer.alarms import raise_alarm
from dialer.call_in_hand import CallInHand
from dialer.call_runner import CallRunner
from dialer.campaigns import Campaign
from dialer.claim import Claim
from dialer.desk import Desk, DeskRm
from dialer.floor import Listener, Means
from dialer.orders import Stop
from dialer.phone import RmPhone
from dialer.shifts import close_shift, note_state
from dialer.telephony import (
    Fenced,
    InboundCall,
    LegEvent,
    LegId,
    LinkDown,
    LinkUp,
    StrangerHungUp,
    TelephonyEvent,
    TrunkHealth,
)
from dialer.views import desk_view, floor_view
from foundation.db.seam import Health
from foundation.live import LiveBus
from foundation.tasks import TaskOwner
from vocabulary.states import RmState

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkChoice:
    """A trunk the dialer may use; the lowest priority number first."""

    name: str
    priority: int = 10


class Engine:
    """The floor: desks, calls, phones, and whether anybody may be dialed. Implements ``floor.Floor``."""

    def __init__(self, means: Means, trunks: Sequence[TrunkChoice], live: LiveBus) -> None:
        self.means = means
        self.desks: dict[int, Desk] = {}
        self.phones: dict[int, RmPhone] = {}
        self.campaigns: dict[int, Campaign] = {}
        self.halted = ""
        self.stopping = False
        self.on_inbound: Callable[[InboundCall], None] | None = None
        self.on_free: list[Callable[[Desk], None]] = []
        self._trunks = sorted(trunks, key=lambda trunk: (trunk.priority, trunk.name))
        self._bad_trunks: dict[str, str] = {}
        self._live = live
        self._listeners: dict[LegId, Listener] = {}
        self._link_down = "The PBX is not connected yet."
        self._owner = TaskOwner("engine", on_crash=self.crashed)
        self._calls = TaskOwner("calls", on_crash=self.crashed)
        self._phone_tasks: dict[int, asyncio.Task[None]] = {}

    # --- life ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect to the PBX and listen to it. Recovery and pacing come after (``dialer.floor_up``)."""
        self.means.journal.start()
        await self.means.telephony.start()
        self._link_down = ""
        self._owner.spawn(self._listen(), name="events")

    async def stop(self) -> None:
        """A graceful stop: nothing new, what is not answered ends, talks stay up for the next start."""
        self.stopping = True
        for desk in list(self.desks.values()):
            if desk.call is not None:
                desk.call.give(Stop(reason="The dialer is being stopped."))
        timing, clock = self.means.timing, self.means.clock
        deadline = clock.monotonic() + 2 * timing.goodbye_s
        while any(self._unanswered(desk) for desk in self.desks.values()) and clock.monotonic() < deadline:
            await clock.sleep(0.05)
        await self._calls.close()
        for task in self._phone_tasks.values():
            task.cancel()
        await asyncio.gather(*self._phone_tasks.values(), return_exceptions=True)
        await self.means.journal.close()
        await self.means.telephony.stop()
        await self._owner.close()

    @staticmethod
    def _unanswered(desk: Desk) -> bool:
        return desk.state in (RmState.REVIEWING, RmState.DIALING)

    # --- desks --------------------------------------------------------------------------------------

    def seat(
        self, rm: DeskRm, shift_id: int, campaign_id: int, state: RmState = RmState.PHONE_CONNECTING
    ) -> Desk:
        """A desk for an RM whose shift row is durable; the phone is not called yet (``connect``)."""
        desk = Desk(
            rm,
            shift_id,
            campaign_id,
            on_move=self._desk_moved,
            monotonic=self.means.clock.monotonic,
            state=state,
        )
        self.desks[rm.id] = desk
        self._desk_moved(desk, state, "")
        return desk

    def connect(self, desk: Desk, adopted: Any = None) -> None:
        """Call the RM's phone and keep it; ``adopted``: the leg and bridge that outlived a restart."""
        phone = RmPhone(self, desk)
        self.phones[desk.rm.id] = phone
        self._phone_tasks[desk.rm.id] = self._owner.spawn(phone.keep(adopted), name=f"phone-{desk.rm.name}")

    def run_call(self, desk: Desk, claim: Claim, *, review_first: bool, decided_at: float) -> None:
        """Begin a claimed call on an RM's desk; ``decided_at``: monotonic time of the decision."""
        desk.call, desk.claiming = CallInHand(self, desk, claim, decided_at=decided_at), False
        runner = CallRunner(desk.call)
        self._calls.spawn(runner.run(review_first=review_first), name=f"call-{claim.call_id}")

    def spawn_call(self, coro: Coroutine[Any, Any, None], name: str) -> None:
        """A task that belongs to a call (resumed ones, inbound ones)."""
        self._calls.spawn(coro, name=name)

    def _desk_moved(self, desk: Desk, state: RmState, reason: str) -> None:
        if state is not desk.noted:
            desk.noted = state
            self.means.journal.note(
                note_state, desk.shift_id, desk.rm.id, state, reason[:120], self.means.clock.now()
            )
            phone = self.phones.get(desk.rm.id)
            if phone is not None:
                phone.wake()
        if state is RmState.OFFLINE and self.desks.get(desk.rm.id) is desk:
            self._owner.spawn(self._see_off(desk, reason), name=f"see-off-{desk.rm.name}")
        self.desk_changed(desk)

    async def _see_off(self, desk: Desk, reason: str) -> None:
        """The RM leaves: the phone is hung up, then the shift ends, then the desk is free for another.

        A phone that cannot be hung up right now goes on trying without the desk.
        """
        phone, task = self.phones.pop(desk.rm.id, None), self._phone_tasks.pop(desk.rm.id, None)
        if phone is not None and task is not None:
            phone.leave()
            await asyncio.wait([task], timeout=2 * self.means.timing.goodbye_s)
        await self.means.journal.write(close_shift, desk.shift_id, reason[:40], self.means.clock.now())
        self.desks.pop(desk.rm.id, None)
        self.publish_floor()

    # --- the Floor of calls and phones --------------------------------------------------------------

    def listen(self, leg: LegId, listener: Listener) -> None:
        self._listeners[leg] = listener

    def forget(self, leg: LegId) -> None:
        self._listeners.pop(leg, None)

    def dialing_blocked(self) -> str | None:
        if self.halted:
            return f"Everything is stopped: {self.halted}"
        if self.stopping:
            return "The system is being stopped."
        if self._link_down:
            return self._link_down
        if self.means.journal.unwell or self.means.db.health is Health.UNWELL:
            return "The database cannot be written right now, so nobody is dialed."
        return None

    def pick_trunk(self, names: tuple[str, ...]) -> str | None:
        usable = [trunk.name for trunk in self._trunks if trunk.name not in self._bad_trunks]
        wanted = [name for name in names if name in usable] if names else usable
        return wanted[0] if wanted else None

    def free_desk(self, campaign_id: int, other_than: Desk) -> Desk | None:
        free = [
            desk
            for desk in self.desks.values()
            if desk.free and desk is not other_than and desk.campaign_id == campaign_id
        ]
        return min(free, key=lambda desk: (desk.since, desk.rm.id), default=None)

    def desk_changed(self, desk: Desk) -> None:
        self._live.publish(f"rm:{desk.rm.id}", desk_view(desk))
        self.publish_floor()

    def desk_free_again(self, desk: Desk) -> None:
        for hook in self.on_free:
            hook(desk)

    def publish_floor(self) -> None:
        """What a supervisor sees has changed."""
        self._live.publish("floor", floor_view(self))

    # --- the PBX ------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        async for event in self.means.telephony.events():
            try:
                self._route(event)
            except Exception:
                # One event must not deafen the engine; it belongs to one leg at most.
                log.exception("event_failed", event_type=type(event).__name__)

    def _route(self, event: TelephonyEvent) -> None:
        match event:
            case InboundCall() if self.on_inbound is not None:
                self.on_inbound(event)
            case LegEvent(leg=leg):
                listener = self._listeners.get(leg)
                if listener is None:
                    log.info("leg_event_unheard", leg=leg.id, event_type=type(event).__name__)
                else:
                    listener(event)
            case LinkDown(why=why):
                self._link_down = f"The PBX cannot be heard ({why}), so nobody is dialed."
                self._alarm("link_down", event.node, self._link_down)
            case LinkUp():
                self._link_down = ""
                log.info("link_up", node=event.node, restarted=event.restarted)
                self._wake_all()
            case Fenced(node=node):
                self._link_down = "Another dialer has taken over this PBX; this one dials nobody."
                self._alarm("fenced", node, self._link_down)
            case TrunkHealth(trunk=trunk, usable=usable, why=why):
                self._trunk_changed(trunk, usable, why)
            case StrangerHungUp(channel=channel, why=why):
                self._alarm("stranger_hung_up", channel, f"A call nobody here made was hung up: {why}")
            case _:
                pass
        if isinstance(event, LinkDown | LinkUp | TrunkHealth | Fenced):
            self.publish_floor()

    def _trunk_changed(self, trunk: str, usable: bool, why: str) -> None:
        if usable:
            self._bad_trunks.pop(trunk, None)
            log.info("trunk_usable", trunk=trunk)
            self._wake_all()
        else:
            self._bad_trunks[trunk] = why
            self._alarm("trunk_unusable", trunk, f"Trunk {trunk} is not used for now: {why}")

    def _wake_all(self) -> None:
        for phone in self.phones.values():
            phone.wake()
        for desk in self.desks.values():
            self.desk_free_again(desk)

    @property
    def trunk_problems(self) -> dict[str, str]:
        """Trunks that are not used now, and why."""
        return dict(self._bad_trunks)

    def _alarm(self, alarm: str, subject: str, sentence: str) -> None:
        log.error("alarm", alarm=alarm, subject=subject)
        self.means.journal.note(raise_alarm, alarm, subject, sentence, self.means.clock.now(), self.means.ids)

    def crashed(self, task: str, error: BaseException) -> None:
        """A task of the dialer failed: an administrator is told."""
        self._alarm(
            "task_crashed", task, f"A part of the dialer failed and was ended: {type(error).__name__}."
        )
