"""The rows that were rejected, with their cells as they came: a file that a person can mend and send again.

Rejections are spooled to a private file on disk, and the cells are read from the uploads once more at the end, so that
memory holds no more than one part, however many rows there are.
"""

import csv
import io
import re
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, NamedTuple, Self

from services.ingest.imports.file_rows import ImportFiles
from services.ingest.imports.formats.records import Limits, UnreadableError
from services.ingest.imports.formats.uploads import Format, TextStyle, Upload, format_of, open_records
from services.ingest.imports.outcomes import Rejection

COLUMNS = ("error_file", "error_row", "error_column", "error_reason")
_PART = 1024 * 1024
"""Characters of one part before it is compressed."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?[0-9][0-9.,]*")
_LEFT_OUT = "was left out with row {row} of {file}"

Line = tuple[int, str | None, str]
"""Row, column and reason."""


class ErrorPart(NamedTuple):
    """A piece of the error file of one upload. The pieces of a file in their order make the file."""

    file: str
    number: int
    rows: int
    body: bytes
    """Compressed with zlib; inside, CSV in UTF-8 without a byte order mark."""


class Rejected:
    """Remembers rejected rows for as long as it is open."""

    def __init__(self) -> None:
        # As in `Seen`: SQLite's own temporary file; threads use it one after the other.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE rejected (file TEXT, row INTEGER, column_ TEXT, reason TEXT)")
        self._database.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def add(self, rejection: Rejection) -> None:
        """Remember a row, and those that were left out with it. What is about a whole file is no row."""
        if rejection.row is None or rejection.whole_file:
            return
        self._insert(rejection.file, rejection.row, rejection.column, rejection.reason)
        because = _LEFT_OUT.format(row=rejection.row, file=rejection.file)
        for place in rejection.with_it:
            self._insert(*place, None, because)

    def _insert(self, file: str, row: int, column: str | None, reason: str) -> None:
        self._database.execute("INSERT INTO rejected VALUES (?, ?, ?, ?)", (file, row, column, reason))

    def of(self, file: str) -> Iterator[Line]:
        """Each row once, in the order of the file; the rows that are only left out with others say so last."""
        rows = self._database.execute(
            "SELECT DISTINCT row, column_, reason FROM rejected WHERE file = ? ORDER BY row, column_ IS NULL, rowid",
            (file,),
        )
        for row, lines in groupby(rows, key=itemgetter(0)):
            told = list(lines)
            column = next((one[1] for one in told if one[1]), None)
            yield row, column, "; ".join(dict.fromkeys(one[2] for one in told))


@dataclass(slots=True)
class ErrorFiles:
    """The error files of one import, on disk until they are stored."""

    sink: IO[bytes]
    written: list[tuple[str, int, int]]
    """Of each part, behind one another: its file, how many rows it has, and how many bytes."""

    def parts(self) -> Iterator[ErrorPart]:
        self.sink.seek(0)
        for number, (file, rows, length) in enumerate(self.written):
            yield ErrorPart(file, number, rows, self.sink.read(length))

    @property
    def rows(self) -> dict[str, int]:
        """How many rows were rejected, by file."""
        found: dict[str, int] = {}
        for file, rows, _length in self.written:
            found[file] = found.get(file, 0) + rows
        return found


@contextmanager
def error_files(rejected: Rejected, files: ImportFiles) -> Iterator[ErrorFiles]:
    """The error files of an import. Reads the uploads once more."""
    with TemporaryFile() as sink:
        found = ErrorFiles(sink, [])
        for upload, style in {upload.name: (upload, style) for upload, style in files.styles()}.values():
            for rows, text in _texts(_table(rejected, upload, style, files.limits), _delimiter(upload, style)):
                body = zlib.compress(text.encode("utf-8", "replace"))
                found.written.append((upload.name, rows, len(body)))
                sink.write(body)
        yield found


def harmless(cell: str) -> str:
    """A text that no spreadsheet runs: an apostrophe before it, which importing takes away again."""
    return f"'{cell}" if cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell) else cell


def _texts(table: Iterator[Sequence[str]], delimiter: str) -> Iterator[tuple[int, str]]:
    """CSV in pieces of bounded length, and how many rows are in each; the header is none."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    rows = -1
    for record in table:
        writer.writerow(map(harmless, record))
        rows += 1
        if out.tell() >= _PART:
            yield max(rows, 0), out.getvalue()
            out.seek(0)
            out.truncate()
            rows = 0
    if out.tell():
        yield max(rows, 0), out.getvalue()


def _table(rejected: Rejected, upload: Upload, style: TextStyle, limits: Limits) -> Iterator[Sequence[str]]:
    """The header, then each rejected row: what is wrong, and its cells if they could be told apart."""
    lines = rejected.of(upload.name)
    line = next(lines, None)
    if line is None:
        return
    try:
        with open_records(upload, style, limits) as records:
            header = next(records, [])
            kept = [at for at, name in enumerate(header) if name.strip() not in COLUMNS]
            yield [*COLUMNS, *(header[at] for at in kept)]
            for record in records:
                if line is not None and records.number == line[0]:
                    yield [*_told(upload, line), *_cells(record, kept, len(header))]
                    line = next(lines, None)
    except UnreadableError:
        pass  # the report says so of the file; the rows before are there
    while line is not None:
        yield _told(upload, line)
        line = next(lines, None)


def _told(upload: Upload, line: Line) -> list[str]:
    row, column, reason = line
    return [upload.name, str(row), column or "", reason]


def _cells(record: list[str] | str, kept: Sequence[int], width: int) -> list[str]:
    """With what stands beyond the header behind."""
    if isinstance(record, str):
        return []
    return [*(record[at] if at < len(record) else "" for at in kept), *record[width:]]


def _delimiter(upload: Upload, style: TextStyle) -> str:
    """That of the file, so that the same mapping reads the mended rows."""
    try:
        with upload.opened() as stream:
            return style.delimiter if format_of(stream, style.encoding) is Format.CSV else ","
    except UnreadableError:
        return ","
