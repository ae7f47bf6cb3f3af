"""The one consumer loop: fetch, decode, put in number order, apply in one transaction, commit offsets as a hint.

Fetching never waits for applying: each partition applies what has gathered while it applied what came before, and for
a moment rests after little. So a batch is as small as the load is, and as large as `LoopConfig.batch` when much waits.

Kafka's offsets decide nothing. A lower or equal number is a duplicate and skipped, the next one is applied, what comes
after a gap is not: it is searched for once from the start of the partition, then awaited, then it stops the partition.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError

from shared.contracts.records import CONTRACT
from shared.kernel.clock import Clock
from shared.kernel.errors import StoppedError, UnavailableError
from shared.messaging.abandoning import abandon
from shared.messaging.dead_letters import DeadLetters, Limits, Tally
from shared.messaging.deadlines import Backoff, Deadlines, within
from shared.messaging.failpoints import Failpoints
from shared.messaging.fetching import LoopConfig, new_consumer
from shared.messaging.lane import Lane, Opener
from shared.messaging.sorting import sort
from shared.messaging.track import Track
from shared.storage.position import FencedError
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

_LOG = structlog.get_logger(__name__)

Announce = Callable[[int, int], None]
"""Told of a partition and the number up to which it is applied, after each commit."""


class Loop(ConsumerRebalanceListener):  # type: ignore[misc]
    """Applies one topic with one consumer group. `run` ends only when cancelled or by a bug."""

    _patience_ms = 200
    """How long a fetch waits for records before the loop looks around."""

    def __init__(
        self, config: LoopConfig, opener: Opener, dead_letters: DeadLetters, metrics: Metrics, clock: Clock,
        failpoints: Failpoints, limits: Limits | None = None, deadlines: Deadlines | None = None,
        announce: Announce | None = None,
    ) -> None:  # fmt: skip
        self._config = config
        self._opener = opener
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._clock = clock
        self._failpoints = failpoints
        self._limits = limits or Limits()
        self._deadlines = deadlines or Deadlines()
        self._announce = announce
        self._tracks: dict[TopicPartition, Track] = {}
        self._working: dict[asyncio.Task[None], Track] = {}
        self._went_on = asyncio.Event()
        """A partition has applied a batch: there may be room for more."""
        self._hinted = float("-inf")
        self._answered = float("-inf")
        """When the log's end was last known, or nobody had to ask."""
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
                await self._leave_work()
                await abandon(consumer, self._deadlines.stop)
            await self._backoff.pause()

    def _consumer(self) -> AIOKafkaConsumer:
        return new_consumer(self._config, self._deadlines)

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Forget everything about them; a batch still under way is fenced by the position."""
        for place in revoked:
            self._tracks.pop(place, None)
        self._metrics.forget(metric_names.POSITION)

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Their lanes are opened before their records are fetched."""
        now = self._clock.monotonic()
        self._metrics.forget(metric_names.PARTITION_STOPPED)
        self._tracks = {
            place: Track(f"{place.topic} partition {place.partition}", Tally(self._limits), now) for place in assigned
        }
        self._joined = True

    async def _consume(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            await self._open_lanes(consumer)
            if await self._fetch(consumer):
                self._failpoints.reach("loop.fetched")
                self._backoff.reset()
            self._go_to_work(consumer)
            await self._hint(consumer)
            self._give_up_gaps(consumer)
            await self._listen(consumer)

    def _go_to_work(self, consumer: AIOKafkaConsumer) -> None:
        """Let each partition apply what waits for it, unless it is at it already. Raises what the work raised."""
        for task in [task for task in self._working if task.done()]:
            del self._working[task]
            task.result()
        busy = list(self._working.values())
        for place, track in self._tracks.items():
            if self._allowed(place, track.waiting[:1]) and track.stopped is None and track not in busy:
                self._working[asyncio.create_task(self._work(consumer, place, track))] = track

    async def _leave_work(self) -> None:
        """What is in hand is committed or rolled back; which of them, the position tells."""
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)
        self._working.clear()

    def _allowed(self, _place: TopicPartition, gathered: Sequence[ConsumerRecord]) -> int:
        """How many of these records, the next ones, may be applied now."""
        return len(gathered)

    async def _open_lanes(self, consumer: AIOKafkaConsumer) -> None:
        # A batch of a partition that was taken from us, and perhaps given back, ends before it is opened again.
        gone = [task for task, track in self._working.items() if track not in self._tracks.values()]
        if gone:
            await asyncio.wait(gone)
        for place, track in list(self._tracks.items()):
            if not track.opened and track.stopped is None and place in consumer.assignment():
                await self._open(consumer, place, track)

    async def _open(self, consumer: AIOKafkaConsumer, place: TopicPartition, track: Track) -> None:
        committed = await within(self._deadlines.call, consumer.committed(place), "asking for the offset hint")
        try:
            lane = await self._opener.open(place.partition)
        except FencedError as error:
            _LOG.warning("fenced", partition=place.partition, reason=error.detail)
            return  # whoever had it is finishing a refold: the next round opens it
        except StoppedError as error:
            self._stop(consumer, place, track, error)
            return
        except UnavailableError as error:
            _LOG.warning("lane_not_opened", partition=place.partition, reason=error.detail)
            await self._backoff.pause()
            return
        if self._tracks.get(place) is track:  # it may have gone to another worker meanwhile
            track.lane, track.opened = lane, True
            # From one record before the hint: its number shows whether the hint fits, also if nothing else comes.
            await self._seek(consumer, None if committed is None else max(0, committed - 1), [place])

    async def _seek(self, consumer: AIOKafkaConsumer, offset: int | None, places: Sequence[TopicPartition]) -> None:
        """Go on from an offset, or from the start. Raises UnavailableError if a partition is lost at this moment."""
        for place in places:  # what was fetched from elsewhere; from here to where aiokafka forgets it, nothing waits
            if track := self._tracks.get(place):
                track.waiting.clear()

        async def seek() -> None:
            if offset is None and places:  # of none, aiokafka would rewind all
                await consumer.seek_to_beginning(*places)
            for place in places if offset is not None else ():
                consumer.seek(place, offset)

        await within(self._deadlines.call, seek(), "seeking")

    async def _fetch(self, consumer: AIOKafkaConsumer) -> bool:
        """Bring what has come to the partitions that have room for it; whether that was anything."""
        roomy = [place for place, track in self._tracks.items() if len(track.waiting) < self._config.batch / 2]
        if self._tracks and not roomy:
            await self._wait_for_room()
            return False
        # A fetch waits for a rebalance, and that for a member that is gone until its session has passed.
        patience = self._deadlines.call + self._config.session_timeout
        asked = [] if len(roomy) == len(self._tracks) else roomy
        try:
            fetched: dict[TopicPartition, list[ConsumerRecord]] = await within(
                patience,
                consumer.getmany(*asked, timeout_ms=self._patience_ms, max_records=self._config.batch),
                "fetching",
            )
        except UnavailableError as error:
            if isinstance(error.__cause__, OffsetOutOfRangeError):
                await self._rewind(consumer, list(error.__cause__.args[0]))
                return False
            if isinstance(error.__cause__, NoOffsetForPartitionError):
                return False  # assigned during the fetch: the next round opens its lane, which seeks
            raise
        for place in fetched.keys() & self._tracks.keys():
            track = self._tracks[place]
            track.waiting += fetched[place]
            track.heard, track.deaf_at = self._clock.monotonic(), None
        return bool(fetched)

    async def _wait_for_room(self) -> None:
        self._went_on.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience_ms / 1000):
                await self._went_on.wait()

    async def _rewind(self, consumer: AIOKafkaConsumer, lost: Sequence[TopicPartition]) -> None:
        _LOG.error("stream_truncated_or_recreated", partitions=[p.partition for p in lost], doing="rewinding")
        for place in lost:
            if track := self._tracks.get(place):
                track.begin_again()
        await self._seek(consumer, None, [place for place in lost if place in consumer.assignment()])

    async def _work(self, consumer: AIOKafkaConsumer, place: TopicPartition, track: Track) -> None:
        """Apply what waits for one partition, batch by batch, until nothing does or it is no longer ours."""
        while self._tracks.get(place) is track and track.stopped is None:
            gathered = track.waiting[: self._config.batch]
            batch = gathered[: self._allowed(place, gathered)]
            if not batch:
                return
            del track.waiting[: len(batch)]
            await self._take_batch(consumer, place, track, batch)
            self._went_on.set()
            if len(batch) <= self._config.few:
                await asyncio.sleep(self._config.rest)

    async def _take_batch(
        self, consumer: AIOKafkaConsumer, place: TopicPartition, track: Track, fetched: Sequence[ConsumerRecord]
    ) -> None:
        """Apply a batch. It returns when that is settled, the partition is stopped, or it is no longer ours."""
        began = self._clock.monotonic()
        backoff = Backoff()
        while self._tracks.get(place) is track and track.stopped is None:
            try:
                if track.lane is None:
                    track.lane = await self._opener.open(place.partition)
                if await self._apply(place, track, track.lane, fetched):
                    await self._gap(consumer, place, track, track.lane)
                else:
                    track.hint = fetched[-1].offset + 1
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
            else:
                self._metrics.add(metric_names.LOOP_BATCHES, outcome="committed")
                self._metrics.observe(metric_names.LOOP_BATCH_SECONDS, self._clock.monotonic() - began)
                return

    async def _apply(
        self, place: TopicPartition, track: Track, lane: Lane, fetched: Sequence[ConsumerRecord]
    ) -> bool:  # fmt: skip
        """Apply what is next in order; whether a gap was met."""
        rest = fetched
        while rest:
            todo = sort(rest, lane.position)
            rest = todo.rest
            track.judge(todo)
            if letters := track.letters(todo):
                await self._dead_letters.write(letters)
                track.bury(letters)
            self._failpoints.reach("loop.decoded")
            track.skipped += todo.duplicates
            self._metrics.add(metric_names.DUPLICATES_SKIPPED, todo.duplicates, partition=str(place.partition))
            if todo.records or todo.dead:
                await lane.apply(todo.records, duplicates=track.skipped, dead=todo.dead)
                if self._announce is not None:
                    self._announce(place.partition, lane.position.number)
                self._failpoints.reach("loop.applied")
                track.moved()
                self._metrics.add(metric_names.EVENTS_APPLIED, len(todo.records), partition=str(place.partition))
                self._metrics.set(metric_names.POSITION, lane.position.number, partition=str(place.partition))
            if todo.too_new is not None:
                raise StoppedError(
                    f"{track.place} number {todo.too_new.number} was written under contract {todo.too_new.newer} and "
                    f"this build reads {CONTRACT}: upgrade this service, which then goes on from there"
                )
            if todo.gap:
                return True
            if todo.epoch is not None:
                await lane.begin_epoch(todo.epoch.epoch, todo.epoch.last_valid)
        return False

    async def _gap(self, consumer: AIOKafkaConsumer, place: TopicPartition, track: Track, lane: Lane) -> None:
        """Search for the missing record once from the start; if it is not there, wait for the relay."""
        missing = lane.position.number + 1
        if track.missing != missing:
            _LOG.warning("gap_searched", partition=place.partition, missing=missing)
            await self._seek(consumer, None, [place])
            track.missing = missing
        elif track.missed_since is None:
            track.missed_since = self._clock.monotonic()

    def _give_up_gaps(self, consumer: AIOKafkaConsumer) -> None:
        """A gap that the relay does not fill stops its partition, also if nothing else ever comes."""
        now = self._clock.monotonic()
        for place, track in self._tracks.items():
            since = track.missed_since
            if since is not None and track.stopped is None and now - since > self._config.gap_timeout:
                reason = (
                    f"{track.place} lacks number {track.missing}: see whether ingest's relay runs; "
                    "it sends what is missing from the inbox"
                )
                self._stop(consumer, place, track, StoppedError(reason))

    def _stop(self, consumer: AIOKafkaConsumer, place: TopicPartition, track: Track, error: StoppedError) -> None:
        track.stopped = error.detail
        track.waiting.clear()
        self._metrics.set(metric_names.PARTITION_STOPPED, 1, partition=str(place.partition))
        if place in consumer.assignment():
            consumer.pause(place)
        _LOG.error("partition_stopped", partition=place.partition, reason=error.detail)

    async def _hint(self, consumer: AIOKafkaConsumer) -> None:
        """Tell Kafka how far we are, for seeking and for lag tools. Losing this loses nothing."""
        hints = {place: track.hint for place, track in self._tracks.items() if track.hint is not None}
        now = self._clock.monotonic()
        if not hints or now - self._hinted < self._config.between_hints:
            return
        self._hinted = now
        for place in hints:
            self._tracks[place].hint = None
        try:
            await within(self._deadlines.call, consumer.commit(hints), "committing the offset hint")
        except UnavailableError as error:
            _LOG.info("offset_hint_not_committed", reason=error.detail)
        else:
            self._failpoints.reach("loop.offsets_committed")

    async def _listen(self, consumer: AIOKafkaConsumer) -> None:
        """A consumer can fall silent after its brokers restarted: compare with the log's end and start a new one.

        Asked twice, with a fetch between: something may have come since the last one.
        """
        now = self._clock.monotonic()
        quiet = [
            place
            for place, track in self._tracks.items()
            if track.lane is not None
            and track.stopped is None
            and not track.waiting
            and now - track.heard > self._config.silence
            and place in consumer.assignment()
        ]
        if not quiet:
            self._answered = now
            return
        try:
            ends = await within(self._deadlines.call, consumer.end_offsets(quiet), "asking for the log's end")
        except UnavailableError as error:
            # A new consumer has to wait until the session of this one has passed, so it is not for a moment's outage.
            if now - self._answered > self._config.silence:
                raise
            _LOG.info("end_not_known", reason=error.detail)
            return
        self._answered = self._clock.monotonic()
        for place, end in ends.items():
            at = await within(self._deadlines.call, consumer.position(place), "asking where we are")
            if (track := self._tracks.get(place)) is None:
                continue
            if at == end:
                track.heard, track.deaf_at = now, None
            elif track.deaf_at == at:
                raise UnavailableError(f"{track.place} ends at {end} but nothing came after {at}")
            else:
                track.deaf_at = at
