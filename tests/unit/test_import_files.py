# SPDX-License-Identifier: GPL-3.0-or-later
"""Files as they come: bad encodings, broken quotes, gzip, duplicates, big ones; and what an import makes of them."""

from __future__ import annotations

import csv
import gzip
import tracemalloc
from pathlib import Path

import pytest
from sqlalchemy import func, select

from crm import consent, customers
from crm.consent import ConsentState
from crm.errors import ImportRefused
from crm.imports import batches, source, worker
from crm.imports.batches import Batch, ImportState
from crm.imports.mapping import Mapping, parse
from crm.imports.source import Position
from crm.tables import customer, customer_number, import_row
from crm.testing import RING, contents, import_file
from foundation.db.inline import Inline
from foundation.testing import FakeClock

HEADER = "id,name,phone,phone2\n"
MAPPING = """
[file]
source = "crm"

[numbers]
default_region = "PT"

[customer]
external_id = { column = "id" }
name = { column = "name" }
numbers = [{ column = "phone" }, { column = "phone2", optional = true }]
zone = { constant = "Europe/Lisbon" }
"""
PLAIN = parse(MAPPING, "plain.toml")
ANA = "1,Ana Costa,211234567,\n"
RUI = "2,Rui Lopes,912345678,\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the CSV file is."""
    return tmp_path / "customers.csv"


def write(path: Path, content: str | bytes) -> Path:
    """Make the file; text is UTF-8."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def errors(path: Path) -> list[list[str]]:
    """The error file's lines without its header; none where there is no file."""
    file = path.parent / "errors.csv"
    if not file.exists():
        return []
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.reader(text))[1:]


async def names(db: Inline) -> list[str]:
    """Everybody's name, by external id."""
    return [one["name"] for one in (await db.read(contents)).values()]


async def run(db: Inline, path: Path, content: str | bytes, mapping: Mapping = PLAIN) -> Batch:
    """Import a file of this content."""
    return await import_file(db, write(path, content), mapping, FakeClock())


# --- files that are read ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        HEADER + ANA + RUI,
        HEADER + ANA + RUI.rstrip("\n"),
        (HEADER + ANA + RUI).replace("\n", "\r\n"),
        "\ufeff" + HEADER + ANA + RUI,
        HEADER + "\n" + ANA + "\n\n" + RUI + "\n",
        "id , name,phone ,phone2\n" + ANA + RUI,
        HEADER + ANA.replace("Ana Costa", '"Ana Costa"') + RUI,
        gzip.compress((HEADER + ANA + RUI).encode()),
        "phone2,phone,name,id\n,211234567,Ana Costa,1\n,912345678,Rui Lopes,2\n",
    ],
    ids=["plain", "no last newline", "crlf", "bom", "blank lines", "blanks", "quotes", "gzip", "other order"],
)
async def test_ordinary_files(inline_db: Inline, path: Path, content: str | bytes) -> None:
    """Line ends, byte order marks, blank lines, quotes, gzip, order of columns: all the same customers."""
    batch = await run(inline_db, path, content)
    assert (batch.state, batch.added, batch.refused, batch.rows_read) == (ImportState.DONE, 2, 0, 2)
    assert await names(inline_db) == ["Ana Costa", "Rui Lopes"]
    assert not list((path.parent / "work").glob("*"))


async def test_a_quoted_field_may_span_lines(inline_db: Inline, path: Path) -> None:
    """And lines are counted as the file has them."""
    content = HEADER + '1,"Ana\nCosta",211234567,\n' + "2,Rui Lopes,12,\n"
    batch = await run(inline_db, path, content)
    assert (batch.added, batch.refused) == (1, 1)
    assert await names(inline_db) == ["Ana\nCosta"]
    assert errors(path)[0][0] == "4"


async def test_another_encoding(inline_db: Inline, path: Path) -> None:
    """A mapping may name it."""
    mapping = parse(MAPPING.replace('"crm"', '"crm"\nencoding = "cp1252"'), "m.toml")
    await run(inline_db, path, (HEADER + "1,Inês Gonçalves,211234567,\n").encode("cp1252"), mapping)
    assert await names(inline_db) == ["Inês Gonçalves"]


# --- files that are refused whole ---------------------------------------------------------------------

