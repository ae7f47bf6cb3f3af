"""Publishes the numbered stream from the inbox: at least once, never with a hole, keeping no place of its own.

One batch is in flight per partition. After a start and after any failed or timed-out send the producer is abandoned and
the number at each partition's tail is read again, so the stream can repeat but never skip.
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
from shared.kernel.errors import UnavailableError
from shared.messaging.deadlines import USUAL, Backoff, Deadlines
from shared.messaging.failpoints import Failpoints
from shared.messaging.producer import Outgoing, Producer, open_producer
from shared.messaging.reading import number_of
from shared.messaging.tail import Ends, purge, read_ends
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

_LOG = structlog.get_logger(__name__)


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
        """Relay until cancelled. A lost broker or database delays, it never ends this."""
        backoff = Backoff()
        while True:
            try:
                async with self.inbox.leadership():
                    sent = await self._tails()
                    async with open_producer(self.bootstrap_servers, self.deadlines) as producer:
                        await self._start_epoch(producer, sent)
                        await self._lead(producer, {p: tail.number for p, tail in sent.items()}, backoff)
            except UnavailableError as error:
                _LOG.warning("relay_interrupted", reason=error.detail)
                await backoff.pause()

    async def _lead(self, producer: Producer, sent: dict[int, int], backoff: Backoff) -> None:
        offsets: dict[int, int] = {}
        pulse = _Pulse(self.clock)
        while True:
            pending = await self.inbox.read(sent, self.batch)
            self.failpoints.reach("relay.read")
            if pending:
                await asyncio.gather(*(self._send(producer, p, recs, offsets) for p, recs in pending.items()))
                sent.update({partition: records[-1].number for partition, records in pending.items()})
                self.failpoints.reach("relay.sent")
                self.metrics.add(metric_names.RELAY_SENT, sum(map(len, pending.values())), topic="sales-events")
            backoff.reset()
            if pulse.due(moved=bool(pending)):
                await self._tell(producer, sent)
            if not pending:
                await self.inbox.wait(pulse.seconds_left())

    async def _send(
        self, producer: Producer, partition: int, records: Sequence[StreamRecord], offsets: dict[int, int]
    ) -> None:
        offset = await producer.send(self.topic, partition, [Outgoing(*record.encode()) for record in records])
        if offset < offsets.get(partition, 0):
            raise UnavailableError(
                f"{self.topic} partition {partition} went back to offset {offset}: the topic was recreated"
            )
        offsets[partition] = offset + len(records)

    async def _tell(self, producer: Producer, sent: Mapping[int, int]) -> None:
        heads = await self.inbox.heads()
        behind = sum(max(0, number - sent.get(partition, 0)) for partition, number in heads.numbers.items())
        self.metrics.set(metric_names.RELAY_LAG, behind, topic="sales-events")
        record = ProgressRecord(
            generation=self.generation, epoch=heads.epoch, through=heads.through, heads=dict(heads.numbers)
        )
        key, value = record.encode()
        await producer.send(self.progress_topic, 0, [Outgoing(key, value, [])])

    async def _tails(self) -> dict[int, "_Tail"]:
        """What stands at each partition's tail. A partition that does not begin with number 1 is made again."""
        ends = await read_ends(self.bootstrap_servers, self.topic, range(self.partitions), self.deadlines)
        broken = {partition: found.next_offset for partition, found in ends.items() if _is_broken(found)}
        if broken:
            _LOG.error(
                "stream_truncated_or_recreated",
                topic=self.topic,
                partitions=sorted(broken),
                doing="purging these partitions and sending them again from the inbox, which holds everything",
            )
            await purge(self.bootstrap_servers, self.topic, broken, self.deadlines)
        return {partition: _NOTHING if partition in broken else _tail(found) for partition, found in ends.items()}

    async def _start_epoch(self, producer: Producer, tails: dict[int, "_Tail"]) -> None:
        """After the inbox was restored from a backup, say so where the stream still ends in an earlier epoch."""
        heads = await self.inbox.heads()
        for partition, tail in tails.items():
            if 0 < tail.epoch < heads.epoch:
                last_valid = heads.last_valid.get(partition, 0)
                record = EpochRecord(epoch=heads.epoch, last_valid=last_valid)
                _LOG.warning("epoch_started", partition=partition, epoch=heads.epoch, last_valid=last_valid)
                await producer.send(self.topic, partition, [Outgoing(*record.encode())])
                tails[partition] = _Tail(heads.epoch, last_valid)


@dataclass(frozen=True, slots=True)
class _Tail:
    """The last record of a partition: after an epoch record the next number is the one after `last_valid`."""

    epoch: int
    number: int


_NOTHING = _Tail(0, 0)


def _is_broken(ends: Ends) -> bool:
    if ends.first is None or ends.last is None:
        return False  # empty: whatever it held before is sent again from number 1
    return number_of(ends.first.headers) != 1 or number_of(ends.last.headers) is None


def _tail(ends: Ends) -> _Tail:
    if ends.last is None:
        return _NOTHING
    headers = dict(ends.last.headers)
    return _Tail(int(headers.get("q_epoch", b"1")), number_of(ends.last.headers) or 0)


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
