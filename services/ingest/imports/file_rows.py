"""The files of one import: which upload is which, and their rows with keys checked."""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO, NamedTuple

from services.ingest.imports.formats.records import Limits
from services.ingest.imports.formats.uploads import TextStyle, Upload
from services.ingest.imports.mapping import ImportMapping
from services.ingest.imports.outcomes import Rejection
from services.ingest.imports.rows import BETWEEN, Reading, Remarks, Row
from services.ingest.imports.seen import Seen
from services.ingest.imports.tally import Tally
from services.ingest.imports.uses import columns_read

_NAMES, _LONGEST_NAME = 10, 60


class FileRow(NamedTuple):
    """A row, and the upload in which it stands."""

    file: str
    row: Row


class ImportFiles:
    """The uploads of one import, by their names under `files` in the mapping."""

    def __init__(
        self, mapping: ImportMapping, files: Mapping[str, BinaryIO | Path], limits: Limits, sheet: str | None = None
    ) -> None:
        self.mapping = mapping
        self.limits = limits
        self._sheet = sheet
        self.unusable: set[str] = set()
        """Files that are missing or cannot be read as a whole."""
        self._uploads = {
            name: [Upload(file, files[file]) for file in sorted(files) if fnmatchcase(file, spec.pattern)]
            for name, spec in mapping.files.items()
        }
        known = {upload.name for uploads in self._uploads.values() for upload in uploads}
        self._unused = sorted(files.keys() - known)
        self._columns = {
            name: {column: place for place, column in enumerate(sorted(columns_read(mapping, name)))}
            for name in mapping.files
        }

    def columns(self, name: str) -> Mapping[str, int]:
        """Where each column stands in the cells of a row."""
        return self._columns[name]

    def check(self, tally: Tally) -> Iterator[Rejection]:
        """Files that are missing; files that nobody asked for are counted."""
        for file in self._unused:
            tally.count("unused-file", file, 1, "the mapping has no use for this file")
        for name, spec in self.mapping.files.items():
            if spec.required and not self._uploads[name]:
                self.unusable.add(name)
                yield Rejection(spec.pattern, None, None, "is missing")

    def rows(self, name: str, seen: Seen, tally: Tally, purpose: str = "events") -> Iterator[FileRow | Rejection]:
        """The rows of a file, each key once; a file may be read again for another purpose."""
        reading = self.reading(name)
        keys = _Keys(reading, seen, f"{purpose} {name}")
        for upload in self._uploads[name]:
            remarks = Remarks()
            for row in reading.rows(upload, remarks):
                if isinstance(row, Row):
                    problem = keys.check(upload.name, row)
                    if isinstance(problem, _Repeated):
                        tally.count("duplicate-row", upload.name, row.number, "repeats an earlier row")
                    else:
                        yield problem or FileRow(upload.name, row)
                else:
                    if row.whole_file:
                        self.unusable.add(name)
                    yield row
            _remark(remarks, upload.name, tally)

    def reading(self, name: str) -> Reading:
        """How the rows of a file are read."""
        return Reading(self.mapping.files[name], self._columns[name], self.limits, self._sheet)

    def styles(self) -> Iterator[tuple[Upload, TextStyle]]:
        """Each upload that the mapping reads, and how it is written."""
        for name, uploads in self._uploads.items():
            yield from ((upload, self.reading(name).style) for upload in uploads)


def _remark(remarks: Remarks, file: str, tally: Tally) -> None:
    if remarks.notice:
        tally.count("other-sheets", file, 1, remarks.notice)
    if remarks.unknown:
        tally.count("unknown-column", file, 1, f"the mapping does not know {_named(remarks.unknown)}")


def _named(columns: Sequence[str]) -> str:
    """The first of some column names, however many and long they are."""
    names = ", ".join(repr(column[:_LONGEST_NAME]) for column in columns[:_NAMES])
    return f"the columns {names} and {len(columns) - _NAMES} more" if columns[_NAMES:] else f"the columns {names}"


class _Repeated:
    """The row says what the first row of its key said."""


_REPEATED = _Repeated()


class _Keys:
    """Tells rows apart by the key columns of their file."""

    def __init__(self, reading: Reading, seen: Seen, space: str) -> None:
        self._key = [(column, reading.columns[column]) for column in reading.spec.key]
        self._seen = seen
        self._space = space

    def check(self, file: str, row: Row) -> Rejection | _Repeated | None:
        """None if it is the first row of its key; else why it is no row of its own."""
        if not self._key:
            return None
        for column, place in self._key:
            if not row.cells[place]:
                return Rejection(file, row.number, column, "is blank, and it tells the rows apart")
        key = BETWEEN.join((self._space, *(row.cells[place] for _column, place in self._key)))
        content = row.text.encode()
        if self._seen.remember(key, content, file, row.number):
            return None
        earlier = self._seen.earlier(key, content)
        if earlier is None or earlier.same:
            return _REPEATED
        where = f"row {earlier.row}" if earlier.file == file else f"row {earlier.row} of {earlier.file}"
        return Rejection(file, row.number, self._key[0][0], f"{where} has the same key and other content")
