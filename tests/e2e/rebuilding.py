"""A living company for tests of rebuilds: events that go in, commands as processes, answers asked all the while."""

import asyncio
import json
import secrets
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

from quintant.stack import services
from quintant.stack.home import Home
from services.metrics.audit import digest as metrics_digest
from shared.storage.builds import register_of
from shared.storage.database import open_database
from shared.storage.schema import role_of, schemas_of
from tests.conftest import execute, with_database
from tests.e2e.conftest import PROJECT, Company
from tests.running import Running

_BATCH = {"content-type": "application/cloudevents-batch+json"}
_SECONDS = 180
_AT_ONCE = 1000


@dataclass(slots=True)
class Answers:
    """What an api answered while something happened."""

    statuses: list[int] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def all_well(self) -> bool:
        return bool(self.statuses) and set(self.statuses) == {200}

    def never_go_back(self) -> bool:
        """What is complete stays complete."""
        told = [body["complete_through"] for body in self.bodies if body["complete_through"]]
        return told == sorted(told)


@dataclass(slots=True)
class Plant:
    """All processes, what is told them, and commands beside them."""

    company: Company
    everything: Running
    url: str

    async def tell(self, events: Sequence[dict[str, Any]]) -> str:
        """Send events; the token of the last ones."""
        for start in range(0, len(events) - _AT_ONCE, _AT_ONCE):
            await self.tell(events[start : start + _AT_ONCE])
        answer = await self.company.http.post(
            self.company.urls["ingest"] + "/v1/events", content=json.dumps(events[-_AT_ONCE:]), headers=_BATCH
        )
        assert answer.status_code in (200, 202), answer.text
        token: str = answer.json()["token"]
        self.company.tokens = [token]
        return token

    async def digests(self) -> dict[str, Any]:
        """Once everything told so far is applied: a product that nobody asks for is told to every partition last."""
        await self.tell([_event("product", name := secrets.token_hex(4), {"id": name})])
        return {name: (await self.company.get(name, "/v1/digest"))["sha256"] for name in ("pipeline", "metrics")}

    async def run(self, service: str, *arguments: str, status: int = 0) -> list[dict[str, Any]]:
        """Run a command of a service to its end; its steps."""
        process = await self.begin(service, *arguments)
        said, log = await asyncio.wait_for(process.communicate(), _SECONDS)
        assert process.returncode == status, log.decode()
        return [json.loads(line) for line in said.splitlines()]

    async def begin(self, service: str, *arguments: str) -> asyncio.subprocess.Process:
        """Start a command of a service."""
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"services.{service}", *arguments, "--json",
            cwd=PROJECT, env=dict(self.everything.environment), stdout=PIPE, stderr=PIPE,
        )  # fmt: skip

    async def value(self, sql: str, *values: object) -> Any:
        """From the database itself."""
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetchval(sql, *values)
        finally:
            await connection.close()

    async def execute(self, sql: str) -> None:
        """In the database itself."""
        await execute(self.url, sql)

    async def current_schema(self, service: str) -> str:
        register = register_of(service)
        number = await self.value(f"SELECT number FROM {register} WHERE state = 'current'")  # noqa: S608
        return schemas_of(service, number)[0]

    async def digest_of(self, service: str, schema: str) -> str:
        """Of one schema, by the service's own code."""
        async with (
            open_database(self.url, role=role_of(service), schemas=(schema,), application="test") as database,
            database.read() as reader,
        ):
            return await metrics_digest().tell(reader)

    async def facts(self, topic: str, subjects: set[str]) -> list[str]:
        """The subjects of the facts on a topic, of these alone, once nothing is waiting to be published."""
        schema = await self.current_schema(topic.split("-", maxsplit=1)[0])
        waiting = f"SELECT count(*) FROM {schema}.outbox"  # noqa: S608
        async with asyncio.timeout(_SECONDS):
            while await self.value(waiting):  # noqa: ASYNC110 - a row in a database tells nobody
                await asyncio.sleep(0.05)
        name = self.everything.environment["QUINTANT_TOPIC_PREFIX"] + topic
        servers = self.everything.environment["KAFKA_BOOTSTRAP_SERVERS"]
        consumer = AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest")
        await consumer.start()
        place = TopicPartition(name, 0)
        consumer.assign([place])
        end, found = (await consumer.end_offsets([place]))[place], []
        while await consumer.position(place) < end:
            for record in (await consumer.getmany(place, timeout_ms=200)).get(place, []):
                headers = dict(record.headers)
                if headers["ce_subject"].decode().rpartition("/")[2] in subjects:
                    found.append(headers["ce_subject"].decode().rpartition("/")[2])
        await consumer.stop()
        return found

    async def count_known(self, service: str, ids: Sequence[str]) -> int:
        """How many of these entities the current build has."""
        schema = await self.current_schema(service)
        return int(await self.value(f"SELECT count(*) FROM {schema}.entity WHERE id = ANY($1)", ids))  # noqa: S608

    async def moved(self, service: str, build: int) -> None:
        """Wait until the workers of a service apply this build."""
        applied_at = f"SELECT max(applied_at) FROM {service}_b{build}.position"  # noqa: S608
        before = await self.value(applied_at)
        await self.tell([deal(secrets.token_hex(4))])
        async with asyncio.timeout(_SECONDS):
            while await self.value(applied_at) == before:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    @asynccontextmanager
    async def asked(self, service: str, path: str) -> AsyncIterator[Answers]:
        """Ask again and again while the block runs."""
        answers = Answers()

        async def ask() -> None:
            while True:
                answer = await self.company.http.get(self.company.urls[service] + path)
                answers.statuses.append(answer.status_code)
                answers.bodies.append(answer.json())
                await asyncio.sleep(0)

        asking = asyncio.create_task(ask())
        try:
            yield answers
        finally:
            asking.cancel()
            await asyncio.wait([asking])

    @asynccontextmanager
    async def flowing(self, every: float = 0.02) -> AsyncIterator[list[str]]:
        """Events go in all the while; the ids of those that were accepted."""
        accepted: list[str] = []

        async def tell() -> None:
            while True:
                name = secrets.token_hex(6)
                await self.tell([deal(name)])
                accepted.append(name)
                await asyncio.sleep(every)

        telling = asyncio.create_task(tell())
        try:
            yield accepted
        finally:
            ended = telling.done()
            telling.cancel()
            await asyncio.wait([telling])
            assert not ended, telling.exception()


