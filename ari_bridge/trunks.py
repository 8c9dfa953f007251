# SPDX-License-Identifier: GPL-3.0-or-later
"""What a trunk bears: calls at once, calls a second, and a breaker that rests it when it fails.

Pure: time is a number passed in. The breaker opens on

* failures in a row, whatever the trunk's words: allocation failed, 302, 401, 402, 403, 407, 429, 488, 5xx;
* slow calls in a row: neither ringing nor an answer within the set-up time (ARI does not show whether a
  ``100 Trying`` came, so a silent trunk is known by its first two calls);
* the share of invalid numbers among the last calls: one wrong prefix turns every number into a 404.

Open, it rests; then one call tries it (half open), and its first sign of life closes the breaker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import structlog

from ari_bridge.access import TrunkLimits
from dialer.telephony import NotDone, Refusal
from vocabulary.dispositions import EndedBy, LegEnd

log = structlog.get_logger()


class Verdict(StrEnum):
    """What one call says of its trunk."""

    FINE = "fine"  #: the trunk did its work, whatever the customer did
    FAILED = "failed"  #: the trunk refused or failed
    SLOW = "slow"  #: no sign of life within the set-up time
    INVALID = "invalid"  #: no such number
    NOTHING = "nothing"  #: ended by us before the trunk could show anything


_FINE_SIP = frozenset({486, 600, 603, 607, 608})
_INVALID_SIP = frozenset({404, 410, 484, 604})
_SLOW_SIP = frozenset({408, 480})
_FINE_CAUSES = frozenset({17, 21})
_INVALID_CAUSES = frozenset({1, 22, 28})
_NO_CAUSES = frozenset({None, 0, 16})


def judge(end: LegEnd, *, gave_up: bool, cancelled: bool) -> Verdict:
    """What an ended leg says of its trunk. ``gave_up``: our set-up or ring timer ended it; ``cancelled``:
    we ended it for another reason."""
    if end.rang or end.was_up:
        return Verdict.FINE
    if cancelled or end.ended_by is EndedBy.EVENTS_LOST:
        return Verdict.NOTHING
    if gave_up or end.tech_cause in _SLOW_SIP:
        return Verdict.SLOW
    if end.tech_cause is None:
        return _judge_cause(end.cause)
    if end.tech_cause in _FINE_SIP:
        return Verdict.FINE
    return Verdict.INVALID if end.tech_cause in _INVALID_SIP else Verdict.FAILED


def _judge_cause(cause: int | None) -> Verdict:
    if cause in _NO_CAUSES:
        return Verdict.NOTHING
    if cause in _FINE_CAUSES:
        return Verdict.FINE
    return Verdict.INVALID if cause in _INVALID_CAUSES else Verdict.FAILED


class BreakerState(StrEnum):
    """A breaker's states."""

    CLOSED = "closed"  #: calls flow
    OPEN = "open"  #: resting
    HALF_OPEN = "half_open"  #: one call at a time may try


@dataclass(frozen=True, slots=True)
class Edge:
    """A trunk became usable or stopped being so."""

    trunk: str
    usable: bool
    why: str


