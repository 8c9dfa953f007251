# SPDX-License-Identifier: GPL-3.0-or-later
"""One value out of a row: a mapping's rule made into a function once, and checks of the common kinds of value."""

from __future__ import annotations

import bisect
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, TypeVar

from crm.imports.mapping import PLACEHOLDER, ROW, Rule
from lawful.zones import known_zone

T = TypeVar("T")
Row = Sequence[str]
Extract = Callable[[Row, int], T | None]
"""From a row's cells and its number (from 1) to a value; None where it is optional and absent."""

_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_CHANNELS: Final = ("phone", "email", "sms")
_LONGEST: Final = 400  # characters of a value that is no list of anything


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with one value of one line of a file (from 1, the header being the first)."""

    line: int
    column: str
    value_masked: str
    message: str


class BadValue(Exception):
    """A value of a row cannot be used; ``value`` is masked before anybody sees it."""

    def __init__(self, column: str, value: str, message: str) -> None:
        super().__init__(message)
        self.column = column
        self.value = value
        self.message = message

    def at_line(self, line: int) -> Problem:
        return Problem(line=line, column=self.column, value_masked=mask(self.value), message=self.message)


def mask(value: str) -> str:
    """Enough of a value to find it in the file again: its last two characters and its length."""
    if not value:
        return ""
    return f"•••{value[-2:] if len(value) > 4 else ''} ({len(value)} characters)"


def label(rule: Rule) -> str:
    """The columns a rule reads, as an error names them."""
    return ", ".join(sorted(rule.columns())) or "row"


def extractor(rule: Rule, index: dict[str, int]) -> Extract[str]:
    """Make a rule into a function, for a file whose columns stand where ``index`` says."""
    origin = _origin(rule, index)
    named = label(rule)
    steps = _steps(rule)
    missing = frozenset(rule.missing)

    def extract(row: Row, number: int) -> str | None:
        text = origin(row, number).strip()
        if not text or text in missing:
            if rule.optional:
                return None
            raise BadValue(named, text, "The value is missing.")
        if len(text) > _LONGEST:
            raise BadValue(named, text, f"The value is longer than {_LONGEST} characters.")
        for step in steps:
            try:
                text = step(text)
            except ValueError as error:
                raise BadValue(named, text, str(error)) from None
        return text

    return extract


def checked(rule: Rule | None, index: dict[str, int], check: Callable[[str], T]) -> Extract[T]:
    """A rule's function with a check behind it; no rule gives no value."""
    if rule is None:
        return lambda _row, _number: None
    extract = extractor(rule, index)
    named = label(rule)

    def extract_checked(row: Row, number: int) -> T | None:
        text = extract(row, number)
        if text is None:
            return None
        try:
            return check(text)
        except ValueError as error:
            raise BadValue(named, text, str(error)) from None

    return extract_checked


# --- checks: the text as it is kept, or ValueError with a sentence ------------------------------------


def language(text: str) -> str:
    if _LANGUAGE.fullmatch(text) is None:
        raise ValueError("A language is a code such as pt or pt-BR.")
    return text


def zone(text: str) -> str:
    if known_zone(text) is None:
        raise ValueError("There is no such time zone; write one like Europe/Lisbon.")
    return text


def country(text: str) -> str:
    if _COUNTRY.fullmatch(text) is None:
        raise ValueError("A country is two capital letters, such as PT.")
    return text


def email(text: str) -> str:
    if _EMAIL.fullmatch(text) is None:
        raise ValueError("This is not an e-mail address.")
    return text


def channel(text: str) -> str:
    if text not in _CHANNELS:
        raise ValueError(f"A channel is one of {', '.join(_CHANNELS)}.")
    return text


def birth_date(text: str, pattern: str) -> date:
    """A day since 1900."""
    try:
        day = datetime.strptime(text, pattern).replace(tzinfo=UTC).date()
    except ValueError:
        raise ValueError(f"This is not a date like {pattern}.") from None
    if day.year < 1900:
        raise ValueError("Nobody born before 1900 can be called.")
    return day


def whole(text: str) -> int:
    """A whole number."""
    try:
        return int(text)
    except ValueError:
        raise ValueError("This is not a whole number.") from None


def finite(text: str) -> float:
    """A number, with a point as its decimal mark; never ``nan`` or ``inf``, which JSON does not have."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("This is not a number.")
    return number


def moment(text: str, pattern: str, zone_name: str | None) -> datetime:
    """A moment in UTC; without an offset of its own it is one at the customer's place (UTC if that is unknown).

    Raises:
        ValueError: not a moment of that pattern.
    """
    try:
        at = datetime.strptime(text, pattern)  # noqa: DTZ007 - the zone is put on below
    except ValueError:
        raise ValueError(f"This is not a date like {pattern}.") from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=known_zone(zone_name) or UTC)
    return at.astimezone(UTC)


def _origin(rule: Rule, index: dict[str, int]) -> Callable[[Row, int], str]:
    if rule.column is not None:
        at = index[rule.column]
        return lambda row, _number: row[at]
    if rule.constant is not None:
        constant = str(rule.constant)
        return lambda _row, _number: constant
    template = rule.template or ""

    def fill(row: Row, number: int) -> str:
        def value(match: re.Match[str]) -> str:
            name, width = match.groups()
            if name == ROW:
                return str(number).zfill(int(width or 0))
            return row[index[name]].strip()

        return PLACEHOLDER.sub(value, template)

    return fill


def _steps(rule: Rule) -> list[Callable[[str], str]]:
    transforms: dict[str, Callable[[str], str]] = {
        "lower": str.lower,
        "upper": str.upper,
        "title": str.title,
        "digits": lambda text: "".join(symbol for symbol in text if symbol.isdigit()),
    }
    steps = [transforms[name] for name in rule.transform]
    if rule.map:
        steps.append(lambda text: _mapped(rule.map, text))
    if rule.bands:
        steps.append(lambda text: _band(rule.bands, text))
    return steps


def _mapped(table: dict[str, str], text: str) -> str:
    if text not in table:
        raise ValueError("The mapping has no entry for this value.")
    return table[text]


def _band(bands: tuple[int, ...], text: str) -> str:
    number = finite(text)
    position = bisect.bisect_right(bands, number)
    if position == len(bands):
        return f"{bands[-1]}+"
    return f"{bands[position - 1] if position else 0}-{bands[position] - 1}"