GOOD = (HEADER + ANA * 3).encode()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"\n\n", "no header"),
        (HEADER.replace("phone,", "telephone,").encode(), "no column 'phone'.*'phone2'|no column 'phone'"),
        (HEADER.replace(",", ";").encode(), "is ',' its delimiter"),
        (GOOD + "4,Inês,211234567,\n".encode("cp1252"), rf"byte {len(GOOD) + 4} \(line 5\).*cp1252"),
        ("\ufeff".encode() + b"id,name,ph\xffone,phone2\n", r"byte 13 \(line 1\)"),
        (HEADER.encode("utf-16"), "UTF-16"),
        (GOOD + b"4,A\x00na,211234567,\n", rf"zero byte at byte {len(GOOD) + 3} \(line 5\)"),
        (GOOD + b'4,"Ana,211234567,\n5,Rui,912345678,\n', r"quoted field on line 5 .*does not end"),
        (GOOD + b'4,"Ana,211234567,\n' + RUI.encode() * 8000, r"quoted field on line 5 .*does not end"),
        (HEADER.encode() + b"1," + b"x" * (2 << 20), r"Line 2 .*mebibyte"),
        (
            HEADER.replace("\n", "\r").encode() + (ANA.replace("\n", "\r") * 60_000).encode(),
            "Line 1 .*old way",
        ),
        (gzip.compress(GOOD)[:-4], "broken gzip"),
        (gzip.compress(GOOD)[:-12] + b"nonsense1234", "broken gzip"),
        (gzip.compress(b""), "is empty"),
    ],
    ids=[
        "empty",
        "blank",
        "missing column",
        "delimiter",
        "encoding",
        "encoding in header",
        "utf-16",
        "zero byte",
        "quotes to the end",
        "quotes for long",
        "endless line",
        "old line ends",
        "cut gzip",
        "damaged gzip",
        "empty gzip",
    ],
)
async def test_an_unreadable_file_is_refused_whole(
    inline_db: Inline, path: Path, content: bytes, complaint: str
) -> None:
    """Line and byte are named, and nothing of the file is there afterwards: no customer, no staged row."""
    with pytest.raises(ImportRefused, match=f"(?s){complaint}"):
        await run(inline_db, path, content)
    assert await inline_db.read(contents) == {}
    assert await inline_db.read(lambda conn: conn.scalar(select(func.count()).select_from(import_row))) == 0
    assert not list((path.parent / "work").glob("*"))
    for batch in await inline_db.read(batches.list_batches):
        assert batch.state is ImportState.REFUSED
        assert batch.message


async def test_a_missing_file_is_named(inline_db: Inline, path: Path) -> None:
    """Not a crash: a sentence."""
    with pytest.raises(ImportRefused, match=r"customers\.csv cannot be read or unpacked: No such file"):
        await import_file(inline_db, path, PLAIN, FakeClock())


async def test_a_mended_file_is_imported_afterwards(inline_db: Inline, path: Path) -> None:
    """A refused file leaves nothing in the way of its successor."""
    with pytest.raises(ImportRefused):
        await run(inline_db, path, GOOD + b"4,\xff,1,\n")
    assert (await run(inline_db, path, HEADER + ANA)).added == 1


async def test_a_file_that_changes_while_it_is_read_is_refused(path: Path) -> None:
    """Positions would mean something else."""
    inspection = worker.inspect(write(path, HEADER + ANA), PLAIN, path.parent)
    write(path, HEADER + RUI + ANA)
    with pytest.raises(ImportRefused, match="was changed"):
        next(source.records(inspection.file, inspection.data_begins))


# --- lines that are refused ---------------------------------------------------------------------------


async def test_bad_lines_go_to_the_error_file_and_the_others_in(inline_db: Inline, path: Path) -> None:
    """By line and column, masked; the count is of lines."""
    bad = "3,Bad Number,12,999\n4,,211234568,\n5,Too,Many,Values,Here\n" + '6,"Qu"ote,211234569,\n'
    batch = await run(inline_db, path, HEADER + ANA + bad + RUI)
    assert (batch.added, batch.refused, batch.rows_read) == (2, 4, 6)
    assert await names(inline_db) == ["Ana Costa", "Rui Lopes"]
    assert [(line, column) for line, column, _, _ in errors(path)] == [
        ("3", "phone"),
        ("3", "phone2"),
        ("4", "name"),
        ("5", ""),
        ("6", ""),
    ]


