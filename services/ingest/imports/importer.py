"""From files and a mapping to drafts of events, streamed: memory holds the lookups and details, and one row."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

from services.ingest.imports.binding import RefusedError
from services.ingest.imports.cell_values import CellError
from services.ingest.imports.file_rows import ImportFiles
from services.ingest.imports.formats.records import Limits
from services.ingest.imports.joins import Joined
from services.ingest.imports.mapping import ImportMapping
from services.ingest.imports.outcomes import Draft, Rejection, RowWarning
from services.ingest.imports.row_events import RowEvents, orphans
from services.ingest.imports.seen import Seen
from services.ingest.imports.tally import Tally
from services.ingest.imports.templates import BoundTemplate, Stamp
from services.ingest.imports.uses import files_needed
from services.ingest.imports.values import Calendar
from shared.kernel.errors import InvalidInputError

_WEEK = timedelta(days=7)
_FIRST_AS_OF = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """One import. Raises InvalidInputError for an as-of instant or a shift that cannot be."""

    mapping: ImportMapping
    files: Mapping[str, BinaryIO | Path]
    """By file name. A stream must be seekable: joined files are read twice."""
    as_of: datetime
    """When the files were exported (`default_as_of` if nobody says); part of each event id, and its sequence."""
    known_as_occurred: bool = False
    """The first import of a source may say that each event was known when it occurred. Kept for whoever accepts."""
    shift: timedelta = timedelta(0)
    """Whole weeks by which every date is moved. Ids and sequences come from the rows as they are."""
    zone: ZoneInfo
    """The company's: in it a date is a day."""
    sheet: str | None = None
    """Of the Excel files, in place of the one that the mapping names."""

    def __post_init__(self) -> None:
        if self.as_of.tzinfo is None or self.as_of < _FIRST_AS_OF:
            raise InvalidInputError("The as-of instant needs an offset from UTC and lies after 1970.")
        if self.shift % _WEEK:
            raise InvalidInputError("Dates are moved by whole weeks only, so that weekdays stay.")
        try:
            Calendar(self.zone, self.shift).instant(self.as_of)
        except CellError as error:
            raise InvalidInputError(f"The as-of instant {error}.") from None


class Importer:
    """Reads files by their mapping. It has no state: one is enough."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()

    def events(self, request: ImportRequest) -> Iterator[Draft | Rejection | RowWarning]:
        """The drafts and rejections in the order of the mapping and its rows, then the warnings.

        Nothing in a file raises. The iterator blocks on reading: consume it outside the event loop.
        """
        with Seen() as seen:
            yield from _outcomes(request, self._limits, seen)


def _outcomes(request: ImportRequest, limits: Limits, seen: Seen) -> Iterator[Draft | Rejection | RowWarning]:
    mapping, tally = request.mapping, Tally()
    files = ImportFiles(mapping, request.files, limits, request.sheet)
    stamp = Stamp(mapping.source, request.as_of.astimezone(UTC), Calendar(request.zone, request.shift))
    joined = Joined(files, seen, tally, request.as_of.astimezone(request.zone).date(), request.zone)
    yield from files.check(tally)
    yield from joined.load()
    yield from _said_once(joined, stamp)
    for name, spec in mapping.files.items():
        if spec.events or spec.doubts:
            yield from _of_file(name, joined, stamp)
    if not files.unusable:  # else rows may only seem to be orphans
        yield from orphans(joined)
    yield from tally.warnings()


def _said_once(joined: Joined, stamp: Stamp) -> Iterator[Draft | Rejection]:
    mapping = joined.files.mapping
    place = f"mapping {mapping.name}"
    for template in mapping.once:
        bound = BoundTemplate(template, joined.scope({}), stamp, {})
        try:
            if bound.when(()):
                yield bound.draft((), place, None)
        except RefusedError as error:
            yield Rejection(place, None, None, f"{template.part}: {error.reason}")


def _of_file(name: str, joined: Joined, stamp: Stamp) -> Iterator[Draft | Rejection]:
    files, mapping = joined.files, joined.files.mapping
    lacking = sorted(mapping.files[one].pattern for one in files_needed(mapping, name) & files.unusable)
    if lacking:
        files.unusable.add(name)
        yield Rejection(mapping.files[name].pattern, None, None, f"was left out: it needs {', '.join(lacking)}")
        return
    events = RowEvents(name, joined, stamp)
    for found in files.rows(name, joined.seen, joined.tally):
        if isinstance(found, Rejection):
            yield found
        else:
            yield from events.of(found)
