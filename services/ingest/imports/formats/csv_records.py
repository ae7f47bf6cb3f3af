"""Records of a CSV file from a stranger: after one that cannot be read comes the next."""

import csv
from typing import TextIO

from services.ingest.imports.formats.records import NO_TROUBLES, Lines


class CsvRecords:
    """Records of a CSV file, or as text why one cannot be read; `number` counts as a spreadsheet does."""

    def __init__(self, text: TextIO, delimiter: str, longest_line: int) -> None:
        self._lines = Lines(text, longest_line)
        self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)
        self.number = 0
        self.troubles = NO_TROUBLES
        self.notice: str | None = None

    def __iter__(self) -> "CsvRecords":
        return self

    def __next__(self) -> list[str] | str:
        self.number += 1
        first_line = self._lines.read + 1
        try:
            return next(self._reader)
        except csv.Error as error:
            return f"cannot be read as CSV in lines {first_line} to {self._lines.read}: {_reason(error)}"


def _reason(error: csv.Error) -> str:
    message = str(error)
    if "field larger" in message or "unexpected end" in message:
        return "a quotation mark is not closed, or a field is longer than 131,072 characters"
    return message
