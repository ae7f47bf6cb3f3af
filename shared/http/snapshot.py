"""One snapshot of a service's database for one answer: how fresh it is, what was known, and read-your-writes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date

from shared.http.freshness import Freshness, NotYetAppliedError
from shared.kernel.clock import Clock
from shared.kernel.errors import BehindError, NotKnownError
from shared.kernel.tokens import Token
from shared.storage.database import Database, Reader
from shared.storage.position import read_standing
from shared.storage.progress import read_completeness
from shared.storage.waiting import wait_until_applied


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Where the answers of a folding service come from."""

    database: Database
    clock: Clock
    generation: int
    wait_seconds: float

    @asynccontextmanager
    async def take(self, known_at: date | None, after: Token | None) -> AsyncIterator[tuple[Reader, Freshness]]:
        """One snapshot and how fresh it is, once the events of `after` are applied.

        Raises NotKnownError for a day before anything was known, NotYetAppliedError when waiting took too long.
        """
        if after is not None:
            await self._wait(after)
        async with self.database.read() as reader:
            yield reader, await self._freshness(reader, known_at)

    async def _wait(self, after: Token) -> None:
        try:
            await wait_until_applied(
                self.database,
                after,
                generation=self.generation,
                deadline_seconds=self.wait_seconds,
                clock=self.clock,
            )
        except BehindError as error:
            async with self.database.read() as reader:
                raise NotYetAppliedError(await self._freshness(reader, None)) from error

    async def _freshness(self, reader: Reader, known_at: date | None) -> Freshness:
        standing = await read_standing(reader)
        first = standing.first_known
        if known_at is not None and (first is None or known_at < first):
            since = f"the first event was learned on {first}" if first else "no event was applied yet"
            raise NotKnownError(f"On {known_at} nothing was known: {since}.")
        completeness = await read_completeness(reader, standing)
        until = standing.reconstructed_until
        return Freshness(
            standing.applied_at or self.clock.now(),
            completeness.complete_through,
            completeness.events_behind,
            reconstructed=known_at is not None and until is not None and known_at < until,
        )
