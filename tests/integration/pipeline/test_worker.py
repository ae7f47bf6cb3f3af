"""The worker's jobs on a real broker: the stream in, deals out, facts published, progress followed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.pipeline.handlers import handler
from services.pipeline.migrations import HEAD
from services.pipeline.settings import Settings
from services.pipeline.wiring import build_api
from shared.contracts.records import Fact, ProgressRecord, StreamRecord
from shared.contracts.topics import topic_name
from shared.kernel.clock import SystemClock
from shared.messaging.deadlines import Deadlines
from shared.messaging.producer import Outgoing, open_producer
from shared.messaging.topics import create_topics
from shared.runtime.folding import usual_jobs
from shared.storage.builds import Build
from shared.storage.database import Database
from shared.storage.waiting import Lookout
from shared.telemetry.metrics import Metrics
from tests.integration.pipeline.company import DEALS, REFERENCES
from tests.integration.pipeline.conftest import KEY
from tests.integration.pipeline.telling import Stream, event

DEADLINES = Deadlines()
CLOCK = SystemClock()
SECONDS = 60.0


@pytest.fixture(scope="module")
async def wired(settings: Settings, kafka_bootstrap: str) -> Settings:
    """With Kafka, and topics of this module's own."""
    made = settings.model_copy(
        update={"kafka_bootstrap_servers": kafka_bootstrap, "partitions": 2, "pipeline_wait_seconds": 20.0}
    )
    await create_topics(kafka_bootstrap, prefix=made.topic_prefix, partitions=2, generation=1)
    return made


@asynccontextmanager
async def running(settings: Settings, database: Database, metrics: Metrics) -> AsyncIterator[None]:
    """All jobs of a worker."""
    _, jobs = usual_jobs(settings, Build(1, 1, 2), database, handler(settings.company()), HEAD, metrics, CLOCK)
    tasks = [asyncio.create_task(job()) for job in jobs.values()]
    try:
        yield
        assert not [task for task in tasks if task.done()], "a job ended although nobody asked it to"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def api(settings: Settings, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    app = build_api(settings, database, Lookout(database, CLOCK), Metrics(), CLOCK)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://pipeline.test",
        headers={"authorization": f"Bearer {KEY}"},
        timeout=SECONDS,
    ) as client:
        yield client


async def send(settings: Settings, told: dict[int, list[StreamRecord]]) -> None:
    topic = topic_name("sales-events", prefix=settings.topic_prefix)
    async with open_producer(settings.kafka_bootstrap_servers, DEADLINES) as producer:
        for partition, records in told.items():
            if records:
                await producer.send(topic, partition, [Outgoing(*one.encode()) for one in records])


async def send_progress(settings: Settings, *raw: Outgoing) -> None:
    async with open_producer(settings.kafka_bootstrap_servers, DEADLINES) as producer:
        await producer.send(topic_name("sales-progress", prefix=settings.topic_prefix), 0, list(raw))


def mark(through: datetime, heads: dict[int, int], generation: int = 1) -> Outgoing:
    record = ProgressRecord(generation=generation, epoch=1, through=through, heads=heads)
    return Outgoing(*record.encode(), [])


