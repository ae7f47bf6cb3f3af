"""The one consumer loop: fetch, decode, put in number order, apply in one transaction, commit offsets as a hint.

Kafka's offsets decide nothing. A lower or equal number is a duplicate and skipped, the next one is applied, a gap is
not applied: it is searched for once from the start of the partition, then awaited, then it stops the partition.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError

from shared.contracts.records import EpochRecord, StreamRecord
from shared.kernel.clock import Clock
from shared.kernel.errors import StoppedError, UnavailableError
from shared.messaging.dead_letters import DeadLetters, Limits, Tally
from shared.messaging.deadlines import Backoff, Deadlines, abandon, within
from shared.messaging.failpoints import Failpoints
from shared.messaging.lane import Lane, Opener
from shared.messaging.reading import read_record
from shared.storage.position import FencedError
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """Where to read, and how much at once."""

    bootstrap_servers: str
    topic: str
    group: str
    instance: str
    batch: int = 2000
    session_timeout: float = 15.0
    gap_timeout: float = 30.0
    """Seconds that a gap may last before its partition stops."""
    silence: float = 15.0
    """Seconds without a record after which the log's end is compared with what was read."""


@dataclass(slots=True)
class _Track:
    """One assigned partition."""

    tally: Tally
    lane: Lane | None = None
    stopped: str | None = None
    gap_since: float | None = None
    rewound: bool = False
    skipped: int = 0
    hint: int | None = None
    buried: int = -1
    """Offset of the last record that went to the dead letters: a batch that is tried again does not send it twice."""


@dataclass(slots=True)
class _Sorted:
    """A fetch, put in order against a position."""

    records: list[StreamRecord] = field(default_factory=list)
    dead: list[int] = field(default_factory=list)
    duplicates: int = 0
    gap: bool = False
    epoch: EpochRecord | None = None


