"""Brings the summaries up to date in the background: a cache that makes reads fast and never decides what they say."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from services.metrics.domain.slices import SLICES, Slices
from services.metrics.store import seal_step
from shared.kernel.errors import UnavailableError
from shared.messaging.deadlines import Backoff
from shared.messaging.leader import leadership
from shared.storage.database import Database
from shared.storage.position import FencedError

_LOG = structlog.get_logger(__name__)

LIMIT = 5_000
"""Postings of one partition that one transaction adds: a second of work at most."""


async def summarise(database: Database, *, limit: int = LIMIT) -> None:
    """Add everything that is applied by now to the summaries. Safe to repeat and to interrupt at any moment."""
    for slices in SLICES.values():
        while await _step(database, slices, limit):
            pass
        await _summarise_blocks(database, slices)


async def _step(database: Database, slices: Slices, limit: int) -> bool:
    async with database.write() as writer:
        return await seal_step(writer, slices, limit)


async def _summarise_blocks(database: Database, slices: Slices) -> None:
    """Let the block-range indexes know the new blocks: a block that they do not know is read by every question."""
    async with database.write() as writer:
        for column in ("number", "day", "known_on"):
            await writer.value("SELECT brin_summarize_new_values($1::regclass)", f"{slices.ledger.name}_{column}")


@dataclass(frozen=True, slots=True)
class Pace:
    """When it is worth while. All numbers are events, over all partitions."""

    least: int = 2_000
    """Fewer than these are left to the ledger's tail, which is read as fast."""
    busy: int = 500
    """More than these applied since the last look: an import that wants the machine for itself."""
    patience: int = 200_000
    """As many as these are summarised also while an import runs."""
    every: float = 1.0
    """Seconds between two looks."""

    def is_time(self, waiting: int, arrived: int) -> bool:
        """Whether `waiting` events should be summarised now, of which `arrived` came since the last look."""
        return waiting >= self.least and waiting > 0 and (arrived <= self.busy or waiting >= self.patience)


@dataclass(frozen=True, slots=True)
class Summariser:
    """The background job of the worker; of many workers one does it."""

    database: Database
    pace: Pace

    async def run(self) -> None:
        """Keep up until cancelled; a lost database delays."""
        backoff = Backoff()
        while True:
            try:
                async with leadership(self.database, "quintant metrics summaries"):
                    await self._keep_up(backoff)
            except (UnavailableError, FencedError) as error:
                _LOG.warning("summaries_interrupted", reason=error.detail)
            await backoff.pause()

    async def _keep_up(self, backoff: Backoff) -> None:
        seen: Mapping[int, int] = {}
        while True:
            async with self.database.read() as reader:
                rows = await reader.rows(_WAITING)
            applied = {row["partition"]: row["applied"] for row in rows}
            arrived = sum(number - seen.get(partition, number) for partition, number in applied.items())
            if self.pace.is_time(sum(row["waiting"] for row in rows), arrived):
                await summarise(self.database)
            seen = applied
            backoff.reset()
            await asyncio.sleep(self.pace.every)


_WAITING = """SELECT p.partition, p.number AS applied, p.number + 1 - coalesce(min(s.number), 1) AS waiting
              FROM position p LEFT JOIN seal s ON s.partition = p.partition GROUP BY p.partition, p.number"""
