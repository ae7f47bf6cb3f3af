"""Publishes the numbered stream from the inbox: at least once, never with a hole, keeping no place of its own.

One batch is in flight per partition. After a start and after any failed or timed-out send the producer is abandoned and
each partition's tail is read again: the stream can repeat but never skip, and what a crashed broker lost is sent again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from shared.contracts.records import EpochRecord, ProgressRecord, StreamRecord
from shared.kernel.clock import Clock
from shared.kernel.errors import StoppedError, UnavailableError
from shared.messaging.deadlines import USUAL, Backoff, Deadlines
from shared.messaging.ends import Tail, tail_of, with_epochs
from shared.messaging.failpoints import Failpoints
from shared.messaging.producer import Outgoing, Producer, open_producer
from shared.messaging.tail import purge, read_ends
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

_LOG = structlog.get_logger(__name__)
_MARGIN = 100


@dataclass(frozen=True, slots=True)
class Heads:
    """Everything accepted until `through` has these numbers at most."""

    epoch: int
    last_valid: Mapping[int, int]
    """With which number of the epoch before each partition's present epoch began."""
    through: datetime
    numbers: Mapping[int, int]


class Inbox(Protocol):
    """Where the numbered stream comes from: committed in number order, without a hole."""

    def leadership(self) -> AbstractAsyncContextManager[None]:
        """Wait until this relay is the only active one; leaving gives it up. Raises UnavailableError."""

    async def read(self, after: Mapping[int, int], limit: int) -> Mapping[int, Sequence[StreamRecord]]:
        """The next records of each partition after a number, in number order."""

    async def heads(self) -> Heads:
        """The last committed numbers, exact at an instant."""

    async def wait(self, seconds: float) -> None:
        """Until something is committed, or for so long."""


@dataclass(frozen=True, slots=True)
class StreamRelay:
    """Relays one generation of the stream. `topic` and `progress_topic` are full names."""

    bootstrap_servers: str
    topic: str
    progress_topic: str
    generation: int
    partitions: int
    inbox: Inbox
    metrics: Metrics
    clock: Clock
    failpoints: Failpoints
    deadlines: Deadlines = USUAL
    batch: int = 2000

    async def run(self) -> None:
        """Relay until cancelled. A lost broker or database delays, it never ends this.

        Raises StoppedError if the stream knows more than the inbox.
        """
        backoff = Backoff()
        while True:
            try:
                async with self.inbox.leadership():
                    tails = await self._tails()
                    async with open_producer(self.bootstrap_servers, self.deadlines) as producer:
                        await self._lead(producer, tails, backoff)
            except UnavailableError as error:
                _LOG.warning("relay_interrupted", reason=error.detail)
                await backoff.pause()

    async def _lead(self, producer: Producer, tails: dict[int, Tail], backoff: Backoff) -> None:
        pulse = _Pulse(self.clock)
        while True:
            pending = await self.inbox.read({p: tail.number for p, tail in tails.items()}, self.batch)
            self.failpoints.reach("relay.read")
            if pending:
                sent = await asyncio.gather(*(self._send(producer, p, tails[p], recs) for p, recs in pending.items()))
                tails.update(zip(pending, sent, strict=True))
                self.failpoints.reach("relay.sent")
                self.metrics.add(metric_names.RELAY_SENT, sum(map(len, pending.values())), topic="sales-events")
            backoff.reset()
            if pulse.due(moved=bool(pending)):
                await self._tell(producer, tails)
            if not pending:
                await self.inbox.wait(pulse.seconds_left())

    async def _send(
        self, producer: Producer, partition: int, tail: Tail, records: Sequence[StreamRecord | EpochRecord]
    ) -> Tail:
        outgoing = list(with_epochs(records, tail.epoch))
        offset = await producer.send(self.topic, partition, [Outgoing(*one.encode()) for one in outgoing])
        if offset < tail.offset:
            raise UnavailableError(
                f"{self.topic} partition {partition} went back from offset {tail.offset} to {offset}: "
                "what was acknowledged is lost and has to be sent again"
            )
        reached = records[-1].number if isinstance(records[-1], StreamRecord) else records[-1].last_valid
        return Tail(records[-1].epoch, reached, offset + len(outgoing))

    async def _tell(self, producer: Producer, tails: dict[int, Tail]) -> None:
        heads = await self.inbox.heads()
        for partition, tail in tails.items():
            if 0 < tail.epoch < heads.epoch and tail.number == heads.last_valid.get(partition):
                _LOG.warning("epoch_started", partition=partition, epoch=heads.epoch, last_valid=tail.number)
                record = EpochRecord(epoch=heads.epoch, last_valid=tail.number)
                tails[partition] = await self._send(producer, partition, tail, [record])
        behind = sum(max(0, number - tails[p].number) for p, number in heads.numbers.items() if p in tails)
        self.metrics.set(metric_names.RELAY_LAG, behind, topic="sales-events")
        mark = ProgressRecord(
            generation=self.generation, epoch=heads.epoch, through=heads.through, heads=dict(heads.numbers)
        )
        key, value = mark.encode()
        await producer.send(self.progress_topic, 0, [Outgoing(key, value, [])])

    async def _tails(self) -> dict[int, Tail]:
        """Up to where each partition stands without a hole. One that does not begin with number 1, or says what the
        inbox was restored without, is made again: the inbox holds everything."""
        window = self.batch + _MARGIN  # what was sent before a loss was noticed, and the hole before it
        ends = await read_ends(self.bootstrap_servers, self.topic, range(self.partitions), self.deadlines, last=window)
        heads = await self.inbox.heads()
        tails = {partition: tail_of(found) for partition, found in ends.items()}
        broken = {p: ends[p].next_offset for p, tail in tails.items() if tail is None or self._is_void(p, tail, heads)}
        if broken:
            _LOG.error(
                "stream_made_again",
                topic=self.topic,
                partitions=sorted(broken),
                reason="truncated, recreated, or from before a restore: it is purged and sent again from the inbox",
            )
            await purge(self.bootstrap_servers, self.topic, broken, self.deadlines)
        return {p: Tail(0, 0, broken[p]) if tail is None or p in broken else tail for p, tail in tails.items()}

    def _is_void(self, partition: int, tail: Tail, heads: Heads) -> bool:
        """Whether a partition ends with numbers that a restored inbox has given, or will give, to other events."""
        number = heads.numbers.get(partition, 0)
        if tail.epoch > heads.epoch or (tail.epoch == heads.epoch and tail.number > number):
            raise StoppedError(
                f"{self.topic} partition {partition} ends with number {tail.number} of epoch {tail.epoch}, but the "
                f"inbox knows {number} of epoch {heads.epoch}: if it was restored from a backup, begin a new epoch; "
                "if this is another company's topic, set QUINTANT_TOPIC_PREFIX"
            )
        return tail.epoch < heads.epoch and tail.number > heads.last_valid.get(partition, 0)


class _Pulse:
    """Progress is told every second while something moves, every five seconds otherwise."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told = float("-inf")
        self._moved = True

    def due(self, *, moved: bool) -> bool:
        self._moved = self._moved or moved
        if self.seconds_left() > 0:
            return False
        self._told, self._moved = self._clock.monotonic(), moved
        return True

    def seconds_left(self) -> float:
        return self._told + (1.0 if self._moved else 5.0) - self._clock.monotonic()
