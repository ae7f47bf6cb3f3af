"""Reads both ends of a partition: where its records begin, and what the last ones are."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from shared.messaging.abandoning import abandon
from shared.messaging.cluster import Brokers, options
from shared.messaging.deadlines import Deadlines, within


@dataclass(frozen=True, slots=True)
class Ends:
    """The first record that a partition holds and its last ones, in order; none if it is empty."""

    first: ConsumerRecord | None
    last: Sequence[ConsumerRecord]
    next_offset: int


@asynccontextmanager
async def open_reader(bootstrap_servers: Brokers, deadlines: Deadlines) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer without a group, for looking at partitions."""
    consumer = AIOKafkaConsumer(
        **options(bootstrap_servers),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
        request_timeout_ms=int(deadlines.call * 1000),
    )
    try:
        await within(deadlines.start, consumer.start(), "connecting a reader")
        yield consumer
    finally:
        await abandon(consumer, deadlines.stop)


async def read_ends(
    bootstrap_servers: Brokers, topic: str, partitions: Sequence[int], deadlines: Deadlines, *, last: int = 1
) -> dict[int, Ends]:
    """Both ends of each partition, of its tail so many records."""
    async with open_reader(bootstrap_servers, deadlines) as consumer:
        places = [TopicPartition(topic, partition) for partition in partitions]
        consumer.assign(places)
        begins = await within(deadlines.call, consumer.beginning_offsets(places), f"asking where {topic} begins")
        ends = await within(deadlines.call, consumer.end_offsets(places), f"asking where {topic} ends")
        found = {}
        for place in places:
            begin, end = begins[place], ends[place]
            first = await _records(consumer, place, begin, min(begin + 1, end), deadlines)
            tail = await _records(consumer, place, max(begin, end - last), end, deadlines)
            found[place.partition] = Ends(first[0] if first else None, tail, end)
        return found


async def _records(
    consumer: AIOKafkaConsumer, place: TopicPartition, begin: int, end: int, deadlines: Deadlines
) -> list[ConsumerRecord]:
    """The records from one offset up to another, exclusive."""
    found: list[ConsumerRecord] = []
    if begin < end:
        consumer.seek(place, begin)
    while begin < end:
        reading = consumer.getone(place)
        found.append(await within(deadlines.call, reading, f"reading {place.topic}/{place.partition} at {begin}"))
        begin = found[-1].offset + 1
    return found


async def purge(bootstrap_servers: Brokers, topic: str, offsets: dict[int, int], deadlines: Deadlines) -> None:
    """Delete all records of these partitions below these offsets."""
    admin = AIOKafkaAdminClient(**options(bootstrap_servers), request_timeout_ms=int(deadlines.call * 1000))
    try:
        await within(deadlines.start, admin.start(), "connecting to purge")
        below = {TopicPartition(topic, p): RecordsToDelete(before_offset=offset) for p, offset in offsets.items()}
        await within(deadlines.call, admin.delete_records(below), f"purging {topic}")
    finally:
        await abandon(admin, deadlines.stop)
