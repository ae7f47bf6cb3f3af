"""An ingest of this module's own on the run's PostgreSQL and Kafka."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.ingest.settings import Settings
from services.ingest.wiring import build_api, run_migrate
from shared.kernel.clock import SystemClock
from shared.messaging.topics import create_topics
from shared.runtime.shutdown import Shutdown
from shared.storage.database import Database, open_database
from shared.telemetry.metrics import Metrics

KEY = "test-key-of-no-worth"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture(scope="module")
def settings(
    database_url: str, kafka_bootstrap: str, topic_prefix: str, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    keys: Path = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"test:{hashlib.sha256(KEY.encode()).hexdigest()}:read,write,admin\n")
    sources = keys.with_name("sources.json")
    erp = {"adapter": "standard-webhooks", "secrets": [{"value": SECRET, "since": "2026-01-01"}]}
    sources.write_text(json.dumps({"sources": {"erp": erp}}))
    return Settings(
        database_url=database_url,
        kafka_bootstrap_servers=kafka_bootstrap,
        topic_prefix=topic_prefix,
        api_keys_file=keys,
        http_port=0,
        health_port=0,
        ingest_sources_file=sources,
    )


@pytest.fixture(scope="module")
async def database(settings: Settings) -> AsyncIterator[Database]:
    await run_migrate(settings, Shutdown(SystemClock()))
    url = settings.database_url.get_secret_value()
    async with open_database(url, role="quintant_ingest", schemas=("ingest",), application="test", size=20) as opened:
        yield opened


@pytest.fixture(scope="module")
async def topics(settings: Settings) -> list[str]:
    return await create_topics(
        settings.kafka_bootstrap_servers,
        prefix=settings.topic_prefix,
        partitions=settings.partitions,
        generation=1,
    )


@pytest.fixture(scope="module")
async def client(settings: Settings, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """The real application with its inbox running, called with a key that may do everything."""
    died: list[str] = []
    app = build_api(settings, database, Metrics(), on_death=died.append)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://ingest.test",
            headers={"authorization": f"Bearer {KEY}"},
        ) as made,
    ):
        yield made
    assert died == []
