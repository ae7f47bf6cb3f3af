"""A topic of a test's own: whatever a relay, a stranger or an operator may do to it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from shared.contracts.records import EpochRecord, StreamRecord
from shared.messaging.producer import Outgoing, Producer, open_producer
from tests.integration.core.waiting import until

Told = StreamRecord | EpochRecord | Outgoing


@dataclass(frozen=True)
class Stream:
    """One topic, and a producer for it."""

    bootstrap_servers: str
    topic: str
    partitions: int
    producer: Producer

    async def send(self, partition: int, told: Sequence[Told]) -> None:
        """Append records, acknowledged, in this order."""
        if told:
            await self.producer.send(self.topic, partition, [_outgoing(one) for one in told])

    async def send_all(self, streams: dict[int, list[StreamRecord]]) -> None:
        """Append to every partition what it lacks."""
        await asyncio.gather(*(self.send(partition, records) for partition, records in streams.items()))

    async def truncate(self, partition: int, before: int) -> None:
        """Delete the records below an offset."""
        async with _admin(self.bootstrap_servers) as admin:
            await admin.delete_records({TopicPartition(self.topic, partition): RecordsToDelete(before_offset=before)})

    async def recreate(self) -> None:
        """Delete the topic, and create it empty as soon as it is gone."""
        async with _admin(self.bootstrap_servers) as admin:
            await admin.delete_topics([self.topic])

            async def created() -> bool:
                answer = await admin.create_topics([NewTopic(self.topic, self.partitions, 1)])
                return bool(answer.topic_errors[0][1] == 0)

            await until(created)


def _outgoing(one: Told) -> Outgoing:
    return one if isinstance(one, Outgoing) else Outgoing(*one.encode())


@asynccontextmanager
async def open_stream(bootstrap_servers: str, topic: str, partitions: int) -> AsyncIterator[Stream]:
    """A new topic."""
    await create(bootstrap_servers, topic, partitions)
    async with open_producer(bootstrap_servers) as producer:
        yield Stream(bootstrap_servers, topic, partitions, producer)


async def create(bootstrap_servers: str, topic: str, partitions: int) -> None:
    """Create a topic and wait until it can be written."""
    async with _admin(bootstrap_servers) as admin:
        await admin.create_topics([NewTopic(topic, partitions, 1)])

        async def led() -> bool:
            [described] = await admin.describe_topics([topic])
            return bool(described["partitions"]) and all(one["leader"] >= 0 for one in described["partitions"])

        await until(led)


async def read_all(bootstrap_servers: str, topic: str, *, partition: int = 0) -> list[ConsumerRecord]:
    """Every record that a partition holds now."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        place = TopicPartition(topic, partition)
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        found: list[ConsumerRecord] = []
        async with asyncio.timeout(20):
            while await consumer.position(place) < end:
                for records in (await consumer.getmany(place, timeout_ms=200)).values():
                    found += records
        return found
    finally:
        await consumer.stop()


@asynccontextmanager
async def _admin(bootstrap_servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()
