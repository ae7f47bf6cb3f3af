"""Racing writers, one relay: numbers without a hole, nothing twice, nothing lost, and the stream follows."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from aiokafka import AIOKafkaConsumer, TopicPartition

from services.ingest.domain.candidates import Candidate, Status
from services.ingest.domain.partitions import Generation
from services.ingest.inbox import LOCK, Inbox, Submission
from services.ingest.relay import InboxStream
from services.ingest.settings import Settings
from shared.contracts.records import StreamRecord
from shared.contracts.topics import topic_name
from shared.kernel.clock import SystemClock
from shared.kernel.period import Calendar
from shared.messaging.failpoints import Failpoints
from shared.messaging.relay import StreamRelay
from shared.storage.database import Database
from shared.telemetry.metrics import Metrics
from tests.integration.core.waiting import until

WHEN = datetime(2026, 3, 1, tzinfo=UTC)
PARTITIONS = 4


def deal(number: int, amount: int = 1) -> Candidate:
    public = f'{{"amount":{{"amount":"{amount}","currency":"EUR"}},"id":"d{number}"}}'.encode()
    return Candidate("deal", "/test", f"e{number}", f"d{number}", WHEN, 0, public, None)


def product(number: int) -> Candidate:
    return Candidate("product", "/test", f"p{number}", f"p{number}", WHEN, 0, b'{"id":"p%d"}' % number, None)


def inbox(database: Database) -> Inbox:
    return Inbox(database, Calendar(ZoneInfo("UTC")), PARTITIONS, Metrics(), SystemClock())


def relay(settings: Settings, database: Database) -> StreamRelay:
    return StreamRelay(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        topic=topic_name("sales-events", prefix=settings.topic_prefix),
        progress_topic=topic_name("sales-progress", prefix=settings.topic_prefix),
        generation=1,
        partitions=PARTITIONS,
        inbox=InboxStream(database, Generation(1, 0, PARTITIONS), SystemClock()),
        metrics=Metrics(),
        clock=SystemClock(),
        failpoints=Failpoints(),
        batch=50,
    )


async def read_stream(settings: Settings, counts: dict[int, int]) -> dict[int, list[StreamRecord]]:
    """Every record of the topic until each partition has brought so many numbers."""
    topic = topic_name("sales-events", prefix=settings.topic_prefix)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, p) for p in range(PARTITIONS)])
        found: dict[int, list[StreamRecord]] = {p: [] for p in range(PARTITIONS)}
        async with asyncio.timeout(30):
            while any((found[p][-1].number if found[p] else 0) < counts[p] for p in counts):
                for place, records in (await consumer.getmany(timeout_ms=200)).items():
                    found[place.partition] += [StreamRecord.decode(r.key, r.value, r.headers) for r in records]
        return found
    finally:
        await consumer.stop()


async def numbers(database: Database) -> dict[int, list[int]]:
    async with database.read() as reader:
        rows = await reader.rows(
            "SELECT partition, array_agg(number ORDER BY number) AS n FROM stream GROUP BY partition"
        )
    return {row["partition"]: row["n"] for row in rows}


async def test_racing_writers_number_without_a_hole_and_a_relay_skips_nothing(
    settings: Settings, database: Database, topics: list[str]
) -> None:
    writers = [inbox(database) for _ in range(3)]
    running = [asyncio.create_task(one.run()) for one in writers]
    relaying = asyncio.create_task(relay(settings, database).run())
    try:
        submissions = [
            (writers[n % 3], Submission([deal(n), deal(n // 2), *([product(n)] if n % 10 == 0 else [])]))
            for n in range(300)
        ]
        outcomes = [o for batch in await asyncio.gather(*(w.accept(s) for w, s in submissions)) for o in batch]
        accepted = Counter(o.id for o in outcomes if o.status is Status.ACCEPTED)
        assert accepted == Counter({f"e{n}": 1 for n in range(300)} | {f"p{n}": 1 for n in range(0, 300, 10)})
        drawn = await numbers(database)
        assert all(n == list(range(1, len(n) + 1)) for n in drawn.values())
        assert sum(map(len, drawn.values())) == 300 + 30 * PARTITIONS
        stream = await read_stream(settings, {p: len(n) for p, n in drawn.items()})
        for partition, records in stream.items():
            assert [r.number for r in records] == drawn[partition]
            assert {r.subject for r in records if r.entity == "product"} == {f"p{n}" for n in range(0, 300, 10)}
    finally:
        for task in (*running, relaying):
            task.cancel()
        await asyncio.gather(*running, relaying, return_exceptions=True)


async def test_the_same_again_is_a_duplicate_with_its_places_and_other_content_a_conflict(database: Database) -> None:
    box = inbox(database)
    running = asyncio.create_task(box.run())
    try:
        [first] = await box.accept(Submission([deal(9001)]))
        [again] = await box.accept(Submission([deal(9001)]))
        [other] = await box.accept(Submission([deal(9001, amount=2)]))
        assert first.status is Status.ACCEPTED
        assert (again.status, again.places) == (Status.DUPLICATE, first.places)
        assert other.status is Status.REJECTED
        assert other.error is not None
        assert other.error.slug == "conflict"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_many_events_are_sent_ahead_while_a_commit_is_under_way(database: Database) -> None:
    box = inbox(database)
    running = asyncio.create_task(box.run())

    async def waiting_backends(count: int) -> bool:
        async with database.read() as reader:
            found = await reader.value(
                """SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database
                   WHERE d.datname = current_database() AND locktype = 'advisory' AND NOT granted"""
            )
        return bool(found == count)

    try:
        async with database.write() as writer:
            await writer.execute(LOCK)
            first = asyncio.create_task(box.accept(Submission([deal(20_000)])))
            await until(lambda: waiting_backends(1))
            few = asyncio.create_task(box.accept(Submission([deal(n) for n in range(20_000, 20_100)])))
            many = asyncio.create_task(box.accept(Submission([deal(n) for n in range(20_050, 20_650)])))
            await until(lambda: waiting_backends(2))
        outcomes = [*await first, *await few, *await many]
        accepted = Counter(one.id for one in outcomes if one.status is Status.ACCEPTED)
        assert accepted == Counter({f"e{n}": 1 for n in range(20_000, 20_650)})
        assert {one.status for one in outcomes} == {Status.ACCEPTED, Status.DUPLICATE}
        places = {one.places for one in outcomes}
        assert len(places) == len(accepted)
        drawn = await numbers(database)
        assert all(n == list(range(1, len(n) + 1)) for n in drawn.values())
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
