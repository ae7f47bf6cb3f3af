"""Sends whole batches, one in flight per partition, and tells the offset that each got."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer

from shared.kernel.clock import Clock, SystemClock
from shared.messaging.abandoning import abandon
from shared.messaging.cluster import Brokers, options
from shared.messaging.deadlines import Deadlines, within
from shared.messaging.framing import Batch, batches, frame

BATCH_BYTES = 900_000
"""Below the broker's default limit of one mebibyte for a batch."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to send."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Producer:
    """Sends with the acknowledgement of all in-sync replicas. Made by `open_producer`; abandon it after a failure."""

    def __init__(self, producer: AIOKafkaProducer, deadlines: Deadlines, clock: Clock) -> None:
        self._producer = producer
        self._deadlines = deadlines
        self._clock = clock

    async def send(self, topic: str, partition: int, records: Iterable[Outgoing]) -> int:
        """Send records in order and wait for the acknowledgement; the offset of the first.

        Raises UnavailableError; then some of them may have been written, and may even be written later.
        """
        framed = [frame(record.key, record.value, record.headers) for record in records]
        return await self.send_batches(topic, partition, self.batches(framed))

    def batches(self, framed: Sequence[bytes]) -> list[Batch]:
        """Framed records as the batches in which they are sent, of this moment."""
        return list(batches(framed, int(self._clock.now().timestamp() * 1000), BATCH_BYTES))

    async def send_batches(self, topic: str, partition: int, made: Sequence[Batch]) -> int:
        """The same with records that were put together before."""
        first = -1
        for batch in made:
            offset = await within(self._deadlines.send, self._send(batch, topic, partition), f"sending to {topic}")
            first = offset if first < 0 else first
        return first

    async def _send(self, batch: Batch, topic: str, partition: int) -> int:
        acknowledged = await (await self._producer.send_batch(batch, topic, partition=partition))
        return int(acknowledged.offset)


@asynccontextmanager
async def open_producer(bootstrap_servers: Brokers, deadlines: Deadlines | None = None) -> AsyncIterator[Producer]:
    """A started producer. Raises UnavailableError if the broker does not answer in time."""
    limits = deadlines or Deadlines()
    producer = AIOKafkaProducer(
        **options(bootstrap_servers),
        acks="all",
        linger_ms=0,
        max_batch_size=BATCH_BYTES,
        max_request_size=BATCH_BYTES + 100_000,
        request_timeout_ms=int(limits.call * 1000),
        metadata_max_age_ms=30_000,
    )
    try:
        await within(limits.start, producer.start(), "connecting a producer")
        yield Producer(producer, limits, SystemClock())
    finally:
        await abandon(producer, limits.stop)
