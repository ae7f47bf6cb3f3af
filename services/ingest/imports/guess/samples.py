"""Looks into a file that nobody described: its encoding, its delimiter, its header and its first rows."""

import codecs
import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from services.ingest.imports.formats.records import Limits, UnreadableError
from services.ingest.imports.formats.uploads import Format, TextStyle, Upload, format_of, open_records

_CHUNK = 1024 * 1024
_ROWS = 20_000
_LINES = 50
_MOST_COLUMNS = 1_000
_DELIMITERS = ",;\t|"
_HIGH = re.compile(rb"[\x80-\xff]+")
_PAIRED = 0.9
_SLIPS, _FEW = 20, 2


@dataclass(frozen=True, slots=True)
class Sample:
    """A file, and what of it was looked at."""

    name: str
    style: TextStyle
    format: Format
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    """Trimmed, each as long as the header."""
    is_whole: bool
    """Whether these are all rows."""

    def values(self, column: int) -> list[str]:
        """What is not blank in a column."""
        return [row[column] for row in self.rows if row[column]]


def read_sample(upload: Upload, sheet: str | None, limits: Limits) -> Sample:
    """Raises UnreadableError for what is no table at all."""
    style = TextStyle(encoding(upload), ",", sheet)
    with upload.opened() as stream:
        kind = format_of(stream, style.encoding)
    if kind is Format.CSV:
        style = replace(style, delimiter=_delimiter(upload, style, limits))
    with open_records(upload, style, limits) as records:
        header = next(records, None)
        if not isinstance(header, list) or not any(header):
            raise UnreadableError("is empty" if header is None else "has no header in its first row")
        names = [name.strip() for name in header]
        if len(names) > _MOST_COLUMNS:
            raise UnreadableError(f"has more than {_MOST_COLUMNS:,} columns")
        read = list(islice(records, _ROWS + 1))
    rows = [[cell.strip() for cell in row] for row in read[:_ROWS] if isinstance(row, list) and len(row) == len(names)]
    return Sample(upload.name, style, kind, names, rows, is_whole=len(read) <= _ROWS)


def is_tolerable(wrong: int, of: int) -> bool:
    """Whether so few values are unlike the others that they are slips: their rows will be refused."""
    return wrong <= max(of // _SLIPS, 1 if of > _FEW else 0)


def encoding(upload: Upload) -> str:
    """One of the encodings of the mapping language: what the whole file can be, and most likely is."""
    with upload.opened() as stream:
        head = stream.read(_CHUNK)
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or _is_bare_utf_16(head):
            return "utf-16"
        if _decodes(upload, "utf-8"):
            return "utf-8"
    runs = [len(found) for found in _HIGH.findall(head)]
    paired = sum(length for length in runs if length % 2 == 0)
    if paired >= _PAIRED * sum(runs) and _decodes(upload, "gb18030"):
        return "gb18030"
    return "cp1252" if _decodes(upload, "cp1252") else "iso-8859-1"


def _is_bare_utf_16(head: bytes) -> bool:
    """Latin text in UTF-16 without a mark at its start: every second byte is NUL."""
    second = head[1:200:2]
    return bool(second) and second.count(0) * 2 > len(second) and 0 not in head[0:200:2]


def _decodes(upload: Upload, name: str) -> bool:
    decoder = codecs.getincrementaldecoder(name)()
    with upload.opened() as stream:
        try:
            while chunk := stream.read(_CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _delimiter(upload: Upload, style: TextStyle, limits: Limits) -> str:
    """The sign that parts the most columns alike in the first rows."""

    def columns(delimiter: str) -> tuple[int, int]:
        with open_records(upload, replace(style, delimiter=delimiter), limits) as records:
            lengths = [len(row) for row in islice(records, _LINES) if isinstance(row, list) and row]
        alike = sum(length == lengths[0] for length in lengths) if lengths else 0
        return (alike, lengths[0]) if lengths and lengths[0] > 1 else (0, 0)

    try:
        return max(_DELIMITERS, key=columns)
    except csv.Error:
        return ","
