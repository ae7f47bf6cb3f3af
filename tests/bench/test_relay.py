"""The relay from inbox to Kafka beside a producer that sends the same records from memory in the same batches."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from quintant.stack.home import Part
from shared.contracts.topics import topic_name
from tests.bench.ground import PARTITIONS, Busy, Ground, Place, port_of
from tests.bench.load import drive
from tests.bench.rounds import Line, Rate, alternate, judge
from tests.bench.workload import batches

pytestmark = pytest.mark.bench

EVENTS, SIZE = int(os.environ.get("BENCH_RELAYED", "100000")), 100
SECONDS = 120


async def test_the_relay_keeps_its_distance_to_a_bare_producer(ground: Ground) -> None:
    place = await ground.place()
    async with ground.serving("ingest", "api", place) as api:
        load = await drive(port_of(api), batches(EVENTS // SIZE, SIZE, "r", ground.home.own_key()), 16)
        assert set(load.statuses) == {202}, load.statuses
    full: list[str] = []

    async def relay(_number: int) -> Rate:
        fresh = await ground.place(place.database_url)
        full.append(_topic(fresh))
        async with ends(ground.bootstrap, _topic(fresh)) as sent, ground.serving("ingest", "worker", fresh) as worker:
            return await sent.rate(EVENTS, worker)

    async def bare(_number: int) -> Rate:
        fresh = await ground.place(place.database_url)
        return await ground.baseline(EVENTS, "produce", ground.bootstrap, full[0], _topic(fresh), str(PARTITIONS))

    rates = await alternate({"relay": relay, "bare": bare}, warm_up=False)
    judge(Line("relay inbox → Kafka", rates["relay"], rates["bare"], 0.6, 0.9, holds=False))


class Ends:
    """How much a topic holds."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str) -> None:
        self._consumer = consumer
        self._places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]

    async def rate(self, expected: int, worker: Part) -> Rate:
        """Of the worker, from the first records that are there to the last."""
        first, busy = 0, Busy(worker.process)
        async with asyncio.timeout(SECONDS):
            while (count := await self._count()) < expected:
                if count and not first:
                    first, busy = count, Busy(worker.process)
                await asyncio.sleep(0.01)  # a broker tells nobody that a log has grown
        assert count == expected, "the relay sent more than there is"
        assert first, "all of it was sent at once: tell more"
        return busy.rate(count - first)

    async def _count(self) -> int:
        return sum((await self._consumer.end_offsets(self._places)).values())


@asynccontextmanager
async def ends(bootstrap: str, topic: str) -> AsyncIterator[Ends]:
    """A look at a topic from outside."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        yield Ends(consumer, topic)
    finally:
        await consumer.stop()


def _topic(place: Place) -> str:
    return topic_name("sales-events", prefix=place.topic_prefix)
