"""Broker and database gone and back, in every way: no process is restarted, nothing is lost, the numbers are right."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from shared.contracts.topics import topic_name
from tests.fault.plant import PARTITIONS, Plant
from tests.fault.test_kills import chapter, is_right
from tests.servers import Server

pytestmark = pytest.mark.fault

Outage = Callable[[Server, Plant], Awaitable[None]]


async def stopped(server: Server, plant: Plant) -> None:
    await asyncio.to_thread(server.stop)


async def killed(server: Server, plant: Plant) -> None:
    await asyncio.to_thread(server.kill)


@pytest.fixture
async def working(exposed_plant: Plant) -> Plant:
    """A plant in full operation."""
    for name in ("relay", "mini"):
        exposed_plant.start(name)
    await exposed_plant.accept(chapter(0))
    await exposed_plant.applied()
    return exposed_plant


@pytest.mark.parametrize("outage", [stopped, killed], ids=lambda one: one.__name__)
async def test_the_broker_goes_and_comes_back(working: Plant, broker: Server, outage: Outage) -> None:
    """Meanwhile events are accepted as ever: it delays, it does not refuse."""
    await working.accept(chapter(1))
    await outage(broker, working)
    await working.accept(chapter(2))
    await asyncio.to_thread(broker.start)
    await working.complete()
    await is_right(working)


@pytest.mark.parametrize("outage", [stopped, killed], ids=lambda one: one.__name__)
async def test_the_database_goes_and_comes_back(working: Plant, postgres: Server, outage: Outage) -> None:
    for number in (1, 2):
        await working.accept(chapter(10 * number))
        await outage(postgres, working)
        await asyncio.to_thread(postgres.start)
        await working.accept(chapter(10 * number + 1))
        await working.applied()
    await is_right(working)


async def test_both_are_killed_at_once(working: Plant, postgres: Server, broker: Server) -> None:
    await working.accept(chapter(1))
    await asyncio.gather(killed(broker, working), killed(postgres, working))
    await asyncio.to_thread(broker.start)
    await asyncio.to_thread(postgres.start)
    await working.accept(chapter(2))
    await working.complete()
    await is_right(working)


async def test_connections_are_ended_again_and_again(working: Plant, postgres: Server) -> None:
    operator = await asyncpg.connect(working.url)
    try:
        for number in range(1, 8):
            await working.accept(chapter(number))
            await operator.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    finally:
        await operator.close()
    await working.applied()
    await is_right(working)


async def test_a_broker_that_lost_what_it_had_acknowledged_gets_it_again(
    working: Plant, broker: Server, own_directory: Path
) -> None:
    """A power cut of its machine: the end of each log was in memory only. Nobody else was restarted."""
    await working.accept(chapter(1))
    await working.applied()
    await killed(broker, working)
    for log in logs(own_directory, topic_name("sales-events", prefix=working.prefix)):
        os.truncate(log, log.stat().st_size * 2 // 3)
    await asyncio.to_thread(broker.start)
    await working.accept(chapter(2))
    await working.applied()
    working.signal("mini", signal.SIGKILL)
    await working.ended("mini")
    async with working.mini.write() as writer:
        await writer.execute("TRUNCATE position, progress, outbox, entity, reference, reference_use, mini, mini_deal")
    working.start("mini")  # a rebuild from the stream alone
    await working.applied()
    await is_right(working)


def logs(directory: Path, topic: str) -> list[Path]:
    found = [path for partition in range(PARTITIONS) for path in directory.rglob(f"{topic}-{partition}/*.log")]
    assert len(found) == PARTITIONS
    return found
