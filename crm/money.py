# SPDX-License-Identifier: GPL-3.0-or-later
"""Amounts of money as whole minor units (cents) with their ISO 4217 currency. Never a float."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_CURRENCY: Final = re.compile(r"[A-Z]{3}")
#: Currencies whose minor unit is not a hundredth (ISO 4217, list one).
_WITHOUT_MINOR: Final = (
    *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"),
    *("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
)
_IN_THOUSANDTHS: Final = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
_DIGITS: Final = {**dict.fromkeys(_WITHOUT_MINOR, 0), **dict.fromkeys(_IN_THOUSANDTHS, 3)}


def minor_digits(currency: str) -> int:
    """Decimal places of a currency: 2 for EUR, 0 for JPY, 3 for KWD.

    Raises:
        ValueError: not three capital letters.
    """
    if _CURRENCY.fullmatch(currency) is None:
        raise ValueError("A currency is three capital letters, such as EUR.")
    return _DIGITS.get(currency, 2)


def parse_minor(text: str, currency: str, *, decimal_mark: str = ".") -> int:
    """``1 250,50`` with mark ``,`` in EUR is 125050.

    Raises:
        ValueError: not an amount, or finer than the currency's minor unit.
    """
    grouping = "," if decimal_mark == "." else "."
    plain = re.sub(r"[\s\u00a0']", "", text)
    # Thousands marks are taken only where thousands are, so that 12,50 is never read as 1250.
    pattern = rf"-?(\d{{1,3}}(?:{re.escape(grouping)}\d{{3}})+|\d+)(?:{re.escape(decimal_mark)}(\d+))?"
    if re.fullmatch(pattern, plain) is None:
        raise ValueError(f"This is not an amount with {decimal_mark!r} as its decimal mark.")
    amount = Decimal(plain.replace(grouping, "").replace(decimal_mark, "."))
    minor = amount.scaleb(minor_digits(currency))
    if minor != minor.to_integral_value():
        raise ValueError(f"The amount is finer than {currency}'s minor unit.")
    return int(minor)


def show(amount_minor: int, currency: str) -> str:
    """``125050`` in EUR is ``1250.50 EUR``."""
    digits = minor_digits(currency)
    return f"{Decimal(amount_minor).scaleb(-digits):.{digits}f} {currency}"
