# SPDX-License-Identifier: GPL-3.0-or-later
"""An RM's phone, kept connected for a whole shift: called once, held in its bridge, called again when it goes.

Each leg has a number of its own, durable before the phone is called, so that no id is used twice.
"""

from __future__ import annotations

import asyncio

import structlog

from dialer.desk import Desk, PhoneState
from dialer.floor import Floor
from dialer.legs import rm_bridge, rm_leg
from dialer.shifts import next_leg
from dialer.telephony import (
    BridgeId,
    ConnectRm,
    LegEnded,
    LegEvent,
    LegId,
    NotDone,
    Refusal,
    RmLegAlive,
    RmLegSilent,
    RmLegUp,
    TelephonyError,
    Unknown,
)

log = structlog.get_logger()

ON_HOLD = "hold"
"""The reason a telephony adapter gives when the phone is quiet because its RM put us on hold."""


class RmPhone:
    """Owns the RM's legs, one after the other."""

    def __init__(self, floor: Floor, desk: Desk) -> None:
        self._floor = floor
        self._desk = desk
        self._means = floor.means
        self._inbox: asyncio.Queue[LegEvent | None] = asyncio.Queue()
        self._leaving = False
        self._poke = asyncio.Event()

    def wake(self) -> None:
        """The RM's state changed: the phone may be wanted again."""
        self._poke.set()

    def leave(self) -> None:
        """The shift is over: hang the phone up; ``keep`` returns when it is gone."""
        self._leaving = True
        self._poke.set()
        self._inbox.put_nowait(None)

    async def keep(self, adopted: tuple[LegId, BridgeId] | None = None) -> None:
        """Hold the phone until the end of the shift; ``adopted``: a leg that outlived a restart."""
        failures = 0
        while not self._leaving:
            if adopted is None and not self._desk.phone_wanted:
                await self._wait_poke(None)
                continue
            was_up = await self._one_leg(adopted)
            adopted = None
            failures = 0 if was_up else failures + 1
            if failures and not self._leaving:
                await self._wait_poke(self._means.timing.phone_retry_after_s(failures))

    async def _wait_poke(self, timeout_s: float | None) -> None:
        self._poke.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._poke.wait()
        except TimeoutError:
            pass

    async def _one_leg(self, adopted: tuple[LegId, BridgeId] | None) -> bool:
        """One leg from its call to its end. Returns whether it was ever up."""
        desk, means = self._desk, self._means
        self._inbox = asyncio.Queue()
        if adopted is None:
            number = await means.journal.write(next_leg, desk.shift_id)
            leg = rm_leg(means.node, desk.rm.name, desk.shift_id, number)
            bridge = rm_bridge(means.node, desk.rm.name, desk.shift_id, number)
        else:
            leg, bridge = adopted
        desk.leg, desk.bridge = leg, bridge
        self._floor.listen(leg, self._inbox.put_nowait)
        # Not in a ``finally``: a dialer that stops in the middle leaves leg and bridge to the next one.
        if adopted is None:
            desk.phone_changed(PhoneState.CALLING)
            why = await self._call(leg, bridge)
        else:
            why = await self._adopt(leg, bridge)
        up = False
        if not why:
            up, why = await self._watch(leg)
        self._floor.forget(leg)
        desk.leg = desk.bridge = None
        self._lost(PhoneState.DOWN, why)
        await self._release(bridge)
        return up

    async def _adopt(self, leg: LegId, bridge: BridgeId) -> str:
        """Take over a leg that outlived a restart; returns why it cannot be, or nothing."""
        self._inbox.put_nowait(RmLegUp(at=self._means.clock.now(), leg=leg))
        try:
            await self._means.telephony.adopt(leg, customer=False, bridge=bridge)
        except NotDone as refused:
            log.warning("rm_phone_not_adopted", rm=self._desk.rm.name, refusal=refused.refusal)
            return "Your phone was disconnected. It is called again by itself."
        except Unknown:
            log.warning("rm_phone_unknown", rm=self._desk.rm.name, leg=leg.id)
        return ""

    async def _call(self, leg: LegId, bridge: BridgeId) -> str:
        """Ask for the phone to be called; returns why it definitely was not, or nothing."""
        desk = self._desk
        try:
            await self._means.telephony.connect_rm(
                ConnectRm(
                    leg=leg,
                    bridge=bridge,
                    rm=desk.rm.name,
                    endpoint=desk.rm.endpoint,
                    answer_timeout_s=self._means.timing.rm_answer_timeout_s,
                    sends_audio=desk.rm.sends_audio,
                )
            )
        except NotDone as refused:
            if refused.refusal in (Refusal.UNKNOWN_ENDPOINT, Refusal.REJECTED):
                why = "Your phone is not registered at the PBX. Start it, then wait a moment."
            else:
                why = "The PBX cannot call your phone right now. It is tried again by itself."
            desk.say_why_not(why)
            log.warning("rm_phone_refused", rm=desk.rm.name, refusal=refused.refusal, detail=refused.detail)
            return why
        except Unknown:
            log.warning("rm_phone_unknown", rm=desk.rm.name, leg=leg.id)
        return ""

    async def _watch(self, leg: LegId) -> tuple[bool, str]:
        """Follow a leg to its last event. Returns whether it was up, and why it ended, in words."""
        timing, clock, desk = self._means.timing, self._means.clock, self._desk
        up, why = False, ""
        deadline: float | None = clock.monotonic() + timing.rm_answer_timeout_s + timing.backstop_s
        while True:
            try:
                async with asyncio.timeout(None if deadline is None else deadline - clock.monotonic()):
                    event = await self._inbox.get()
            except TimeoutError:
                if not up:
                    why = why or "Your phone did not answer. It is called again by itself."
                    desk.say_why_not(why)
                else:
                    why = "No audio came from your phone. It is called again by itself."
                log.warning("rm_leg_given_up", rm=desk.rm.name, leg=leg.id, was_up=up)
                if not await self._hang_up(leg):
                    return up, why
                deadline = clock.monotonic() + timing.goodbye_s
                continue
            match event:
                case None:
                    await self._hang_up(leg)
                    deadline = clock.monotonic() + timing.goodbye_s
                case RmLegUp():
                    up, deadline = True, None
                    desk.phone_changed(PhoneState.UP)
                    self._floor.desk_free_again(desk)
                case RmLegSilent(why=reason):
                    self._lost(PhoneState.SILENT, reason)
                    deadline = None if reason == ON_HOLD else clock.monotonic() + timing.silence_grace_s
                case RmLegAlive():
                    deadline = None
                    desk.phone_changed(PhoneState.UP)
                    self._floor.desk_free_again(desk)
                case LegEnded(end=end):
                    log.info(
                        "rm_leg_ended", rm=desk.rm.name, leg=leg.id, cause=end.cause, tech=end.tech_cause
                    )
                    return up, why or ("Your phone hung up." if up else "Your phone did not take the call.")
                case _:
                    pass

    def _lost(self, phone: PhoneState, why: str) -> None:
        self._desk.phone_changed(phone, why)
        held = phone is PhoneState.SILENT and why == ON_HOLD
        if self._desk.call is not None and not held:
            self._desk.call.phone_lost(why, gone=phone is PhoneState.DOWN)

    async def _hang_up(self, leg: LegId) -> bool:
        """Returns False when the PBX says that the leg does not exist."""
        try:
            await self._means.telephony.hang_up(leg)
        except NotDone as refused:
            return refused.refusal is not Refusal.GONE
        except TelephonyError:
            pass
        return True

    async def _release(self, bridge: BridgeId) -> None:
        try:
            await self._means.telephony.release_bridge(bridge)
        except TelephonyError as error:
            # The adapter's garbage collection takes it later: it is empty and ours by name.
            log.info("rm_bridge_left", bridge=bridge.id, error=str(error))
