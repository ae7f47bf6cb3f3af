"""Finds the sheet of an Excel file, looks over its cells, and repacks it with what it needs.

What reads the values holds a sheet in memory as large as its outermost cells, and knows neither error cells nor
formulas without a value. So each sheet is looked over before, and nothing but what was looked over is handed on: a
small file cannot unpack to a huge one, and no other part of the archive is ever opened.
"""

import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from posixpath import normpath
from tempfile import TemporaryFile
from typing import IO, BinaryIO
from xml.sax.saxutils import quoteattr

from services.ingest.imports.formats.excel_survey import BROKEN, Attributes, Survey, Surveyor, parse_xml, xml_parser
from services.ingest.imports.formats.records import Limits, UnreadableError

_CHUNK = 256 * 1024
_MOST_PARTS = 10_000
_ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, OverflowError, ValueError, NotImplementedError
)  # fmt: skip
"""What zipfile raises for damaged bytes."""
_KNOWN_COMPRESSIONS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A worksheet as the workbook lists it."""

    name: str
    hidden: bool
    part: str


class Archive:
    """The parts of an Excel file. Raises UnreadableError for what is none, or unpacks to too much."""

    def __init__(self, stream: BinaryIO, limits: Limits) -> None:
        self._limits = limits
        try:
            self._zip = zipfile.ZipFile(stream)
        except _ZIP_ERRORS:
            raise UnreadableError(BROKEN) from None
        parts = self._zip.infolist()
        if sum(part.file_size for part in parts) > limits.unpacked_bytes or len(parts) > _MOST_PARTS:
            size = limits.unpacked_bytes // 1024**2
            raise UnreadableError(f"unpacks to more than {size:,} MB: send it as CSV, or in several files")
        if any(part.compress_type not in _KNOWN_COMPRESSIONS for part in parts):
            raise UnreadableError(BROKEN)
        self._names = {part.filename for part in parts}
        self._workbook = self._find_workbook()
        self._targets = dict(self._relations(self._workbook))

    def sheets(self) -> list[Sheet]:
        """The worksheets in their order; charts and macros are none."""
        found: list[Sheet] = []

        def start(name: str, attributes: Attributes) -> None:
            if name == "sheet":
                relation = next((text for key, text in attributes.items() if key.endswith(":id")), "")
                kind, part = self._targets.get(relation, ("", ""))
                if kind == "worksheet":
                    found.append(
                        Sheet(attributes.get("name", ""), attributes.get("state", "visible") != "visible", part)
                    )

        self._scan(self._workbook, start)
        return found

    def alone(self, sheet: Sheet) -> tuple[IO[bytes], Survey]:
        """A workbook that holds this sheet only, and what was found in it."""
        survey = Surveyor(self._limits)
        alone = TemporaryFile()  # noqa: SIM115 - the caller closes it
        try:
            with zipfile.ZipFile(alone, "w") as out:
                self._copy(sheet.part, out, "xl/worksheets/sheet1.xml", survey.feed)
                survey.end()
                others = [kind for kind in ("sharedStrings", "styles") if self._copy_of_kind(kind, out)]
                for name, text in _frame(sheet.name, others, is_1904=self._is_1904()).items():
                    out.writestr(name, text)
        except BaseException:
            alone.close()
            raise
        alone.seek(0)
        return alone, survey.found

    def _find_workbook(self) -> str:
        if "mimetype" in self._names:
            raise UnreadableError("is no Excel file: save it as .xlsx or CSV")
        targets = dict(self._relations(""))
        part = next((part for kind, part in targets.values() if kind == "officeDocument"), "")
        if part.endswith(".bin"):
            raise UnreadableError("is a binary Excel file (.xlsb): save it as .xlsx")
        if part not in self._names or "xl/" not in part:
            raise UnreadableError("is a zip archive and no Excel file: send what is in it")
        return part

    def _relations(self, part: str) -> Iterator[tuple[str, tuple[str, str]]]:
        """By id: the kind of a part, and its name."""
        folder, _, name = part.rpartition("/")
        relations = f"{folder}/_rels/{name}.rels".lstrip("/")
        found: list[Attributes] = []
        if relations in self._names:
            self._scan(relations, lambda name, attributes: found.append(attributes) if name == "Relationship" else None)
        for one in found:
            target = one.get("Target", "")
            where = target[1:] if target.startswith("/") else normpath(f"{folder}/{target}" if folder else target)
            yield one.get("Id", ""), (one.get("Type", "").rpartition("/")[2], where)

    def _is_1904(self) -> bool:
        """Whether days are counted from 1904, as old programs on a Mac did."""
        said: list[str] = []
        self._scan(
            self._workbook,
            lambda name, attributes: said.append(attributes.get("date1904", "")) if name == "workbookPr" else None,
        )
        return bool({"1", "true"} & set(said))

    def _scan(self, part: str, start: Callable[[str, Attributes], None]) -> None:
        parser = xml_parser(start)
        self._copy(part, None, "", lambda chunk: parse_xml(parser, chunk))
        parse_xml(parser, b"", is_last=True)

    def _copy_of_kind(self, kind: str, out: zipfile.ZipFile) -> bool:
        part = next((part for found, part in self._targets.values() if found == kind), "")
        if part not in self._names:
            return False
        self._copy(part, out, f"xl/{kind}.xml", lambda _chunk: None)
        return True

    def _copy(self, part: str, out: zipfile.ZipFile | None, name: str, look: Callable[[bytes], None]) -> None:
        """Read a part to its end, no further than the directory says that it goes."""
        if part not in self._names:
            raise UnreadableError(BROKEN)
        try:
            with self._zip.open(part) as source, out.open(name, "w") if out else BytesIO() as sink:
                while chunk := source.read(_CHUNK):
                    look(chunk)
                    if out:
                        sink.write(chunk)
        except RuntimeError:  # what zipfile raises for a part that is encrypted
            raise UnreadableError("is protected with a password: save it without one") from None
        except _ZIP_ERRORS:
            raise UnreadableError(BROKEN) from None


def _frame(sheet: str, others: list[str], *, is_1904: bool) -> dict[str, str]:
    """The parts that make a workbook of one sheet."""
    kinds = {"rId1": ("worksheet", "worksheets/sheet1.xml"), **{f"r{kind}": (kind, f"{kind}.xml") for kind in others}}
    relations = "".join(
        f'<Relationship Id="{name}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'
        for name, (kind, target) in kinds.items()
    )
    return {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{relations}</Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><workbookPr date1904="{int(is_1904)}"/>'
        f'<sheets><sheet name={quoteattr(sheet)} sheetId="1" r:id="rId1"/></sheets></workbook>',
    }
