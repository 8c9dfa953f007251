# SPDX-License-Identifier: GPL-3.0-or-later
"""Mapping files: what a rule makes of a row, and what is wrong with a mapping, by file, line and key."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from crm.errors import BadMapping, ImportRefused
from crm.imports.mapping import (
    AttributeRule,
    ConsentTable,
    CustomerTable,
    DateRule,
    FileTable,
    Mapping,
    NumberTable,
    PurchaseTable,
    load,
    parse,
    shipped,
)
from crm.imports.rows import Refused, RowReader
from crm.money import minor_digits, parse_minor, show
from crm.records import NewCustomer

COLUMNS = ["id", "first", "last", "phone", "mobile", "lang", "age", "born", "mail", "from", "to"]
ANA = ["7", "Ana", "Costa", "211234567", "", "Portuguese", "41", "29/02/1984", "", "", ""]

FULL = """
[file]
source = "crm"
delimiter = ";"
decimal_mark = ","

[numbers]
default_region = "PT"
sample_prefixes = ["+999"]

[customer]
external_id = { column = "id" }
name = { template = "{first} {last}" }
numbers = [{ column = "phone" }, { column = "mobile", optional = true, missing = ["-"] }]
language = { column = "lang", map = { Portuguese = "pt", English = "en" } }
zone = { constant = "Europe/Lisbon" }
birth_date = { column = "born", date = "%d/%m/%Y", optional = true }
email = { column = "mail", transform = ["lower"], optional = true }
preferred_from = { column = "from", optional = true }
preferred_to = { column = "to", optional = true }

[customer.attributes]
age_band = { column = "age", bands = [25, 35, 45] }
age = { column = "age", type = "int" }
"""


def read(mapping: Mapping, columns: list[str], row: list[str], number: int = 1) -> NewCustomer | Refused:
    """What a mapping makes of one row."""
    return RowReader(mapping, columns).read(row, number, number + 1)


def changed(**cells: str) -> list[str]:
    """Ana's row with other cells."""
    return [cells.get(name, cell) for name, cell in zip(COLUMNS, ANA, strict=True)]


def test_a_row_becomes_a_customer() -> None:
    """Columns, templates, constants, maps, dates, bands: each rule gives its field."""
    found = read(parse(FULL, "m.toml"), COLUMNS, changed(mobile="912 345 678", mail="Ana@Example.org"))
    assert isinstance(found, NewCustomer)
    assert (found.source, found.external_id, found.name) == ("crm", "7", "Ana Costa")
    assert found.numbers == ("+351211234567", "+351912345678")
    assert (found.language, found.zone, found.country) == ("pt", "Europe/Lisbon", "PT")
    assert (found.birth_date, found.email) == (date(1984, 2, 29), "ana@example.org")
    assert found.attributes == {"age_band": "35-44", "age": 41}


@pytest.mark.parametrize(
    ("age", "band"),
    [("0", "0-24"), ("24", "0-24"), ("25", "25-34"), ("44.9", "35-44"), ("45", "45+"), ("99", "45+")],
)
def test_bands(age: str, band: str) -> None:
    """A band holds its lower bound and not its upper one."""
    text = FULL.replace('age = { column = "age", type = "int" }', "")
    found = read(parse(text, "m.toml"), COLUMNS, changed(age=age))
    assert isinstance(found, NewCustomer)
    assert found.attributes == {"age_band": band}


@pytest.mark.parametrize(
    ("cells", "column", "message"),
    [
        ({"phone": "12"}, "phone", "No numbering plan"),
        ({"phone": ""}, "phone", "missing"),
        ({"phone": "ask"}, "phone", "not a phone number"),
        ({"mobile": "12"}, "mobile", "No numbering plan"),
        ({"lang": "Klingon"}, "lang", "no entry"),
        ({"first": "", "last": ""}, "first, last", "missing"),
        ({"first": "-", "last": "."}, "first, last", "letters"),
        ({"age": "old"}, "age", "whole number"),
        ({"age": "nan"}, "age", "whole number"),
        ({"born": "1984-02-29"}, "born", "%d/%m/%Y"),
        ({"born": "31/12/1899"}, "born", "1900"),
        ({"mail": "ana(at)example"}, "mail", "e-mail"),
        ({"from": "09:00"}, "from, to", "both"),
        ({"from": "18:00", "to": "09:00"}, "from, to", "midnight"),
        ({"id": "x" * 41}, "id", "40 characters"),
        ({"last": "x" * 500}, "first, last", "400 characters"),
    ],
)
def test_a_wrong_value_refuses_the_row_and_names_the_column(
    cells: dict[str, str], column: str, message: str
) -> None:
    """The customer is whole or absent; the value itself is masked."""
    found = read(parse(FULL, "m.toml"), COLUMNS, changed(**cells), number=4)
    assert isinstance(found, Refused)
    problem = found.problems[0]
    assert (problem.line, problem.column) == (5, column)
    assert message in problem.message
    for value in cells.values():
        assert not value or len(value) < 3 or value not in problem.value_masked + problem.message


