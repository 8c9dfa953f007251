# SPDX-License-Identifier: GPL-3.0-or-later
"""The mapping file: how a CSV file's columns become customers. TOML, checked whole before a row is read.

::

    [file]
    source = "crm"                 # names where external ids come from
    delimiter = ";"                # default ","
    encoding = "cp1252"            # default "utf-8"; a byte order mark is accepted

    [customer]
    external_id = { column = "id" }
    name        = { template = "{first} {last}" }
    language    = { column = "lang", map = { Portuguese = "pt", English = "en" } }
    zone        = { constant = "Europe/Lisbon" }
    birth_date  = { column = "born", date = "%d/%m/%Y", optional = true }
    numbers     = [ { column = "phone" }, { column = "mobile", optional = true } ]

    [customer.attributes]
    age_band    = { column = "age", bands = [25, 35, 45, 55, 65] }

A rule takes its text from exactly one of ``column``, ``constant`` and ``template``; then it is stripped,
emptied if it is one of ``missing``, put through ``transform``, ``map`` and ``bands``. In a template
``{row}`` is the number of the data row, from 1, and ``{row:07}`` the same with leading zeros.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from config.load import line_of
from crm.errors import BadMapping
from crm.money import minor_digits

#: ``{column}``, ``{row}`` or ``{row:07}``.
PLACEHOLDER: Final = re.compile(r"\{([^{}:]+)(?::0(\d{1,2}))?\}")
ROW: Final = "row"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Table):
    """Where one value comes from, and what is done to it."""

    column: str | None = None
    constant: str | int | float | None = None
    template: str | None = None
    missing: tuple[str, ...] = ()
    transform: tuple[Literal["lower", "upper", "title", "digits"], ...] = ()
    map: dict[str, str] = Field(default_factory=dict)
    bands: tuple[int, ...] = ()
    optional: bool = False

    @model_validator(mode="after")
    def _has_one_origin(self) -> Self:
        if sum(origin is not None for origin in (self.column, self.constant, self.template)) != 1:
            raise ValueError("Give exactly one of column, constant and template.")
        if self.template is not None and set(PLACEHOLDER.sub("", self.template)) & set("{}"):
            raise ValueError("A template has only placeholders like {column}, {row} and {row:07}.")
        if any(low >= high for low, high in zip(self.bands, self.bands[1:], strict=False)):
            raise ValueError("Bands are whole numbers in rising order.")
        return self

    def columns(self) -> set[str]:
        """The file's columns this rule reads."""
        if self.column is not None:
            return {self.column}
        return {name for name, _ in PLACEHOLDER.findall(self.template or "") if name != ROW}


class DateRule(Rule):
    """A rule for a day or a moment; ``date`` as in strptime."""

    date: str = "%Y-%m-%d"


class AttributeRule(Rule):
    """A rule for something that is not personal by itself; kept in clear."""

    type: Literal["text", "int", "float"] = "text"


class FileTable(_Table):
    """What the file looks like."""

    source: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    encoding: str = "utf-8"
    decimal_mark: Literal[".", ","] = "."

    @field_validator("encoding")
    @classmethod
    def _reads_line_by_line(cls, encoding: str) -> str:
        try:
            fits = '\r\n",;\t0'.encode(encoding) == b'\r\n",;\t0'
        except LookupError:
            raise ValueError(
                "There is no such encoding; common ones are utf-8, cp1252, iso-8859-15."
            ) from None
        if not fits:
            raise ValueError("Files in this encoding cannot be read by lines; save the file as UTF-8.")
        return encoding


class NumberTable(_Table):
    """How phone numbers are read. ``sample_prefixes``: reserved ranges no numbering plan knows."""

    default_region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    sample_prefixes: tuple[Annotated[str, Field(pattern=r"^\+[1-9][0-9]{0,14}$")], ...] = ()


