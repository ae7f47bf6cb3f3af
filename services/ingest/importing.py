"""Runs a file import: rows become candidates in a thread, candidates go through the intake, and a report is kept."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice
from pathlib import Path, PurePath
from typing import Any
from zoneinfo import ZoneInfo

from services.ingest import queries, store
from services.ingest.domain.candidates import Candidate, Outcome, Status
from services.ingest.imports import (
    Draft,
    Importer,
    ImportFiles,
    ImportMapping,
    ImportRequest,
    Limits,
    Rejected,
    Rejection,
    RowWarning,
    default_as_of,
    error_files,
    fingerprint,
)
from services.ingest.intake import Intake
from shared.contracts.entities import canonical
from shared.kernel.clock import Clock
from shared.kernel.errors import ConflictError, Fault, InvalidInputError
from shared.kernel.tokens import Token
from shared.storage.database import Database

_CHUNK = 2000
_LISTED = 1000
"""Rejections listed in a report; all of them are counted."""

_CONTENT_TYPES = {
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".jsonl": "application/jsonl",
    ".ndjson": "application/jsonl",
}
Read = Draft | Rejection | RowWarning


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOrder:
    """What the caller asks for. `files` are on disk, by their names."""

    mapping: ImportMapping
    files: Mapping[str, Path]
    as_of: datetime | None = None
    known_as_occurred: bool = False
    shift: timedelta = timedelta(0)
    dry_run: bool = False
    sheet: str | None = None
    """Of the Excel files, in place of the one that the mapping names."""


@dataclass(slots=True)
class Report:
    """What became of the rows so far."""

    rejected: Rejected
    show: int = 0
    """Of how many rows the drafts are kept."""
    shown: dict[tuple[str, int | None], list[Draft]] = field(default_factory=dict)

    counts: Counter[Status] = field(default_factory=Counter)
    rejections: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[RowWarning] = field(default_factory=list)
    places: dict[tuple[int, int, int], int] = field(default_factory=dict)
    """The last number by generation, epoch and partition."""

    def refuse(self, one: Rejection) -> None:
        self.counts[Status.REJECTED] += 1
        self.rejected.add(one)
        if len(self.rejections) < _LISTED:
            self.rejections.append({"file": one.file, "row": one.row, "column": one.column, "reason": one.reason})

    def add(self, draft: Draft, outcome: Outcome) -> None:
        place = (draft.file, draft.row)
        if place in self.shown or len(self.shown) < self.show:
            self.shown.setdefault(place, []).append(draft)
        if outcome.error is not None and outcome.status is Status.REJECTED:
            self.refuse(Rejection(draft.file, draft.row, None, outcome.error.detail))
            return
        self.counts[outcome.status] += 1
        for generation, epoch, partition, number in outcome.places:
            at = generation, epoch, partition
            self.places[at] = max(number, self.places.get(at, 0))


@dataclass(frozen=True, slots=True)
class Imports:
    """Takes in files."""

    database: Database
    intake: Intake
    zone: ZoneInfo
    clock: Clock

    async def run(self, order: ImportOrder) -> dict[str, Any]:
        """Import, or with `dry_run` only say what an import would do; the report.

        Raises InvalidInputError for a mapping or files that cannot be used at all, ConflictError when history is to be
        dated back for a source that already lives.
        """
        started = self.clock.now()
        request = await self.prepare(order)
        raws = {} if order.dry_run else await self._keep(order.files, started)
        with Rejected() as rejected:
            report = Report(rejected)
            body = await self.take(order, request, report, raws)
            if order.dry_run:
                return {**body, "error_files": []}
            files = ImportFiles(order.mapping, order.files, Limits(), order.sheet)
            return await self._save(body, order.mapping.name, rejected, files, started)

    async def prepare(self, order: ImportOrder) -> ImportRequest:
        """Raises as `run`."""
        request = await asyncio.to_thread(self._request, order)
        await self._check_history(request)
        return request

    async def take(
        self, order: ImportOrder, request: ImportRequest, report: Report, raws: Mapping[str, str]
    ) -> dict[str, Any]:
        """Take every row in, or look what would become of it; what is to be told."""
        import_id = (await asyncio.to_thread(fingerprint, request))[:32]
        events = Importer().events(request)
        while read := await asyncio.to_thread(_next, events):
            await self._take(read, order, raws, report)
        return self._body(import_id, order, request, report)

    async def _save(
        self, body: dict[str, Any], mapping: str, rejected: Rejected, files: ImportFiles, started: datetime
    ) -> dict[str, Any]:
        """Keep the report, and the error files beside it."""
        opened = error_files(rejected, files)
        errors = await asyncio.to_thread(opened.__enter__)
        try:
            whole = {**body, "error_files": [{"file": file, "rows": rows} for file, rows in errors.rows.items()]}
            async with self.database.write() as writer:
                await store.save_import(
                    writer, body["import_id"], mapping, whole, started=started, finished=self.clock.now()
                )
                await store.save_import_errors(writer, body["import_id"], errors.parts())
        finally:
            opened.__exit__(None, None, None)
        return whole

    def _request(self, order: ImportOrder) -> ImportRequest:
        now = self.clock.now()
        as_of = order.as_of or default_as_of(order.mapping, order.files, self.zone, now, order.sheet)
        if as_of > now:
            raise InvalidInputError(
                "These files are said to be exported in the future: they would win against every later export.",
                faults=[Fault("as_of", "must not be later than now")],
            )
        return ImportRequest(
            mapping=order.mapping,
            files=order.files,
            as_of=as_of,
            known_as_occurred=order.known_as_occurred,
            shift=order.shift,
            zone=self.zone,
            sheet=order.sheet,
        )

    async def _check_history(self, request: ImportRequest) -> None:
        if not request.known_as_occurred:
            return
        async with self.database.read() as reader:
            if await queries.is_live(reader, request.mapping.source):
                raise ConflictError(
                    f"Source {request.mapping.source} has sent live events: its history cannot be dated back any more. "
                    "Import without known=occurred."
                )

    async def _keep(self, files: Mapping[str, Path], now: datetime) -> dict[str, str]:
        """Keep the bytes of every file; the id of each by its name."""
        ids: dict[str, str] = {}
        for name, path in files.items():
            body = await asyncio.to_thread(path.read_bytes)
            ids[name] = f"file-{sha256(body).hexdigest()[:40]}"
            async with self.database.write() as writer:
                await store.save_file(writer, ids[name], name, _content_type(name), body, now)
        return ids

    async def _take(self, read: Sequence[Read], order: ImportOrder, raws: Mapping[str, str], report: Report) -> None:
        drafts: list[Draft] = []
        for one in read:
            match one:
                case Draft():
                    drafts.append(one)
                case Rejection():
                    report.refuse(one)
                case RowWarning():
                    report.warnings.append(one)
        candidates = await asyncio.to_thread(_candidates, drafts, raws, history=order.known_as_occurred)
        outcomes = await (
            self._look(candidates) if order.dry_run else self.intake.take(candidates, None, kind="import")
        )
        for draft, outcome in zip(drafts, outcomes, strict=True):
            report.add(draft, outcome)

    async def _look(self, candidates: Sequence[Candidate]) -> list[Outcome]:
        """What accepting would say, without accepting; quarantine aside."""
        async with self.database.read() as reader:
            known = await queries.contents(reader, [one.identity for one in candidates])
        return [_foreseen(one, known.get(one.identity)) for one in candidates]

    def _body(self, import_id: str, order: ImportOrder, request: ImportRequest, report: Report) -> dict[str, Any]:
        token = Token.at((*place, number) for place, number in report.places.items())
        return {
            "import_id": import_id,
            "mapping": order.mapping.name,
            "dry_run": order.dry_run,
            "as_of": request.as_of.isoformat(),
            **{status.value: report.counts[status] for status in Status},
            "warnings": [
                {
                    "rule": one.rule,
                    "file": one.file,
                    "text": one.text,
                    "count": one.count,
                    "examples": list(one.examples),
                }
                for one in report.warnings
            ],
            "rejections": report.rejections,
            "token": token.encode() if token else None,
        }


def _content_type(name: str) -> str:
    return _CONTENT_TYPES.get(PurePath(name).suffix.lower(), "text/csv")


def _next(events: Iterator[Read]) -> list[Read]:
    return list(islice(events, _CHUNK))


def _candidates(drafts: Sequence[Draft], raws: Mapping[str, str], *, history: bool) -> list[Candidate]:
    return [_candidate(draft, raws.get(draft.file), history=history) for draft in drafts]


def _candidate(draft: Draft, raw_id: str | None, *, history: bool) -> Candidate:
    public, personal = canonical(draft.data)
    return Candidate(
        entity=draft.entity,
        source=draft.source,
        id=draft.id,
        subject=draft.subject,
        occurred_at=draft.occurred_at,
        sequence=draft.sequence,
        public=public,
        personal=personal,
        history=history,
        raw_id=raw_id,
        raw_part=draft.place,
    )


def _foreseen(candidate: Candidate, content: bytes | None) -> Outcome:
    accepted = Outcome(candidate.source, candidate.id, Status.ACCEPTED)
    if content is None:
        return accepted
    if content == candidate.content:
        return Outcome(candidate.source, candidate.id, Status.DUPLICATE)
    error = ConflictError("An event with this source and id was accepted before with other content.")
    return Outcome(candidate.source, candidate.id, Status.REJECTED, error=error)
