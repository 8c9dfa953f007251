# SPDX-License-Identifier: GPL-3.0-or-later
"""A real SIP phone on pjsua2, as the event loop sees it. It shares nothing but plain values with its account on
the ``PjsuaThread``. Needs pjsua2: import it only where a real phone is wanted.
"""

from __future__ import annotations

import functools
from pathlib import Path

from softphone.account import PhoneAccount
from softphone.messages import Ended, EndedBy, Figures, Registration, RegistrationChanged
from softphone.phone import Hook, Line, Listener, check_digits
from softphone.pjsua_account import SipAccount
from softphone.pjsua_thread import PjsuaThread


class PjsuaPhone:
    """A ``Phone`` on the stack of this process; it goes when the stack stops."""

    def __init__(self, line: Line, account: SipAccount, thread: PjsuaThread) -> None:
        self._line = line
        self._account = account
        self._thread = thread
        thread.ended.add_done_callback(lambda _: self._stack_ended())

    @classmethod
    async def open(
        cls, account: PhoneAccount, thread: PjsuaThread, listener: Listener, recordings: Path | None = None
    ) -> PjsuaPhone:
        """A phone on a started stack; it does not register yet.

        ``recordings``: a folder in which each call's received audio becomes a WAV file; for tests.

        Raises:
            NotPossible: the stack has no room for another account.
        """
        line = Line(account.user, listener)

        def create() -> SipAccount:
            made = SipAccount(account, thread, line.take, recordings)
            made.open()
            return made

        return cls(line, await thread.run(create), thread)

    @property
    def line(self) -> Line:
        return self._line

    async def register(self) -> None:
        await self._thread.run(self._account.register)

    async def unregister(self) -> None:
        await self._thread.run(self._account.unregister)

    async def answer(self) -> None:
        self._line.demand(Hook.RINGING)
        await self._thread.run(self._account.answer)

    async def hang_up(self) -> None:
        self._line.demand(Hook.RINGING, Hook.TALKING)
        await self._thread.run(self._account.hang_up)

    async def mute(self, on: bool) -> None:
        self._line.demand(Hook.TALKING)
        await self._thread.run(functools.partial(self._account.mute, on))

    async def dtmf(self, digits: str) -> None:
        check_digits(digits)
        self._line.demand(Hook.TALKING)
        await self._thread.run(functools.partial(self._account.dtmf, digits))

    async def figures(self) -> Figures:
        self._line.demand(Hook.TALKING)
        return await self._thread.run(self._account.figures)

    def _stack_ended(self) -> None:
        """What was not ended in good order has ended all the same."""
        if self._line.hook is not Hook.IDLE:
            self._line.take(Ended(phone=self._line.user, call=self._line.call, by=EndedBy.STACK))
        if self._line.registration is not Registration.OFFLINE:
            self._line.take(RegistrationChanged(phone=self._line.user, state=Registration.OFFLINE))
