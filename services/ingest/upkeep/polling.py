"""Asks a source what changed, takes in what webhooks missed, and counts how much that was."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from services.ingest import sourcebook, waiting_reads
from services.ingest.accounts import Connected
from services.ingest.sourcebook import Poll
from services.ingest.sources.adapter import Record
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
            failed: dict[str, QuintantError] = {}
            for kind in self.connected.adapter.card.kinds:
                if error := await self._kind(kind):
                    failed[kind] = error
            self._tell(failed)
            await asyncio.sleep(min([self.every, *map(_after, failed.values())]).total_seconds())

    def _tell(self, failed: Mapping[str, QuintantError]) -> None:
        """One kind that works does not end the trouble of another."""
        name = self.connected.account.name
        if failed:
            self.troubles.met(name, "poll", " ".join(f"{kind}: {error.detail}" for kind, error in failed.items()))
        else:
            self.troubles.over(name, "poll")

    async def _kind(self, kind: str) -> QuintantError | None:
        """One window of one kind, or why it failed."""
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
            async with self.database.write() as writer:
                await sourcebook.save_poll(writer, name, kind, poll, poll.through, self.clock.now(), error.detail)
            return error
        return None

    async def _page(self, kind: str, poll: Poll, until: datetime) -> Poll:
        """Take in one page, and remember in the same commit as its counts that it was."""
        since = _BEGINNING if poll.through is None else poll.through - OVERLAP
        changed: Changed = await self.api.changed(kind, since, until, poll.page)
        absorbed = await self._absorbed(kind, changed.records)
        after = (
            replace(poll, page=changed.next_page)
            if changed.next_page is not None
            else Poll(poll.connected_at, through=until)
        )
        counts = self._counts(absorbed, poll)
        name = self.connected.account.name
        async with self.database.write() as writer:
            await sourcebook.save_poll(writer, name, kind, after, poll.through, self.clock.now())
            if counts:
                await sourcebook.count_polled(writer, name, counts)
        self.metrics.add(metric_names.SOURCE_POLLED, sum(one for one, _ in counts.values()), source=name)
        self.metrics.add(metric_names.SOURCE_RECONCILED, sum(one for _, one in counts.values()), source=name)
        return after

    async def _absorbed(self, kind: str, records: Sequence[Record]) -> list[Absorbed]:
        """What became of them. Of what waits to be read a webhook has told: polling was only faster."""
        name = self.connected.account.name
        async with self.database.read() as reader:
            told = await waiting_reads.among(reader, name, kind, [record.id for record in records])
        absorbed = await self.absorbing.take(self.connected, records)
        return [
            replace(one, new=one.new and record.id not in told) for one, record in zip(absorbed, records, strict=True)
        ]

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


def _after(error: QuintantError) -> timedelta:
    return error.wait if isinstance(error, TryLaterError) else _AFTER_FAILURE