def deal(name: str) -> dict[str, Any]:
    return _event("deal", name, {"id": name, "amount": {"amount": "10.00", "currency": "USD"}, "stage": "won"})


def _event(entity: str, name: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0", "type": f"io.quintant.{entity}.changed.v1", "source": "/live", "id": name,
        "time": "2026-06-01T10:00:00Z", "data": data,
    }  # fmt: skip


@asynccontextmanager
async def plant(server: str, bootstrap: str, directory: Path, **settings: str) -> AsyncIterator[Plant]:
    """A Quintant of its own, ended with the block."""
    name = f"test_{secrets.token_hex(6)}"
    await execute(server, f"CREATE DATABASE {name}")
    url = with_database(server, name)
    home = Home(directory / f"own-{secrets.token_hex(4)}")
    own = {"QUINTANT_TOPIC_PREFIX": f"t{secrets.token_hex(4)}-", "QUINTANT_PARTITIONS": "2"}
    everything = Running(home, services.environment(home, url, bootstrap) | own | settings)
    try:
        await asyncio.to_thread(everything.prepare)
        await asyncio.to_thread(everything.start)
        headers = {"authorization": f"Bearer {everything.key}"}
        async with httpx.AsyncClient(headers=headers, timeout=60, trust_env=False) as http:
            yield Plant(Company(everything.urls, http, url), everything, url)
    finally:
        await asyncio.to_thread(everything.stop)
        await execute(server, f"DROP DATABASE {name} WITH (FORCE)")
