"""Follows what ingest tells about its progress, so that every answer can say how complete it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.contracts.records import ProgressRecord, UndecodableError
from shared.kernel.clock import Clock
from shared.kernel.errors import UnavailableError
from shared.messaging.cluster import Brokers
from shared.messaging.deadlines import USUAL, Backoff, Deadlines, within
from shared.messaging.tail import open_reader
from shared.storage.database import Database
from shared.storage.progress import Mark, read_freshness, save_mark
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

_LOG = structlog.get_logger(__name__)
_TAIL = 5
"""Marks read again after a start: the last one may lie beyond what is applied, an earlier one be reached."""
_POLL_MILLISECONDS = 2000
_SILENCE = 20.0
"""Seconds without a mark after which the log's end is compared with what was read."""


@dataclass
class ProgressFollower:
    """Reads one generation's progress topic, whose full name is `topic`, without a group."""

    bootstrap_servers: Brokers
    topic: str
    generation: int
    database: Database
    metrics: Metrics
    clock: Clock
    deadlines: Deadlines = USUAL

    async def run(self) -> None:
        """Follow until cancelled; a lost broker or database delays, and the last marks are read again after it."""
        backoff = Backoff()
        while True:
            try:
                async with open_reader(self.bootstrap_servers, self.deadlines) as consumer:
                    await self._follow(consumer, backoff)
            except UnavailableError as error:
                _LOG.warning("progress_interrupted", reason=error.detail)
            await backoff.pause()

    async def _follow(self, consumer: AIOKafkaConsumer, backoff: Backoff) -> None:
        place = TopicPartition(self.topic, 0)
        consumer.assign([place])
        consumer.seek(place, await self._start(consumer, place))
        heard = self.clock.monotonic()
        while True:
            polling = consumer.getmany(place, timeout_ms=_POLL_MILLISECONDS)
            fetched = await within(self.deadlines.call, polling, f"reading {self.topic}")
            records: list[ConsumerRecord] = fetched.get(place, [])
            await self._remember([mark for record in records if (mark := self._mark(record))])
            backoff.reset()
            if records:
                heard = self.clock.monotonic()
            elif self.clock.monotonic() - heard > _SILENCE:
                await self._listen(consumer, place)
                heard = self.clock.monotonic()

    async def _start(self, consumer: AIOKafkaConsumer, place: TopicPartition) -> int:
        asking = f"asking where {self.topic} begins and ends"
        begins = await within(self.deadlines.call, consumer.beginning_offsets([place]), asking)
        ends = await within(self.deadlines.call, consumer.end_offsets([place]), asking)
        return max(int(begins[place]), int(ends[place]) - _TAIL)

    def _mark(self, record: ConsumerRecord) -> Mark | None:
        """What a record says; one that cannot be read is passed over, for the next one says all of it again."""
        try:
            told = ProgressRecord.decode(record.key, record.value)
        except UndecodableError as error:
            _LOG.error("progress_unreadable", topic=self.topic, offset=record.offset, reason=error.detail)
            return None
        if told.generation != self.generation:
            _LOG.error("progress_of_another_generation", topic=self.topic, generation=told.generation)
            return None
        return Mark(told.generation, told.through, told.heads, told.epoch)

    async def _remember(self, marks: Sequence[Mark]) -> None:
        if marks:
            async with self.database.write() as writer:
                for mark in marks:
                    await save_mark(writer, mark)
        async with self.database.read() as reader:
            _, now = await read_freshness(reader)
        self.metrics.set(metric_names.EVENTS_BEHIND, now.events_behind)
        if now.complete_through is not None:
            self.metrics.set(metric_names.COMPLETE_THROUGH, now.complete_through.timestamp())

    async def _listen(self, consumer: AIOKafkaConsumer, place: TopicPartition) -> None:
        """A consumer can fall silent after all brokers restarted; a recreated topic ends before where we are."""
        ends = await within(self.deadlines.call, consumer.end_offsets([place]), "asking for the log's end")
        at = await within(self.deadlines.call, consumer.position(place), "asking where we are")
        if at != ends[place]:
            raise UnavailableError(f"{self.topic} ends at {ends[place]} but nothing came after {at}")