async def test_the_error_file_shows_no_number(inline_db: Inline, path: Path) -> None:
    """Only its end and its length: the file may be mailed around."""
    await run(inline_db, path, HEADER + "1,Ana Costa,21123456789012,\n")
    ((_, _, value, message),) = errors(path)
    assert value == "•••12 (14 characters)"
    assert "2112" not in message


async def test_no_error_file_without_errors(inline_db: Inline, path: Path) -> None:
    """A clean import leaves nothing behind."""
    await run(inline_db, path, HEADER + ANA)
    assert errors(path) == []
    assert not (path.parent / "errors.csv").exists()


# --- duplicates ---------------------------------------------------------------------------------------


async def test_the_same_name_and_number_is_a_duplicate(inline_db: Inline, path: Path) -> None:
    """Reported by the line, whatever the order and accents of the name; the first stays."""
    batch = await run(inline_db, path, HEADER + ANA + "9,COSTA Ána,+351 211 234 567,\n")
    assert (batch.added, batch.refused) == (1, 1)
    ((line, _, value, message),) = errors(path)
    assert (line, value) == ("3", "•••67")
    assert "customer 1 of crm" in message


async def test_a_duplicate_is_found_across_files_and_sources(inline_db: Inline, path: Path) -> None:
    """The second system's export of the same person adds nobody."""
    await run(inline_db, path, HEADER + ANA)
    other = parse(MAPPING.replace('"crm"', '"shop"'), "m.toml")
    batch = await run(inline_db, path, HEADER + ANA.replace("1,", "77,", 1), other)
    assert (batch.added, batch.refused) == (0, 1)


async def test_two_customers_may_share_a_phone(inline_db: Inline, path: Path) -> None:
    """A number alone makes no duplicate."""
    batch = await run(inline_db, path, HEADER + ANA + "2,Rui Costa,211234567,\n")
    assert (batch.added, batch.refused) == (2, 0)


async def test_the_same_id_is_an_update(inline_db: Inline, path: Path) -> None:
    """New fields win, a new number comes first, no number is lost, and the row is not a new customer."""
    await run(inline_db, path, HEADER + ANA)
    before = await inline_db.read(customers.find, "crm", "1")
    batch = await run(inline_db, path, HEADER + "1,Ana Maria Costa,912345678,\n")
    assert (batch.added, batch.updated) == (0, 1)
    assert await inline_db.read(customers.find, "crm", "1") == before
    ((_, ana),) = (await inline_db.read(contents)).items()
    assert ana["name"] == "Ana Maria Costa"
    assert [number[3] for number in ana["numbers"]] == ["+351912345678", "+351211234567"]
    assert len(ana["tokens"]) == 3


async def test_the_same_id_twice_in_a_file_is_an_update_too(inline_db: Inline, path: Path) -> None:
    """The later line wins; it does not matter how lines fall into units."""
    batch = await run(inline_db, path, HEADER + ANA + RUI + "1,Ana Dias,211234567,\n")
    assert (batch.added, batch.updated) == (2, 1)
    assert await names(inline_db) == ["Ana Dias", "Rui Lopes"]


async def test_the_same_file_again_changes_nothing(inline_db: Inline, path: Path) -> None:
    """Nor does a corrected number come back wrong: an unchanged row is left alone."""
    await run(inline_db, path, HEADER + ANA + RUI)
    await inline_db.write(lambda conn: conn.execute(customer_number.update().values(state="invalid")))
    before = await inline_db.read(contents)
    batch = await run(inline_db, path, HEADER + ANA + RUI)
    assert (batch.added, batch.updated, batch.unchanged) == (0, 0, 2)
    assert await inline_db.read(contents) == before


async def test_without_ids_the_same_person_is_the_same_customer(inline_db: Inline, path: Path) -> None:
    """The id is derived from name and numbers, and does not show them."""
    mapping = parse(MAPPING.replace('external_id = { column = "id" }\n', ""), "m.toml")
    await run(inline_db, path, HEADER + ANA, mapping)
    batch = await run(inline_db, path, HEADER + RUI + ANA, mapping)
    assert (batch.added, batch.unchanged) == (1, 1)
    ids = await inline_db.read(lambda conn: conn.scalars(select(customer.c.external_id)).all())
    assert all(len(one) == 24 and "211234567" not in one for one in ids)


SHOP = (
    MAPPING
    + """
[purchase]
external_id = { column = "order", optional = true }
product = { column = "product", optional = true }
amount = { column = "amount", optional = true }
currency = "EUR"
at = { column = "day", optional = true }

[consent]
state = { column = "consent", optional = true }
wording = "v1"
"""
)
WIDE = "id,name,phone,phone2,order,product,amount,day,consent\n"


