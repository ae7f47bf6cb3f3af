"""An uploaded file: what it is says its content, not its name."""

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from services.ingest.imports.formats.csv_records import CsvRecords
from services.ingest.imports.formats.excel_records import excel_records
from services.ingest.imports.formats.json_records import JsonRecords
from services.ingest.imports.formats.records import Limits, Records, UnreadableError

_HEAD = 4096
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""Of old Office files, and of new ones with a password."""
_LOOKED_THROUGH = 16 * 1024 * 1024
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_CODECS = {"utf-8": "utf-8-sig"}
_OBJECT = re.compile(r'\s*\{[ \t]*["}]')
_PRETTY = re.compile(r"\s*(?:\[\s*[{\]]|\{\s*[\r\n])")
_MARKUP = re.compile(r"\s*<(?:!doctype|\?xml|html|head|meta|style|table|body)\b", re.IGNORECASE)


class Format(StrEnum):
    """What a file is."""

    CSV = "csv"
    EXCEL = "xlsx"
    JSON_LINES = "jsonl"


@dataclass(frozen=True, slots=True)
class TextStyle:
    """How a text file is written, and which sheet of an Excel file is meant."""

    encoding: str = "utf-8"
    delimiter: str = ","
    sheet: str | None = None
    """None: the first that is not hidden."""


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


@contextmanager
def open_records(upload: Upload, style: TextStyle, limits: Limits) -> Iterator[Records]:
    """The records of a file. Raises UnreadableError, also while they are read."""
    with upload.opened() as stream:
        kind = format_of(stream, style.encoding)
        stream.seek(0)
        if kind is Format.EXCEL:
            with excel_records(stream, style.sheet, limits) as records:
                yield records
            return
        codec = "utf-8-sig" if _is_marked(stream) else _CODECS.get(style.encoding, style.encoding)
        text = io.TextIOWrapper(stream, codec, "surrogateescape", newline="")
        try:
            if kind is Format.JSON_LINES:
                yield JsonRecords(text, limits)
            else:
                yield CsvRecords(text, style.delimiter, limits.line_characters)
        except UnicodeError:
            raise UnreadableError(f"is no text in {style.encoding} from some place on") from None
        finally:
            text.detach()


def _is_marked(stream: BinaryIO) -> bool:
    """Whether a byte order mark says that it is UTF-8, as it does in error files, whatever the mapping says."""
    mark = stream.read(len(codecs.BOM_UTF8))
    stream.seek(0)
    return mark == codecs.BOM_UTF8


def format_of(stream: BinaryIO, encoding: str) -> Format:
    """What a file is, by its first bytes. Raises UnreadableError, with what to do, for what cannot be read."""
    head = stream.read(_HEAD)
    if head.startswith(b"PK\x03\x04"):
        return Format.EXCEL
    if head.startswith(_COMPOUND):
        is_locked = _ENCRYPTED in head + stream.read(_LOOKED_THROUGH)
        raise UnreadableError(
            "is protected with a password: save it without one"
            if is_locked
            else "is a file of Excel 97 to 2003 (.xls): open it and save it as .xlsx or CSV"
        )
    if head[:2] in _UTF_16 and encoding != "utf-16":
        raise UnreadableError("is UTF-16 text: say so with `encoding: utf-16`")
    text = head.decode(encoding, "replace").lstrip("\ufeff")
    if _OBJECT.match(text):
        return Format.JSON_LINES
    if _PRETTY.match(text):
        raise UnreadableError("is one JSON text: write each object on one line of its own (JSON lines)")
    if _MARKUP.match(text):
        raise UnreadableError("is a web page or XML with the name of a table: open it in a spreadsheet, save as .xlsx")
    return Format.CSV
