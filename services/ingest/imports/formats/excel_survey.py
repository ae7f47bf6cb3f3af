"""Looks over the cells of a sheet as its XML goes by: how far it reaches, and which cells have no value."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from services.ingest.imports.formats.records import Limits, UnreadableError

Attributes = Mapping[str, str]
BROKEN = "is a damaged Excel file: open it in a spreadsheet program and save it again as .xlsx"
_MOST_TROUBLES = 100_000
_PLACE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")


@dataclass(slots=True)
class Survey:
    """What a sheet holds, all counted from zero."""

    height: int = 0
    width: int = 0
    troubles: dict[int, dict[int, tuple[str, str]]] = field(default_factory=dict)
    """By row and column: what stands in a cell that has no value, and why it cannot be used."""
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)
    """First row, first column, last row, last column."""


def xml_parser(start: Callable[[str, Attributes], None]) -> "expat.XMLParserType":
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, attributes: start(name.rpartition(":")[2], attributes)
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


def _refuse_doctype(*_: object) -> None:
    """No spreadsheet program writes one, and entities can grow without bound."""
    raise UnreadableError(BROKEN)


def parse_xml(parser: "expat.XMLParserType", chunk: bytes, *, is_last: bool = False) -> None:
    try:
        parser.Parse(chunk, is_last)
    except expat.ExpatError:
        raise UnreadableError(BROKEN) from None


class Surveyor:
    """Looks over the cells of a sheet as its XML goes by."""

    def __init__(self, limits: Limits) -> None:
        self.found = Survey()
        self._most = limits.sheet_cells
        self._row = self._column = -1
        self._is_error = self._is_formula = self._is_text = self._has_value = False
        self._text = ""
        self._troubles = 0
        self._parser = xml_parser(self._start)
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.buffer_text = True

    def feed(self, chunk: bytes) -> None:
        parse_xml(self._parser, chunk)

    def end(self) -> None:
        parse_xml(self._parser, b"", is_last=True)

    def _start(self, name: str, attributes: Attributes) -> None:
        if name == "c":
            self._start_cell(attributes)
        elif name in ("v", "is"):
            self._is_text = self._is_error
            self._has_value = True
        elif name == "f":
            self._is_formula = True
        elif name == "row":
            given = attributes.get("r", "")
            self._row = int(given) - 1 if given.isdecimal() else self._row + 1
            self._column = -1
        elif name == "mergeCell":
            self._merge(attributes.get("ref", ""))

    def _start_cell(self, attributes: Attributes) -> None:
        place = attributes.get("r")
        if place is None:
            self._column += 1
        else:
            self._row, self._column = _coordinates(place)
        self._is_error = attributes.get("t") == "e"
        self._is_formula = self._is_text = self._has_value = False
        self._text = ""

    def _characters(self, text: str) -> None:
        if self._is_text:
            self._text += text

    def _end(self, name: str) -> None:
        if name == "c" or name.endswith(":c"):
            self._end_cell()

    def _end_cell(self) -> None:
        self._is_text = False
        if not (self._has_value or self._is_formula):
            return
        found = self.found
        found.height, found.width = max(found.height, self._row + 1), max(found.width, self._column + 1)
        if found.height * found.width > self._most:
            raise UnreadableError(
                f"reaches to row {found.height:,}, column {column_letters(found.width - 1)}, which makes more than "
                f"{self._most:,} cells: delete the rows and columns that do not belong to the table, or send CSV"
            )
        if self._is_error:
            shown = self._text[:20]
            self._note(shown, f"holds the error {shown}: mend the formula, or clear the cell")
        elif not self._has_value:
            self._note("", "is a formula that was never calculated: open the file in a spreadsheet program and save it")

    def _note(self, shown: str, reason: str) -> None:
        self._troubles += 1
        if self._troubles > _MOST_TROUBLES:
            raise UnreadableError(f"has more than {_MOST_TROUBLES:,} cells with errors: mend its formulas")
        self.found.troubles.setdefault(self._row, {})[self._column] = (shown, reason)

    def _merge(self, reference: str) -> None:
        first, _, last = reference.partition(":")
        if last and len(self.found.merged) < _MOST_TROUBLES:
            self.found.merged.append((*_coordinates(first), *_coordinates(last)))


def _coordinates(place: str) -> tuple[int, int]:
    """Row and column from zero."""
    found = _PLACE.fullmatch(place)
    if found is None:
        raise UnreadableError(BROKEN)
    column = 0
    for letter in found[1]:
        column = column * 26 + ord(letter) - 64
    return int(found[2]) - 1, column - 1


def column_letters(column: int) -> str:
    """0 is A, 26 is AA."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