class CustomerTable(_Table):
    """The rules for a customer's fields. Preferred hours are ``HH:MM`` at the customer's place.

    Without ``external_id`` one is derived from name and numbers. Without ``zone`` it is that of the
    country, where the country has exactly one; the country is that of the first number if no rule gives it.
    """

    external_id: Rule | None = None
    name: Rule
    numbers: Annotated[tuple[Rule, ...], Field(min_length=1)]
    email: Rule | None = None
    birth_date: DateRule | None = None
    language: Rule | None = None
    zone: Rule | None = None
    country: Rule | None = None
    region: Rule | None = None
    preferred_channel: Rule | None = None
    preferred_from: Rule | None = None
    preferred_to: Rule | None = None
    segment: Rule | None = None
    attributes: dict[str, AttributeRule] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _hours_are_whole(self) -> Self:
        if (self.preferred_from is None) != (self.preferred_to is None):
            raise ValueError("Give preferred_from and preferred_to, or neither.")
        return self


class PurchaseTable(_Table):
    """One purchase per row. ``at`` without an offset is a moment at the customer's place."""

    external_id: Rule
    product: Rule
    amount: Rule
    currency: str
    at: DateRule

    @field_validator("currency")
    @classmethod
    def _is_one(cls, currency: str) -> str:
        minor_digits(currency)
        return currency


class ConsentTable(_Table):
    """What the customer said: ``state`` gives granted, declined, not_asked or withdrawn."""

    state: Rule
    channel: str = "phone"
    purpose: str = "marketing"
    wording: str


class Mapping(_Table):
    """A whole mapping file."""

    file: FileTable
    numbers: NumberTable = NumberTable()
    customer: CustomerTable
    purchase: PurchaseTable | None = None
    consent: ConsentTable | None = None

    def columns(self) -> frozenset[str]:
        """Every column of the file that some rule reads."""
        return frozenset().union(*(rule.columns() for rule in _rules(self)))

    def digest(self) -> str:
        """The same for the same mapping: an interrupted import goes on only with the mapping it began with."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def load(path: Path) -> Mapping:
    """Read and check a mapping file.

    Raises:
        BadMapping: unreadable, no TOML, or wrong keys or values; every one is named with its line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadMapping(f"{path}: the mapping file cannot be read: {error}.") from None
    return parse(text, str(path))


def shipped(name: str) -> Mapping:
    """A mapping that comes with the program: ``plain``, ``uci_bank``.

    Raises:
        BadMapping: there is none of that name.
    """
    folder = resources.files("crm").joinpath("mappings")
    names = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir())
    if name not in names:
        raise BadMapping(f"There is no mapping {name!r}; there are {', '.join(names)}.")
    return parse(folder.joinpath(f"{name}.toml").read_text(encoding="utf-8"), f"{name}.toml")


def parse(text: str, where: str) -> Mapping:
    """Check a mapping given as text; ``where`` names it in errors.

    Raises:
        BadMapping: see ``load``.
    """
    try:
        return Mapping.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadMapping(f"{where}: this is no TOML: {error}.") from None
    except ValidationError as error:
        problems = sorted({_problem(detail, where, text) for detail in error.errors()})
        raise BadMapping("\n".join(problems)) from None


def _problem(detail: ErrorDetails, where: str, text: str) -> str:
    key = detail["loc"]
    line = line_of(text, key)
    place = f"{where}, line {line}" if line else where
    shown = ".".join(str(part) for part in key)
    match detail["type"]:
        case "extra_forbidden":
            sentence = "there is no such key"
        case "missing":
            sentence = "this key is missing"
        case _:
            sentence = detail["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{place}: {shown}: {sentence}."


def _rules(node: Any) -> list[Rule]:
    if isinstance(node, Rule):
        return [node]
    if isinstance(node, BaseModel):
        return [rule for name in type(node).model_fields for rule in _rules(getattr(node, name))]
    if isinstance(node, dict):
        return [rule for value in node.values() for rule in _rules(value)]
    if isinstance(node, tuple):
        return [rule for value in node for rule in _rules(value)]
    return []
