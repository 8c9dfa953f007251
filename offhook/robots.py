# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated RM decisions for demonstrations: they confirm, talk until somebody hangs up, and record an outcome.

They use the same commands as a person; their phones are real SIP phones.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from foundation.clock import Clock
from foundation.commands import CommandBus
from foundation.errors import CommandTimedOut
from foundation.live import LiveBus
from vocabulary.call_id import CallId
from vocabulary.commands import Command, ConfirmCall, GoReady, HangUp, NextCustomer, RecordOutcome
from vocabulary.outcomes import OUTCOME_RULES, Outcome
from vocabulary.states import PacingMode, RmState

_OUTCOMES: Final = (
    (Outcome.NOT_INTERESTED, 50),
    (Outcome.INTERESTED, 20),
    (Outcome.SALE, 12),
    (Outcome.WRONG_PERSON, 4),
    (Outcome.DO_NOT_CALL, 5),
    (Outcome.MACHINE, 5),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Temper:
    """How a simulated RM works, in seconds."""

    reads_s: float = 4.0
    wraps_up_s: float = 6.0
    talks_at_most_s: float = 90.0

    def scaled(self, factor: float) -> Temper:
        """The same RM in scaled time."""
        return Temper(
            reads_s=self.reads_s * factor,
            wraps_up_s=self.wraps_up_s * factor,
            talks_at_most_s=self.talks_at_most_s * factor,
        )


class RobotRm:
    """One simulated RM, driven by the topic its own screen would show."""

    def __init__(
        self,
        rm_id: int,
        *,
        bus: CommandBus,
        live: LiveBus,
        clock: Clock,
        mode: PacingMode,
        temper: Temper,
        outcomes: Collection[Outcome],
        dice: random.Random,
    ) -> None:
        self._rm_id = rm_id
        self._bus = bus
        self._live = live
        self._clock = clock
        self._mode = mode
        self._temper = temper
        self._choices = [(outcome, weight) for outcome, weight in _OUTCOMES if outcome in outcomes]
        self._dice = dice

    async def work(self) -> None:
        """Until cancelled."""
        view: dict[str, Any] = {}
        with self._live.subscribe(f"rm:{self._rm_id}") as updates:
            while True:
                try:
                    async with asyncio.timeout(self._temper.reads_s):
                        view = view | dict((await anext(updates)).data)
                except TimeoutError:
                    pass
                if view:
                    await self._act(view)

    async def _act(self, view: dict[str, Any]) -> None:
        call = view.get("call") or {}
        call_id = CallId(call.get("call_id", ""))
        match view.get("state"):
            case RmState.READY if self._mode is PacingMode.PREVIEW:
                await self._send(NextCustomer(rm_id=self._rm_id))
            case RmState.REVIEWING if call_id:
                await self._pause(self._temper.reads_s)
                await self._send(ConfirmCall(rm_id=self._rm_id, call_id=call_id))
            case RmState.TALKING if call_id:
                if self._clock.monotonic() - view["since_monotonic"] > self._temper.talks_at_most_s:
                    await self._send(HangUp(rm_id=self._rm_id, call_id=call_id))
            case RmState.WRAP_UP if call_id:
                await self._pause(self._temper.wraps_up_s)
                await self._send(RecordOutcome(rm_id=self._rm_id, call_id=call_id, outcome=self._choose()))
            case RmState.AWAY:
                await self._send(GoReady(rm_id=self._rm_id))
            case _:
                pass

    def _choose(self) -> Outcome:
        outcomes, weights = zip(*self._choices, strict=True)
        chosen: Outcome = self._dice.choices(outcomes, weights)[0]
        return Outcome.NOT_INTERESTED if OUTCOME_RULES[chosen].needs_callback_time else chosen

    async def _pause(self, mean_s: float) -> None:
        await self._clock.sleep(mean_s * self._dice.uniform(0.5, 1.5))

    async def _send(self, command: Command) -> None:
        try:
            await self._bus.send(command, deadline_s=timedelta(seconds=60).total_seconds())
        except CommandTimedOut:
            # The next look at the screen shows what became of it.
            pass
