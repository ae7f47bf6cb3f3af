"""The worker as it is wired, on a real broker: the stream in, books and summaries out, answers over HTTP."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from services.metrics.audit import audit
from services.metrics.settings import Settings
from services.metrics.wiring import build_api, run_migrate, run_worker
from shared.contracts.records import ProgressRecord
from shared.contracts.topics import topic_name
from shared.kernel.clock import SystemClock
from shared.kernel.tokens import Token
from shared.messaging.producer import Outgoing, open_producer
from shared.messaging.topics import create_topics
from shared.runtime.folding import service_database
from shared.runtime.shutdown import Shutdown
from shared.storage.database import Database
from shared.storage.waiting import Lookout
from shared.telemetry.metrics import Metrics
from tests.integration.metrics_write.books import Stream, ledger_cells, story, stream
from tests.unit.metrics_write.partition import told
from tests.unit.metrics_write.stories import COMPANY

KEY = "test-key-of-no-worth"
THROUGH = datetime(2026, 11, 22, tzinfo=UTC)
_SEALED = "SELECT count(*) FROM seal s JOIN position p ON p.partition = s.partition WHERE s.number > p.number"


@pytest.fixture(scope="module")
def settings(
    database_url: str, kafka_bootstrap: str, topic_prefix: str, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    keys: Path = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"test:{hashlib.sha256(KEY.encode()).hexdigest()}:read,admin\n")
    return Settings(
        database_url=database_url,
        kafka_bootstrap_servers=kafka_bootstrap,
        topic_prefix=topic_prefix,
        partitions=2,
        api_keys_file=keys,
        http_port=0,
        health_port=0,
        company_time_zone="Asia/Shanghai",
        base_currency="CNY",
        fiscal_year_start_month=4,
        pipelines=dict(COMPANY.pipelines.stages),
        constant_rate_on=COMPANY.constant_rate_on,
        metrics_summary_least=0,
        metrics_wait_seconds=60,
    )


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[None]:
    shutdown = Shutdown(SystemClock())
    worker = asyncio.create_task(run_worker(settings, shutdown))
    try:
        yield
    finally:
        shutdown.begin("the test ends")
        await worker
        shutdown.done()


async def send(settings: Settings, records: Stream) -> None:
    heads = {partition: len(share) for partition, share in records.items()}
    progress = ProgressRecord(generation=1, epoch=1, through=THROUGH, heads=heads)
    async with open_producer(settings.kafka_bootstrap_servers) as producer:
        for partition, share in records.items():
            topic = topic_name("sales-events", prefix=settings.topic_prefix)
            await producer.send(topic, partition, [Outgoing(*one.encode()) for one in share])
        topic = topic_name("sales-progress", prefix=settings.topic_prefix)
        await producer.send(topic, 0, [Outgoing(*progress.encode(), [])])


async def test_the_stream_becomes_books_and_answers(settings: Settings) -> None:
    events = story(8)
    records = stream(events, partitions=2)
    await run_migrate(settings, Shutdown(SystemClock()))
    await create_topics(settings.kafka_bootstrap_servers, prefix=settings.topic_prefix, partitions=2, generation=1)
    await send(settings, records)
    token = Token.of(1, [(partition, len(share)) for partition, share in records.items()])
    async with working(settings), service_database(settings, "test", size=4) as database:
        app = build_api(settings, database, Lookout(database, SystemClock()), Metrics(), SystemClock())
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://metrics.test",
            headers={"authorization": f"Bearer {KEY}"},
            timeout=90,
        ) as client:
            answer = await client.get("/v1/kpis/deals-created-count", params={"after": token.encode()})
        assert answer.status_code == 200, answer.text
        expected = told(events)
        (row,) = answer.json()["rows"]
        assert row["value"] == sum(int(m[0]) for cell, m in expected.items() if cell.fact == "created")
        assert await ledger_cells(database) == expected
        await summarised(database)
        assert (await audit(database)).sound


async def summarised(database: Database) -> None:
    """Wait until the worker's summaries have caught up: all three ledgers in both partitions."""
    async with asyncio.timeout(60):
        while True:
            async with database.read() as reader:
                if await reader.value(_SEALED) == 6:
                    return
            await asyncio.sleep(0.05)  # the summariser tells nobody
