# SPDX-License-Identifier: GPL-3.0-or-later
"""A row of a file made into a customer by a mapping: whole, or refused with every problem it has."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from crm.consent import ConsentState
from crm.errors import ImportRefused
from crm.imports import values
from crm.imports.mapping import ConsentTable, CustomerTable, Mapping, NumberTable, PurchaseTable
from crm.imports.values import BadValue, Extract, Problem, Row, checked, extractor, label
from crm.money import parse_minor
from crm.records import NewConsent, NewCustomer, NewPurchase
from lawful import numbers
from lawful.errors import BadNumber, BadPolicy
from lawful.hours import Window
from lawful.zones import only_zone_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A row that cannot become a customer."""

    problems: tuple[Problem, ...]


class RowReader:
    """A mapping bound to the columns of one file.

    Raises:
        ImportRefused: the file lacks columns the mapping reads, or has one twice; they are named.
    """

    def __init__(self, mapping: Mapping, columns: Sequence[str]) -> None:
        index = _index(mapping, columns)
        rules = mapping.customer
        birth = rules.birth_date
        self._source = mapping.file.source
        self._width = len(columns)
        self._external_id = checked(rules.external_id, index, _short_text)
        self._name = checked(rules.name, index, _with_letters)
        self._numbers = [
            checked(rule, index, lambda text: _e164(text, mapping.numbers)) for rule in rules.numbers
        ]
        self._email = checked(rules.email, index, values.email)
        self._birth = checked(birth, index, lambda text: values.birth_date(text, birth.date if birth else ""))
        self._language = checked(rules.language, index, values.language)
        self._zone = checked(rules.zone, index, values.zone)
        self._country = checked(rules.country, index, values.country)
        self._region = checked(rules.region, index, _short_text)
        self._channel = checked(rules.preferred_channel, index, values.channel)
        self._preferred = _preferred(rules, index)
        self._segment = checked(rules.segment, index, _short_text)
        converters: dict[str, Callable[[str], object]] = {
            "text": str,
            "int": values.whole,
            "float": values.finite,
        }
        self._attributes: dict[str, Extract[object]] = {
            name: checked(rule, index, converters[rule.type])
            for name, rule in sorted(rules.attributes.items())
        }
        self._purchase = _purchase(mapping.purchase, index, mapping.file.decimal_mark)
        self._consent = _consent(mapping.consent, index)

    def read(self, row: Row, number: int, line: int) -> NewCustomer | Refused:
        """The customer of a row; ``number`` counts data rows and ``line`` lines of the file, both from 1.

        The external id is empty where the mapping has no rule for it.
        """
        if len(row) != self._width:
            message = f"The line has {len(row)} values, the header {self._width} columns."
            return _refused(line, message)
        problems: list[Problem] = []

        def take(extract: Extract[T]) -> T | None:
            try:
                return extract(row, number)
            except BadValue as error:
                problems.append(error.at_line(line))
                return None

        found = [e164 for extract in self._numbers if (e164 := take(extract)) is not None]
        country = take(self._country) or _country_of(found)
        zone = take(self._zone) or only_zone_of(country)
        preferred = take(self._preferred)
        purchase = take(lambda row, number: self._purchase(row, number, zone))
        consent = take(lambda row, number: self._consent(row, number, line))
        new = NewCustomer(
            source=self._source,
            external_id=take(self._external_id) or "",
            name=take(self._name) or "",
            numbers=tuple(dict.fromkeys(found)),
            email=take(self._email),
            birth_date=take(self._birth),
            language=take(self._language),
            zone=zone,
            country=country,
            region=take(self._region),
            preferred_channel=take(self._channel),
            preferred_from_min=preferred.opens_min if preferred else None,
            preferred_to_min=preferred.closes_min if preferred else None,
            segment=take(self._segment),
            attributes={
                name: value
                for name, extract in self._attributes.items()
                if (value := take(extract)) is not None
            },
            purchases=(purchase,) if purchase else (),
            consents=(consent,) if consent else (),
        )
        if problems:
            return Refused(problems=tuple(problems))
        return new if new.numbers else _refused(line, "There is no phone number.")


def _refused(line: int, message: str) -> Refused:
    return Refused(problems=(Problem(line=line, column="", value_masked="", message=message),))


