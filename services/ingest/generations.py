"""Publishes every open generation of the stream: a relay for each, begun and ended as generations open and close."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from services.ingest.domain.partitions import Generation
from services.ingest.numbering import open_generations
from shared.contracts.records import ProgressRecord
from shared.contracts.topics import topic_name
from shared.kernel.errors import UnavailableError
from shared.messaging.cluster import Brokers
from shared.messaging.deadlines import Backoff
from shared.messaging.producer import Outgoing, Producer, open_producer
from shared.messaging.relay import StreamRelay
from shared.storage.database import Database

_LOG = structlog.get_logger(__name__)
_EVERY = 0.5
"""Seconds between two looks at what is open."""
_CUTS_EVERY = 0.1

_CUT = """
    SELECT g.cut_at, g.cut, (SELECT coalesce(max(h.epoch), 1) FROM head h
                             WHERE h.partition >= g.first AND h.partition < g.first + g.partitions) AS epoch
    FROM generation g WHERE g.number = $1"""

MakeRelay = Callable[[Generation], StreamRelay]


@dataclass(slots=True)
class Relays:
    """The job of the worker that publishes."""

    database: Database
    kafka: Brokers
    topic_prefix: str
    make: MakeRelay
    _running: dict[Generation, "asyncio.Task[None]"] = field(default_factory=dict)
    _relays: dict[Generation, StreamRelay] = field(default_factory=dict)

    def trouble(self) -> list[str]:
        """Why something is not relayed; empty while all is, and while another process does it."""
        return [said for relay in self._relays.values() for said in relay.trouble()]

    async def run(self) -> None:
        """Relay until cancelled; a lost database delays. Raises what ended a relay."""
        backoff = Backoff()
        try:
            while True:
                try:
                    async with self.database.read() as reader:
                        await self._follow(set(await open_generations(reader)))
                except UnavailableError as error:
                    _LOG.warning("generations_not_known", reason=error.detail)
                    await backoff.pause()
                await asyncio.sleep(_EVERY)
                for task in self._running.values():
                    if task.done():
                        await task
        finally:
            await self._end(set(self._running))

    async def _follow(self, wanted: set[Generation]) -> None:
        await self._end(self._running.keys() - wanted)
        for generation in sorted(wanted - self._running.keys(), key=lambda one: one.number):
            self._relays[generation] = relay = self.make(generation)
            later = generation.number > min(one.number for one in wanted)
            self._running[generation] = asyncio.create_task(self._relay(relay, generation, tells_cuts=later))

    async def _relay(self, relay: StreamRelay, generation: Generation, *, tells_cuts: bool) -> None:
        jobs = [asyncio.create_task(relay.run())]
        if tells_cuts:
            jobs.append(asyncio.create_task(self._tell_cuts(generation)))
        try:
            await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.wait(jobs)
        for job in jobs:
            if not job.cancelled():
                job.result()

    async def _end(self, ended: set[Generation]) -> None:
        tasks = [self._running.pop(generation) for generation in ended]
        for generation in ended:
            del self._relays[generation]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _tell_cuts(self, generation: Generation) -> None:
        """Tell each cut of all generations in this one as well, under the same instant, until cancelled."""
        backoff, told = Backoff(), None
        while True:
            try:
                async with open_producer(self.kafka) as producer:
                    while True:
                        told = await self._tell_cut(producer, generation, told)
                        backoff.reset()
                        await asyncio.sleep(_CUTS_EVERY)
            except UnavailableError as error:
                _LOG.warning("cuts_not_told", reason=error.detail)
                await backoff.pause()

    async def _tell_cut(self, producer: Producer, generation: Generation, told: object) -> object:
        async with self.database.read() as reader:
            row = await reader.row(_CUT, generation.number)
        if row is None or row["cut_at"] is None or row["cut_at"] == told:
            return told
        mark = ProgressRecord(
            generation=generation.number,
            epoch=row["epoch"],
            through=row["cut_at"],
            heads={int(partition): number for partition, number in row["cut"].items()},
        )
        key, value = mark.encode()
        topic = topic_name("sales-progress", prefix=self.topic_prefix, generation=generation.number)
        await producer.send(topic, 0, [Outgoing(key, value, [])])
        return row["cut_at"]
