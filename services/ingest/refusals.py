"""Counts deliveries that were not genuine. Kept in memory and written every few seconds: a flood of forgeries must not
become a flood of writes; at most these seconds of counts are lost with the process.
"""

import asyncio
from collections import Counter

from services.ingest import sourcebook
from services.ingest.sources.adapter import Refusal
from shared.kernel.clock import Clock
from shared.kernel.errors import UnavailableError
from shared.kernel.period import Calendar
from shared.storage.database import Database

_SECONDS = 2.0


class Refusals:
    """`run` writes what `add` counts."""

    def __init__(self, database: Database, calendar: Calendar, clock: Clock) -> None:
        self._database = database
        self._calendar = calendar
        self._clock = clock
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, source: str, reason: Refusal) -> None:
        """Count one."""
        self._counts[source, reason.value] += 1

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await asyncio.sleep(_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write what was counted; what cannot be written now is kept for the next time."""
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            async with self._database.write() as writer:
                await sourcebook.count_refusals(writer, counts, self._calendar.day(self._clock.now()))
        except UnavailableError:
            self._counts.update(counts)
