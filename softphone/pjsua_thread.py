# SPDX-License-Identifier: GPL-3.0-or-later
"""The one thread that owns every pjsua2 object, polls the stack, and is told what to do by a queue.

pjsua2 aborts or crashes when Python threads it does not know touch it, or when the garbage collector
decides when its objects die. So: the stack has no worker threads of its own (``threadCnt`` 0), callbacks run
inside ``libHandleEvents`` on this thread alone, commands come in by a queue, events go out by
``loop.call_soon_threadsafe``, and objects are dropped on this thread, outside their own callbacks.

This module needs pjsua2: import it only where a real phone is wanted.
"""

from __future__ import annotations

import asyncio
import gc
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, Protocol, TypeVar

import pjsua2 as pj  # type: ignore[import-untyped]
import structlog

from softphone.errors import NotPossible, PhoneError, StackFailed

log = structlog.get_logger(__name__)

T = TypeVar("T")

POLL_MS: Final = 20  #: the longest a command waits; network packets end the wait at once
#: One conference bridge mixes all phones of the process; G.711 needs no more, and resampling costs.
CLOCK_RATE_HZ: Final = 8000
#: Slots are handed out in turn. Far more slots than calls means that a slot is never used again in the same
#: poll in which its call ended: the wrapper of the old call would otherwise cut the new one off when dropped.
#: The stack takes its own built-in limit if that is lower.
MAX_CALLS: Final = 64
CLOSE_TIMEOUT_S: Final = 5.0
_HANG_UP_POLLS: Final = 100  #: of POLL_MS: two seconds for BYEs, and again for the registrations


class Resident(Protocol):
    """What lives on the thread and must be taken down before the stack is: an account with its calls."""

    def hang_up_all(self) -> None: ...

    def is_idle(self) -> bool: ...

    def leave(self) -> None:
        """Take the registration back, if there is one."""

    def is_unregistered(self) -> bool: ...

    def dispose(self) -> None:
        """Drop the account and everything it holds."""


