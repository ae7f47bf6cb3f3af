"""When were these files exported? What nobody says is derived from the files, so the same bytes give the same ids."""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

import msgspec

from services.ingest.imports.binding import RefusedError
from services.ingest.imports.expressions import Constant
from services.ingest.imports.file_rows import ImportFiles
from services.ingest.imports.filters import AS_OF
from services.ingest.imports.formats.records import Limits
from services.ingest.imports.formats.uploads import Upload
from services.ingest.imports.importer import ImportRequest
from services.ingest.imports.joins import Joined
from services.ingest.imports.mapping import ImportMapping, Template
from services.ingest.imports.outcomes import Rejection
from services.ingest.imports.seen import Seen
from services.ingest.imports.tally import Tally
from services.ingest.imports.templates import BoundTemplate, Stamp
from services.ingest.imports.values import Calendar, Cells
from shared.contracts.values import FIRST_YEAR, LAST_YEAR
from shared.kernel.errors import InvalidInputError

_CHUNK = 1024 * 1024
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def default_as_of(
    mapping: ImportMapping,
    files: Mapping[str, BinaryIO | Path],
    zone: ZoneInfo,
    now: datetime,
    sheet: str | None = None,
) -> datetime:
    """The as-of instant that the mapping declares, else the end of the newest business day on which a row of these
    files says that something happened.

    Raises InvalidInputError if there is none, or if it lies in the future: a slip of a keyboard there would win against
    every later export.
    """
    if isinstance(mapping.as_of, datetime):
        return mapping.as_of
    day = mapping.as_of or _newest_day(mapping, files, zone, sheet)
    if day is None:
        raise InvalidInputError("These files name no date: say as of when they were exported.")
    if day > now.astimezone(zone).date():
        raise InvalidInputError("These files name a date in the future: say as of when they were exported.")
    return end_of_day(day, zone)


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The last microsecond of a business day, UTC."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(days=1)
    return midnight.astimezone(UTC) - timedelta(microseconds=1)


def fingerprint(request: ImportRequest) -> str:
    """SHA-256 of everything that decides what an import says: equal fingerprints, equal drafts."""
    options = (
        request.mapping.digest,
        request.as_of.astimezone(UTC).isoformat(),
        request.known_as_occurred,
        request.shift.days,
        request.zone.key,
        *([request.sheet] if request.sheet else []),
        {name: _sha256(Upload(name, request.files[name])) for name in sorted(request.files)},
    )
    return hashlib.sha256(msgspec.json.encode(options)).hexdigest()


def _sha256(upload: Upload) -> str:
    digest = hashlib.sha256()
    with upload.opened() as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _newest_day(
    mapping: ImportMapping, files: Mapping[str, BinaryIO | Path], zone: ZoneInfo, sheet: str | None
) -> date | None:
    """Faults of the files are told by the import itself."""
    with Seen() as seen:
        joined = Joined(ImportFiles(mapping, files, Limits(), sheet), seen, Tally(), date.min, zone)
        for _rejection in joined.load():
            pass
        days = (day for name in mapping.files for day in _days(name, joined, zone))
        return max(days, default=None)


def _days(name: str, joined: Joined, zone: ZoneInfo) -> Iterator[date]:
    scope = joined.scope(joined.files.columns(name))
    stamp = Stamp(joined.files.mapping.source, _NEVER, Calendar(zone, timedelta(0)))
    templates = [one for one in joined.files.mapping.files[name].events if not _is_dated_as_of(one)]
    bound = [BoundTemplate(one, scope, stamp, joined.details) for one in templates]
    for found in joined.files.rows(name, joined.seen, joined.tally):
        if not isinstance(found, Rejection):
            for template in bound:
                day = _day(template, found.row.cells, zone)
                if day is not None:
                    yield day


def _day(template: BoundTemplate, cells: Cells, zone: ZoneInfo) -> date | None:
    try:
        said = template.moment_said(cells) if template.when(cells) else None
    except RefusedError:
        return None
    if not isinstance(said, date) or not FIRST_YEAR <= said.year <= LAST_YEAR:
        return None
    if isinstance(said, datetime):
        return said.astimezone(zone).date() if said.tzinfo else said.date()
    return said


def _is_dated_as_of(template: Template) -> bool:
    """Then its date says nothing about when the files were made."""
    expression = template.occurred_at
    terms = (expression.head, *(term for step in expression.steps for term in step.arguments))
    return Constant(AS_OF) in terms
