"""Publishes the numbered stream from the inbox: at least once, never with a hole, keeping no place of its own.

One batch is in flight per partition. After a start and after any failed or timed-out send the producer is abandoned and
each partition's tail is read again: the stream can repeat but never skip, and what a crashed broker lost is sent again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, Self

import structlog

from shared.contracts.records import EpochRecord, ProgressRecord
from shared.kernel.clock import Clock
from shared.kernel.errors import StoppedError, UnavailableError
from shared.messaging.cluster import Brokers
from shared.messaging.deadlines import USUAL, Backoff, Deadlines
from shared.messaging.ends import Tail, tail_of
from shared.messaging.failpoints import Failpoints
from shared.messaging.framing import Batch, frame
from shared.messaging.producer import Outgoing, Producer, open_producer
from shared.messaging.tail import purge, read_ends
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

_LOG = structlog.get_logger(__name__)
_MARGIN = 100
_EVERY = 0.03
"""Seconds between two reads while little comes. A small batch costs the broker and every service more than its events
do: sent as fast as could be, 500 events a second were in the numbers after twice the time."""


@dataclass(frozen=True, slots=True)
class Heads:
    """Everything accepted until `through` has these numbers at most."""

    epoch: int
    last_valid: Mapping[int, int]
    """With which number of the epoch before each partition's present epoch began."""
    through: datetime
    numbers: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Run:
    """The next records of one partition, from number `first` on without a hole, all of one epoch."""

    epoch: int
    first: int
    records: Sequence[bytes]
    """As `shared.messaging.framing.frame` makes them; never none."""

    @property
    def last(self) -> int:
        return self.first + len(self.records) - 1


class Inbox(Protocol):
    """Where the numbered stream comes from: committed in number order, without a hole."""

    def leadership(self) -> AbstractAsyncContextManager[None]:
        """Wait until this relay is the only active one; leaving gives it up. Raises UnavailableError."""

    async def read(self, after: Mapping[int, int], limit: int) -> Mapping[int, Run]:
        """The next records, at most so many, of each partition after a number; nothing of one without any."""

    async def heads(self) -> Heads:
        """The last committed numbers, exact at an instant."""

    async def wait(self, seconds: float) -> None:
        """Until something is committed, or for so long."""


@dataclass(frozen=True, slots=True)
class StreamRelay:
    """Relays one generation of the stream. `topic` and `progress_topic` are full names."""

    bootstrap_servers: Brokers
    topic: str
    progress_topic: str
    generation: int
    partitions: int
    inbox: Inbox
    metrics: Metrics
    clock: Clock
    failpoints: Failpoints
    deadlines: Deadlines = USUAL
    batch: int = 1000
    _acknowledged: dict[int, int] = field(default_factory=dict, init=False)
    """The last number of each partition of which this process knows that the broker has it."""
    _trouble: list[str] = field(default_factory=list, init=False)

    def trouble(self) -> list[str]:
        """Why nothing is relayed; empty while it is, and while another process does it."""
        return list(self._trouble)

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
                self._trouble[:] = [error.detail]
                await self._measure()
                await backoff.pause()

    async def _lead(self, producer: Producer, tails: dict[int, Tail], backoff: Backoff) -> None:
        pulse = _Pulse(self.clock)
        async with _Course(self.inbox, self.batch, tails, self.clock) as course:
            while True:
                before, runs = await course.runs()
                self.failpoints.reach("relay.read")
                pending = await self._ready(producer, before, runs)
                await self._arrive(course, tails)
                course.sending = self._send_all(producer, tails, pending) if pending else None
                if pulse.due(moved=bool(pending)):
                    await self._arrive(course, tails)
                    await course.read_out()
                    await self._tell(producer, tails)
                if course.is_done:
                    await self._arrive(course, tails)
                self._trouble.clear()
                backoff.reset()
                if not pending:
                    await self.inbox.wait(pulse.seconds_left())

    async def _ready(
        self, producer: Producer, after: Mapping[int, Tail], runs: Mapping[int, Run]
    ) -> dict[int, "_Ready"]:  # fmt: skip
        """What comes next, in the batches in which it is sent; a new epoch is announced before its first event."""
        found = {}
        for partition, run in runs.items():
            await asyncio.sleep(0)  # let what is read and sent meanwhile go on
            records = run.records
            if 0 < after[partition].epoch < run.epoch:
                records = [_epoch(run.epoch, run.first - 1), *records]
            found[partition] = _Ready(run, len(records), producer.batches(records))
        return found

    def _send_all(
        self, producer: Producer, tails: Mapping[int, Tail], pending: Mapping[int, "_Ready"]
    ) -> "asyncio.Task[dict[int, Tail]]":
        """Send to all partitions at once; the tails after it."""

        async def send() -> dict[int, Tail]:
            sent = await asyncio.gather(*(self._send(producer, p, tails[p], one) for p, one in pending.items()))
            self.failpoints.reach("relay.sent")
            count = sum(len(one.run.records) for one in pending.values())
            self.metrics.add(metric_names.RELAY_SENT, count, topic="sales-events")
            return dict(zip(pending, sent, strict=True))

        return asyncio.create_task(send())

    async def _arrive(self, course: "_Course", tails: dict[int, Tail]) -> None:
        """Wait until the broker has what is on its way, if anything is."""
        if course.sending is not None:
            tails.update(await course.sending)
            course.sending = None
        self._acknowledged.update({p: tail.number for p, tail in tails.items()})

    async def _send(self, producer: Producer, partition: int, tail: Tail, ready: "_Ready") -> Tail:
        offset = await producer.send_batches(self.topic, partition, ready.batches)
        if offset < tail.offset:
            raise UnavailableError(
                f"{self.topic} partition {partition} went back from offset {tail.offset} to {offset}: "
                "what was acknowledged is lost and has to be sent again"
            )
        return Tail(ready.run.epoch, ready.run.last, offset + ready.count)

    async def _tell(self, producer: Producer, tails: dict[int, Tail]) -> None:
        heads = await self.inbox.heads()
        for partition, tail in tails.items():
            if 0 < tail.epoch < heads.epoch and tail.number == heads.last_valid.get(partition):
                _LOG.warning("epoch_started", partition=partition, epoch=heads.epoch, last_valid=tail.number)
                alone = [_epoch(heads.epoch, tail.number)]
                begun = _Ready(Run(heads.epoch, tail.number, alone), len(alone), producer.batches(alone))
                tails[partition] = await self._send(producer, partition, tail, begun)
        self._show_lag(heads)
        mark = ProgressRecord(
            generation=self.generation, epoch=heads.epoch, through=heads.through, heads=dict(heads.numbers)
        )
        key, value = mark.encode()
        await producer.send(self.progress_topic, 0, [Outgoing(key, value, [])])

    async def _measure(self) -> None:
        """While Kafka is away the inbox goes on, and somebody must see how much waits."""
        with suppress(UnavailableError):  # PostgreSQL is away too: nothing new waits
            self._show_lag(await self.inbox.heads())

    def _show_lag(self, heads: Heads) -> None:
        """A process that has not reached Kafka yet counts from where the inbox was when it found that out."""
        behind = sum(number - self._acknowledged.setdefault(p, number) for p, number in heads.numbers.items())
        self.metrics.set(metric_names.RELAY_LAG, max(0, behind), topic="sales-events")

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


