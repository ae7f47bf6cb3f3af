"""Rows of other files that rows are read with: lookups (one row a key) and details (all rows of a key), in memory."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import date
from zoneinfo import ZoneInfo

from services.ingest.imports.binding import Detail, DetailTable, RefusedError, bind, column_of
from services.ingest.imports.file_rows import FileRow, ImportFiles
from services.ingest.imports.mapping import Join
from services.ingest.imports.outcomes import DetailPlace, Rejection
from services.ingest.imports.scope import LookupTable, Scope
from services.ingest.imports.seen import Seen
from services.ingest.imports.tally import Tally
from services.ingest.imports.uses import columns_looked_up
from services.ingest.imports.values import Cells

Rejections = Generator[Rejection, None, None]


@dataclass(slots=True)
class Joined:
    """The lookups and details of one import, once `load` has run."""

    files: ImportFiles
    seen: Seen
    tally: Tally
    as_of: date
    zone: ZoneInfo
    lookups: dict[str, LookupTable] = field(default_factory=dict)
    details: dict[str, DetailTable] = field(default_factory=dict)
    asked: dict[str, set[str]] = field(default_factory=dict)
    """Keys of details for which some row asked."""
    _kept: int = 0
    _told: set[str] = field(default_factory=set)

    def scope(self, columns: Mapping[str, int]) -> Scope:
        """What expressions on rows with these columns are bound to."""
        mapping = self.files.mapping
        return Scope(
            columns,
            mapping.constants,
            self.as_of,
            mapping.maps,
            mapping.corrections,
            self.lookups,
            mapping.source,
            self.tally,
            self.zone,
        )

    def load(self) -> Rejections:
        """Read the joined files."""
        mapping = self.files.mapping
        for name, join in mapping.lookups.items():
            yield from self._load_lookup(name, join)
        for name, join in mapping.details.items():
            yield from self._load_details(name, join)
        self.tally.forget()

    def _load_lookup(self, name: str, join: Join) -> Rejections:
        """Of each row only what is looked up is kept; the first row of a key counts."""
        rows: dict[str, Cells] = {}
        wanted = sorted(columns_looked_up(self.files.mapping, name))
        columns = self.files.columns(join.file)
        places = [columns[column] for column in wanted]
        doubt = f"lookup {name}: an earlier row has the same key and is the one that is used"

        def keep(key: str, found: FileRow) -> None:
            cells = tuple(found.row.cells[place] for place in places)
            self._kept += key not in rows
            if rows.setdefault(key, cells) != cells:
                self.tally.count("repeated-key", found.file, found.row.number, doubt)

        file = self.files.mapping.files[join.file].pattern
        self.lookups[name] = LookupTable(rows, {column: at for at, column in enumerate(wanted)}, file)
        yield from self._read(f"lookup {name}", join, keep, blank=None)

    def _load_details(self, name: str, join: Join) -> Rejections:
        rows: dict[str, list[Detail]] = {}

        def keep(key: str, found: FileRow) -> None:
            place = DetailPlace(found.file, found.row.number)
            rows.setdefault(key, []).append(Detail(place, found.row.cells))
            self._kept += 1

        file = self.files.mapping.files[join.file].pattern
        self.details[name] = DetailTable(file, column_of(join.key), rows, self.scope(self.files.columns(join.file)))
        self.asked[name] = set()
        yield from self._read(f"details {name}", join, keep, blank="is blank, and other files refer to it")

    def _read(self, purpose: str, join: Join, keep: Callable[[str, FileRow], None], *, blank: str | None) -> Rejections:
        """Hand each row with its key to `keep`; `blank` says why a row without a key is refused, if it is.

        What is wrong with a row as such is told once: by the file's own pass if it has one, else by its first join.
        """
        spec = self.files.mapping.files[join.file]
        tells = not (spec.events or spec.doubts or join.file in self._told)
        self._told.add(join.file)
        run, column = bind(join.key, self.scope(self.files.columns(join.file))), column_of(join.key)
        for found in self.files.rows(join.file, self.seen, self.tally if tells else Tally(), purpose):
            if isinstance(found, Rejection):
                if tells:
                    yield found
                continue
            if self._kept >= self.files.limits.joined_rows:
                self.files.unusable.add(join.file)
                reason = f"makes more than {self.files.limits.joined_rows:,} rows to keep in memory"
                yield Rejection(found.file, None, None, reason)
                return
            try:
                key = run(found.row.cells)
            except RefusedError as error:
                yield Rejection(found.file, found.row.number, error.column, error.reason)
                continue
            if key is not None:
                keep(str(key), found)
            elif blank:
                yield Rejection(found.file, found.row.number, column, blank)
