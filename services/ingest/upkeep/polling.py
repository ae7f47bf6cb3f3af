"""Asks a source what changed, takes in what webhooks missed, and counts how much that was."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from services.ingest import sourcebook
from services.ingest.accounts import Connected
from services.ingest.sourcebook import Poll
from services.ingest.sources.api import Changed, SourceApi
from services.ingest.sources.calling import TryLaterError
from services.ingest.upkeep.absorbing import Absorbed, Absorbing
from services.ingest.upkeep.trouble import Troubles
from shared.kernel.clock import Clock
from shared.kernel.errors import QuintantError, UnavailableError
from shared.kernel.period import Calendar
from shared.storage.database import Database
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

OVERLAP = timedelta(minutes=10)
"""Polled twice, because sources list what changed some time after it did."""
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_AFTER_FAILURE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """Polls one source, kind after kind. The first time it takes in everything that the source has."""

    connected: Connected
    api: SourceApi
    database: Database
    absorbing: Absorbing
    troubles: Troubles
    metrics: Metrics
    calendar: Calendar
    clock: Clock
    every: timedelta
    grace: timedelta
    """How long a change may be on its way by webhook before we look for it."""

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            wait = self.every
            for kind in self.connected.adapter.card.kinds:
                wait = min(wait, await self._kind(kind))
            await asyncio.sleep(wait.total_seconds())

    async def _kind(self, kind: str) -> timedelta:
        """One window of one kind; when to poll again."""
        name = self.connected.account.name
        async with self.database.read() as reader:
            poll = await sourcebook.load_poll(reader, name, kind)
        now = self.clock.now()
        poll = poll or Poll(now - self.grace, None)
        if poll.until is None:
            poll = replace(poll, until=now - self.grace, page=None)
        try:
            while poll.until is not None:
                poll = await self._page(kind, poll, poll.until)
        except UnavailableError:
            raise
        except QuintantError as error:
            await self._failed(kind, poll, error)
            return error.wait if isinstance(error, TryLaterError) else _AFTER_FAILURE
        self.troubles.over(name, "poll")
        return self.every

    async def _page(self, kind: str, poll: Poll, until: datetime) -> Poll:
        """Take in one page, and remember in the same commit as its counts that it was."""
        since = _BEGINNING if poll.through is None else poll.through - OVERLAP
        changed: Changed = await self.api.changed(kind, since, until, poll.page)
        absorbed = await self.absorbing.take(self.connected, changed.records)
        after = (
            replace(poll, page=changed.next_page)
            if changed.next_page is not None
            else Poll(poll.connected_at, through=until)
        )
        counts = self._counts(absorbed, poll)
        name = self.connected.account.name
        async with self.database.write() as writer:
            await sourcebook.save_poll(writer, name, kind, after, self.clock.now())
            if counts:
                await sourcebook.count_polled(writer, name, counts)
        self.metrics.add(metric_names.SOURCE_POLLED, sum(one for one, _ in counts.values()), source=name)
        self.metrics.add(metric_names.SOURCE_RECONCILED, sum(one for _, one in counts.values()), source=name)
        return after

    def _counts(self, absorbed: Sequence[Absorbed], poll: Poll) -> dict[date, tuple[int, int]]:
        """By day of the change: how many objects changed since the last poll, and how many of them were not told."""
        counts: dict[date, tuple[int, int]] = {}
        begin = max(poll.connected_at, poll.through or poll.connected_at)
        for one in absorbed:
            if one.changed_at >= begin or (one.new and one.changed_at >= poll.connected_at):
                day = self.calendar.day(one.changed_at)
                polled, reconciled = counts.get(day, (0, 0))
                counts[day] = polled + 1, reconciled + one.new
        return counts

    async def _failed(self, kind: str, poll: Poll, error: QuintantError) -> None:
        name = self.connected.account.name
        async with self.database.write() as writer:
            await sourcebook.save_poll(writer, name, kind, poll, self.clock.now(), error.detail)
        self.troubles.met(name, "poll", error.detail)
