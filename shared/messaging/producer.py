"""Sends whole batches, one in flight per partition, and tells the offset that each got."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer

from shared.messaging.deadlines import Deadlines, abandon, within

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

    def __init__(self, producer: AIOKafkaProducer, deadlines: Deadlines) -> None:
        self._producer = producer
        self._deadlines = deadlines

    async def send(self, topic: str, partition: int, records: Sequence[Outgoing]) -> int:
        """Send records in order and wait for the acknowledgement; the offset of the first.

        Raises UnavailableError; then some of them may have been written, and may even be written later.
        """
        first = -1
        rest = list(records)
        while rest:
            batch = self._producer.create_batch()
            taken = 0
            for record in rest:
                if batch.append(timestamp=None, key=record.key, value=record.value, headers=record.headers) is None:
                    break
                taken += 1
            batch.close()
            offset = await within(self._deadlines.send, self._send(batch, topic, partition), f"sending to {topic}")
            first = offset if first < 0 else first
            rest = rest[taken:]  # an empty batch takes its first record whatever its size
        return first

    async def _send(self, batch: object, topic: str, partition: int) -> int:
        acknowledged = await (await self._producer.send_batch(batch, topic, partition=partition))
        return int(acknowledged.offset)


@asynccontextmanager
async def open_producer(bootstrap_servers: str, deadlines: Deadlines | None = None) -> AsyncIterator[Producer]:
    """A started producer. Raises UnavailableError if the broker does not answer in time."""
    limits = deadlines or Deadlines()
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        acks="all",
        linger_ms=0,
        max_batch_size=BATCH_BYTES,
        max_request_size=BATCH_BYTES + 100_000,
        request_timeout_ms=int(limits.call * 1000),
        metadata_max_age_ms=30_000,
    )
    try:
        await within(limits.start, producer.start(), "connecting a producer")
        yield Producer(producer, limits)
    finally:
        await abandon(producer.stop(), limits.stop)
