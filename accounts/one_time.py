# SPDX-License-Identifier: GPL-3.0-or-later
"""One-time passwords: to be read aloud or from a screen once, and changed at the first login."""

from __future__ import annotations

from typing import Final

from foundation.ids import IdSource

#: No 0 and o, no 1, i and l, no u and v to mistake for each other.
_SYMBOLS: Final = "23456789abcdefghjkmnpqrstwxyz"
_GROUPS: Final = 4
_GROUP: Final = 4


def one_time_password(ids: IdSource) -> str:
    """Like ``k7qm-3xtd-9wfh-2npc``: 77 bits, more than enough to be guessed by nobody who may try five times."""
    groups = ("".join(_SYMBOLS[ids.randrange(len(_SYMBOLS))] for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)
