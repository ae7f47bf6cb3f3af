"""A plant on the run's servers, and one on servers of its own that may be stopped and killed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fault.plant import Plant, build
from tests.servers import Server


@pytest.fixture
async def plant(database_server: str, kafka_bootstrap: str, own_directory: Path) -> AsyncIterator[Plant]:
    async with build(database_server, kafka_bootstrap, own_directory) as built:
        yield built


@pytest.fixture
async def exposed_plant(postgres: Server, broker: Server, own_directory: Path) -> AsyncIterator[Plant]:
    async with build(postgres.address, broker.address, own_directory) as built:
        yield built
