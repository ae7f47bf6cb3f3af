"""The servers of the local stack come back after every kind of end, with everything that was committed."""

import asyncio
import os

import asyncpg
import pytest

from quintant.stack import processes
from tests.servers import Server


async def _count(url: str) -> int:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM kept"))
    finally:
        await connection.close(timeout=10)


async def _keep_rows(url: str) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS kept (n integer)")
        await connection.execute("TRUNCATE kept")
        await connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
    finally:
        await connection.close(timeout=10)


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_postgres_keeps_committed_rows(postgres: Server, end: str) -> None:
    await _keep_rows(postgres.address)
    getattr(postgres, end)()
    assert not postgres.running
    postgres.start()
    assert await _count(postgres.address) == 1000


async def test_postgres_starts_when_only_its_main_process_was_killed(postgres: Server) -> None:
    await _keep_rows(postgres.address)
    assert postgres.process
    os.kill(postgres.process.pid, 9)
    assert processes.wait_until_gone(postgres.process, 10)
    postgres.start()
    assert await _count(postgres.address) == 1000


async def test_a_frozen_postgres_answers_nothing_until_thawed(postgres: Server) -> None:
    postgres.freeze()
    with pytest.raises(TimeoutError):
        await asyncpg.connect(postgres.address, timeout=0.3)
    postgres.thaw()
    connection = await asyncpg.connect(postgres.address, timeout=10)
    await connection.close(timeout=10)


async def test_a_module_has_a_database_of_its_own(database_url: str) -> None:
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        assert await connection.fetchval("SELECT current_database()") in database_url
        assert await connection.fetchval("SELECT rolcreaterole FROM pg_roles WHERE rolname = current_user")
    finally:
        await connection.close(timeout=10)


def test_the_run_has_a_broker(kafka_bootstrap: str) -> None:
    from quintant.stack.kafka import answers

    host, port = kafka_bootstrap.split(",")[0].split(":")
    assert answers(host, int(port))


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_the_broker_comes_back_on_its_port(broker: Server, end: str) -> None:
    before = broker.address
    await asyncio.to_thread(getattr(broker, end))
    assert not broker.running
    await asyncio.to_thread(broker.start)
    assert broker.address == before


def test_three_brokers_make_a_cluster(brokers: list[Server]) -> None:
    assert all(server.running for server in brokers)
