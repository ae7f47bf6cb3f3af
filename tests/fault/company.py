"""A company under fault: all services as real processes, their PostgreSQL and Kafka behind proxies that misbehave."""

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx

from quintant.stack import services
from quintant.stack.home import PROJECT, Home
from quintant.stack.ports import LOOPBACK, any_free
from quintant.stack.services import ROLES
from shared.contracts.topics import topic_name
from tests.fault.proxy import Proxy, opened
from tests.oracle.invented import PIPELINES
from tests.running import Running
from tests.servers import Server, new_broker, new_postgres

PARTITIONS = 2
ZONE = "Asia/Shanghai"
EVERYBODY = tuple(role.name for role in ROLES)
WORKERS = tuple(role.name for role in ROLES if role.kind == "worker")
FOLDING = tuple(role.name for role in ROLES if role.kind == "worker" and role.service != "ingest")
FOLDERS = ("pipeline", "metrics", "forecast")
RELAY, INGEST = "ingest-worker", "ingest-api"
_INSIDE = Path(__file__).parent / "inside"


@dataclass(slots=True)
class Company:
    """Processes, servers, proxies, and how to ask each of them."""

    running: Running
    prefix: str
    direct_url: str
    """The database, past the proxy."""
    bootstrap: str
    postgres: Server | None
    brokers: list[Server]
    to_postgres: Proxy | None
    to_kafka: Proxy | None
    http: httpx.AsyncClient
    learned: list[date] = field(default_factory=list)
    """The past business days on which something was learned."""
    rounds: int = 0
    waiting: set[tuple[str, str]] = field(default_factory=set)
    """What waits in the quarantine."""
    leaving: set[str] = field(default_factory=set)
    """Processes that were told to end: they listen no more and finish what they have in hand."""

    def topic(self, slug: str) -> str:
        return topic_name(slug, prefix=self.prefix)

    async def get(self, service: str, path: str, **parameters: Any) -> dict[str, Any]:
        """A successful answer."""
        answer = await self.http.get(self.running.urls[service] + path, params=parameters)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        body: dict[str, Any] = answer.json()
        return body

    @asynccontextmanager
    async def database(self) -> AsyncIterator[asyncpg.Connection]:
        """The database as its owner, past the proxy."""
        connection = await asyncpg.connect(self.direct_url, timeout=10, command_timeout=60)
        try:
            yield connection
        finally:
            with suppress(OSError, TimeoutError):
                await connection.close(timeout=5)

    async def schemas(self, connection: asyncpg.Connection) -> dict[str, str]:
        """Where each folding service keeps its current build."""
        found = {}
        for name in FOLDERS:
            build = await connection.fetchval(f"SELECT number FROM {name}_permanent.build WHERE state = 'current'")  # noqa: S608
            found[name] = name if build in (None, 1) else f"{name}_b{build}"
        return found

    async def start(self, *names: str, tree: Path = PROJECT, **settings: str) -> None:
        await asyncio.to_thread(lambda: self.running.start(names or None, tree=tree, **settings))

    async def launch(self, *names: str, tree: Path = PROJECT, **settings: str) -> None:
        await asyncio.to_thread(lambda: self.running.launch(*names, tree=tree, **settings))

    async def kill(self, *names: str) -> None:
        await asyncio.to_thread(self.running.kill, *names)

    async def stop(self, *names: str) -> bool:
        self.leaving |= set(names)
        try:
            return await asyncio.to_thread(self.running.stop, *names)
        finally:
            self.leaving -= set(names)

    async def ended(self, name: str, seconds: float = 60) -> None:
        """Wait until the process is gone."""

        async def gone() -> bool:
            return not self.running.running(name)

        await until(gone, seconds)

    async def inside(self, name: str, command: str = "tasks") -> int | None:
        """Ask within a process (see `inside/sitecustomize.py`); None if it does not run."""
        path = self.running.home.directory / "inside" / str(self.running.parts[name].process.pid)
        try:
            async with asyncio.timeout(5):
                reader, writer = await asyncio.open_unix_connection(path)
                writer.write(f"{command}\n".encode())
                answered = await reader.readline()
                writer.close()
        except (OSError, TimeoutError):
            return None
        return int(answered)


async def until(condition: Callable[[], Awaitable[bool]], seconds: float, *, what: str = "") -> None:
    """Return once the condition holds; TimeoutError when it does not within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            while not await condition():  # noqa: ASYNC110 - what is waited for happens in another process
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise TimeoutError(f"{what or condition.__name__} did not come true within {seconds:g} s") from None


@asynccontextmanager
async def found(
    directory: Path, *, postgres_directory: Path | None = None, kafka_directory: Path | None = None, **settings: str
) -> AsyncIterator[Company]:
    """A company on servers of its own, all processes ready; nothing was told to it yet and its relay does not run."""
    ports: list[int] = []
    while len(ports) < 2:
        ports.append(any_free(ports))
    postgres = new_postgres(postgres_directory or directory)
    broker = new_broker(kafka_directory or directory, advertised=ports[1])
    try:
        await asyncio.gather(asyncio.to_thread(postgres.start), asyncio.to_thread(broker.start))
        with (
            opened(ports[0], urlsplit(postgres.address).port or 0) as to_postgres,
            opened(ports[1], int(broker.address.rpartition(":")[2])) as to_kafka,
        ):
            url, bootstrap = _at(postgres.address, ports[0]), f"{LOOPBACK}:{ports[1]}"
            async with of_processes(directory, url, bootstrap, **settings) as company:
                company.direct_url = postgres.address
                company.postgres, company.brokers = postgres, [broker]
                company.to_postgres, company.to_kafka = to_postgres, to_kafka
                yield company
    finally:
        await asyncio.gather(asyncio.to_thread(postgres.kill), asyncio.to_thread(broker.kill))


@asynccontextmanager
async def of_processes(directory: Path, url: str, bootstrap: str, **settings: str) -> AsyncIterator[Company]:
    """The processes of a company on these servers."""
    home, prefix = Home(directory / f"own-{secrets.token_hex(4)}"), f"f{secrets.token_hex(4)}-"
    inside = home.directory / "inside"
    inside.mkdir(parents=True)
    environment = services.environment(home, url, bootstrap) | {
        "PYTHONPATH": os.pathsep.join((str(_INSIDE), str(PROJECT))),
        "QUINTANT_FAULT_INSIDE": str(inside),
        "QUINTANT_TOPIC_PREFIX": prefix,
        "QUINTANT_PARTITIONS": str(PARTITIONS),
        "QUINTANT_COMPANY_TIME_ZONE": ZONE,
        "QUINTANT_PIPELINES": json.dumps(PIPELINES),
        "QUINTANT_METRICS_SUMMARY_LEAST": "0",
    }
    running = Running(home, environment | settings)
    try:
        await asyncio.to_thread(running.prepare)
        headers = {"authorization": f"Bearer {running.key}"}
        async with httpx.AsyncClient(headers=headers, timeout=30, trust_env=False) as http:
            yield Company(running, prefix, url, bootstrap, None, [], None, None, http)
    finally:
        await asyncio.to_thread(running.kill)


def _at(url: str, port: int) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@{LOOPBACK}:{port}"))
