"""One snapshot of a service's database for one answer: how fresh it is, what was known, and read-your-writes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date

from shared.http.freshness import Freshness, NotYetAppliedError
from shared.http.kept import KeptAnswers, Sighting
from shared.kernel.clock import Clock
from shared.kernel.errors import BehindError, NotKnownError
from shared.kernel.tokens import Token
from shared.storage.database import Database, Reader
from shared.storage.position import Standing
from shared.storage.progress import read_freshness
from shared.storage.waiting import Lookout, missing


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one answer is read from."""

    reader: Reader
    freshness: Freshness
    standing: Standing
    sighting: Sighting

    def require_knowledge(self) -> None:
        """Raises NotKnownError if no event was applied yet: then no number is zero, none is known."""
        if self.standing.first_known is None:
            raise NotKnownError("Nothing is known yet: no event was applied.")


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Where the answers of a folding service come from."""

    database: Database
    clock: Clock
    wait_seconds: float
    """How long a reader may wait for its own writes."""
    lookout: Lookout
    kept: KeptAnswers = field(default_factory=KeptAnswers, kw_only=True)

    @asynccontextmanager
    async def snapshot(self, known_at: date | None = None, after: Token | None = None) -> AsyncIterator[Snapshot]:
        """One snapshot and how fresh it is, once the events of `after` are applied.

        Raises NotKnownError for a day before anything was known, NotYetAppliedError when waiting took too long.
        """
        trusting = True
        while True:
            if after is not None:
                await self._wait(after, trusting=trusting)
            began, build = self.clock.monotonic(), self.database.schemas
            async with self.database.read() as reader:
                found = await self._snapshot(reader, known_at, began, build)
                # Another build may have taken over since the wait, and its worker be an event behind for a moment.
                if after is None or not missing(after, found.standing):
                    yield found
                    return
            trusting = False

    async def _wait(self, after: Token, *, trusting: bool) -> None:
        try:
            await self.lookout.wait(after, deadline_seconds=self.wait_seconds, trusting=trusting)
        except BehindError as error:
            began, build = self.clock.monotonic(), self.database.schemas
            async with self.database.read() as reader:
                raise NotYetAppliedError((await self._snapshot(reader, None, began, build)).freshness) from error

    async def _snapshot(self, reader: Reader, known_at: date | None, began: float, build: tuple[str, ...]) -> Snapshot:
        standing, completeness = await read_freshness(reader)
        _require_known(standing, known_at)
        until = standing.reconstructed_until
        present = Freshness(
            standing.applied_at or self.clock.now(), completeness.complete_through, completeness.events_behind
        )
        sighting = Sighting(build, standing.positions, present, began)
        self.kept.saw(sighting)
        reconstructed = known_at is not None and until is not None and known_at < until
        return Snapshot(reader, replace(present, reconstructed=reconstructed), standing, sighting)


def _require_known(standing: Standing, known_at: date | None) -> None:
    first = standing.first_known
    if known_at is not None and (first is None or known_at < first):
        since = f"the first event was learned on {first}" if first else "no event was applied yet"
        raise NotKnownError(f"On {known_at} nothing was known: {since}.")
