# SPDX-License-Identifier: GPL-3.0-or-later
"""A CSV file read by byte positions in constant memory, so that reading can stop and go on anywhere.

What makes the *file* unreadable (another encoding, a quoted field without end, a line without end) refuses
it whole, with line and byte: nothing has been applied by then. What is wrong within one line is that
line's problem.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from crm.errors import ImportRefused

LONGEST_LINE: Final = 1 << 20  # bytes
_BLOCK: Final = 1 << 20  # bytes
#: A few kilobytes of gzip may unpack to terabytes, and a full disk stops all dialing.
LARGEST_UNPACKED: Final = 8 << 30
_GZIP_MAGIC: Final = b"\x1f\x8b"
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFile:
    """A plain CSV file as it was when the import began."""

    path: Path
    size: int  #: bytes
    modified_ns: int
    delimiter: str
    encoding: str


@dataclass(frozen=True, slots=True)
class Position:
    """Where reading goes on: the next byte (from 0) and the next line (from 1)."""

    byte: int
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record: the line it begins on, its cells (or what is wrong with its quotes), and what comes after it."""

    line: int
    cells: list[str]
    problem: str
    after: Position


def open_plain(path: Path, work_dir: Path, delimiter: str, encoding: str) -> CsvFile:
    """Prepare a file for reading; a gzip file is unpacked into ``work_dir`` first.

    Raises:
        ImportRefused: it cannot be read, is empty, or is no whole gzip file.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP_MAGIC
        plain = _unpacked(path, work_dir) if packed else path
        facts = plain.stat()
    except OSError as error:
        raise ImportRefused(
            f"{path} cannot be read or unpacked: {error.strerror}; nothing was imported."
        ) from None
    if facts.st_size == 0:
        if packed:
            plain.unlink()
        raise ImportRefused(f"{path} is empty; nothing was imported.")
    return CsvFile(
        path=plain,
        size=facts.st_size,
        modified_ns=facts.st_mtime_ns,
        delimiter=delimiter,
        encoding=encoding,
    )


def digest(path: Path) -> str:
    """SHA-256 of a file, read by blocks."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            sha.update(block)
    return sha.hexdigest()


def header(file: CsvFile) -> tuple[list[str], Position]:
    """The columns, stripped, and where the data begins.

    Raises:
        ImportRefused: no header, or not readable in the encoding.
    """
    for record in records(file, Position(0, 1)):
        if record.problem:
            raise ImportRefused(f"The header (line {record.line}) is broken: {record.problem}")
        return [cell.strip() for cell in record.cells], record.after
    raise ImportRefused("The file has no header line; nothing was imported.")


def records(file: CsvFile, start: Position) -> Iterator[Record]:
    """The records from a position on; empty lines are passed over.

    Raises:
        ImportRefused: the file was changed meanwhile, or cannot be read on; line and byte are named.
    """
    with file.path.open("rb") as stream:
        facts = os.fstat(stream.fileno())
        if (facts.st_size, facts.st_mtime_ns) != (file.size, file.modified_ns):
            raise ImportRefused("The file was changed while it was being imported; nothing was applied.")
        stream.seek(start.byte)
        lines = _Lines(stream, start, file.encoding)
        reader = csv.reader(lines, delimiter=file.delimiter, strict=True)
        while True:
            began = lines.position
            try:
                cells, problem = next(reader), ""
            except StopIteration:
                return
            except csv.Error as error:
                cells, problem = [], f"The line's quotes are broken: {error}."
                _refuse_endless_quotes(lines, began)
            if cells or problem:
                yield Record(line=began.line, cells=cells, problem=problem, after=lines.position)


class _Lines:
    """Decoded lines of a stream, with the position behind the last one given out."""

    def __init__(self, stream: IO[bytes], start: Position, encoding: str) -> None:
        self._stream = stream
        self._encoding = encoding
        self.position = start
        self.at_end = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        raw = self._stream.readline(LONGEST_LINE)
        if not raw:
            self.at_end = True
            raise StopIteration
        here = self.position
        if len(raw) == LONGEST_LINE and not raw.endswith(b"\n"):
            raise ImportRefused(
                f"Line {here.line} (from byte {here.byte}) does not end within a mebibyte: this is no CSV "
                "file, or its lines end in an old way. Nothing was imported."
            )
        text = self._decoded(raw, here)
        self.position = Position(here.byte + len(raw), here.line + 1)
        return text

    def _decoded(self, raw: bytes, here: Position) -> str:
        if here.byte == 0:
            if raw.startswith(_UTF16_MARKS):
                raise ImportRefused("The file is UTF-16 (byte 0); save it as UTF-8. Nothing was imported.")
            if raw.startswith(_UTF8_MARK):
                raw = raw.removeprefix(_UTF8_MARK)
                here = Position(len(_UTF8_MARK), 1)
        if (nul := raw.find(0)) >= 0:
            raise ImportRefused(
                f"The file has a zero byte at byte {here.byte + nul} (line {here.line}): this is no CSV text. "
                "Nothing was imported."
            )
        try:
            return raw.decode(self._encoding)
        except UnicodeDecodeError as error:
            raise ImportRefused(
                f"The file is not {self._encoding}: byte {here.byte + error.start} (line {here.line}) does "
                "not fit. Set the mapping's encoding, often cp1252. Nothing was imported."
            ) from None


def _refuse_endless_quotes(lines: _Lines, began: Position) -> None:
    if lines.at_end or lines.position.line > began.line + 1:
        raise ImportRefused(
            f"A quoted field on line {began.line} (from byte {began.byte}) does not end; nothing was imported."
        )


def _unpacked(path: Path, work_dir: Path) -> Path:
    """The plain content; named by the packed file's digest, so that it is unpacked once."""
    plain = work_dir / f"{digest(path)}.csv"
    if plain.exists():
        return plain
    work_dir.mkdir(parents=True, exist_ok=True)
    partial = plain.with_suffix(f".{os.getpid()}.part")
    try:
        with gzip.open(path, "rb") as packed, partial.open("wb") as out:
            # Customers in clear: for this account's eyes only.
            os.fchmod(out.fileno(), 0o600)
            while block := packed.read(_BLOCK):
                out.write(block)
                if out.tell() > LARGEST_UNPACKED:
                    raise ImportRefused(
                        f"{path} is larger than {LARGEST_UNPACKED >> 30} GiB when it is unpacked; nothing was "
                        "imported. Send it in parts."
                    )
    except (EOFError, zlib.error, gzip.BadGzipFile):
        partial.unlink(missing_ok=True)
        raise ImportRefused(f"{path} is a broken gzip file; nothing was imported.") from None
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    partial.rename(plain)
    return plain
