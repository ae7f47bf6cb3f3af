"""What handlers said reaches its topic: at least once, in order, forgotten only when the broker has it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka import ConsumerRecord

from shared.contracts.topics import TOPICS, topic_name
from shared.kernel.clock import SystemClock
from shared.kernel.errors import UnavailableError
from shared.messaging.failpoints import Failpoints
from shared.messaging.outbox_relay import OutboxRelay
from shared.storage.database import Database
from shared.storage.outbox import Message, append_messages, count_messages
from shared.telemetry.metrics import Metrics
from tests.integration.core.lanes import Interrupting
from tests.integration.core.service import Settings
from tests.integration.core.stream import read_all
from tests.integration.core.waiting import until


async def say(database: Database, messages: Sequence[Message]) -> None:
    async with database.write() as writer:
        await append_messages(writer, messages)


@asynccontextmanager
async def relaying(
    settings: Settings,
    database: Database,
    failpoints: Failpoints | None = None,
    batch: int = 1000,
    metrics: Metrics | None = None,
) -> AsyncIterator["asyncio.Task[None]"]:
    relay = OutboxRelay(
        settings.bootstrap_servers, "pipeline", settings.prefix, 1, database, metrics or Metrics(), SystemClock(),
        failpoints or Failpoints(), batch=batch,
    )  # fmt: skip
    task = asyncio.create_task(relay.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until_told(database: Database) -> None:
    async def told() -> bool:
        async with database.read() as reader:
            return await count_messages(reader) == 0

    await until(told)


async def published(settings: Settings, slug: str, run: str) -> list[ConsumerRecord]:
    """What this test published, told by a header."""
    found = await read_all(settings.bootstrap_servers, topic_name(slug, prefix=settings.prefix))
    return [one for one in found if ("run", run.encode()) in one.headers]


def fact(number: int, run: str, *, size: int = 10, topic: str = "pipeline-events") -> Message:
    return Message(topic, f"deal-{number % 3}", {"ce_id": str(number), "run": run}, b"x" * size)


def numbers(records: Sequence[ConsumerRecord]) -> list[int]:
    return [int(dict(one.headers)["ce_id"]) for one in records]


async def test_facts_of_one_subject_never_overtake_each_other(settings: Settings, database: Database) -> None:
    """Large and small ones mixed, over many batches: a small one must not slip into the room that a large one left."""
    sizes = [200_000, 10, 400_000, 10, 300_000, 20, 350_000, 5]
    await say(database, [fact(number, "order", size=sizes[number % len(sizes)]) for number in range(40)])
    async with relaying(settings, database, batch=16):
        await until_told(database)
    assert numbers(await published(settings, "pipeline-events", "order")) == list(range(40))


async def test_each_topic_gets_its_own(settings: Settings, database: Database) -> None:
    topics = ["pipeline-events", "metrics-alerts", "forecast-results"]
    await say(database, [fact(number, "own", topic=topics[number % 3]) for number in range(9)])
    async with relaying(settings, database):
        await until_told(database)
    for index, topic in enumerate(topics):
        assert numbers(await published(settings, topic, "own")) == list(range(index, 9, 3))


async def test_what_was_sent_but_not_forgotten_is_sent_again(settings: Settings, database: Database) -> None:
    await say(database, [fact(number, "again") for number in range(5)])
    async with relaying(settings, database, Interrupting(at="outbox.sent", time=1)):
        await until_told(database)
    assert numbers(await published(settings, "pipeline-events", "again")) == [*range(5), *range(5)]


async def test_a_backlog_is_told_whole_though_it_is_counted_seldom(settings: Settings, database: Database) -> None:
    pending: list[bytes] = []
    metrics = Metrics()

    class Looking(Failpoints):
        def reach(self, _name: str) -> None:
            pending.append(_pending(metrics))

    await say(database, [fact(number, "backlog") for number in range(10)])
    async with relaying(settings, database, Looking(), batch=4, metrics=metrics):
        await until_told(database)

        async def nothing_is_pending() -> bool:
            return _pending(metrics) == b"0.0"

        await until(nothing_is_pending)
    assert pending == [b"10.0", b"10.0", b"2.0"]


def _pending(metrics: Metrics) -> bytes:
    [line] = [line for line in metrics.render().splitlines() if line.startswith(b"quintant_outbox_pending ")]
    return line.split()[1]


async def test_what_is_rolled_back_is_never_told(settings: Settings, database: Database) -> None:

    async def fail() -> None:
        async with database.write() as writer:
            await append_messages(writer, [fact(1, "never")])
            raise TimeoutError

    with pytest.raises(UnavailableError):
        await fail()
    async with database.write() as writer:
        await append_messages(writer, [])
    async with relaying(settings, database):
        await until_told(database)
    assert await published(settings, "pipeline-events", "never") == []


def test_a_topic_of_facts_has_one_partition() -> None:
    """The relay sends to that one."""
    assert {topic.slug for topic in TOPICS.values() if topic.schemas == ("fact",) and topic.partitions != 1} == set()
