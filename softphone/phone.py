# SPDX-License-Identifier: GPL-3.0-or-later
"""The phone: what it can be asked, and the one function that moves its states.

A phone holds one call at a time. Implementations: ``pjsua_phone.PjsuaPhone`` (a real SIP phone) and
``testing.FakePhone``; both report through a ``Line``.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final, Protocol

import structlog

from softphone.errors import NotPossible
from softphone.messages import (
    Answered,
    AnyEvent,
    Ended,
    Figures,
    Registration,
    RegistrationChanged,
    Ringing,
)
from vocabulary.errors import IllegalMove

log = structlog.get_logger(__name__)

Listener = Callable[[AnyEvent], None]
DTMF_DIGITS: Final = frozenset("0123456789*#ABCD")


class Hook(StrEnum):
    """What the phone is doing."""

    IDLE = "idle"  #: no call
    RINGING = "ringing"  #: a call comes in
    TALKING = "talking"  #: a call is up


HOOK_MOVES: Final[dict[Hook, frozenset[Hook]]] = {
    Hook.IDLE: frozenset({Hook.RINGING}),
    Hook.RINGING: frozenset({Hook.TALKING, Hook.IDLE}),
    Hook.TALKING: frozenset({Hook.IDLE}),
}


class Phone(Protocol):
    """One RM's phone. All of it is called on the event loop.

    Every command raises ``NotPossible`` when the phone is in no state for it (nothing has changed then) and
    ``StackFailed`` when there is no SIP stack any more.
    """

    @property
    def line(self) -> Line: ...

    async def register(self) -> None:
        """Ask the registrar to send us calls; returns when asked, ``RegistrationChanged`` tells the answer."""

    async def unregister(self) -> None:
        """Take the registration back; a call in progress goes on."""

    async def answer(self) -> None:
        """Answer the ringing call."""

    async def hang_up(self) -> None:
        """End the call, or reject the ringing one."""

    async def mute(self, on: bool) -> None:
        """Send silence instead of the microphone; packets go on. Lasts until the call ends."""

    async def dtmf(self, digits: str) -> None:
        """Send key presses (RFC 4733)."""

    async def figures(self) -> Figures:
        """The audio figures of the call in progress."""


class Line:
    """One phone's registration and hook, as its events tell them; passes each event on to the listener."""

    def __init__(self, user: str, listener: Listener) -> None:
        self.user = user
        self.registration = Registration.OFFLINE
        self.hook = Hook.IDLE
        self.call = ""  #: the SIP Call-ID of the latest call
        self._listener = listener

    def take(self, event: AnyEvent) -> None:
        """Move by one event, log it, pass it on.

        Raises:
            IllegalMove: the phone reported what cannot happen in its state; the state is unchanged.
        """
        match event:
            case RegistrationChanged(state=state):
                log.info(
                    "registration_changed", phone=self.user, old=self.registration, new=state, why=event.why
                )
                self.registration = state
            case Ringing():
                self._move(Hook.RINGING, event.call)
            case Answered():
                self._move(Hook.TALKING, event.call)
            case Ended():
                self._move(Hook.IDLE, event.call, by=event.by)
        self._listener(event)

    def demand(self, *hooks: Hook) -> None:
        """Hold a command to the states in which it makes sense.

        Raises:
            NotPossible: the phone is in none of ``hooks``.
        """
        if self.hook not in hooks:
            wanted = " or ".join(hooks)
            raise NotPossible(f"Phone {self.user} is {self.hook}, not {wanted}; nothing was done.")

    def _move(self, new: Hook, call: str, **facts: object) -> None:
        if new not in HOOK_MOVES[self.hook]:
            raise IllegalMove(f"Phone {self.user} cannot go from {self.hook} to {new}.")
        log.info("hook_moved", phone=self.user, call=call, old=self.hook, new=new, **facts)
        self.hook = new
        self.call = call


def check_digits(digits: str) -> None:
    """Hold key presses to the keys there are.

    Raises:
        NotPossible: empty, or a sign that is no key.
    """
    if not digits or not DTMF_DIGITS.issuperset(digits):
        raise NotPossible(f"{digits!r} are no key presses: use 0 to 9, *, #, A to D; nothing was sent.")