class Trunk:
    """One trunk's bucket, count and breaker."""

    def __init__(self, limits: TrunkLimits, now: float) -> None:
        self.limits = limits
        self.state = BreakerState.CLOSED
        self.calls = 0
        self._burst = max(1.0, limits.calls_per_s)
        self._tokens = self._burst
        self._filled_at = now
        self._row = 0
        self._slow_row = 0
        self._last: deque[bool] = deque(maxlen=limits.invalid_window)
        self._rest_s = limits.open_s
        self._opened_at = 0.0
        self._trial_out = False
        self._trial = 0

    def admit(self, now: float) -> int:
        """Take a place for one call. Returns its ticket, to be given back with ``left``.

        Raises:
            NotDone: the breaker is open, or cap or rate is reached; nothing was taken.
        """
        name = self.limits.name
        if self.state is BreakerState.OPEN or (self.state is BreakerState.HALF_OPEN and self._trial_out):
            raise NotDone(Refusal.TRUNK_BREAKER_OPEN, name)
        if self.calls >= self.limits.call_cap:
            raise NotDone(Refusal.TRUNK_FULL, f"{name}: {self.calls} calls")
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self.limits.calls_per_s)
        self._filled_at = now
        # A refill of many small steps may stop a rounding error below one.
        if self._tokens < 1.0 - 1e-9:
            raise NotDone(Refusal.TRUNK_FULL, f"{name}: {self.limits.calls_per_s} calls a second")
        self._tokens -= 1.0
        self.calls += 1
        if self.state is BreakerState.CLOSED:
            return 0
        self._trial_out = True
        return self._trial

    def adopt(self) -> int:
        """A call of an earlier life still uses it. Returns its ticket."""
        self.calls += 1
        return 0

    def sign_of_life(self) -> Edge | None:
        """A call on it rings or was answered."""
        self._row = self._slow_row = 0
        if self.state is BreakerState.HALF_OPEN:
            return self._close()
        return None

    def left(self, ticket: int, verdict: Verdict, now: float) -> Edge | None:
        """A call on it is over. While it is tried, only the call that tries it may fail it."""
        self.calls -= 1
        if self.state is BreakerState.HALF_OPEN:
            if ticket != self._trial and verdict is not Verdict.FINE:
                return None
            self._trial_out = False
        match verdict:
            case Verdict.NOTHING:
                return None
            case Verdict.FINE:
                self._last.append(False)
                return self.sign_of_life()
            case Verdict.INVALID:
                self._last.append(True)
                self._row = self._slow_row = 0
            case Verdict.FAILED:
                self._row += 1
            case Verdict.SLOW:
                self._slow_row += 1
        why = self._why_open(verdict)
        return self._open(why, now) if why else None

    def tick(self, now: float) -> Edge | None:
        """Time passes: a rested trunk may be tried."""
        if self.state is BreakerState.OPEN and now - self._opened_at >= self._rest_s:
            self._move(BreakerState.HALF_OPEN, "rested")
            self._trial_out = False
            self._trial += 1
            return Edge(self.limits.name, usable=True, why="rested; one call tries it")
        return None

    def _why_open(self, verdict: Verdict) -> str:
        if self.state is BreakerState.OPEN:
            return ""
        if self.state is BreakerState.HALF_OPEN:
            return f"the call that tried it: {verdict}"
        limits = self.limits
        if self._row >= limits.failures_to_open:
            return f"{self._row} failures in a row"
        if self._slow_row >= limits.slow_to_open:
            return f"{self._slow_row} calls in a row without a sign of life"
        invalid = sum(self._last)
        if invalid >= limits.invalid_least and invalid >= limits.invalid_share * len(self._last):
            return f"{invalid} of the last {len(self._last)} numbers are invalid: look at the prefix"
        return ""

    def _open(self, why: str, now: float) -> Edge:
        if self.state is BreakerState.HALF_OPEN:
            self._rest_s = min(self._rest_s * 2, self.limits.open_max_s)
        self._opened_at = now
        self._last.clear()
        self._row = self._slow_row = 0
        self._move(BreakerState.OPEN, why)
        return Edge(self.limits.name, usable=False, why=why)

    def _close(self) -> Edge:
        self._rest_s = self.limits.open_s
        self._trial_out = False
        self._move(BreakerState.CLOSED, "a call got through")
        return Edge(self.limits.name, usable=True, why="a call got through")

    def _move(self, state: BreakerState, why: str) -> None:
        log.info("trunk_breaker", trunk=self.limits.name, old=self.state, new=state, why=why)
        self.state = state


class Trunks:
    """All trunks of a node, by name."""

    def __init__(self, limits: Iterable[TrunkLimits], now: float) -> None:
        self._trunks = {item.name: Trunk(item, now) for item in limits}

    def find(self, name: str) -> Trunk:
        """Raises ``NotDone`` for a name nobody configured."""
        trunk = self._trunks.get(name)
        if trunk is None:
            raise NotDone(Refusal.UNKNOWN_TRUNK, name)
        return trunk

    def limits(self, name: str) -> TrunkLimits | None:
        """A trunk's limits; None for a name nobody configured."""
        trunk = self._trunks.get(name)
        return trunk.limits if trunk is not None else None

    def of_channel(self, channel_name: str) -> Trunk | None:
        """The trunk of ``PJSIP/trunk-<name>-<number>``."""
        return self._trunks.get(channel_name.removeprefix("PJSIP/trunk-").rpartition("-")[0])

    def tick(self, now: float) -> list[Edge]:
        """Edges that time alone brings."""
        edges = [self._trunks[name].tick(now) for name in sorted(self._trunks)]
        return [edge for edge in edges if edge is not None]
