"""The service's own database, empty at the start of each test."""

from collections.abc import AsyncIterator

import pytest

from services.metrics.settings import Settings
from services.metrics.wiring import run_migrate
from shared.kernel.clock import SystemClock
from shared.runtime.folding import service_database
from shared.runtime.shutdown import Shutdown
from shared.storage.database import Database
from tests.integration.metrics_write.books import empty


@pytest.fixture(scope="module")
async def migrated(database_url: str) -> Settings:
    settings = Settings(database_url=database_url, kafka_bootstrap_servers="nowhere:9092", http_port=0, health_port=0)
    await run_migrate(settings, Shutdown(SystemClock()))
    return settings


@pytest.fixture(scope="module")
async def opened(migrated: Settings) -> AsyncIterator[Database]:
    async with service_database(migrated, "test", size=8) as database:
        yield database


@pytest.fixture
async def database(opened: Database) -> Database:
    await empty(opened)
    return opened
