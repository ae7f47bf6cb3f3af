"""Three brokers, of which the leader of the stream is killed again and again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from tests.conftest import execute, with_database
from tests.fault.company import EVERYBODY, RELAY, of_processes
from tests.fault.conftest import twin_beside
from tests.fault.fire import Ground, under_fire
from tests.fault.report import Report
from tests.servers import Server

pytestmark = pytest.mark.fault
GROUP = "Three brokers"


@pytest.fixture(scope="module")
async def ground(
    brokers: list[Server], own_directory: Path, database_server: str, kafka_bootstrap: str, report: Report
) -> AsyncIterator[Ground]:
    """A company on the cluster."""
    name = f"cluster_{report.seed}"
    await execute(database_server, f"CREATE DATABASE {name}")
    bootstrap = ",".join(server.address for server in brokers)
    async with (
        twin_beside(database_server, kafka_bootstrap, own_directory) as twin,
        of_processes(own_directory, with_database(database_server, name), bootstrap) as company,
    ):
        company.brokers = brokers
        await company.start(*(role for role in EVERYBODY if role != RELAY))
        made = Ground(company, twin, report, GROUP)
        await made.begin()
        yield made
    await execute(database_server, f"DROP DATABASE {name} WITH (FORCE)")


async def leader(ground: Ground) -> Server:
    """The broker that leads partition 0 of the stream."""
    admin = AIOKafkaAdminClient(bootstrap_servers=ground.company.bootstrap)
    await admin.start()
    try:
        [described] = await admin.describe_topics([ground.company.topic("sales-events")])
    finally:
        await admin.close()
    [node] = [one["leader"] for one in described["partitions"] if one["partition"] == 0]
    return ground.company.brokers[int(node) - 1]


async def test_the_leader_is_killed(ground: Ground) -> None:
    async with under_fire(ground, "leader of three brokers killed", seconds=20) as this:
        for _ in range(2):
            await this.passes(0.5, 1.5)
            server = await leader(ground)
            await asyncio.to_thread(server.kill)
            this.injected()
            await this.passes(4, 6)
            await asyncio.to_thread(server.start)


async def test_the_leader_is_frozen(ground: Ground) -> None:
    """It is voted out and wakes up believing that it leads."""
    async with under_fire(ground, "leader of three brokers frozen and thawed", seconds=16) as this:
        await this.passes(0.5, 1.5)
        server = await leader(ground)
        server.freeze()
        this.injected()
        await this.passes(8, 10)
        server.thaw()
