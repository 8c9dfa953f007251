# SPDX-License-Identifier: GPL-3.0-or-later
"""How the simulated customers behave: the mix, and the decision for one call.

A decision depends on the seed, the number and how often that number was called, and on nothing else: one seed
gives one demo. The carrier's dialplan makes the same decision with the same arithmetic; ``decide`` foretells it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import md5
from typing import Final

from asterisk.errors import BadSpec


class Behaviour(StrEnum):
    """What a customer, or the carrier in the customer's stead, does with a call."""

    ANSWER = "answer"  #: rings, answers, talks and listens, hangs up or waits for us to
    ECHO = "echo"  #: rings, answers, and sends back what it hears
    RECORD = (
        "record"  #: rings, answers, and records what it hears (``spool/recording/<number>-<attempt>.wav``)
    )
    VOICEMAIL = "voicemail"  #: rings long, answers, greets, beeps, listens, hangs up
    EARLY_HANG_UP = "early_hang_up"  #: rings, answers, and hangs up at once
    NO_ANSWER = "no_answer"  #: rings for ever
    DECLINED = "declined"  #: rings, then 603
    UNAVAILABLE = "unavailable"  #: rings, then 480
    BUSY = "busy"  #: 486
    WRONG_NUMBER = "wrong_number"  #: 404
    FORBIDDEN = "forbidden"  #: 403
    CONGESTED = "congested"  #: 503
    SILENT = "silent"  #: 100 and then nothing, for ever
    REDIRECT = "redirect"  #: 302 to a number that costs money (``COSTLY_NUMBER``)
    REDIRECT_TO_US = "redirect_to_us"  #: 302 to the caller ID of the call


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From ``least_ms`` to ``most_ms``, both possible."""

    least_ms: int
    most_ms: int

    def __post_init__(self) -> None:
        if not 0 <= self.least_ms <= self.most_ms <= 3_600_000:
            raise BadSpec(f"{self.least_ms} to {self.most_ms} ms is no span from 0 to one hour.")

    @property
    def values(self) -> int:
        """How many milliseconds are possible."""
        return self.most_ms - self.least_ms + 1

    def scaled(self, factor: float) -> Span:
        """The span with times multiplied by ``factor``."""
        return Span(least_ms=round(self.least_ms * factor), most_ms=round(self.most_ms * factor))


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long customers take."""

    post_dial: Span = Span(least_ms=100, most_ms=800)  #: before it rings, or the refusal comes
    ring: Span = Span(least_ms=2_000, most_ms=12_000)  #: before a person answers or declines
    voicemail_ring: Span = Span(least_ms=12_000, most_ms=18_000)  #: before a voicemail answers
    talk: Span = Span(least_ms=8_000, most_ms=40_000)  #: from the answer to the customer's hang-up
    early: Span = Span(least_ms=300, most_ms=1_500)  #: the same, of an early hang-up
    listen: Span = Span(least_ms=5_000, most_ms=15_000)  #: after a voicemail's beep

    def scaled(self, factor: float) -> Times:
        """All times multiplied by ``factor``."""
        return Times(**{name: getattr(self, name).scaled(factor) for name in TIME_NAMES})


TIME_NAMES: Final = tuple(Times.__dataclass_fields__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Numbers that always behave in one way. ``*`` stands for any digits, ``?`` for one; no plus sign."""

    numbers: str
    behaviour: Behaviour

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9*?]{1,30}", self.numbers):
            raise BadSpec(f"A rule's numbers are digits, * and ?, not {self.numbers!r}.")

    @property
    def expression(self) -> str:
        """The same as a regular expression, for Python and for Asterisk."""
        return "^" + self.numbers.replace("?", "[0-9]").replace("*", "[0-9]*") + "$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """How all customers behave; ``mix_file.read_mix`` reads one."""

    seed: int = 1
    chance: Mapping[Behaviour, int]  #: weights; what no rule names behaves by chance
    rules: tuple[Rule, ...] = ()  #: the first that fits wins
    times: Times = field(default_factory=Times)
    waits_for_us: float = 0.3  #: share of the customers who never hang up themselves

    def __post_init__(self) -> None:
        if not any(self.chance.values()) or min(self.chance.values()) < 0:
            raise BadSpec("The weights under [chance] must be 0 or more, and one of them more than 0.")
        if not 0 <= self.waits_for_us <= 1:
            raise BadSpec(f"waits_for_us is {self.waits_for_us}: a share is from 0 to 1.")

    def thresholds(self) -> list[tuple[Behaviour, int]]:
        """Each behaviour with the first chance (of ``CHANCES``) that is not its own any more, ascending."""
        whole = sum(self.chance.values())
        reached, found = 0, []
        for behaviour in Behaviour:
            reached += self.chance.get(behaviour, 0)
            found.append((behaviour, CHANCES * reached // whole))
        return found

    @property
    def waiting_chances(self) -> int:
        """How many of ``CHANCES`` belong to customers who wait for us to hang up."""
        return round(CHANCES * self.waits_for_us)


CHANCES: Final = 10_000
COSTLY_NUMBER: Final = "+882123456789"

# Which hex digits (first, count) of the hash decide what.
HASH_DIGITS: Final = {
    "chance": (0, 6),
    "post_dial": (6, 4),
    "ring": (10, 5),
    "talk": (15, 6),
    "waits": (21, 4),
    "phrase": (25, 1),
    "early": (26, 4),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one call meets. Times as the mix file has them, in ms."""

    behaviour: Behaviour
    post_dial_ms: int
    ring_ms: int
    talk_ms: int | None  #: from answer to the customer's hang-up; None: waits for us, or no answer


def decide(mix: Mix, number: str, attempt: int) -> Decision:
    """What the ``attempt``-th call (from 1) to a number meets; ``number`` as dialed, a plus sign does not count."""
    digits = "".join(sign for sign in number if sign.isdigit())
    hashed = md5(f"{mix.seed}/{digits}/{attempt}".encode(), usedforsecurity=False).hexdigest()

    def drawn(what: str, span: Span | int) -> int:
        first, count = HASH_DIGITS[what]
        value = int(hashed[first : first + count], 16)
        return value % span if isinstance(span, int) else span.least_ms + value % span.values

    chance = drawn("chance", CHANCES)
    behaviour = next((rule.behaviour for rule in mix.rules if re.match(rule.expression, digits)), None)
    if behaviour is None:
        behaviour = next(name for name, limit in mix.thresholds() if chance < limit)
    times = mix.times
    talk: int | None = None
    match behaviour:
        case Behaviour.ANSWER if drawn("waits", CHANCES) >= mix.waiting_chances:
            talk = drawn("talk", times.talk)
        case Behaviour.EARLY_HANG_UP:
            talk = drawn("early", times.early)
        case _:
            pass
    return Decision(
        behaviour=behaviour,
        post_dial_ms=drawn("post_dial", times.post_dial),
        ring_ms=drawn("ring", times.voicemail_ring if behaviour is Behaviour.VOICEMAIL else times.ring),
        talk_ms=talk,
    )
