"""Processes restarted one after another under load, workers that come and go: no failed request, no wrong number."""

import asyncio
import json
import random
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from quintant.stack.home import Home
from shared.kernel.tokens import Token
from tests.conftest import with_database
from tests.e2e.conftest import Company
from tests.e2e.test_oracle import BATCH, RELAY, SETTINGS, Fed, is_right, running
from tests.oracle import accepted, over_http
from tests.oracle.invented import Invented
from tests.running import Running

SEED, SIZE = 11, 900
APIS = ("ingest-api", "metrics-api", "pipeline-api")
WORKERS = ("metrics-worker", "pipeline-worker")
READERS = 2
QUESTIONS = (("metrics", "/v1/kpis/deals-won-value"), ("pipeline", "/v1/funnel"), ("metrics", "/v1/kpis/order-count"))
PATIENCE = {"QUINTANT_METRICS_WAIT_SECONDS": "3", "QUINTANT_PIPELINE_WAIT_SECONDS": "3"}


@dataclass
class Balancer:
    """What stands before the apis of a cluster: requests go round among those that are in."""

    http: httpx.AsyncClient
    addresses: dict[str, list[str]] = field(default_factory=dict)
    under_way: dict[str, set[asyncio.Event]] = field(default_factory=lambda: defaultdict(set))
    turns: int = 0
    answered: int = 0
    failed: list[str] = field(default_factory=list)

    def put_in(self, service: str, address: str) -> None:
        self.addresses.setdefault(service, []).append(address)

    async def take_out(self, service: str, address: str) -> None:
        """No request goes there any more; those that are under way may take their time, as `preStop` gives it."""
        self.addresses[service].remove(address)
        await asyncio.wait_for(asyncio.gather(*(one.wait() for one in self.under_way[address])), 60)

    async def ask(self, service: str, method: str, path: str, **request: Any) -> httpx.Response | None:
        """An answer; what is none, or says that something is wrong, is noted down."""
        self.turns += 1
        address = self.addresses[service][self.turns % len(self.addresses[service])]
        ended = asyncio.Event()
        self.under_way[address].add(ended)
        try:
            answer = await self.http.request(method, address + path, **request)
        except httpx.HTTPError as error:
            self.failed.append(f"{path} at {address}: {error!r}")
            return None
        finally:
            ended.set()
            self.under_way[address].discard(ended)
        self.answered += 1
        if answer.status_code not in (200, 202):
            self.failed.append(f"{path} at {address}: {answer.status_code} {answer.text}")
        return answer


@dataclass
class Plant:
    """A running Quintant, two of most processes, and the load on it."""

    company: Company
    everything: Running
    balancer: Balancer
    url: str
    said: Sequence[dict[str, Any]]
    last: list[tuple[int, int]] = field(default_factory=list)
    """Partitions and numbers of all that was accepted."""

    @asynccontextmanager
    async def under_load(self, events: Sequence[dict[str, Any]]) -> AsyncIterator[None]:
        """These events come in, then again, and questions are asked, until the block ends."""
        ending = asyncio.Event()
        jobs = [self._tell(events, ending), *(self._read(ending) for _ in range(READERS))]
        tasks = [asyncio.create_task(job) for job in jobs]
        try:
            yield
        finally:
            ending.set()
            await asyncio.gather(*tasks)

    async def _tell(self, events: Sequence[dict[str, Any]], ending: asyncio.Event) -> None:
        draw = random.Random(SEED)  # noqa: S311 - repeatable
        rounds = 0
        while not rounds or not ending.is_set():
            for batch in batches(draw.sample(events, len(events)), draw):
                if rounds and ending.is_set():
                    return
                await self._tell_once(batch)
            rounds += 1

    async def _tell_once(self, events: Sequence[dict[str, Any]]) -> None:
        body = json.dumps(events)
        answer = await self.balancer.ask("ingest", "POST", "/v1/events", content=body, headers=BATCH)
        if answer is not None and (token := answer.json()["token"]) is not None:
            self.last += Token.decode(token).positions
            self.company.tokens = [Token.of(1, self.last).encode()]

    async def _read(self, ending: asyncio.Event) -> None:
        while not ending.is_set():
            for service, path in QUESTIONS:
                await self.balancer.ask(service, "GET", path)

    async def begin(self) -> None:
        """Before anything is known, there is no answer to most questions.

        Stage maps come first: ingest sets a deal aside whose stage none explains, so another order is another inbox.
        """
        maps = [one for one in self.said if "stage-map" in one["type"]]
        await self._tell_once([*maps, *self.said[:20]])
        for service, path in QUESTIONS:
            await self.company.get(service, path)

    async def restart_api(self, name: str) -> None:
        """As a cluster does: no new requests, then SIGTERM; in again once it is ready."""
        service, address = name.split("-")[0], self.everything.parts[name].address
        held = None if service == "ingest" else await self._hold(service, address)
        await self.balancer.take_out(service, address)
        assert await asyncio.to_thread(self.everything.stop, name), f"{name} had to be killed"
        if held is not None:
            assert (await held).status_code == 504, "what was begun before the signal is answered"
        await asyncio.to_thread(self.everything.start, [name])
        self.balancer.put_in(service, address)

    async def _hold(self, service: str, address: str) -> "asyncio.Task[httpx.Response]":
        """A request that is under way when the signal comes: it waits for an event that nobody tells."""
        sent = asyncio.Event()

        async def trace(name: str, _info: object) -> None:
            if name == "http11.send_request_body.complete":
                sent.set()

        path = next(path for one, path in QUESTIONS if one == service)
        never = Token.of(1, [(0, 1_000_000)]).encode()
        request = self.company.http.get(address + path, params={"after": never}, extensions={"trace": trace})
        task = asyncio.create_task(request)
        await asyncio.wait_for(sent.wait(), 30)
        (await self.company.http.get(address + "/livez")).raise_for_status()  # sent later, so the first one is there
        return task

    async def restart_worker(self, name: str) -> None:
        assert await asyncio.to_thread(self.everything.stop, name), f"{name} had to be killed"
        await asyncio.to_thread(self.everything.start, [name])

    def answered_all(self) -> bool:
        """Whether there was a load, and nothing of it failed."""
        assert self.balancer.failed == []
        return self.balancer.answered > 100

    async def accepted(self) -> set[tuple[str, str, int, str]]:
        """What the inbox holds: source, id, revision and business day of each event."""
        connection = await asyncpg.connect(self.url)
        rows = await connection.fetch("SELECT source, event_id, revision, known_on::text FROM ingest.event")
        await connection.close()
        return {tuple(row) for row in rows}

    async def is_right(self) -> None:
        """Every KPI is what the oracle makes of the inbox."""
        for service, path in QUESTIONS:
            await self.company.get(service, path)
        self.company.tokens.clear()
        connection = await asyncpg.connect(self.url)
        fed = Fed(self.company, self.url, await accepted(connection))
        await connection.close()
        is_right(await over_http(fed.ask, fed.books()))


