"""Rows of files from strangers, one at a time: what is wrong with one is said at its number, and the next comes."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.ingest.imports.formats.records import Limits, Records, UnreadableError
from services.ingest.imports.formats.uploads import TextStyle, Upload, open_records
from services.ingest.imports.mapping import FileSpec
from services.ingest.imports.outcomes import Rejection
from services.ingest.imports.values import Cells

BETWEEN = "\x1f"
"""Parts the cells of a row where they are joined into one text; no cell may hold it."""

_CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1e\x7f"
_ESCAPED = r"\ud800-\udfff"
_FORMULA = r"[=@]|[+-](?=[A-Za-z=@])"
_MARKED = r"'(?=[=+\-@])"
"""An apostrophe that keeps a spreadsheet from running a text, as error files have it; it is no part of the text."""
_SUSPICIOUS = re.compile(f"[{_CONTROL}{_ESCAPED}]|(?:^|{BETWEEN})(?=[=@+'-])(?:{_FORMULA}|{_MARKED})").search
_MARK = re.compile(_MARKED).match
_DOUBTS = (
    (re.compile("\0"), "holds a NUL byte"),
    (re.compile(f"[{_ESCAPED}]"), "holds bytes that are no text in {encoding}"),
    (re.compile(f"[{_CONTROL}{BETWEEN}]"), "holds a control character"),
    (re.compile(f"\\A(?:{_FORMULA})"), "looks like a formula: export values, not formulas"),
)


class Row(NamedTuple):
    """One row: the cells that the mapping reads, trimmed, in the order of `Reading.columns`."""

    number: int
    cells: Cells
    text: str
    """The same cells as one text."""


@dataclass(slots=True)
class Remarks:
    """What a person should know about a file as a whole."""

    unknown: Sequence[str] = ()
    """Columns of which the mapping knows nothing."""
    notice: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How the rows of one kind of file are read."""

    spec: FileSpec
    columns: Mapping[str, int]
    """Where each column that the mapping reads stands in the cells of a row."""
    limits: Limits
    sheet: str | None = None
    """Of an Excel file, in place of the one that the mapping names."""

    @property
    def style(self) -> TextStyle:
        return TextStyle(self.spec.encoding, self.spec.delimiter, self.sheet or self.spec.sheet)

    def rows(self, upload: Upload, remarks: Remarks) -> Iterator[Row | Rejection]:
        """The rows of a file, or why it or some of them cannot be read."""
        try:
            with open_records(upload, self.style, self.limits) as records:
                yield from self._read(upload.name, records, remarks)
        except UnreadableError as error:
            yield Rejection(upload.name, None, None, str(error), whole_file=True)

    def _read(self, file: str, records: Records, remarks: Remarks) -> Iterator[Row | Rejection]:
        header = next(records, None)
        if not isinstance(header, list) or not header:
            reason = "is empty" if header is None else "has no header in its first row"
            yield Rejection(file, None, None, reason, whole_file=True)
            return
        names = [name.strip() for name in header]
        wrong = list(self._wrong_columns(file, names, records.number or None))
        if wrong:
            yield from wrong
            return
        remarks.unknown = [name for name in names if name not in self.spec.all_columns]
        remarks.notice = records.notice
        width = len(names)
        places = [names.index(name) if name in names else width for name in self.columns]
        blank = [""] if width in places else []
        for record in records:
            if isinstance(record, str):
                yield Rejection(file, records.number, None, record)
            elif len(record) == width:
                trouble = self._trouble(file, records, places) if records.troubles else None
                yield trouble or self._row(file, records.number, record + blank if blank else record, places)
            elif record:  # a blank line is no row
                reason = f"has {len(record)} fields, the header has {width}"
                yield Rejection(file, records.number, None, reason)

    def _wrong_columns(self, file: str, names: Sequence[str], row: int | None) -> Iterator[Rejection]:
        for name in self.spec.columns:
            if name not in names:
                yield Rejection(file, row, name, "this column is missing from the header", whole_file=True)
        for name in self.columns:
            if names.count(name) > 1:
                yield Rejection(file, row, name, "this column stands in the header twice", whole_file=True)

    def _trouble(self, file: str, records: Records, places: Sequence[int]) -> Rejection | None:
        """The first cell, of those that the mapping reads, that cannot be used."""
        for column, place in zip(self.columns, places, strict=True):
            if place in records.troubles:
                return Rejection(file, records.number, column, records.troubles[place])
        return None

    def _row(self, file: str, number: int, record: Sequence[str], places: Sequence[int]) -> Row | Rejection:
        cells = [record[place].strip() for place in places]
        text = BETWEEN.join(cells)
        if _SUSPICIOUS(text) or text.count(BETWEEN) >= max(len(cells), 1):
            cells = [cell[1:] if _MARK(cell) else cell for cell in cells]
            text = BETWEEN.join(cells)
            for column, cell in zip(self.columns, cells, strict=True):
                for found, reason in _DOUBTS:
                    if found.search(cell):
                        return Rejection(file, number, column, reason.format(encoding=self.spec.encoding))
        return Row(number, cells, text)
