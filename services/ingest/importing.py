"""Runs a file import: rows become candidates in a thread, candidates go through the intake, and a report is kept."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from services.ingest import queries, store
from services.ingest.domain.candidates import Candidate, Outcome, Status
from services.ingest.imports import (
    Draft,
    Importer,
    ImportMapping,
    ImportRequest,
    Rejection,
    RowWarning,
    default_as_of,
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


@dataclass(slots=True)
class _Report:
    """What became of the rows so far."""

    counts: Counter[Status] = field(default_factory=Counter)
    rejections: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[RowWarning] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)

    def refuse(self, file: str, row: int | None, column: str | None, reason: str) -> None:
        self.counts[Status.REJECTED] += 1
        if len(self.rejections) < _LISTED:
            self.rejections.append({"file": file, "row": row, "column": column, "reason": reason})

    def add(self, draft: Draft, outcome: Outcome) -> None:
        if outcome.error is not None and outcome.status is Status.REJECTED:
            self.refuse(draft.file, draft.row, None, outcome.error.detail)
            return
        self.counts[outcome.status] += 1
        for partition, number in outcome.places:
            self.places[partition] = max(number, self.places.get(partition, 0))


@dataclass(frozen=True, slots=True)
class Imports:
    """Takes in files."""

    database: Database
    intake: Intake
    zone: ZoneInfo
    generation: int
    clock: Clock

    async def run(self, order: ImportOrder) -> dict[str, Any]:
        """Import, or with `dry_run` only say what an import would do; the report.

        Raises InvalidInputError for a mapping or files that cannot be used at all, ConflictError when history is to be
        dated back for a source that already lives.
        """
        started = self.clock.now()
        request = await asyncio.to_thread(self._request, order)
        await self._check_history(request)
        import_id = (await asyncio.to_thread(fingerprint, request))[:32]
        raws = {} if order.dry_run else await self._keep(order.files, started)
        report = _Report()
        events = Importer().events(request)
        while read := await asyncio.to_thread(_next, events):
            await self._take(read, order, raws, report)
        body = self._body(import_id, order, request, report)
        if not order.dry_run:
            async with self.database.write() as writer:
                await store.save_import(
                    writer, import_id, order.mapping.name, body, started=started, finished=self.clock.now()
                )
        return body

    def _request(self, order: ImportOrder) -> ImportRequest:
        now = self.clock.now()
        as_of = order.as_of or default_as_of(order.mapping, order.files, self.zone, now)
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
                await store.save_file(writer, ids[name], name, body, now)
        return ids

    async def _take(self, read: Sequence[Read], order: ImportOrder, raws: Mapping[str, str], report: _Report) -> None:
        drafts: list[Draft] = []
        for one in read:
            match one:
                case Draft():
                    drafts.append(one)
                case Rejection():
                    report.refuse(one.file, one.row, one.column, one.reason)
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

    def _body(self, import_id: str, order: ImportOrder, request: ImportRequest, report: _Report) -> dict[str, Any]:
        token = Token.of(self.generation, report.places.items()).encode() if report.places else None
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
            "token": token,
        }


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