def batches(events: Sequence[dict[str, Any]], draw: random.Random) -> Iterator[Sequence[dict[str, Any]]]:
    """Of any size up to seven."""
    place = 0
    while place < len(events):
        size = draw.randrange(1, 8)
        yield events[place : place + size]
        place += size


def shares(events: Sequence[dict[str, Any]], count: int) -> list[Sequence[dict[str, Any]]]:
    """So many shares of about the same size."""
    return [events[index::count] for index in range(count)]


async def digests(company: Company) -> dict[str, str]:
    """Once everything told is applied."""
    return {service: (await company.get(service, "/v1/digest"))["sha256"] for service in ("pipeline", "metrics")}


@asynccontextmanager
async def plants(server: str, kafka: str, directory: Path, twins: Sequence[str] = ()) -> AsyncIterator[Plant]:
    """All eight processes, and more of some."""
    name, home = f"test_{secrets.token_hex(6)}", Home(directory / f"own-{secrets.token_hex(4)}")
    async with running(server, kafka, home, name, **SETTINGS, **PATIENCE) as (company, everything):
        await asyncio.to_thread(everything.start, [RELAY, *twins])
        balancer = Balancer(company.http)
        for part in (name for name in everything.parts if "-api" in name):
            balancer.put_in(part.split("-")[0], everything.parts[part].address)
        made = Plant(company, everything, balancer, with_database(server, name), Invented(SEED, SIZE).said)
        await made.begin()
        yield made


@pytest.fixture(scope="module")
async def plant(database_server: str, kafka_bootstrap: str, server_directory: Path) -> AsyncIterator[Plant]:
    twins = [f"{name}-1" for name in (*APIS, *WORKERS)]
    async with plants(database_server, kafka_bootstrap, server_directory, twins) as made:
        yield made


async def test_a_rolling_restart_fails_no_request_and_changes_no_number(plant: Plant) -> None:
    apis = [name for one in APIS for name in (one, f"{one}-1")]
    workers = [name for one in WORKERS for name in (one, f"{one}-1")]
    events = shares(plant.said[: SIZE // 2], len(apis) + len(workers))
    for name, told in zip([*apis, *workers], events, strict=True):
        async with plant.under_load(told):
            await (plant.restart_api if name in apis else plant.restart_worker)(name)
    assert plant.answered_all()
    await plant.is_right()


async def test_workers_that_join_and_leave_end_with_the_digests_of_one(
    plant: Plant, database_server: str, kafka_bootstrap: str, server_directory: Path
) -> None:
    """Two share the partitions, then four, then three others than at first, then one."""
    start, stop = plant.everything.start, plant.everything.stop
    steps = [
        (start, [f"{name}-{number}" for name in WORKERS for number in (2, 3)]),
        (stop, WORKERS),
        (stop, [f"{name}-{number}" for name in WORKERS for number in (1, 2)]),
        (start, WORKERS),
    ]
    for (step, names), told in zip(steps, shares(plant.said, len(steps)), strict=True):
        async with plant.under_load(told):
            await asyncio.to_thread(step, list(names)) if step is start else await asyncio.to_thread(stop, *names)
    assert plant.answered_all()
    async with plants(database_server, kafka_bootstrap, server_directory) as alone:
        async with alone.under_load(plant.said):
            pass
        assert await alone.accepted() == await plant.accepted()
        assert await digests(alone.company) == await digests(plant.company)
