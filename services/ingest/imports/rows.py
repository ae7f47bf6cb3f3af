"""Rows of CSV files from strangers, one at a time: what is wrong with one is said at its number, and the next comes."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO

from services.ingest.imports.mapping import FileSpec
from services.ingest.imports.outcomes import Rejection
from services.ingest.imports.values import Cells

BETWEEN = "\x1f"
"""Parts the cells of a row where they are joined into one text; no cell may hold it."""

_CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1e\x7f"
_ESCAPED = r"\ud800-\udfff"
_FORMULA = r"[=@]|[+-](?=[A-Za-z=@])"
_SUSPICIOUS = re.compile(f"[{_CONTROL}{_ESCAPED}]|(?:^|{BETWEEN})(?:{_FORMULA})").search
_DOUBTS = (
    (re.compile("\0"), "holds a NUL byte"),
    (re.compile(f"[{_ESCAPED}]"), "holds bytes that are no text in {encoding}"),
    (re.compile(f"[{_CONTROL}{BETWEEN}]"), "holds a control character"),
    (re.compile(f"\\A(?:{_FORMULA})"), "looks like a formula: export values, not formulas"),
)
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_CODECS = {"utf-8": "utf-8-sig"}


@dataclass(frozen=True, slots=True)
class Upload:
    """One file as it was sent: a path, or a binary stream that can be read again from its start."""

    name: str
    content: BinaryIO | Path

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The bytes from the start."""
        if isinstance(self.content, Path):
            with self.content.open("rb") as stream:
                yield stream
        else:
            self.content.seek(0)
            yield self.content


class Row(NamedTuple):
    """One row: the cells that the mapping reads, trimmed, in the order of `Reading.columns`."""

    number: int
    cells: Cells
    text: str
    """The same cells as one text."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How the rows of one kind of file are read."""

    spec: FileSpec
    columns: Mapping[str, int]
    """Where each column that the mapping reads stands in the cells of a row."""
    longest_line: int
    """Characters."""

    def rows(self, upload: Upload, unknown: list[str]) -> Iterator[Row | Rejection]:
        """The rows of a file, or why it or some of them cannot be read. `unknown` receives the names of the columns of
        which the mapping knows nothing."""
        with upload.opened() as stream:
            start = stream.read(2)
            stream.seek(0)
            if start in _UTF_16 and self.spec.encoding != "utf-16":
                yield Rejection(upload.name, None, None, "is UTF-16 text: say so with `encoding: utf-16`")
                return
            text = io.TextIOWrapper(
                stream, _CODECS.get(self.spec.encoding, self.spec.encoding), "surrogateescape", newline=""
            )
            try:
                yield from self._read(upload.name, text, unknown)
            except UnicodeError:
                yield Rejection(upload.name, None, None, f"is no text in {self.spec.encoding} from some place on")
            finally:
                text.detach()

    def _read(self, file: str, text: TextIO, unknown: list[str]) -> Iterator[Row | Rejection]:
        records = _Records(text, self.spec.delimiter, self.longest_line)
        header = next(records, None)
        if not isinstance(header, list) or not header:
            yield Rejection(file, None, None, "is empty" if header is None else "has no header in its first row")
            return
        names = [name.strip() for name in header]
        wrong = list(self._wrong_columns(file, names))
        if wrong:
            yield from wrong
            return
        unknown.extend(name for name in names if name not in self.spec.all_columns)
        places = [names.index(name) if name in names else len(names) for name in self.columns]
        for record in records:
            if isinstance(record, str):
                yield Rejection(file, records.number, None, record)
            elif len(record) == len(names):
                yield self._row(file, records.number, [*record, ""], places)
            elif record:  # a blank line is no row
                reason = f"has {len(record)} fields, the header has {len(names)}"
                yield Rejection(file, records.number, None, reason)

    def _wrong_columns(self, file: str, names: Sequence[str]) -> Iterator[Rejection]:
        for name in self.spec.columns:
            if name not in names:
                yield Rejection(file, 1, name, "this column is missing from the header")
        for name in self.columns:
            if names.count(name) > 1:
                yield Rejection(file, 1, name, "this column stands in the header twice")

    def _row(self, file: str, number: int, record: Sequence[str], places: Sequence[int]) -> Row | Rejection:
        cells = [record[place].strip() for place in places]
        text = BETWEEN.join(cells)
        if _SUSPICIOUS(text) or text.count(BETWEEN) >= max(len(cells), 1):
            for column, cell in zip(self.columns, cells, strict=True):
                for found, reason in _DOUBTS:
                    if found.search(cell):
                        return Rejection(file, number, column, reason.format(encoding=self.spec.encoding))
        return Row(number, cells, text)


class _Records:
    """Records of a CSV file, or as text why one cannot be read; `number` counts as a spreadsheet does."""

    def __init__(self, text: TextIO, delimiter: str, longest_line: int) -> None:
        self._lines = _Lines(text, longest_line)
        self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)
        self.number = 0

    def __iter__(self) -> "_Records":
        return self

    def __next__(self) -> list[str] | str:
        self.number += 1
        first_line = self._lines.read + 1
        try:
            return next(self._reader)
        except csv.Error as error:
            return f"cannot be read as CSV in lines {first_line} to {self._lines.read}: {_csv_reason(error)}"


def _csv_reason(error: csv.Error) -> str:
    message = str(error)
    if "field larger" in message or "unexpected end" in message:
        return "a quotation mark is not closed, or a field is longer than 131,072 characters"
    return message


class _Lines:
    """Lines of bounded length. csv.reader goes on after an error that is raised here; a generator would have ended."""

    def __init__(self, text: TextIO, longest: int) -> None:
        self._text = text
        self._longest = longest
        self.read = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._text.readline(self._longest)
        if not line:
            raise StopIteration
        self.read += 1
        if len(line) == self._longest and line[-1] not in "\r\n":
            self._skip()
            raise csv.Error(f"a line is longer than {self._longest:,} characters")
        return line

    def _skip(self) -> None:
        while (rest := self._text.readline(self._longest)) and rest[-1] not in "\r\n":
            pass
