"""A mapping, read and checked: which files there are, and which events each of their rows says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from services.ingest.imports.expressions import Expression
from services.ingest.imports.values import Kind


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value."""

    expression: Expression
    kind: Kind


@dataclass(frozen=True, slots=True)
class Branch:
    """An object whose keys the mapping names; of a collection, the ids of its entries."""

    members: "Mapping[str, Node]"


@dataclass(frozen=True, slots=True)
class Entries:
    """A collection whose entries get their ids from rows: the rows of a detail file that have the key `by`, or, without
    details, one from the present row."""

    id: Expression
    fields: Branch
    details: str | None = None
    by: Expression | None = None


Node = Leaf | Branch | Entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What one row says about one entity at one moment."""

    entity: str
    part: str
    """Names it among the templates of the mapping; the first part of each event id."""
    id: Expression
    occurred_at: Expression
    when: tuple[Expression, ...] = ()
    """All must hold."""
    fields: Branch
    """With `since` and `ended`."""
    distinct: bool = False
    """Many rows may say the same; the first says it for all."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Rows worth a warning: when all conditions hold."""

    when: tuple[Expression, ...]
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSpec:
    """One file, or several of the same build."""

    pattern: str
    """File name; `*` and `?` stand for anything."""
    encoding: str
    delimiter: str
    sheet: str | None
    """Of an Excel file; None: the first that is not hidden."""
    columns: tuple[str, ...]
    optional_columns: tuple[str, ...]
    key: tuple[str, ...]
    """The columns that tell rows apart; empty: rows may repeat."""
    required: bool
    events: tuple[Template, ...]
    doubts: tuple[Doubt, ...]

    @property
    def all_columns(self) -> frozenset[str]:
        return frozenset((*self.columns, *self.optional_columns))


@dataclass(frozen=True, slots=True)
class Join:
    """Rows of another file by key: of a lookup one, of details all."""

    file: str
    """Name under `files`."""
    key: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportMapping:
    """How the files of one source become events."""

    name: str
    title: str
    source: str
    """CloudEvents source of the events."""
    as_of: date | datetime | None
    """When the files were exported; a date means the end of that business day."""
    constants: Mapping[str, str]
    maps: Mapping[str, Mapping[str, str]]
    corrections: Mapping[str, Mapping[str, str]]
    lookups: Mapping[str, Join]
    details: Mapping[str, Join]
    once: tuple[Template, ...]
    """Said once an import, from no row."""
    files: Mapping[str, FileSpec]
    digest: str = field(repr=False)
    """SHA-256 of the mapping as written."""
