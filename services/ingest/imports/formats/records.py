"""What every format gives: records of texts, each with the number that a person sees, or why one cannot be read."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, TextIO

LONGEST_FIELD = 131_072
"""Characters, as Python's csv module has it."""
NO_TROUBLES: Mapping[int, str] = MappingProxyType({})


class UnreadableError(Exception):
    """A file that cannot be read as a whole; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one import may cost."""

    line_characters: int = 1024 * 1024
    joined_rows: int = 1_000_000
    """Rows of lookups and details, which are kept in memory."""
    columns: int = 2_000
    """Different keys of the objects of a file of JSON lines."""
    unpacked_bytes: int = 512 * 1024 * 1024
    """Of an Excel file, which is a zip archive."""
    sheet_cells: int = 10_000_000
    """Rows by columns of an Excel sheet, which is held in memory."""


class Records(Protocol):
    """The records of one file, its header first: a list of texts, or as text why one cannot be read. All are as long as
    the header, but for CSV; a blank line is an empty list."""

    number: int
    """Of the last record: its row as a spreadsheet counts, of JSON lines the line."""
    troubles: Mapping[int, str]
    """Places in the last record whose cells cannot be used, and why."""
    notice: str | None
    """What a person should know about the choice of what was read."""

    def __iter__(self) -> Iterator[list[str] | str]: ...
    def __next__(self) -> list[str] | str: ...


class Lines:
    """Lines of bounded length. csv.reader goes on after an error that is raised here; a generator would have ended."""

    def __init__(self, text: TextIO, longest: int) -> None:
        self._text = text
        self._longest = longest
        self.read = 0

    def __iter__(self) -> "Lines":
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