async def facts(settings: Settings, count: int) -> list[Fact]:
    """The first facts on `pipeline-events`."""
    place = TopicPartition(topic_name("pipeline-events", prefix=settings.topic_prefix), 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        found: list[Fact] = []
        async with asyncio.timeout(SECONDS):
            while len(found) < count:
                found.append(Fact.decode(*_parts(await consumer.getone(place))))
        return found
    finally:
        await consumer.stop()


def _parts(record: Any) -> tuple[bytes, bytes, Sequence[tuple[str, bytes]]]:
    return record.key, record.value, record.headers


async def until(client: httpx.AsyncClient, path: str, **expected: Any) -> dict[str, Any]:
    """Ask until the answer says so."""
    async with asyncio.timeout(SECONDS):
        while True:
            body: dict[str, Any] = (await client.get(path)).json()
            if all(body.get(name) == value for name, value in expected.items()):
                return body


async def shown(metrics: Metrics, line: bytes) -> None:
    """Wait until the worker's own gauges say so; they follow the database a moment later."""
    async with asyncio.timeout(SECONDS):
        while line not in metrics.render():  # noqa: ASYNC110 - a gauge has no event to wait on
            await asyncio.sleep(0)


async def test_a_company_comes_in_through_kafka(wired: Settings, database: Database) -> None:
    stream = Stream(partitions=2)
    told = stream.number(REFERENCES + DEALS)
    await send(wired, told)
    await send(wired, {partition: records[-3:] for partition, records in told.items()})
    metrics = Metrics()
    async with running(wired, database, metrics), api(wired, database) as client:
        body = (await client.get("/v1/deals", params={"after": stream.token()})).json()
        assert [one["id"] for one in body["items"]] == ["D-1", "D-2", "D-3", "D-4", "D-5", "D-7", "team/8"]
        digest = (await client.get("/v1/digest")).json()["sha256"]

        said = await facts(wired, 14)
        assert len({fact.id for fact in said}) == 14
        won = [msgspec.json.decode(fact.data) for fact in said if fact.subject == "D-1"]
        assert [(one["from"], one["to"]) for one in won] == [
            (None, "prospecting"),
            ("prospecting", "proposal"),
            ("proposal", "won"),
        ]

        through = datetime(2026, 4, 1, tzinfo=UTC)
        await send_progress(wired, mark(through, stream.numbers))
        body = await until(client, "/v1/funnel", complete_through="2026-04-01T00:00:00Z")
        assert body["events_behind"] == 0
        await shown(metrics, b"quintant_events_behind 0.0")

        late = stream.number([event("deal", "D-1", "2026-03-21T00:00:00Z", title="Renamed")])
        await send_progress(wired, mark(datetime(2026, 4, 2, tzinfo=UTC), stream.numbers))
        await until(client, "/v1/funnel", complete_through="2026-04-01T00:00:00Z", events_behind=1)
        await send(wired, late)
        await until(client, "/v1/funnel", complete_through="2026-04-02T00:00:00Z", events_behind=0)
        assert (await client.get("/v1/digest")).json()["sha256"] != digest


async def test_a_restarted_worker_goes_on_where_it_was(wired: Settings, database: Database) -> None:
    """Progress is read again from the topic's end, with nothing said meanwhile."""
    async with database.write() as writer:
        await writer.execute("TRUNCATE progress")
    async with running(wired, database, Metrics()), api(wired, database) as client:
        await until(client, "/v1/pipelines", complete_through="2026-04-02T00:00:00Z", events_behind=0)


async def test_progress_that_cannot_be_read_is_passed_over(wired: Settings, database: Database) -> None:
    async with running(wired, database, Metrics()), api(wired, database) as client:
        heads = {0: 1, 1: 1}
        await send_progress(
            wired,
            Outgoing(b"progress", b"{", []),
            Outgoing(b"nonsense", b"", []),
            mark(datetime(2027, 1, 1, tzinfo=UTC), heads, generation=2),
            mark(datetime(2026, 5, 1, tzinfo=UTC), heads),
        )
        await until(client, "/v1/pipelines", complete_through="2026-05-01T00:00:00Z")


async def test_an_unreadable_event_is_set_aside_and_its_neighbours_are_applied(
    wired: Settings, database: Database
) -> None:
    stream = Stream(partitions=2, numbers=await positions(database))
    first = stream.number([event("deal", "D-a", "2026-03-22T00:00:00Z", title="A")])
    key = event("deal", "D-a", "2026-03-22T00:00:00Z").key
    partition = stream.partition_of(key)
    stream.numbers[partition] += 1
    number = stream.numbers[partition]
    after = stream.number([event("deal", "D-a", "2026-03-23T00:00:00Z", title="B")])
    await send(wired, first)
    async with open_producer(wired.kafka_bootstrap_servers, DEADLINES) as producer:
        poison = Outgoing(b"deal/D-a", b"{", [("q_number", str(number).encode())])
        await producer.send(topic_name("sales-events", prefix=wired.topic_prefix), partition, [poison])
    await send(wired, after)
    metrics = Metrics()
    async with running(wired, database, metrics), api(wired, database) as client:
        body = (await client.get("/v1/deals/D-a", params={"after": stream.token()})).json()
        assert body["title"] == "B"
        assert b'quintant_dead_letters_total{reason="undecodable"} 1.0' in metrics.render()


async def positions(database: Database) -> dict[int, int]:
    async with database.read() as reader:
        return {row["partition"]: row["number"] for row in await reader.rows("SELECT * FROM position")}
