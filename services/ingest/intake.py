"""What happens to the events of one request: into the inbox, or into the quarantine, or back to the sender."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache

import msgspec
import structlog

from services.ingest import queries, store
from services.ingest.domain.candidates import Candidate, Outcome, Status
from services.ingest.domain.stages import StageNamed, is_clear, stages_named, unknown_stage
from services.ingest.inbox import Inbox, Submission
from services.ingest.sources.adapter import ToRead
from services.ingest.store import Held, Raw
from shared.kernel.clock import Clock
from shared.kernel.errors import ConflictError, NotFoundError
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


class _Named(msgspec.Struct, frozen=True):
    """Of a deal's said fields those that name a stage."""

    stage: str | msgspec.UnsetType | None = msgspec.UNSET
    pipeline_id: str | msgspec.UnsetType | None = msgspec.UNSET

    def said(self) -> dict[str, object]:
        """As they stand in the event."""
        return {name: item for name, item in msgspec.structs.asdict(self).items() if item is not msgspec.UNSET}


_decode_named = msgspec.json.Decoder(_Named).decode


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
    _names_clearly: Callable[[_Named], bool] = field(init=False)
    """There are few stages, and each deal names one of them."""

    def __post_init__(self) -> None:
        self._names_clearly = lru_cache(maxsize=1024)(lambda named: is_clear(named.said(), self.pipelines))

    async def take(
        self,
        read: Sequence[Candidate | Outcome],
        raw: Raw | None,
        *,
        kind: str,
        reads: Sequence[ToRead] = (),
        delivered: bool = False,
    ) -> list[Outcome]:
        """What became of each, in order; events that were refused before pass through. `kind` is for telemetry; `reads`
        are put into the queue in the same commit, in which a delivery of a configured source is counted too."""
        candidates = [one for one in read if type(one) is Candidate]
        puzzling = [one for one in candidates if one.entity == "deal" and not self._is_clear(one)]
        if puzzling:
            puzzling = [one for one in puzzling if await self._is_puzzling(one)]
        if puzzling:
            taken = await self._accept_or_hold(candidates, puzzling, raw, reads, delivered=delivered)
        else:
            taken = await self.inbox.accept(Submission(candidates, raw, reads=reads, delivered=delivered))
        if len(taken) == len(read):
            outcomes = taken
        else:
            rest = iter(taken)
            outcomes = [one if isinstance(one, Outcome) else next(rest) for one in read]
        statuses = [one.status for one in outcomes]
        for status, name in _COUNTERS.items():
            if status in statuses:
                self.metrics.add(name, statuses.count(status), source_kind=kind)
        maps = [one for one in candidates if one.entity == "stage-map"]
        if maps:
            await self._release_waiting(maps, outcomes)
        return outcomes

    async def _accept_or_hold(
        self,
        candidates: Sequence[Candidate],
        puzzling: Sequence[Candidate],
        raw: Raw | None,
        reads: Sequence[ToRead],
        *,
        delivered: bool,
    ) -> list[Outcome]:
        """The clear ones first: a stage map among them may explain the rest."""
        waiting = {id(one) for one in puzzling}
        clear = [one for one in candidates if id(one) not in waiting]
        taken = await self._accept(clear, Submission(clear, raw, reads=reads, delivered=delivered))
        explained = [one for one in puzzling if not await self._is_puzzling(one)]
        taken |= await self._accept(explained, Submission(explained, raw))
        taken |= await self._hold([one for one in puzzling if id(one) not in taken], raw)
        return [taken[id(one)] for one in candidates]

    async def _accept(self, candidates: Sequence[Candidate], submission: Submission) -> dict[int, Outcome]:
        outcomes = await self.inbox.accept(submission)
        return {id(candidate): outcome for candidate, outcome in zip(candidates, outcomes, strict=True)}

    async def _is_puzzling(self, candidate: Candidate) -> bool:
        """Whether a deal names a stage that means nothing yet."""
        if self._is_clear(candidate):
            return False
        return not any([await self._is_mapped(one) for one in self._named(candidate)])

    def _is_clear(self, candidate: Candidate) -> bool:
        return self._names_clearly(_decode_named(candidate.public))

    def _named(self, candidate: Candidate) -> list[StageNamed]:
        return stages_named(candidate.source, _decode_named(candidate.public).said(), self.pipelines)

    async def _is_mapped(self, named: StageNamed) -> bool:
        if named.label not in self._labels.get(named.stage_map, ()):
            async with self.database.read() as reader:
                labels = await queries.mapped_labels(reader, named.stage_map, named.pipeline, self.pipelines)
            self._labels[named.stage_map] = labels
        return named.label in self._labels[named.stage_map]

    async def _hold(self, candidates: Sequence[Candidate], raw: Raw | None) -> dict[int, Outcome]:
        """Set aside what names an unknown stage, with the bytes from which it was read."""
        held = {id(one): _held(replace(one, raw_id=raw.id) if raw else one, self._named(one)[0]) for one in candidates}
        async with self.database.write() as writer:
            if held and raw:
                await store.save_raws(writer, [raw])
            await store.save_held(writer, list(held.values()), self.clock.now())
        return {
            key: Outcome(one.source, one.event_id, Status.QUARANTINED, quarantine_id=one.id)
            for key, one in held.items()
        }

    async def hold_raw(self, raw: Raw, source: str, reason: str, detail: str) -> Outcome:
        """Set aside bytes that are genuine but that no adapter can read yet; the same bytes once."""
        held = Held(derived_id(source, raw.id), source, raw.id, "", reason, detail, raw_id=raw.id)
        async with self.database.write() as writer:
            await store.save_raws(writer, [raw])
            await store.save_held(writer, [held], self.clock.now())
        self.metrics.add(metric_names.INGEST_QUARANTINED, source_kind=raw.kind)
        return Outcome(source, raw.id, Status.QUARANTINED, quarantine_id=held.id)

    async def _release_waiting(self, maps: Sequence[Candidate], outcomes: Sequence[Outcome]) -> None:
        """What waited for something that has just come is tried again by itself."""
        come = {(one.source, one.id) for one in outcomes if one.status is Status.ACCEPTED}
        for candidate in maps:
            if candidate.identity in come:
                async with self.database.read() as reader:
                    waiting = await store.load_waiting(reader, f"stage-map/{candidate.subject}")
                await self.retry_all(waiting)

    async def retry_all(self, held_ids: Sequence[str]) -> None:
        """Try these again; what another request released meanwhile is as good as released here."""
        for held_id in held_ids:
            with suppress(ConflictError):
                await self.retry(held_id)

    async def retry_forgotten(self) -> None:
        """Try again what waits although its stage map came: it was set aside in that very moment, or the process that
        took the map in was killed before it tried."""
        async with self.database.read() as reader:
            forgotten = await store.load_forgotten(reader)
        await self.retry_all(forgotten)

    async def retry(self, held_id: str) -> Outcome:
        """Try a quarantined candidate again. Raises NotFoundError, or ConflictError if it was released before or is no
        candidate but bytes."""
        held = await self.held(held_id)
        if held.candidate is None:
            raise ConflictError("No adapter of this version can read these bytes: update ingest, then try again.")
        outcome = await self._try(held.candidate)
        await self.note_attempt(held_id, outcome)
        return replace(outcome, quarantine_id=held_id)

    async def held(self, held_id: str) -> Held:
        """What waits under this id. Raises NotFoundError, or ConflictError if it was released before."""
        async with self.database.read() as reader:
            found = await queries.held_one(reader, held_id)
        if found is None:
            raise NotFoundError("Nothing with this id is or was in the quarantine.")
        held, released_at = found
        if released_at is not None:
            raise ConflictError("This was taken in before.")
        return held

    async def note_attempt(self, held_id: str, outcome: Outcome) -> None:
        """Remember how an attempt ended; what was accepted, or was known, is released."""
        done = outcome.status in (Status.ACCEPTED, Status.DUPLICATE)
        async with self.database.write() as writer:
            detail = "" if outcome.error is None else outcome.error.detail
            await store.save_attempt(writer, held_id, at=self.clock.now(), released=done, detail=detail)
        _LOG.info("quarantine_retried", id=held_id, status=outcome.status)

    async def _try(self, candidate: Candidate) -> Outcome:
        if candidate.entity == "deal" and await self._is_puzzling(candidate):
            error = unknown_stage(self._named(candidate)[0])
            return Outcome(candidate.source, candidate.id, Status.QUARANTINED, error=error)
        return (await self.inbox.accept(Submission([candidate])))[0]


def _held(candidate: Candidate, named: StageNamed) -> Held:
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