@dataclass(frozen=True, slots=True)
class _Ready:
    """What is sent to a partition next; `count` records, one more than the run's if an epoch begins with it."""

    run: Run
    count: int
    batches: Sequence[Batch]


class _Course:
    """What is read ahead and what is on its way: while the broker takes one batch of each partition, the next is put
    together and PostgreSQL reads the one after it. Leaving it gives both up."""

    def __init__(self, inbox: Inbox, batch: int, tails: Mapping[int, Tail], clock: Clock) -> None:
        self._inbox = inbox
        self._batch = batch
        self._clock = clock
        self._next_read = float("-inf")
        self._acknowledged = tails
        self._beyond: dict[int, Tail] = {}
        """Where the partitions stand after what was read last."""
        self._reading: asyncio.Task[Mapping[int, Run]] | None = None
        self.sending: asyncio.Task[dict[int, Tail]] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [task for task in (self._reading, self.sending) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def read_out(self) -> None:
        """Wait for what is being read: heads that are asked for afterwards are not before it."""
        if self._reading is not None:
            await asyncio.wait([self._reading])

    @property
    def is_done(self) -> bool:
        """Nothing is read ahead: what is committed from now on is read after all that was."""
        return self._reading is None

    async def runs(self) -> tuple[Mapping[int, Tail], Mapping[int, Run]]:
        """What comes next, and after what; if it is a whole batch, what follows it is read meanwhile."""
        if self._reading is None:
            await asyncio.sleep(self._next_read - self._clock.monotonic())
            self._next_read = self._clock.monotonic() + _EVERY
            self._beyond = dict(self._acknowledged)
            found = await self._inbox.read(_numbers(self._beyond), self._batch)
        else:
            found = await self._reading
        before = dict(self._beyond)
        self._beyond |= {p: Tail(run.epoch, run.last, 0) for p, run in found.items()}
        self._reading = None
        if any(len(run.records) == self._batch for run in found.values()):
            self._reading = asyncio.create_task(self._inbox.read(_numbers(self._beyond), self._batch))
        return before, found


def _numbers(tails: Mapping[int, Tail]) -> dict[int, int]:
    return {partition: tail.number for partition, tail in tails.items()}


def _epoch(epoch: int, last_valid: int) -> bytes:
    return frame(*EpochRecord(epoch=epoch, last_valid=last_valid).encode())


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
