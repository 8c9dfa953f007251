# SPDX-License-Identifier: GPL-3.0-or-later
"""A phone without SIP, for tests: the same commands, states and events, and a hand on the other end."""

from __future__ import annotations

from softphone.account import AutoAnswer
from softphone.errors import NotPossible, StackFailed
from softphone.messages import (
    Answered,
    Ended,
    EndedBy,
    Figures,
    Registration,
    RegistrationChanged,
    Ringing,
)
from softphone.phone import Hook, Line, Listener, check_digits

PACKETS_A_SECOND = 50


class FakePhone:
    """A ``Phone`` whose registrar says ``registrar_code`` and whose calls the test makes.

    ``pbx_*`` and ``pass_time`` are the test's side: what the PBX does, and seconds of audio going by.
    """

    def __init__(
        self,
        user: str,
        listener: Listener,
        *,
        auto_answer: AutoAnswer = AutoAnswer.NEVER,
        registrar_code: int = 200,
    ) -> None:
        self._line = Line(user, listener)
        self._auto_answer = auto_answer
        self._registrar_code = registrar_code
        self._sent = 0
        self._received = 0
        self._calls = 0
        self._broken = False
        self.muted = False
        self.keys = ""

    @property
    def line(self) -> Line:
        return self._line

    async def register(self) -> None:
        self._demand_stack()
        self._registration(Registration.REGISTERING)
        if self._registrar_code == 0:
            self._registration(Registration.UNREACHABLE)
        elif self._registrar_code == 200:
            self._registration(Registration.REGISTERED)
        else:
            self._registration(Registration.REFUSED)

    async def unregister(self) -> None:
        self._demand_stack()
        self._registration(Registration.OFFLINE)

    async def answer(self) -> None:
        self._demand_stack()
        self._line.demand(Hook.RINGING)
        self._up()

    async def hang_up(self) -> None:
        self._demand_stack()
        self._line.demand(Hook.RINGING, Hook.TALKING)
        self._end(EndedBy.PHONE)

    async def mute(self, on: bool) -> None:
        self._demand_stack()
        self._line.demand(Hook.TALKING)
        self.muted = on

    async def dtmf(self, digits: str) -> None:
        self._demand_stack()
        check_digits(digits)
        self._line.demand(Hook.TALKING)
        self.keys += digits

    async def figures(self) -> Figures:
        self._demand_stack()
        self._line.demand(Hook.TALKING)
        return Figures(
            packets_sent=self._sent,
            packets_received=self._received,
            packets_lost=0,
            jitter_ms=0.0,
            level_sent=0.0 if self.muted else 0.5,
            level_received=0.5,
        )

    # --- the test's side ----------------------------------------------------------------------------

    def pbx_calls(self, *, asks_auto_answer: bool, session: str | None = None) -> str:
        """The PBX calls; returns the call's SIP Call-ID.

        Raises:
            NotPossible: not registered, or busy: the phone refused.
        """
        if self._line.registration is not Registration.REGISTERED:
            raise NotPossible(f"Phone {self._line.user} is not registered.")
        auto = asks_auto_answer and self._auto_answer is AutoAnswer.WHEN_ASKED
        if self._line.hook is not Hook.IDLE:
            if not auto:
                raise NotPossible(f"Phone {self._line.user} is busy.")
            self._end(EndedBy.REPLACED)
        self._calls += 1
        call = f"{self._line.user}-{self._calls}"
        self._line.take(Ringing(phone=self._line.user, call=call, session=session, auto_answer=auto))
        if auto:
            self._up()
        return call

    def pbx_hangs_up(self) -> None:
        self._end(EndedBy.PBX)

    def stack_fails(self) -> None:
        """The SIP stack is gone: the call ends, every command fails from now on."""
        self._broken = True
        if self._line.hook is not Hook.IDLE:
            self._end(EndedBy.STACK)
        if self._line.registration is not Registration.OFFLINE:
            self._registration(Registration.OFFLINE)

    def pass_time(self, seconds: int) -> None:
        """Audio goes by."""
        self._received += seconds * PACKETS_A_SECOND
        self._sent += seconds * PACKETS_A_SECOND

    def _demand_stack(self) -> None:
        if self._broken:
            raise StackFailed("The SIP stack has ended; nothing was done.")

    def _registration(self, state: Registration) -> None:
        self._line.take(RegistrationChanged(phone=self._line.user, state=state))

    def _up(self) -> None:
        self._sent = self._received = 0
        self.muted = False
        self._line.take(Answered(phone=self._line.user, call=self._line.call))

    def _end(self, by: EndedBy) -> None:
        self._line.take(Ended(phone=self._line.user, call=self._line.call, by=by))
