# SPDX-License-Identifier: GPL-3.0-or-later
"""The call ID: what an RM reads to a customer and what a customer quotes back.

Eight Crockford base-32 symbols, shown as ``4F7K-2QX4``. Seven are random, the eighth is a check
symbol: a weighted sum over GF(32) whose eight weights are distinct and not zero, so every single
wrong symbol and every swap of two symbols is caught. It identifies, it never authenticates.
"""

from __future__ import annotations

from typing import Final, NewType, Protocol

from vocabulary.errors import BadCallId

CallId = NewType("CallId", str)
"""Eight symbols, upper case, no hyphen: the stored form."""

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM_SYMBOLS: Final = 7
LENGTH: Final = RANDOM_SYMBOLS + 1

_VALUE: Final = {symbol: value for value, symbol in enumerate(ALPHABET)}
_LOOKALIKE: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})

# GF(32) with the primitive polynomial x^5 + x^2 + 1: powers of x, so the weights are all distinct.
_POLYNOMIAL: Final = 0b100101


class Randomness(Protocol):
    """The one thing a new call ID needs: ``random.Random`` and ``random.SystemRandom`` both fit."""

    def randrange(self, stop: int, /) -> int: ...


def _times(left: int, right: int) -> int:
    product = 0
    while right:
        if right & 1:
            product ^= left
        left <<= 1
        if left & 0b100000:
            left ^= _POLYNOMIAL
        right >>= 1
    return product


def _powers(count: int) -> tuple[int, ...]:
    powers = [1]
    while len(powers) < count:
        powers.append(_times(powers[-1], 0b10))
    return tuple(powers)


# The check symbol has weight 1 (the zeroth power), the seven others the next powers.
_WEIGHTS: Final = _powers(LENGTH)[1:]


def check_symbol(body: str) -> str:
    """The eighth symbol for seven symbols of ``ALPHABET``."""
    total = 0
    for weight, symbol in zip(_WEIGHTS, body, strict=True):
        total ^= _times(weight, _VALUE[symbol])
    return ALPHABET[total]


def new_call_id(randomness: Randomness) -> CallId:
    """A fresh call ID; uniqueness is the database's to hold."""
    body = "".join(ALPHABET[randomness.randrange(len(ALPHABET))] for _ in range(RANDOM_SYMBOLS))
    return CallId(body + check_symbol(body))


def parse_call_id(text: str) -> CallId:
    """Read a call ID as a person types it: any case, hyphens and blanks, O for 0, I and L for 1.

    Raises:
        BadCallId: wrong length, a symbol outside the alphabet, or a check symbol that does not fit.
    """
    symbols = "".join(text.split()).replace("-", "").upper().translate(_LOOKALIKE)
    if len(symbols) != LENGTH:
        raise BadCallId(f"A call ID has {LENGTH} symbols, as in 4F7K-2QX4; this one has {len(symbols)}.")
    wrong = sorted(set(symbols) - _VALUE.keys())
    if wrong:
        raise BadCallId(
            f"A call ID has only digits and capital letters without I, L, O, U; not {wrong[0]!r}."
        )
    if check_symbol(symbols[:RANDOM_SYMBOLS]) != symbols[RANDOM_SYMBOLS]:
        raise BadCallId("This is not a call ID: a symbol is wrong or two are swapped. Please read it again.")
    return CallId(symbols)


def show_call_id(call_id: str) -> str:
    """The form for people: ``4F7K-2QX4``."""
    return f"{call_id[:4]}-{call_id[4:]}"