async def test_one_customer_may_have_a_row_for_each_purchase(inline_db: Inline, path: Path) -> None:
    """Each purchase is there once, also when the file comes again."""
    content = WIDE + "".join(
        f"1,Ana Costa,211234567,,o-{number},fund,{number}.50,2026-01-0{number},\n" for number in (1, 2, 3)
    )
    mapping = parse(SHOP, "m.toml")
    await run(inline_db, path, content, mapping)
    await run(inline_db, path, content + "\n", mapping)
    ((_, ana),) = (await inline_db.read(contents)).items()
    assert [bought[0] for bought in ana["purchases"]] == ["o-1", "o-2", "o-3"]


async def test_a_purchase_of_somebody_else_is_refused(inline_db: Inline, path: Path) -> None:
    """One order has one customer; the line is reported and the import goes on."""
    content = WIDE + "1,Ana,211234567,,o-1,fund,1,2026-01-01,\n2,Rui,912345678,,o-1,fund,1,2026-01-01,\n"
    batch = await run(inline_db, path, content + "3,Eva,211234568,,,,,,\n", parse(SHOP, "m.toml"))
    assert (batch.state, batch.added, batch.refused) == (ImportState.DONE, 2, 1)
    assert "another customer" in errors(path)[0][3]


@pytest.mark.parametrize(
    ("stands", "file_says", "after"),
    [
        (ConsentState.WITHDRAWN, "granted", ConsentState.WITHDRAWN),
        (ConsentState.DECLINED, "granted", ConsentState.DECLINED),
        (ConsentState.DECLINED, "not_asked", ConsentState.DECLINED),
        (ConsentState.GRANTED, "withdrawn", ConsentState.WITHDRAWN),
        (ConsentState.NOT_ASKED, "granted", ConsentState.GRANTED),
    ],
)
async def test_a_file_never_turns_a_no_into_a_yes(
    inline_db: Inline, path: Path, stands: ConsentState, file_says: str, after: ConsentState
) -> None:
    """What a customer told an RM outlives what an older export says."""
    mapping, clock = parse(SHOP, "m.toml"), FakeClock()
    await run(inline_db, path, WIDE + "1,Ana,211234567,,,,,,\n", mapping)
    customer_id = await inline_db.read(customers.find, "crm", "1")
    assert customer_id is not None
    await inline_db.write(
        lambda conn: consent.record(
            conn,
            customer_id=customer_id,
            channel="phone",
            purpose="marketing",
            state=stands,
            wording="v1",
            evidence="call",
            actor="anna",
            now=clock.now(),
        )
    )
    await run(inline_db, path, WIDE + f"1,Ana,211234567,,,,,,{file_says}\n", mapping)
    line = await inline_db.read(consent.current, customer_id, "phone", "marketing")
    assert line is not None
    assert line.state is after


# --- big files ----------------------------------------------------------------------------------------


async def test_a_gzip_file_that_would_fill_the_disk_is_refused(
    inline_db: Inline, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unpacked no further than the limit; what was unpacked is removed."""
    monkeypatch.setattr(source, "LARGEST_UNPACKED", 1 << 20)
    with pytest.raises(ImportRefused, match="when it is unpacked"):
        await run(inline_db, path, gzip.compress(bytes(8 << 20)))
    assert not list((path.parent / "work").glob("*"))
    assert await inline_db.read(contents) == {}


def test_memory_does_not_grow_with_the_file(path: Path) -> None:
    """A part far inside a big file, and the file's digest, need no more than a part and a block."""
    with path.open("wb") as file:
        file.write(HEADER.encode())
        for _ in range(300):
            file.write(ANA.encode() * 5000)
    size = path.stat().st_size
    assert size > 30_000_000
    inspection = worker.inspect(path, PLAIN, path.parent)
    middle = len(HEADER) + len(ANA) * 1_000_000
    tracemalloc.start()
    source.digest(path)
    part = worker.prepare(
        worker.Part(
            file=inspection.file,
            mapping=PLAIN,
            columns=inspection.columns,
            start=Position(middle, 1_000_002),
            rows_before=1_000_000,
            records=100,
        ),
        RING,
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(part.rows), part.rows[0][0]) == (100, 1_000_002)
    assert peak < 8_000_000
