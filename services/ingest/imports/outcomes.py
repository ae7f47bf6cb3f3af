"""What reading a file gives: drafts of events, rows that were refused, and warnings counted by rule."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from shared.contracts.entities import event_type
from shared.contracts.events.data import EntityData


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One event, checked against its contract, that only needs to be accepted."""

    entity: str
    """Slug of the entity."""
    source: str
    id: str
    occurred_at: datetime
    """UTC, moved by the shift of the import."""
    sequence: int
    """The as-of instant of the import in microseconds since 1970: what a later export says wins."""
    data: EntityData
    """With personal fields: `canonical` sets them apart."""
    file: str
    row: int | None
    """As a spreadsheet counts: the header is row 1. None: said by the mapping itself, once an import."""

    @property
    def type(self) -> str:
        """CloudEvents type."""
        return event_type(self.entity)

    @property
    def subject(self) -> str:
        """The id of the entity."""
        return self.data.id

    @property
    def place(self) -> str:
        """Where it comes from, for people: `Orders.csv, row 17`."""
        return self.file if self.row is None else f"{self.file}, row {self.row}"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row of which nothing was taken, or a whole file: then `row` is that of its header, or None.

    The reason never repeats a cell, which may be personal.
    """

    file: str
    row: int | None
    column: str | None
    reason: str
    whole_file: bool = False
    with_it: "tuple[DetailPlace, ...]" = ()
    """Other rows that were left out because of this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowWarning:
    """How many rows of a file a rule of the mapping, or a doubt of the importer, was about."""

    rule: str
    """`declared`, `corrected-value`, `default-used`, `not-found`, `says-nothing`, `duplicate-row`, `repeated-key`,
    `unknown-column`, `other-sheets`, `unused-file` or `after-as-of`."""
    file: str
    text: str
    count: int
    """Rows; 1 for `unknown-column`, `other-sheets` and `unused-file`, which are about the file."""
    examples: tuple[int, ...]
    """Numbers of the first rows."""


class DetailPlace(NamedTuple):
    """A row of a detail file, which stands in an event of another file's row."""

    file: str
    row: int