def test_every_problem_of_a_row_is_named() -> None:
    """So that a line is mended in one go."""
    found = read(parse(FULL, "m.toml"), COLUMNS, changed(phone="12", lang="Klingon", born="?"))
    assert isinstance(found, Refused)
    assert [problem.column for problem in found.problems] == ["phone", "born", "lang"]


@pytest.mark.parametrize("row", [ANA[:-1], [*ANA, "more"], [""]])
def test_a_row_of_another_width_is_refused(row: list[str]) -> None:
    """A shifted row would put a number into a name."""
    found = read(parse(FULL, "m.toml"), COLUMNS, row)
    assert isinstance(found, Refused)
    assert f"{len(row)} values" in found.problems[0].message


def test_the_zone_comes_from_a_country_that_has_one() -> None:
    """Without a zone rule: the country's only zone; for a country with several none, and no calls."""
    text = FULL.replace('zone = { constant = "Europe/Lisbon" }\n', "")
    mapping = parse(text, "m.toml")
    irish = read(mapping, COLUMNS, changed(phone="+353 1 234 5678"))
    portuguese = read(mapping, COLUMNS, ANA)
    assert isinstance(irish, NewCustomer)
    assert isinstance(portuguese, NewCustomer)
    assert (irish.country, irish.zone) == ("IE", "Europe/Dublin")
    assert (portuguese.country, portuguese.zone) == ("PT", None)


# --- columns ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        (COLUMNS[:3] + COLUMNS[5:], "no column 'mobile', 'phone'"),
        (["Phone" if name == "phone" else name for name in COLUMNS], "mean 'Phone'"),
        ([";".join(COLUMNS)], "';' its delimiter"),
        ([*COLUMNS, "phone"], "'phone' twice"),
    ],
)
def test_missing_columns_are_named(columns: list[str], complaint: str) -> None:
    """Before a row is read, with the likely reason."""
    with pytest.raises(ImportRefused, match=complaint):
        RowReader(parse(FULL, "m.toml"), columns)


# --- wrong mappings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('source = "crm"', 'source = "My CRM"', "line 3: file.source: "),
        ('source = "crm"\n', "", "line 2: file.source: this key is missing"),
        ('delimiter = ";"', 'delimeter = ";"', "line 4: file.delimeter: there is no such key"),
        ('delimiter = ";"', 'encoding = "klingon"', "line 4: file.encoding: there is no such encoding"),
        ('delimiter = ";"', 'encoding = "utf-16"', "line 4: file.encoding: files in this encoding"),
        ('name = { template = "{first} {last}" }', "", "line 11: customer.name: this key is missing"),
        (
            'external_id = { column = "id" }',
            "external_id = {}",
            "line 12: customer.external_id: give exactly one of",
        ),
        ('"{first} {last}"', '"{first} {last"', "line 13: customer.name: a template has only placeholders"),
        ("bands = [25, 35, 45]", "bands = [25, 25]", "customer.attributes.age_band: bands are whole"),
        ('preferred_to = { column = "to", optional = true }', "", "give preferred_from and preferred_to"),
        ("sample_prefixes = [", 'sample_prefixes = ["999", ', "line 9: numbers.sample_prefixes.0: "),
        ("[file]", "[file", "this is no TOML: .*line 2"),
    ],
)
def test_a_wrong_mapping_is_named_by_file_line_and_key(old: str, new: str, complaint: str) -> None:
    """Whoever wrote it finds the place at once."""
    assert old in FULL
    with pytest.raises(BadMapping, match=rf"(?i)m\.toml.*{complaint}"):
        parse(FULL.replace(old, new, 1), "m.toml")