class Loop(ConsumerRebalanceListener):  # type: ignore[misc]
    """Applies one topic with one consumer group. `run` ends only when cancelled or by a bug."""

    def __init__(
        self, config: LoopConfig, opener: Opener, dead_letters: DeadLetters, metrics: Metrics, clock: Clock,
        failpoints: Failpoints, limits: Limits | None = None, deadlines: Deadlines | None = None,
    ) -> None:  # fmt: skip
        self._config = config
        self._opener = opener
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._clock = clock
        self._failpoints = failpoints
        self._limits = limits or Limits()
        self._deadlines = deadlines or Deadlines()
        self._tracks: dict[TopicPartition, _Track] = {}
        self._joined = False
        self._backoff = Backoff()

    def trouble(self) -> list[str]:
        """Why this loop is not ready; empty if it is."""
        stopped = [track.stopped for track in self._tracks.values() if track.stopped]
        return stopped if self._joined else [*stopped, f"not a member of {self._config.group} yet"]

    async def run(self) -> None:
        """Consume until cancelled; a lost broker is waited for with a new consumer."""
        while True:
            consumer = self._consumer()
            try:
                await within(self._deadlines.start, consumer.start(), "joining the consumer group")
                consumer.subscribe([self._config.topic], listener=self)
                await self._consume(consumer)
            except UnavailableError as error:
                _LOG.warning("loop_interrupted", reason=error.detail)
            finally:
                self._joined = False
                self._tracks.clear()
                await abandon(consumer.stop(), self._deadlines.stop)
            await self._backoff.pause()

    def _consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._config.bootstrap_servers,
            group_id=self._config.group,
            group_instance_id=self._config.instance,
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_poll_records=self._config.batch,
            fetch_max_wait_ms=100,
            max_partition_fetch_bytes=4 * 1024 * 1024,
            session_timeout_ms=int(self._config.session_timeout * 1000),
            heartbeat_interval_ms=int(self._config.session_timeout * 1000 / 5),
            request_timeout_ms=int(self._deadlines.call * 1000),
            retry_backoff_ms=100,
            metadata_max_age_ms=30_000,
        )

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Forget everything about them; a batch still under way is fenced by the position."""
        for place in revoked:
            self._tracks.pop(place, None)
        self._metrics.forget(metric_names.POSITION)

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Their lanes are opened when their first records come."""
        self._tracks = {place: _Track(Tally(self._limits)) for place in assigned}
        self._joined = True

    async def _consume(self, consumer: AIOKafkaConsumer) -> None:
        heard = self._clock.monotonic()
        while True:
            fetched = await self._fetch(consumer)
            if fetched:
                heard = self._clock.monotonic()
                self._failpoints.reach("loop.fetched")
                await asyncio.gather(*(self._take(consumer, place, records) for place, records in fetched.items()))
                await self._hint(consumer)
                self._failpoints.reach("loop.offsets_committed")
            elif self._clock.monotonic() - heard > self._config.silence:
                await self._listen(consumer)
                heard = self._clock.monotonic()

    async def _fetch(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, list[ConsumerRecord]]:
        for place in consumer.assignment() & self._tracks.keys():
            if self._tracks[place].lane is None and self._tracks[place].stopped is None:
                await self._open(consumer, place)
        try:
            fetched: dict[TopicPartition, list[ConsumerRecord]] = await within(
                self._deadlines.call, consumer.getmany(timeout_ms=200), "fetching"
            )
        except UnavailableError as error:
            if isinstance(error.__cause__, OffsetOutOfRangeError):
                lost = list(error.__cause__.args[0])
                _LOG.error("stream_truncated_or_recreated", partitions=[p.partition for p in lost], doing="rewinding")
                await within(self._deadlines.call, consumer.seek_to_beginning(*lost), "rewinding")
                return {}
            if isinstance(error.__cause__, NoOffsetForPartitionError):
                return {}  # assigned during the fetch: the next round opens its lane, which seeks
            raise
        return fetched

    async def _open(self, consumer: AIOKafkaConsumer, place: TopicPartition) -> None:
        track = self._tracks[place]
        committed = await within(self._deadlines.call, consumer.committed(place), "asking for the offset hint")
        try:
            track.lane = await self._opener.open(place.partition)
        except StoppedError as error:
            self._stop(consumer, place, track, error)
            return
        if committed is None:
            track.rewound = True
            await within(self._deadlines.call, consumer.seek_to_beginning(place), "rewinding")
        else:
            consumer.seek(place, committed)

    async def _take(self, consumer: AIOKafkaConsumer, place: TopicPartition, fetched: list[ConsumerRecord]) -> None:
        """Apply what one partition brought. It returns when that is done, stopped, or no longer ours."""
        began = self._clock.monotonic()
        backoff = Backoff()
        while (track := self._tracks.get(place)) is not None and track.stopped is None:
            try:
                if track.lane is None:
                    track.lane = await self._opener.open(place.partition)
                if await self._apply(place, track, track.lane, fetched):
                    await self._gap(consumer, place, track, track.lane)
                else:
                    track.hint = fetched[-1].offset + 1
                self._metrics.add(metric_names.LOOP_BATCHES, outcome="committed")
                self._metrics.observe(metric_names.LOOP_BATCH_SECONDS, self._clock.monotonic() - began)
                return
            except FencedError as error:
                _LOG.warning("fenced", partition=place.partition, reason=error.detail)
                self._metrics.add(metric_names.LOOP_BATCHES, outcome="fenced")
                track.lane = None
                await backoff.pause()
            except StoppedError as error:
                self._stop(consumer, place, track, error)
            except UnavailableError as error:
                _LOG.warning("batch_retried", partition=place.partition, reason=error.detail)
                self._metrics.add(metric_names.LOOP_BATCHES, outcome="retried")
                track.lane = None  # whether the last transaction was committed is unknown: read the position again
                await backoff.pause()

    async def _apply(self, place: TopicPartition, track: _Track, lane: Lane, fetched: list[ConsumerRecord]) -> bool:
        """Apply what is next in order; whether a gap was met."""
        rest = fetched
        while rest:
            todo, rest = await self._sort(lane, track, rest)
            self._failpoints.reach("loop.decoded")
            track.skipped += todo.duplicates
            self._metrics.add(metric_names.DUPLICATES_SKIPPED, todo.duplicates, partition=str(place.partition))
            if todo.records or todo.dead:
                await lane.apply(todo.records, duplicates=track.skipped, dead=todo.dead)
                self._failpoints.reach("loop.applied")
                track.skipped, track.gap_since = 0, None
                self._metrics.add(metric_names.EVENTS_APPLIED, len(todo.records), partition=str(place.partition))
                self._metrics.set(metric_names.POSITION, lane.position.number, partition=str(place.partition))
            if todo.gap:
                return True
            if todo.epoch is not None:
                await lane.begin_epoch(todo.epoch.epoch, todo.epoch.last_valid)
        return False

    async def _sort(
        self, lane: Lane, track: _Track, fetched: list[ConsumerRecord]
    ) -> tuple[_Sorted, list[ConsumerRecord]]:
        """What can be applied in one go, and what is left after it: a new epoch begins with a batch of its own."""
        todo = _Sorted()
        poison: list[tuple[ConsumerRecord, str]] = []
        number = lane.position.number
        rest: list[ConsumerRecord] = []
        for index, raw in enumerate(fetched):
            record = read_record(raw)
            if isinstance(record, EpochRecord):
                if record.epoch > lane.position.epoch:
                    todo.epoch, rest = record, fetched[index + 1 :]
                    break
                continue
            if record.number is not None and record.number > number + 1:
                todo.gap = True
                break
            if record.number is not None and record.number <= number:
                todo.duplicates += 1
                continue
            number = number if record.number is None else record.number
            if isinstance(record, StreamRecord):
                todo.records.append(record)
                track.tally.good(1)
                continue
            if record.number is not None:
                todo.dead.append(record.number)
            if raw.offset > track.buried:
                track.tally.bad(f"{raw.topic} partition {raw.partition}", record.reason)
                poison.append((raw, record.reason))
        if poison:
            await self._dead_letters.write(poison)
            track.buried = poison[-1][0].offset
        return todo, rest

    async def _gap(self, consumer: AIOKafkaConsumer, place: TopicPartition, track: _Track, lane: Lane) -> None:
        """Search for the missing record once from the start, then wait for the relay, then stop."""
        now = self._clock.monotonic()
        missing = lane.position.number + 1
        if not track.rewound:
            track.rewound = True
            _LOG.warning("gap_searched", partition=place.partition, missing=missing)
            await within(self._deadlines.call, consumer.seek_to_beginning(place), "rewinding")
            return
        track.gap_since = now if track.gap_since is None else track.gap_since
        if now - track.gap_since > self._config.gap_timeout:
            raise StoppedError(
                f"{place.topic} partition {place.partition} lacks number {missing}: see whether ingest's relay runs; "
                "it sends what is missing from the inbox"
            )

    def _stop(self, consumer: AIOKafkaConsumer, place: TopicPartition, track: _Track, error: StoppedError) -> None:
        track.stopped = error.detail
        consumer.pause(place)
        _LOG.error("partition_stopped", partition=place.partition, reason=error.detail)

    async def _hint(self, consumer: AIOKafkaConsumer) -> None:
        """Tell Kafka how far we are, for seeking and for lag tools. Losing this loses nothing."""
        hints = {place: track.hint for place, track in self._tracks.items() if track.hint is not None}
        if not hints:
            return
        for place in hints:
            self._tracks[place].hint = None
        try:
            await within(self._deadlines.call, consumer.commit(hints), "committing the offset hint")
        except UnavailableError as error:
            _LOG.info("offset_hint_not_committed", reason=error.detail)

    async def _listen(self, consumer: AIOKafkaConsumer) -> None:
        """A consumer can fall silent after all brokers restarted: compare with the log's end and start a new one."""
        places = [place for place in consumer.assignment() if not (t := self._tracks.get(place)) or not t.stopped]
        if not places:
            return
        ends = await within(self._deadlines.call, consumer.end_offsets(places), "asking for the log's end")
        for place, end in ends.items():
            at = await within(self._deadlines.call, consumer.position(place), "asking where we are")
            if at != end:
                raise UnavailableError(f"partition {place.partition} ends at {end} but nothing came after {at}")
