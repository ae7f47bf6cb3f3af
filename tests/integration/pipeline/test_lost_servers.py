"""The worker's jobs and the api outlive a broker and a database that go and come back."""

import asyncio
from datetime import UTC, datetime

import pytest

from services.pipeline.settings import Settings
from services.pipeline.wiring import run_migrate
from shared.kernel.clock import SystemClock
from shared.messaging.topics import create_topics
from shared.runtime.shutdown import Shutdown
from shared.storage.database import open_database
from shared.storage.schema import role_of, schemas_of
from shared.telemetry.metrics import Metrics
from tests.integration.pipeline.company import DEALS, REFERENCES
from tests.integration.pipeline.telling import Stream, event
from tests.integration.pipeline.test_worker import api, mark, running, send, send_progress, until
from tests.servers import Server

pytestmark = pytest.mark.fault


async def test_broker_and_database_go_and_come_back(settings: Settings, postgres: Server, broker: Server) -> None:
    own = settings.model_copy(
        update={
            "database_url": type(settings.database_url)(postgres.address),
            "kafka_bootstrap_servers": broker.address,
            "partitions": 1,
            "pipeline_wait_seconds": 20.0,
        }
    )
    await create_topics(broker.address, prefix=own.topic_prefix, partitions=1, generation=1)
    await run_migrate(own, Shutdown(SystemClock()))
    stream = Stream()
    async with (
        open_database(
            postgres.address, role=role_of("pipeline"), schemas=schemas_of("pipeline", 1), application="test"
        ) as database,
        running(own, database, Metrics()),
        api(own, database) as client,
    ):
        await send(own, stream.number(REFERENCES + DEALS))
        await send_progress(own, mark(datetime(2026, 4, 1, tzinfo=UTC), stream.numbers))
        await until(client, "/v1/funnel", complete_through="2026-04-01T00:00:00Z")

        await asyncio.to_thread(postgres.stop)
        refused = await client.get("/v1/funnel")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
        await asyncio.to_thread(broker.stop)
        await asyncio.to_thread(postgres.start)
        await until(client, "/v1/funnel", complete_through="2026-04-01T00:00:00Z", events_behind=0)

        await asyncio.to_thread(broker.start)
        await send(own, stream.number([event("deal", "D-2", "2026-03-25T00:00:00Z", stage="won")]))
        await send_progress(own, mark(datetime(2026, 4, 2, tzinfo=UTC), stream.numbers))
        await until(client, "/v1/funnel", complete_through="2026-04-02T00:00:00Z", events_behind=0)
        assert (await client.get("/v1/deals/D-2")).json()["stage"] == "won"
