"""Brings the summaries up to date in the background: a cache that makes reads fast and never decides what they say."""

import asyncio
from dataclasses import dataclass, field

import structlog

from services.metrics.domain.slices import SLICES, Slices
from services.metrics.store import seal_step
from shared.kernel.errors import UnavailableError
from shared.messaging.deadlines import Backoff
from shared.messaging.leader import leadership
from shared.storage.database import Database
from shared.storage.position import FencedError
from shared.storage.progress import read_freshness

_LOG = structlog.get_logger(__name__)

LIMIT = 200_000
"""Postings that one transaction adds at most: some seconds of work."""


async def summarise(database: Database, *, limit: int = LIMIT) -> None:
    """Add everything that is applied by now to the summaries. Safe to repeat and to interrupt at any moment."""
    while await summarise_some(database, limit=limit):
        pass


async def summarise_some(database: Database, *, limit: int = LIMIT) -> bool:
    """One step for each ledger; whether anything is left to add."""
    left = False
    for slices in SLICES.values():
        await _index_blocks(database, slices)
        async with database.write() as writer:
            left |= await seal_step(writer, slices, limit)
    return left


async def _index_blocks(database: Database, slices: Slices) -> None:
    """Let the block-range indexes know the new blocks: a block that they do not know is read by every question, and by
    every step of a summariser that is far behind."""
    async with database.write() as writer:
        for column in ("number", "day", "known_on"):
            await writer.value("SELECT brin_summarize_new_values($1::regclass)", f"{slices.ledger.name}_{column}")


@dataclass(slots=True)
class Step:
    """How many postings one transaction adds: what takes some seconds on this machine, far from its deadline."""

    limit: int = LIMIT // 8
    least: int = 1_000
    short: float = 2.5
    long: float = 10.0
    """Seconds."""

    def took(self, seconds: float) -> None:
        """A step of this size took so long."""
        if seconds < self.short:
            self.limit = min(2 * self.limit, LIMIT)
        elif seconds > self.long:
            self.failed()

    def failed(self) -> None:
        """It took too long, or the server was lost."""
        self.limit = max(self.limit // 2, self.least)


@dataclass(frozen=True, slots=True)
class Pace:
    """When it is worth while, counted in events over all partitions."""

    least: int = 2_000
    """Fewer than these are left to the ledger's tail, which is read as fast."""
    busy: int = 1_000
    """More than these accepted and not applied yet: an import, which wants the machine for itself. What comes steadily
    and is kept up with is none, however fast: unsummarised it would make every question slower."""
    calm: int = 5
    """Looks in a row that have to be calm."""
    patience: int = 200_000
    """As many as these are summarised also while an import runs."""
    every: float = 1.0
    """Seconds between two looks."""

    def is_time(self, waiting: int, calm: int) -> bool:
        """Whether `waiting` events should be summarised now, after so many calm looks."""
        return waiting > 0 and waiting >= self.least and (calm >= self.calm or waiting >= self.patience)


@dataclass(frozen=True, slots=True)
class Summariser:
    """The background job of the worker; of many workers one does it."""

    database: Database
    pace: Pace
    step: Step = field(default_factory=Step)

    async def run(self) -> None:
        """Keep up until cancelled; a lost database delays."""
        backoff = Backoff()
        while True:
            try:
                async with leadership(self.database, "quintant metrics summaries"):
                    await self._keep_up(backoff)
            except (UnavailableError, FencedError) as error:
                _LOG.warning("summaries_interrupted", reason=error.detail)
                self.step.failed()
            await backoff.pause()

    async def _keep_up(self, backoff: Backoff) -> None:
        calm = 0
        while True:
            behind, waiting = await self._look()
            calm = calm + 1 if behind <= self.pace.busy else 0
            backoff.reset()
            if not (self.pace.is_time(waiting, calm) and await self._do_some()):
                await asyncio.sleep(self.pace.every)

    async def _do_some(self) -> bool:
        time = asyncio.get_running_loop().time
        began = time()
        left = await summarise_some(self.database, limit=self.step.limit)
        self.step.took(time() - began)
        return left

    async def _look(self) -> tuple[int, int]:
        """Events that are not applied yet, and those that are but not summarised in every ledger."""
        async with self.database.read() as reader:
            _, completeness = await read_freshness(reader)
            return completeness.events_behind, int(await reader.value(_WAITING, list(SLICES)))


_WAITING = """
    SELECT coalesce(sum(greatest(number + 1 - sealed, 0)), 0)
    FROM (SELECT p.number, min(coalesce(s.number, 1)) AS sealed
          FROM position p CROSS JOIN unnest($1::text[]) AS kept (ledger)
          LEFT JOIN seal s ON s.partition = p.partition AND s.ledger = kept.ledger
          GROUP BY p.partition, p.number) AS partitions"""
