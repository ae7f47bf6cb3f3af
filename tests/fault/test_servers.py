"""Broker and database gone and back, in every way: no process is restarted, nothing is lost, every number is right."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from tests.fault.company import EVERYBODY, PARTITIONS, WORKERS
from tests.fault.fire import Ground, Round, under_fire
from tests.servers import Server

pytestmark = pytest.mark.fault
GROUP = "Broker and database"

GONE = float(os.environ.get("FAULT_GONE", "8"))
"""Seconds; `FAULT_GONE=300 make fault` takes five minutes."""
ENDS: dict[str, Callable[[Server], None]] = {"stopped": Server.stop, "killed": Server.kill, "frozen": Server.freeze}


async def gone_and_back(this: Round, server: Server, end: str, seconds: float) -> None:
    """End it, let time pass, and have it back."""
    await asyncio.to_thread(ENDS[end], server)
    this.injected()
    await asyncio.sleep(seconds)
    server.thaw()
    await asyncio.to_thread(server.start)


@pytest.mark.parametrize("end", ENDS)
async def test_the_broker_is_gone(ground: Ground, end: str) -> None:
    """Events are accepted as ever: it delays, it does not refuse."""
    async with under_fire(ground, f"broker {end}, gone for {GONE:g} s", seconds=GONE + 2) as this:
        await this.passes(0.2, 1)
        async with this.watch.outage("Kafka", WORKERS):
            await gone_and_back(this, this.company.brokers[0], end, GONE)


@pytest.mark.parametrize("end", ENDS)
async def test_the_database_is_gone(ground: Ground, end: str) -> None:
    async with under_fire(ground, f"PostgreSQL {end}, gone for {GONE:g} s", seconds=GONE + 2) as this:
        await this.passes(0.2, 1)
        async with this.watch.outage("PostgreSQL", EVERYBODY):
            await gone_and_back(this, this.database_server, end, GONE)


async def test_the_database_is_restarted(ground: Ground) -> None:
    async with under_fire(ground, "PostgreSQL restarted and killed, again and again", seconds=6) as this:
        for end in ("stopped", "killed", "stopped", "killed"):
            async with this.watch.outage("PostgreSQL", EVERYBODY):
                await gone_and_back(this, this.database_server, end, 0)
            await this.passes(0.2, 1.5)


async def test_both_are_killed(ground: Ground) -> None:
    async with under_fire(ground, "broker and PostgreSQL killed at once", seconds=GONE + 2) as this:
        await this.passes(0.2, 1)
        async with this.watch.outage("both", EVERYBODY):
            await asyncio.gather(
                gone_and_back(this, this.company.brokers[0], "killed", 2),
                gone_and_back(this, this.database_server, "killed", 2),
            )


async def test_connections_are_terminated(ground: Ground) -> None:
    name = "database connections terminated every half second"
    async with under_fire(ground, name, seconds=8) as this, this.company.database() as operator:
        for _ in range(12):
            ended = await operator.fetch(
                """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE application_name LIKE 'quintant %' AND pid <> pg_backend_pid()"""
            )
            this.injected(len(ended))
            await this.passes(0.2, 0.8)


async def test_every_statement_is_slow(ground: Ground) -> None:
    async with under_fire(ground, "every statement takes 2 s longer", seconds=16) as this:
        assert this.company.to_postgres is not None
        this.company.to_postgres.tell("slow", 1.0)
        this.injected()
        await this.passes(14, 16)
        this.company.to_postgres.tell("heal")


async def test_tables_are_locked(ground: Ground) -> None:
    """As by a careless operator: nothing that reads or writes positions and journals goes on for two seconds."""
    async with under_fire(ground, "tables locked for 2 s, again and again", seconds=12) as this:
        for service in ("metrics", "pipeline", "forecast", "ingest"):
            table = "ingest.event" if service == "ingest" else f"{service}.position"
            async with this.company.database() as operator:
                try:
                    async with operator.transaction():
                        await operator.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE", timeout=20)
                        this.injected()
                        await asyncio.sleep(2)
                except asyncpg.DeadlockDetectedError:
                    continue


async def test_the_broker_lost_what_it_had_acknowledged(ground: Ground, own_directory: Path) -> None:
    """A power cut of its machine: the end of each log was in memory only. Nobody else is restarted."""
    async with under_fire(ground, "broker lost the end of its logs (power cut)", seconds=8) as this:
        await this.passes(1, 2)
        broker = this.company.brokers[0]
        await asyncio.to_thread(broker.kill)
        topic = this.company.topic("sales-events")
        for log in logs(own_directory, topic):
            os.truncate(log, log.stat().st_size * this.draw.randrange(50, 95) // 100)
            this.injected()
        ground.lost = True
        await asyncio.to_thread(broker.start)


def logs(directory: Path, topic: str) -> list[Path]:
    """The segment of each partition."""
    found = [path for partition in range(PARTITIONS) for path in directory.rglob(f"{topic}-{partition}/*.log")]
    assert len(found) == PARTITIONS
    return found
