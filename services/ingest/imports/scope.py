"""What the expressions of one opened file are bound to: its columns, the names of the mapping, and rows looked up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from services.ingest.imports.expressions import Column, Constant, Literal, Term
from services.ingest.imports.tally import Tally
from services.ingest.imports.values import CLEARED, Cells, Run, Value


@dataclass(frozen=True, slots=True)
class LookupTable:
    """Rows of another file by key; the first row of a key counts."""

    rows: Mapping[str, Cells]
    columns: Mapping[str, int]
    file: str


@dataclass(frozen=True, slots=True)
class Scope:
    """What the expressions of one opened file are bound to."""

    columns: Mapping[str, int]
    """Where each column stands; an optional column that is missing is not in it."""
    constants: Mapping[str, Value]
    as_of: date
    maps: Mapping[str, Mapping[str, str]]
    corrections: Mapping[str, Mapping[str, str]]
    lookups: Mapping[str, LookupTable]
    source: str
    tally: Tally
    zone: ZoneInfo
    """The company's."""

    def getter(self, term: Term) -> Run:
        """Reads the term from a row."""
        if isinstance(term, Column):
            place = self.columns.get(term.name)
            return _nothing if place is None else lambda cells: cells[place] or None
        fixed = self.fixed(term)
        return lambda _cells: fixed

    def fixed(self, term: Constant | Literal) -> Value:
        """The same for every row."""
        if isinstance(term, Constant):
            return self.constants.get(term.name, self.as_of)
        return CLEARED if term.value is None else term.value


def _nothing(_cells: Cells) -> Value:
    return None


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a filter in an expression."""

    arguments: Sequence[Term]
    scope: Scope
    column: str
    """What a warning calls the value."""

    @property
    def words(self) -> list[str]:
        return ["" if isinstance(term, Column) else str(self.scope.fixed(term)) for term in self.arguments]

    @property
    def word(self) -> str:
        return self.words[0]
