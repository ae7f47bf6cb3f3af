"""What happens to the events of one request: into the inbox, or into the quarantine, or back to the sender."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import structlog

from services.ingest import queries, store
from services.ingest.domain.candidates import Candidate, Outcome, Status
from services.ingest.domain.stages import StageNamed, UnknownStageError, is_configured, stage_named, unknown_stage
from services.ingest.inbox import Inbox, Raw, Submission
from services.ingest.store import Held
from shared.contracts.entities import statement
from shared.kernel.clock import Clock
from shared.kernel.errors import ConflictError, NotFoundError, QuintantError
from shared.kernel.ids import derived_id
from shared.sales.company import Pipelines
from shared.storage.database import Database
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

_LOG = structlog.get_logger(__name__)
_COUNTERS = {
    Status.ACCEPTED: metric_names.INGEST_ACCEPTED,
    Status.DUPLICATE: metric_names.INGEST_DUPLICATE,
    Status.QUARANTINED: metric_names.INGEST_QUARANTINED,
    Status.REJECTED: metric_names.INGEST_REJECTED,
}
Item = TypeVar("Item")


@dataclass(slots=True)
class Intake:
    """Takes in candidates of every origin in the same way."""

    database: Database
    inbox: Inbox
    pipelines: Pipelines
    metrics: Metrics
    clock: Clock
    _labels: dict[str, frozenset[str]] = field(default_factory=dict)
    """Stage map → labels that it is known to explain; what is missing here is looked up."""

    async def take(self, read: Sequence[Candidate | Outcome], raw: Raw | None, *, kind: str) -> list[Outcome]:
        """What became of each, in order; events that were refused before pass through. `kind` is for telemetry."""
        candidates = [one for one in read if isinstance(one, Candidate)]
        waiting = {id(one) for one in candidates if await self._is_puzzling(one)}
        taken = await self._accept([one for one in candidates if id(one) not in waiting], raw)
        if waiting:  # a stage map may have come in the same request
            puzzling = [one for one in candidates if id(one) in waiting]
            clear = [one for one in puzzling if not await self._is_puzzling(one)]
            taken |= await self._accept(clear, raw)
            taken |= await self._hold([one for one in puzzling if id(one) not in taken])
        outcomes = [one if isinstance(one, Outcome) else taken[id(one)] for one in read]
        for outcome in outcomes:
            self.metrics.add(_COUNTERS[outcome.status], source_kind=kind)
        await self._release_waiting(candidates, outcomes)
        return outcomes

    async def _accept(self, candidates: Sequence[Candidate], raw: Raw | None) -> dict[int, Outcome]:
        outcomes = await self.inbox.accept(Submission(candidates, raw))
        return {id(candidate): outcome for candidate, outcome in zip(candidates, outcomes, strict=True)}

    async def _is_puzzling(self, candidate: Candidate) -> bool:
        """Whether a deal names a stage that means nothing yet."""
        named = stage_named(candidate.source, statement(candidate.public).said) if candidate.entity == "deal" else None
        if named is None or is_configured(named, self.pipelines):
            return False
        if named.label not in self._labels.get(named.stage_map, ()):
            async with self.database.read() as reader:
                labels = await queries.mapped_labels(reader, named.stage_map, named.pipeline, self.pipelines)
            self._labels[named.stage_map] = labels
        return named.label not in self._labels[named.stage_map]

    async def _hold(self, candidates: Sequence[Candidate]) -> dict[int, Outcome]:
        held = {id(one): _held(one) for one in candidates}
        async with self.database.write() as writer:
            await store.save_held(writer, list(held.values()), self.clock.now())
        return {
            key: Outcome(one.source, one.event_id, Status.QUARANTINED, quarantine_id=one.id)
            for key, one in held.items()
        }

    async def hold_raw(self, held: Held) -> Outcome:
        """Set aside bytes that are genuine but that no adapter can read yet."""
        async with self.database.write() as writer:
            await store.save_held(writer, [held], self.clock.now())
        self.metrics.add(metric_names.INGEST_QUARANTINED, source_kind="webhook")
        return Outcome(held.source, held.event_id, Status.QUARANTINED, quarantine_id=held.id)

    async def _release_waiting(self, candidates: Sequence[Candidate], outcomes: Sequence[Outcome]) -> None:
        """What waited for something that has just come is tried again by itself."""
        come = {(one.source, one.id) for one in outcomes if one.status is Status.ACCEPTED}
        for candidate in candidates:
            if candidate.entity == "stage-map" and candidate.identity in come:
                async with self.database.read() as reader:
                    waiting = await store.load_waiting(reader, f"stage-map/{candidate.subject}")
                for held_id in waiting:
                    await self.retry(held_id)

    async def retry(self, held_id: str) -> Outcome:
        """Try a quarantined candidate again. Raises NotFoundError, or ConflictError if it was released before."""
        async with self.database.read() as reader:
            found = await queries.held_one(reader, held_id)
        if found is None:
            raise NotFoundError("Nothing with this id is or was in the quarantine.")
        held, released_at = found
        if released_at is not None:
            raise ConflictError("This was taken in before.")
        if held.candidate is None:
            raise ConflictError("No adapter of this version can read these bytes: update ingest, then try again.")
        outcome = await self._try(held.candidate)
        done = outcome.status in (Status.ACCEPTED, Status.DUPLICATE)
        async with self.database.write() as writer:
            detail = "" if outcome.error is None else outcome.error.detail
            await store.save_attempt(writer, held_id, released_at=self.clock.now() if done else None, detail=detail)
        _LOG.info("quarantine_retried", id=held_id, status=outcome.status)
        return replace(outcome, quarantine_id=held_id)

    async def _try(self, candidate: Candidate) -> Outcome:
        if await self._is_puzzling(candidate):
            error: QuintantError = unknown_stage(_named(candidate))
            return Outcome(candidate.source, candidate.id, Status.QUARANTINED, error=error)
        return (await self.inbox.accept(Submission([candidate])))[0]


def _named(candidate: Candidate) -> StageNamed:
    named = stage_named(candidate.source, statement(candidate.public).said)
    if named is None:
        raise UnknownStageError("The event names no stage.")
    return named


def _held(candidate: Candidate) -> Held:
    named = _named(candidate)
    error = unknown_stage(named)
    return Held(
        derived_id(candidate.source, candidate.id),
        candidate.source,
        candidate.id,
        f"stage-map/{named.stage_map}",
        error.slug,
        error.detail,
        candidate,
    )
