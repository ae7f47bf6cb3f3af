"""Takes in objects that were read from a source: only what the source has not said already."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.ingest import queries, wire
from services.ingest.accounts import Connected
from services.ingest.domain.agreement import Known, missing, redated
from services.ingest.domain.candidates import Candidate, Outcome, Status
from services.ingest.intake import Intake
from services.ingest.receiving import raw_of_record, recorded
from services.ingest.sources.adapter import Record
from shared.contracts.entities import ENTITIES
from shared.kernel.errors import QuintantError
from shared.storage.database import Database

KIND = "read"
_NOTHING_KNOWN = Known(())
_TOLD_ONE_BY_ONE = frozenset({"contacts"})
"""Collections of which an object may tell some entries: persons are objects of their own in most sources."""


@dataclass(frozen=True, slots=True)
class Absorbed:
    """What a record turned out to be."""

    changed_at: datetime
    """The object's own time of change."""
    new: bool
    """Something in it had not been told. What waits in the quarantine may well have been."""


@dataclass(frozen=True, slots=True)
class Absorbing:
    """Compares and takes in."""

    database: Database
    intake: Intake

    async def take(self, connected: Connected, records: Sequence[Record]) -> list[Absorbed]:
        """What became of each record. Raises UnavailableError; taking the same again does no harm."""
        return [await self._one(connected, record) for record in records]

    async def _one(self, connected: Connected, record: Record) -> Absorbed:
        try:
            read = wire.read(recorded(connected, record))
        except QuintantError as error:
            return await self._hold(connected, record, error)
        refused = [one.error for one in read if isinstance(one, Outcome) and one.error is not None]
        if refused:
            return await self._hold(connected, record, refused[0])
        candidates = [one for one in read if isinstance(one, Candidate)]
        if not candidates:
            return Absorbed(record.read_at, new=False)
        changed_at = max(one.occurred_at for one in candidates)
        fresh, context = await self._missing(connected, record, candidates)
        if not fresh:
            return Absorbed(changed_at, new=False)
        outcomes = await self.intake.take(fresh, raw_of_record(connected, record, context), kind=KIND)
        return Absorbed(changed_at, new=any(one.status is Status.ACCEPTED for one in outcomes))

    async def _missing(
        self, connected: Connected, record: Record, candidates: Sequence[Candidate]
    ) -> tuple[list[Candidate], dict[str, object]]:
        """The candidates that add something, as they have to be said; and what a replay needs to say them so again."""
        async with self.database.read() as reader:
            known = await queries.said_by(
                reader, connected.account.source, [(one.entity, one.subject) for one in candidates]
            )
        fresh: list[Candidate] = []
        removed: dict[str, object] = {}
        dated: dict[str, str] = {}
        for candidate in candidates:
            said = wire.said(candidate)
            collections = ENTITIES[candidate.entity].collections
            found = missing(
                said, known.get(said.key, _NOTHING_KNOWN), collections, record.read_at, partial=_TOLD_ONE_BY_ONE
            )
            if found is None:
                continue
            if found.removed:
                removed[candidate.id] = found.removed
            if found.at != candidate.occurred_at:
                dated[candidate.id] = found.at.isoformat()
            fresh.append(redated(wire.without(candidate, found.removed), found.at))
        return fresh, {"removed": removed, "dated": dated}

    async def _hold(self, connected: Connected, record: Record, error: QuintantError) -> Absorbed:
        raw = raw_of_record(connected, record, {"removed": {}, "dated": {}})
        await self.intake.hold_raw(raw, connected.account.source, error.slug, error.detail)
        return Absorbed(record.read_at, new=False)
