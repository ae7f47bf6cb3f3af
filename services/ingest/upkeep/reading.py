"""Reads the objects that wait in the queue, as fast as the source allows, and puts off what fails."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from services.ingest import waiting_reads
from services.ingest.accounts import Connected
from services.ingest.sources.adapter import Record
from services.ingest.sources.api import SourceApi
from services.ingest.sources.calling import ApiAnswerError, TryLaterError
from services.ingest.upkeep.absorbing import Absorbing
from services.ingest.upkeep.trouble import Troubles
from services.ingest.waiting_reads import Waiting
from shared.kernel.clock import Clock
from shared.kernel.errors import QuintantError, UnavailableError
from shared.storage.database import Database
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

_IDLE_SECONDS = 5.0
_AFTER_CREDENTIALS = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class QueueReading:
    """Empties the queue of one source."""

    connected: Connected
    api: SourceApi
    database: Database
    absorbing: Absorbing
    troubles: Troubles
    metrics: Metrics
    clock: Clock
    asked: asyncio.Event
    """Set when something was put into a queue."""

    async def run(self) -> None:
        """Read until cancelled. What was put off is tried at once: whoever mends credentials wants to see it work."""
        async with self.database.write() as writer:
            await waiting_reads.hurry(writer, self.connected.account.name, self.clock.now())
        while True:
            self.asked.clear()
            if not await self._batch():
                await self._wait()

    async def _wait(self) -> None:
        """Until something is asked for or due again."""
        name = self.connected.account.name
        async with self.database.read() as reader:
            due = await waiting_reads.next_due(reader, name)
        seconds = _IDLE_SECONDS if due is None else (due - self.clock.now()).total_seconds()
        try:
            async with asyncio.timeout(min(max(seconds, 0.01), _IDLE_SECONDS)):
                await self.asked.wait()
        except TimeoutError:
            return

    async def _batch(self) -> bool:
        """Read what is due; False if nothing is."""
        name = self.connected.account.name
        async with self.database.read() as reader:
            waiting = await waiting_reads.due(reader, name, self.clock.now(), self.api.at_once)
        if not waiting:
            return False
        error = await self._read(waiting)
        if isinstance(error, ApiAnswerError) and len(waiting) > 1:
            for one in waiting:  # one that the source cannot answer must not hold up the others for ever
                await self._judge([one], await self._read([one]))
        else:
            await self._judge(waiting, error)
        return True

    async def _read(self, waiting: Sequence[Waiting]) -> QuintantError | None:
        """Read them, all of one kind, in one call; or why that failed."""
        try:
            records = await self.api.read(waiting[0].kind, [one.object_id for one in waiting])
            await self.absorbing.take(self.connected, _caused(records, waiting))
        except UnavailableError:
            raise
        except QuintantError as error:
            return error
        return None

    async def _judge(self, waiting: Sequence[Waiting], error: QuintantError | None) -> None:
        if error is not None:
            await self._put_off(waiting, error)
            return
        name = self.connected.account.name
        async with self.database.write() as writer:
            await waiting_reads.done(writer, name, waiting)
        self.metrics.add(metric_names.SOURCE_READS, len(waiting), source=name, outcome="read")
        if not (self.troubles.has(name, "read") and await self._is_failing(name)):
            self.troubles.over(name, "read")

    async def _is_failing(self, name: str) -> bool:
        async with self.database.read() as reader:
            return await waiting_reads.is_failing(reader, name)

    async def _put_off(self, waiting: Sequence[Waiting], error: QuintantError) -> None:
        name = self.connected.account.name
        least = error.wait if isinstance(error, TryLaterError) else _AFTER_CREDENTIALS
        async with self.database.write() as writer:
            await waiting_reads.put_off(writer, name, waiting, error.detail, self.clock.now(), least)
        self.troubles.met(name, "read", error.detail)
        self.metrics.add(metric_names.SOURCE_READS, len(waiting), source=name, outcome="put_off")


def _caused(records: Sequence[Record], waiting: Sequence[Waiting]) -> list[Record]:
    causes = {one.object_id: one.cause for one in waiting}
    return [replace(record, cause=causes.get(record.id)) for record in records]
