"""A pipeline service of this module's own on the run's PostgreSQL and Kafka."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.pipeline.settings import Settings
from services.pipeline.wiring import build_api, run_migrate
from shared.kernel.clock import SystemClock
from shared.runtime.shutdown import Shutdown
from shared.sales.company import Company
from shared.storage.database import Database, open_database
from shared.storage.schema import role_of, schemas_of
from shared.storage.waiting import Lookout
from shared.telemetry.metrics import Metrics

KEY = "test-key-of-no-worth"
WRITE_ONLY = "another-key-of-no-worth"
TABLES = "position, progress, outbox, entity, reference, reference_use, deal_state"


@pytest.fixture(scope="module")
def settings(database_url: str, topic_prefix: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Without Kafka: nothing listens on port 1."""
    keys: Path = tmp_path_factory.mktemp("keys") / "keys"
    lines = [
        f"{name}:{hashlib.sha256(key.encode()).hexdigest()}:{scope}\n"
        for name, key, scope in (("test", KEY, "read"), ("writer", WRITE_ONLY, "write"))
    ]
    keys.write_text("".join(lines))
    return Settings(
        database_url=database_url,
        kafka_bootstrap_servers="127.0.0.1:1",
        topic_prefix=topic_prefix,
        api_keys_file=keys,
        http_port=0,
        health_port=0,
        base_currency="USD",
        company_time_zone="Asia/Shanghai",
        pipelines={"default": ("prospecting", "qualification", "proposal"), "renewals": ("notice", "proposal")},
        pipeline_wait_seconds=0.3,
    )


@pytest.fixture(scope="module")
def company(settings: Settings) -> Company:
    return settings.company()


@pytest.fixture(scope="module")
async def database(settings: Settings) -> AsyncIterator[Database]:
    await run_migrate(settings, Shutdown(SystemClock()))
    url = settings.database_url.get_secret_value()
    async with open_database(
        url, role=role_of("pipeline"), schemas=schemas_of("pipeline", 1), application="test", size=20
    ) as opened:
        yield opened


@pytest.fixture(scope="module")
async def client(settings: Settings, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """The real application, called with a key that may read."""
    app = build_api(settings, database, Lookout(database, SystemClock()), Metrics(), SystemClock())
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://pipeline.test",
            headers={"authorization": f"Bearer {KEY}"},
        ) as made,
    ):
        yield made


async def clear(database: Database) -> None:
    """As after the migration."""
    async with database.write() as writer:
        await writer.execute(f"TRUNCATE {TABLES}")
