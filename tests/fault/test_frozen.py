"""Servers that keep their connections open and answer nothing: every call has an end, and they may thaw again."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest

from shared.messaging.deadlines import Deadlines
from shared.messaging.topics import create_topics
from shared.storage import database as storage
from shared.storage.database import Database, open_database
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics
from tests.integration.core.company import Numbered, told
from tests.integration.core.service import ROLE, Running, Settings, cells, create_schema, loop, opener
from tests.integration.core.stream import Stream, open_stream
from tests.servers import Server
from tests.unit.sales import worker
from tests.unit.sales.events import Event

pytestmark = pytest.mark.fault

PARTITIONS = 2
STORY = told(51, events=60, deals=12, references=4)


@dataclass
class Bench:
    """The loop in this process, impatient."""

    running: Running
    database: Database
    stream: Stream
    metrics: Metrics
    inbox: Numbered

    async def accept(self, events: Sequence[Event]) -> None:
        await self.stream.send_all(self.inbox.accept(events))

    async def retried(self) -> bool:
        counted = f'{metric_names.LOOP_BATCHES}{{outcome="retried"}}'
        return any(
            line.startswith(counted) and not line.endswith(" 0.0")
            for line in str(self.metrics.render(), "utf-8").splitlines()
        )


@pytest.fixture
async def bench(postgres: Server, broker: Server) -> AsyncIterator[Bench]:
    name = f"frozen_{secrets.token_hex(4)}"
    await create_schema(postgres.address, name)
    await create_topics(broker.address, prefix=f"{name}-", partitions=PARTITIONS, generation=1)
    patience = storage.Deadlines(connect=0.5, acquire=0.5, statement=0.5, lock=0.5)
    async with (
        open_database(postgres.address, role=ROLE, schemas=(name,), application=name, deadlines=patience) as database,
        open_stream(broker.address, f"{name}-stream", PARTITIONS) as stream,
    ):
        brief = Deadlines(start=2.0, call=1.0, send=2.0, stop=1.0)
        settings = Settings(broker.address, stream.topic, name, f"{name}-", deadlines=brief)
        metrics = Metrics()
        made = loop(settings, opener(settings, database), metrics)
        task = asyncio.create_task(made.run())
        built = Bench(Running(made, task, database), database, stream, metrics, Numbered(PARTITIONS))
        await built.accept(STORY[:20])
        await built.running.applied(built.inbox.heads)
        yield built
        task.cancel()
        await asyncio.wait([task])


async def test_a_broker_that_freezes_and_thaws(bench: Bench, broker: Server) -> None:
    tasks = len(asyncio.all_tasks())

    async def gave_up() -> bool:
        return bool(bench.running.loop.trouble())

    broker.freeze()
    await bench.running.until(gave_up)
    broker.thaw()
    await bench.accept(STORY[20:])
    await bench.running.applied(bench.inbox.heads)
    assert await cells(bench.database) == worker.told(STORY)

    async def nothing_is_left_of_the_clients_that_were_given_up() -> bool:
        return len(asyncio.all_tasks()) <= tasks + 1

    await bench.running.until(nothing_is_left_of_the_clients_that_were_given_up)


async def test_a_database_that_freezes_and_thaws(bench: Bench, postgres: Server) -> None:
    postgres.freeze()
    await bench.accept(STORY[20:])
    await bench.running.until(bench.retried)
    postgres.thaw()
    await bench.running.applied(bench.inbox.heads)
    assert bench.running.loop.trouble() == []
    assert await cells(bench.database) == worker.told(STORY)


async def test_a_shutdown_does_not_wait_for_a_frozen_database(bench: Bench, postgres: Server) -> None:
    postgres.freeze()
    await bench.accept(STORY[20:])
    await bench.running.until(bench.retried)
    bench.running.task.cancel()
    ended, _ = await asyncio.wait([bench.running.task], timeout=15)
    postgres.thaw()
    assert ended
