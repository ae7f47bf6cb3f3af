"""Records of a sheet of an Excel file: every cell as the text that the same cell would be in a good CSV file."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import BinaryIO

from python_calamine import CalamineError, CalamineWorkbook

from services.ingest.imports.formats.excel_parts import Archive, Sheet
from services.ingest.imports.formats.excel_survey import Survey, column_letters
from services.ingest.imports.formats.records import LONGEST_FIELD, NO_TROUBLES, Limits, UnreadableError

Cell = int | float | str | bool | time | date | datetime | timedelta
_EXACT = Decimal(10) ** 15
_TOO_LONG = "is a number of more than 15 digits, which a spreadsheet does not keep exactly: write it as text"
_UNREADABLE = "is an Excel file that cannot be read as a whole: open it in a spreadsheet program and save it again"
_NAMED = 10


@contextmanager
def excel_records(stream: BinaryIO, sheet: str | None, limits: Limits) -> Iterator["ExcelRecords"]:
    """The records of a sheet: the one that is named, else the first that is not hidden. Raises UnreadableError."""
    archive = Archive(stream, limits)
    sheets = archive.sheets()
    chosen = choose(sheets, sheet)
    alone, survey = archive.alone(chosen)
    with alone:
        if not survey.height:
            raise UnreadableError(f"has nothing in its sheet {chosen.name!r}{_others(sheets, chosen)}")
        try:
            with CalamineWorkbook.from_filelike(alone) as workbook:
                found = workbook.get_sheet_by_index(0)
                first = found.start[1] if found.start else 0
                yield ExcelRecords(found.iter_rows(), first, survey, None if sheet else _notice(sheets, chosen))
        except CalamineError:
            raise UnreadableError(_UNREADABLE) from None
        except BaseException as error:
            # A bug of the reader, such as with a day millions of years away. What it raises is no Exception and has no
            # name that can be imported.
            if type(error).__name__ != "PanicException":
                raise
            raise UnreadableError(_UNREADABLE) from None


def choose(sheets: list[Sheet], name: str | None) -> Sheet:
    """Raises UnreadableError if there is none."""
    if name is not None:
        chosen = next((sheet for sheet in sheets if sheet.name == name), None)
        if chosen is None:
            raise UnreadableError(f"has no sheet {name!r}; there are {_names(sheets)}")
        return chosen
    shown = next((sheet for sheet in sheets if not sheet.hidden), None)
    if shown is None:
        names = f": {_names(sheets)}; name the one to read with `sheet`" if sheets else ""
        raise UnreadableError(f"has no sheet that is not hidden{names}")
    return shown


def _names(sheets: list[Sheet]) -> str:
    named = ", ".join(f"{sheet.name!r}{' (hidden)' if sheet.hidden else ''}" for sheet in sheets[:_NAMED])
    return f"{named} and {len(sheets) - _NAMED} more" if sheets[_NAMED:] else named


def _others(sheets: list[Sheet], chosen: Sheet) -> str:
    others = [sheet for sheet in sheets if sheet is not chosen]
    return f"; its other sheets are {_names(others)}: name the one to read with `sheet`" if others else ""


def _notice(sheets: list[Sheet], chosen: Sheet) -> str | None:
    others = _others(sheets, chosen)
    return f"only the sheet {chosen.name!r} was read{others}" if others else None


class ExcelRecords:
    """The rows of a sheet; merged titles over its header are passed over. `number` is the row as a program shows it."""

    def __init__(self, rows: Iterator[list[Cell]], first_column: int, survey: Survey, notice: str | None) -> None:
        self._rows = rows
        self._blanks: list[Cell] = [""] * first_column
        self._survey = survey
        self._header: list[str] | None = None
        self.number = 0
        self.troubles: Mapping[int, str] = NO_TROUBLES
        self.notice = notice

    def __iter__(self) -> "ExcelRecords":
        return self

    def __next__(self) -> list[str] | str:
        cells = self._next()
        if self._header is not None:
            return cells if any(cells) or self.troubles else []
        while not any(cells) or self._is_title(cells):
            cells = self._next()
        self._header = cells
        self._check_header()
        return cells

    def _next(self) -> list[str]:
        if self.number == self._survey.height:
            raise StopIteration
        row = [*self._blanks, *next(self._rows, [])]
        texts, troubles = [], {}
        for place in range(self._survey.width):
            try:
                texts.append(cell_text(row[place]) if place < len(row) else "")
            except ValueError as error:
                texts.append(str(row[place]))
                troubles[place] = str(error)
        for place, (shown, reason) in self._survey.troubles.get(self.number, {}).items():
            texts[place], troubles[place] = shown, reason
        self.troubles = troubles or NO_TROUBLES
        self.number += 1
        return texts

    def _is_title(self, cells: list[str]) -> bool:
        """Whether it is nothing but one text over several columns."""
        filled = [place for place, cell in enumerate(cells) if cell.strip()]
        return len(filled) == 1 and any(first == filled[0] for first, _last in self._merged())

    def _merged(self) -> list[tuple[int, int]]:
        """First and last column of what is merged across columns in the present row."""
        row = self.number - 1
        return [
            (left, right) for top, left, bottom, right in self._survey.merged if top <= row <= bottom and left < right
        ]

    def _check_header(self) -> None:
        if self.troubles:
            place = column_letters(next(iter(self.troubles)))
            raise UnreadableError(f"has a header with an error in row {self.number}, column {place}")
        for left, right in self._merged():
            span = f"{column_letters(left)} to {column_letters(right)}"
            raise UnreadableError(
                f"has a header (row {self.number}) whose cells {span} are merged: give each column a name of its own"
            )


def cell_text(value: Cell) -> str:
    """The cell as text: numbers without the noise of binary floats, dates and times as ISO 8601. Raises ValueError."""
    if isinstance(value, str):
        if len(value) > LONGEST_FIELD:
            raise ValueError(f"is longer than {LONGEST_FIELD:,} characters")
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    return str(value) if isinstance(value, timedelta) else value.isoformat()


def number_text(value: float) -> str:
    """At most 15 significant digits, as many as a spreadsheet shows and keeps."""
    number = Decimal(format(value, ".15g"))
    if not number.is_finite() or abs(number) >= _EXACT:
        raise ValueError(_TOO_LONG)
    return "0" if number.is_zero() else format(number, "f")