def test_a_mapping_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file and a binary one are told apart from wrong keys."""
    with pytest.raises(BadMapping, match="cannot be read"):
        load(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadMapping, match="cannot be read"):
        load(tmp_path / "binary.toml")


def test_a_mapping_file_reads_like_its_text(tmp_path: Path) -> None:
    """The same digest, so that an interrupted import finds its mapping again; another for another mapping."""
    (tmp_path / "m.toml").write_text(FULL, encoding="utf-8")
    assert load(tmp_path / "m.toml").digest() == parse(FULL, "other.toml").digest()
    assert parse(FULL.replace("PT", "ES"), "m.toml").digest() != parse(FULL, "m.toml").digest()


def test_shipped_mappings_are_sound() -> None:
    """Both are read; a name that is none lists them."""
    assert shipped("plain").file.source == "plain"
    with pytest.raises(BadMapping, match="plain, uci_bank"):
        shipped("salesforce")


def test_the_documented_example_is_a_mapping() -> None:
    """What the reference shows can be copied, and every field of a customer is named there."""
    page = (Path(__file__).parents[2] / "docs/reference/import-mapping.md").read_text(encoding="utf-8")
    example = page.split("```toml\n")[1].split("```")[0]
    assert parse(example, "import-mapping.md").customer.attributes.keys() == {"age_band"}
    tables = (FileTable, NumberTable, CustomerTable, PurchaseTable, ConsentTable, AttributeRule, DateRule)
    documented = {name for table in tables for name in table.model_fields}
    assert {name for name in documented if f"`{name}`" not in page and f"{name} =" not in page} == set()


def test_the_bank_mapping_knows_nothing_of_the_future() -> None:
    """Neither the length of the call nor its result is read."""
    assert not {"duration", "y"} & shipped("uci_bank").columns()


# --- purchases, consent, money ------------------------------------------------------------------------

BOUGHT = """
[purchase]
external_id = { column = "order", optional = true }
product = { column = "product", optional = true }
amount = { column = "amount", optional = true }
currency = "EUR"
at = { column = "when", date = "%Y-%m-%d %H:%M", optional = true }

[consent]
state = { column = "consent", map = { yes = "granted", no = "declined" }, optional = true }
wording = "web form 2026"
"""
WIDE = [*COLUMNS, "order", "product", "amount", "when", "consent"]


def test_a_row_may_bring_a_purchase_and_a_consent() -> None:
    """Money in minor units, the moment at the customer's place, the consent with its wording."""
    row = [*ANA, "o-1", "fund", "1.250,50", "2026-07-01 12:00", "yes"]
    found = read(parse(FULL + BOUGHT, "m.toml"), WIDE, row)
    assert isinstance(found, NewCustomer)
    (bought,) = found.purchases
    assert (bought.external_id, bought.product, bought.amount_minor) == ("o-1", "fund", 125050)
    assert bought.at == datetime(2026, 7, 1, 11, 0, tzinfo=UTC)
    (said,) = found.consents
    assert (said.state, said.wording) == ("granted", "web form 2026")


def test_a_row_without_them_is_fine() -> None:
    """No product, no purchase; no word, no consent."""
    found = read(parse(FULL + BOUGHT, "m.toml"), WIDE, [*ANA, "", "", "", "", ""])
    assert isinstance(found, NewCustomer)
    assert (found.purchases, found.consents) == ((), ())


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        (["o-1", "fund", "12.50", "2026-07-01 12:00", "yes"], "amount"),
        (["o-1", "fund", "", "2026-07-01 12:00", "yes"], "product"),
        (["o-1", "fund", "12", "yesterday", "yes"], "when"),
        (["o-1", "fund", "12", "2026-07-01 12:00", "perhaps"], "consent"),
    ],
)
def test_half_a_purchase_refuses_the_row(cells: list[str], column: str) -> None:
    """An amount that reads two ways, a missing part, a wrong date, an unknown consent."""
    found = read(parse(FULL + BOUGHT, "m.toml"), WIDE, [*ANA, *cells])
    assert isinstance(found, Refused)
    assert [problem.column for problem in found.problems] == [column]


@pytest.mark.parametrize(
    ("text", "currency", "mark", "minor"),
    [
        ("12", "EUR", ".", 1200),
        ("-12.5", "EUR", ".", -1250),
        ("1,250.50", "EUR", ".", 125050),
        ("1 250,50", "EUR", ",", 125050),
        ("1'250.50", "CHF", ".", 125050),
        ("500", "JPY", ".", 500),
        ("1.234", "KWD", ".", 1234),
    ],
)
def test_money_is_whole_minor_units(text: str, currency: str, mark: str, minor: int) -> None:
    """Each currency has its own number of decimals."""
    assert parse_minor(text, currency, decimal_mark=mark) == minor


@pytest.mark.parametrize(
    ("text", "currency"),
    [("12,50", "EUR"), ("1.005", "EUR"), ("0.5", "JPY"), ("", "EUR"), ("1e3", "EUR"), ("12 EUR", "EUR")],
)
def test_an_amount_that_is_not_sure_is_refused(text: str, currency: str) -> None:
    """Never rounded, never guessed."""
    with pytest.raises(ValueError):
        parse_minor(text, currency)


def test_money_is_shown_with_its_decimals() -> None:
    """As the currency writes it; an unknown word is no currency."""
    assert (show(125050, "EUR"), show(500, "JPY"), show(-5, "EUR")) == ("1250.50 EUR", "500 JPY", "-0.05 EUR")
    with pytest.raises(ValueError, match="capital letters"):
        minor_digits("euro")