def _index(mapping: Mapping, columns: Sequence[str]) -> dict[str, int]:
    needed = mapping.columns()
    doubled = sorted(name for name in needed if columns.count(name) > 1)
    if doubled:
        raise ImportRefused(f"The file has the column {doubled[0]!r} twice; nothing was imported.")
    absent = sorted(needed.difference(columns))
    if not absent:
        return {name: position for position, name in enumerate(columns)}
    near = difflib.get_close_matches(absent[0], columns, n=1)
    hint = f" Did the mapping mean {near[0]!r}?" if near else ""
    if len(columns) == 1:
        hint = f" The file has one column only: is {mapping.file.delimiter!r} its delimiter?"
    named = ", ".join(repr(name) for name in absent)
    raise ImportRefused(f"The file has no column {named}; nothing was imported.{hint}")


def _e164(text: str, rules: NumberTable) -> str:
    try:
        return numbers.parse(text, default_region=rules.default_region, sample_prefixes=rules.sample_prefixes)
    except BadNumber as error:
        raise ValueError(error.sentence) from None


def _country_of(e164s: list[str]) -> str | None:
    return numbers.country_of(e164s[0]) if e164s else None


def _short_text(text: str) -> str:
    if len(text) > 40:
        raise ValueError("The value is longer than 40 characters.")
    return text


def _with_letters(text: str) -> str:
    if not any(symbol.isalpha() for symbol in text):
        raise ValueError("A name has letters.")
    return text


def _preferred(rules: CustomerTable, index: dict[str, int]) -> Extract[Window]:
    if rules.preferred_from is None or rules.preferred_to is None:
        return lambda _row, _number: None
    opens, closes = extractor(rules.preferred_from, index), extractor(rules.preferred_to, index)
    named = f"{label(rules.preferred_from)}, {label(rules.preferred_to)}"

    def preferred(row: Row, number: int) -> Window | None:
        first, last = opens(row, number), closes(row, number)
        if first is None and last is None:
            return None
        if first is None or last is None:
            raise BadValue(named, first or last or "", "Preferred hours have both a beginning and an end.")
        try:
            return Window.parse(f"{first}-{last}")
        except BadPolicy as error:
            raise BadValue(named, f"{first}-{last}", str(error)) from None

    return preferred


def _purchase(
    rules: PurchaseTable | None, index: dict[str, int], decimal_mark: str
) -> Callable[[Row, int, str | None], NewPurchase | None]:
    if rules is None:
        return lambda _row, _number, _zone: None
    currency, pattern = rules.currency, rules.at.date
    product = extractor(rules.product, index)
    external_id = checked(rules.external_id, index, _short_text)
    amount = checked(rules.amount, index, lambda text: parse_minor(text, currency, decimal_mark=decimal_mark))
    at = extractor(rules.at, index)

    def purchase(row: Row, number: int, zone: str | None) -> NewPurchase | None:
        bought = product(row, number)
        if bought is None:
            return None
        key, minor, moment = external_id(row, number), amount(row, number), at(row, number)
        if key is None or minor is None or moment is None:
            raise BadValue(label(rules.product), bought, "The purchase lacks its id, amount or date.")
        try:
            moment_utc = values.moment(moment, pattern, zone)
        except ValueError as error:
            raise BadValue(label(rules.at), moment, str(error)) from None
        return NewPurchase(
            external_id=key, at=moment_utc, product=bought, amount_minor=minor, currency=currency
        )

    return purchase


def _consent(
    rules: ConsentTable | None, index: dict[str, int]
) -> Callable[[Row, int, int], NewConsent | None]:
    if rules is None:
        return lambda _row, _number, _line: None
    state = checked(rules.state, index, _consent_state)

    def consent(row: Row, number: int, line: int) -> NewConsent | None:
        said = state(row, number)
        if said is None:
            return None
        return NewConsent(
            channel=rules.channel,
            purpose=rules.purpose,
            state=said,
            wording=rules.wording,
            evidence=f"line {line} of the imported file",
        )

    return consent


def _consent_state(text: str) -> ConsentState:
    try:
        return ConsentState(text)
    except ValueError:
        raise ValueError(f"Consent is one of {', '.join(ConsentState)}.") from None
