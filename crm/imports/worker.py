# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of an import that costs CPU time: reading, checking and sealing. Runs in a worker process.

Every function takes and returns plain values, so that a process pool can carry them, and keeps nothing
between calls: whichever worker gets the next part can do it.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from crm.imports import source
from crm.imports.mapping import Mapping
from crm.imports.rows import Refused, RowReader
from crm.imports.source import CsvFile, Position
from crm.imports.values import Problem
from crm.names import name_key
from crm.records import NewCustomer, SealedCustomer, seal
from foundation.encryption import FieldCipher, KeyRing
from foundation.ids import SystemIds


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What is known of a file before its first row is read."""

    file: CsvFile
    digest: str
    columns: tuple[str, ...]
    data_begins: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stretch of a file: so many records from a position on. ``rows_before``: data rows already read."""

    file: CsvFile
    mapping: Mapping
    columns: tuple[str, ...]
    start: Position
    rows_before: int
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """One customer as it waits in the staging table; ``digest`` is a keyed hash of what the row says."""

    digest: str
    customer: SealedCustomer


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedPart:
    """What became of a stretch: rows by line, ready for the staging table, and problems."""

    rows: tuple[tuple[int, bytes], ...]
    problems: tuple[Problem, ...]
    records: int
    after: Position
    at_end: bool


def inspect(path: Path, mapping: Mapping, work_dir: Path) -> Inspection:
    """Look at a file before importing it; a gzip file is unpacked.

    Raises:
        ImportRefused: unreadable, empty, of another encoding, or without a column the mapping reads.
    """
    file = source.open_plain(path, work_dir, mapping.file.delimiter, mapping.file.encoding)
    try:
        columns, data_begins = source.header(file)
        RowReader(mapping, columns)
        return Inspection(
            file=file, digest=source.digest(file.path), columns=tuple(columns), data_begins=data_begins
        )
    except BaseException:
        if file.path != path:
            remove(file.path)
        raise


def prepare(part: Part, ring: KeyRing) -> PreparedPart:
    """Read, check and seal a stretch of a file.

    Raises:
        ImportRefused: the file cannot be read on.
    """
    # Nonces must never repeat under one key, so they come from the system even where tests seed all else.
    cipher = FieldCipher(ring, SystemIds())
    reader = RowReader(part.mapping, part.columns)
    encode = msgspec.json.Encoder(order="deterministic").encode
    rows: list[tuple[int, bytes]] = []
    problems: list[Problem] = []
    after, count = part.start, 0
    for record in source.records(part.file, part.start):
        after = record.after
        count += 1
        if record.problem:
            problems.append(Problem(line=record.line, column="", value_masked="", message=record.problem))
        else:
            read = reader.read(record.cells, part.rows_before + count, record.line)
            if isinstance(read, Refused):
                problems.extend(read.problems)
            else:
                new = _with_external_id(cipher, read)
                staged = Staged(digest=_digest(cipher, new, encode), customer=seal(cipher, new))
                rows.append((record.line, encode(staged)))
        if count == part.records:
            break
    return PreparedPart(
        rows=tuple(rows),
        problems=tuple(problems),
        records=count,
        after=after,
        at_end=count < part.records,
    )


def write_errors(path: Path, problems: Sequence[Problem], first: bool) -> None:
    """Append problems to the error file; ``first`` begins a new one."""
    with path.open("w" if first else "a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if first:
            writer.writerow(["line", "column", "value", "message"])
        for problem in problems:
            writer.writerow([problem.line, problem.column, problem.value_masked, problem.message])


def finish_errors(partial: Path, path: Path) -> None:
    """Put a complete error file in its place."""
    os.replace(partial, path)


def _with_external_id(cipher: FieldCipher, new: NewCustomer) -> NewCustomer:
    """A source without ids: the same name and numbers are the same customer."""
    if new.external_id:
        return new
    identity = "\n".join((name_key(new.name), *sorted(new.numbers)))
    return replace(new, external_id=cipher.blind("import_identity", identity)[:24])


def _digest(cipher: FieldCipher, new: NewCustomer, encode: Callable[[NewCustomer], bytes]) -> str:
    # Where in a file a consent stood is evidence, not content: the same row on another line is the same.
    content = replace(new, consents=tuple(replace(said, evidence="") for said in new.consents))
    return cipher.blind("import_row", encode(content).decode())


def remove(path: Path) -> None:
    """Delete an unpacked file."""
    path.unlink(missing_ok=True)