class PjsuaThread:
    """The SIP stack of this process: there can be one. ``start``, ``run`` things on it, ``stop``."""

    def __init__(self, *, bind_address: str | None = None, log_level: int = 1) -> None:
        """``bind_address``: listen there alone; ``None``: on every interface.
        ``log_level``: of the stack's own log to standard output, 0 to 6.
        """
        self._bind_address = bind_address
        self._log_level = log_level
        self._loop = asyncio.get_running_loop()
        self._commands: queue.SimpleQueue[tuple[Callable[[], object], Future[object]]] = queue.SimpleQueue()
        self._deferred: list[Callable[[], None]] = []
        self._residents: list[Resident] = []
        self._stopping = threading.Event()
        self._started: asyncio.Future[None] = self._loop.create_future()
        #: Resolved when the thread has ended: ``None``, or the error that ended it.
        self.ended: asyncio.Future[BaseException | None] = self._loop.create_future()
        # A daemon: a stack that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._live, name="pjsua", daemon=True)

    @property
    def bind_address(self) -> str | None:
        return self._bind_address

    async def start(self) -> None:
        """Bring the stack up.

        Raises:
            StackFailed: it does not start; nothing is left running.
        """
        self._thread.start()
        await self._started

    async def run(self, work: Callable[[], T]) -> T:
        """Run ``work`` on the thread, within ``POLL_MS``.

        Raises:
            NotPossible: the stack said no.
            StackFailed: there is no stack any more.
        """
        if self._stopping.is_set() or self.ended.done():
            raise StackFailed("The SIP stack has ended; nothing was done.")
        future: Future[T] = Future()
        self._commands.put((work, future))  # type: ignore[arg-type]
        return await asyncio.wrap_future(future)

    async def unplug(self, on: bool) -> None:
        """Stop the clock of all audio: no phone of this process sends a packet, its calls stay up; for tests.

        The stack has no such switch for one phone: give a phone that is to be unplugged a process of its own.
        """

        def switch() -> None:
            devices = pj.Endpoint.instance().audDevManager()
            if on:
                devices.setNoDev()
            else:
                devices.setNullDev()

        await self.run(switch)

    async def stop(self) -> None:
        """Hang up, unregister, take the stack down. Safe to call twice.

        Raises:
            StackFailed: it did not end in time; end the process.
        """
        self._stopping.set()
        if not self._started.done() and not self._thread.is_alive():
            return
        done, _ = await asyncio.wait(
            {self.ended}, timeout=2 * _HANG_UP_POLLS * POLL_MS / 1000 + CLOSE_TIMEOUT_S
        )
        if not done:
            raise StackFailed("The SIP stack did not end in time; its calls end with this process.")

    # --- on the thread ------------------------------------------------------------------------------

    def tell(self, receive: Callable[[T], None], thing: T) -> None:
        """Hand a plain value to the event loop, in order."""
        try:
            self._loop.call_soon_threadsafe(receive, thing)
        except RuntimeError:
            log.warning("event_after_loop_closed", thing=repr(thing))

    def defer(self, work: Callable[[], None]) -> None:
        """Run ``work`` after the callback in progress has returned."""
        self._deferred.append(work)

    def settle(self, resident: Resident) -> None:
        """From now on ``resident`` is taken down with the stack."""
        self._residents.append(resident)

    def _live(self) -> None:
        failure: BaseException | None = None
        try:
            endpoint = self._open()
        except BaseException as error:
            failure = StackFailed(f"The SIP stack does not start: {reason_of(error)}")
            self._loop.call_soon_threadsafe(self._started.set_exception, failure)
        else:
            self._loop.call_soon_threadsafe(self._started.set_result, None)
            try:
                while not self._stopping.is_set():
                    self._poll(endpoint)
            except BaseException as error:
                failure = error
                log.exception("sip_stack_failed")
            try:
                self._close(endpoint)
            except BaseException as error:
                failure = failure or error
                log.exception("sip_stack_close_failed")
            del endpoint
            gc.collect()
        self._stopping.set()
        self._refuse_rest()
        self._loop.call_soon_threadsafe(self.ended.set_result, failure)

    def _open(self) -> pj.Endpoint:
        endpoint = pj.Endpoint()
        endpoint.libCreate()
        try:
            config = pj.EpConfig()
            config.logConfig.level = self._log_level
            config.logConfig.consoleLevel = self._log_level
            config.uaConfig.threadCnt = 0
            config.uaConfig.mainThreadOnly = True
            config.uaConfig.maxCalls = MAX_CALLS
            config.uaConfig.userAgent = "Offhook softphone"
            config.medConfig.clockRate = CLOCK_RATE_HZ
            config.medConfig.sndClockRate = CLOCK_RATE_HZ
            config.medConfig.ecTailLen = 0  # no microphone, no echo
            # The PBX takes a phone whose packets stop for dead: never suppress silence.
            config.medConfig.noVad = True
            endpoint.libInit(config)
            for kind in (pj.PJSIP_TRANSPORT_UDP, pj.PJSIP_TRANSPORT_TCP):
                transport = pj.TransportConfig()
                transport.port = 0
                if self._bind_address is not None:
                    transport.boundAddress = self._bind_address
                endpoint.transportCreate(kind, transport)
            endpoint.libStart()
            endpoint.audDevManager().setNullDev()
        except BaseException:
            endpoint.libDestroy()
            raise
        return endpoint

    def _poll(self, endpoint: pj.Endpoint) -> None:
        endpoint.libHandleEvents(POLL_MS)
        self._run_deferred()
        while not self._commands.empty():
            work, future = self._commands.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except PhoneError as error:
                future.set_exception(error)
            except pj.Error as error:
                future.set_exception(NotPossible(f"The SIP stack said no: {reason_of(error)}"))
            except Exception as error:
                log.exception("phone_command_failed")
                # Its frames hold objects of the stack, which must not die on another thread.
                future.set_exception(error.with_traceback(None))
            self._run_deferred()

    def _run_deferred(self) -> None:
        while self._deferred:
            _logging(self._deferred.pop(0))

    def _close(self, endpoint: pj.Endpoint) -> None:
        """BYE, then unregister, then drop every object, then the library: in any other order it aborts."""
        for resident in self._residents:
            _logging(resident.hang_up_all)
        self._poll_until(endpoint, lambda: all(resident.is_idle() for resident in self._residents))
        for resident in self._residents:
            _logging(resident.leave)
        self._poll_until(endpoint, lambda: all(resident.is_unregistered() for resident in self._residents))
        for resident in self._residents:
            _logging(resident.dispose)
        self._residents.clear()
        self._run_deferred()
        gc.collect()
        # All goodbyes are said and answered: without the flag the library waits another second for them.
        endpoint.libDestroy(pj.PJSUA_DESTROY_NO_NETWORK)

    def _poll_until(self, endpoint: pj.Endpoint, condition: Callable[[], bool]) -> None:
        for _ in range(_HANG_UP_POLLS):
            if condition():
                return
            endpoint.libHandleEvents(POLL_MS)
            self._run_deferred()

    def _refuse_rest(self) -> None:
        while not self._commands.empty():
            _, future = self._commands.get()
            if future.set_running_or_notify_cancel():
                future.set_exception(StackFailed("The SIP stack has ended; nothing was done."))


def _logging(work: Callable[[], None]) -> None:
    """Run one piece of work; what goes wrong in it concerns one call, never the whole stack."""
    try:
        work()
    except Exception:
        log.exception("phone_work_failed")


def reason_of(error: BaseException) -> str:
    """What went wrong, in the stack's own words."""
    if isinstance(error, pj.Error):
        return f"{error.reason} ({error.title})"
    return str(error) or type(error).__name__
