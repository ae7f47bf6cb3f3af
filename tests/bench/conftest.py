"""Servers of the benchmarks' own: a durable PostgreSQL and a broker, on another core than what is measured.

BENCH_PROFILE_TO=<directory> writes where each measured process spends its time; such a run is no measurement.
"""

import asyncio
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from quintant.stack import processes, services
from quintant.stack.home import Home, write_private
from tests.bench.ground import SECRET, SOURCE, Ground, kept_on
from tests.conftest import execute, with_database
from tests.servers import Server, new_broker, new_postgres


@pytest.fixture(scope="session")
def bench_servers(server_directory: Path) -> Iterator[tuple[Server, Server]]:
    directory = server_directory / f"own-{secrets.token_hex(4)}"
    directory.mkdir()
    database, broker = new_postgres(directory), new_broker(directory)
    database.start()
    broker.start()
    yield database, broker
    broker.stop()
    database.stop()


@pytest.fixture(scope="session")
def bench_home(server_directory: Path) -> Home:
    """Keys and logs of the measured processes, and one source of signed webhooks."""
    home = Home(server_directory / f"own-{secrets.token_hex(4)}")
    home.prepare()
    home.own_key()
    source = {"adapter": "standard-webhooks", "secrets": [{"value": SECRET, "since": "2026-01-01"}]}
    write_private(home.sources_file, msgspec.json.encode({"sources": {SOURCE: source}}))
    return home


@pytest.fixture(scope="session")
async def bench_template(bench_servers: tuple[Server, Server], bench_home: Home) -> str:
    """A database in which all four services are migrated, to be copied."""
    name, server = f"template_{secrets.token_hex(4)}", bench_servers[0].address
    await execute(server, f"CREATE DATABASE {name}")
    env = services.environment(bench_home, with_database(server, name), "127.0.0.1:1")
    await asyncio.to_thread(services.migrate, bench_home, env)
    return name


@pytest.fixture(scope="module")
def ground(bench_servers: tuple[Server, Server], bench_home: Home, bench_template: str) -> Iterator[Ground]:
    """Two cores: the lower one for what is measured, the other for PostgreSQL, Kafka and this process."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        pytest.skip("needs Linux and two cores: one for the service, one for everything else")
    servers = [server.process for server in bench_servers if server.process is not None]
    family = {os.getpid(), *(one.pid for server in servers for one in (server, *processes.descendants(server)))}
    asked = os.environ.get("BENCH_PROFILE_TO")
    profile_to = Path(asked).resolve() if asked else None
    if profile_to is not None:
        profile_to.mkdir(parents=True, exist_ok=True)
    database, broker = bench_servers
    with kept_on(cores[1], family):
        yield Ground(bench_home, database.address, broker.address, bench_template, cores[0], profile_to)
