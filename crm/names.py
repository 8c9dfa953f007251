# SPDX-License-Identifier: GPL-3.0-or-later
"""Names as they are searched and compared: folded to lower case without accents, split into words."""

from __future__ import annotations

import unicodedata


def name_tokens(name: str) -> tuple[str, ...]:
    """The distinct words of a name, folded, in alphabetical order: ``José  da Silva`` gives ``da, jose, silva``."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(symbol for symbol in decomposed if not unicodedata.combining(symbol))
    words = "".join(symbol if symbol.isalnum() else " " for symbol in letters).split()
    return tuple(sorted(set(words)))


def name_key(name: str) -> str:
    """What two spellings of one name have in common, whatever the order of the words."""
    return " ".join(name_tokens(name))
