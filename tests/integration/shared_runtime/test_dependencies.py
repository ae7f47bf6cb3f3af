"""What real processes say of themselves while PostgreSQL or Kafka is away, and how soon: readiness, lag, logs."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from quintant.stack import services
from quintant.stack.home import Home
from quintant.stack.services import ROLES
from shared.messaging.producer import Outgoing, open_producer
from tests.integration.core.waiting import until
from tests.running import Running
from tests.servers import Server

LOST, BACK, PATIENCE = 5.0, 15.0, 60.0
"""Seconds in which /readyz must tell of a lost dependency, and of its return."""
ALL = frozenset(role.name for role in ROLES)
WORKERS = frozenset(name for name in ALL if name.endswith("worker"))

Act = Callable[[Server], None]


@pytest.fixture(scope="module")
def everything(module_postgres: Server, module_broker: Server, own_directory: Path) -> Iterator[Running]:
    """All eight processes on servers that a test may take away."""
    module_postgres.start()
    module_broker.start()
    home = Home(own_directory)
    made = Running(home, services.environment(home, module_postgres.address, module_broker.address))
    made.prepare()
    try:
        made.start()
        yield made
    finally:
        made.stop()


@dataclass
class Watch:
    """What the probes of all processes answered, asked again and again."""

    everything: Running
    client: httpx.AsyncClient
    ready: dict[str, bool] = field(default_factory=dict)
    dead: list[str] = field(default_factory=list)

    async def run(self, name: str) -> None:
        address = self.everything.parts[name].address
        while True:
            if (await self.client.get(f"{address}/livez")).status_code != 200:
                self.dead.append(name)
            self.ready[name] = (await self.client.get(f"{address}/readyz")).status_code == 200
            await asyncio.sleep(0.1)  # as a probe does

    async def seconds_until(self, expected: Mapping[str, bool]) -> dict[str, float]:
        """How long it took until each was as expected; PATIENCE at most."""
        began, found = time.monotonic(), dict[str, float]()

        async def told() -> bool:
            now = time.monotonic() - began
            found.update({n: now for n, one in expected.items() if n not in found and self.ready.get(n) is one})
            return len(found) == len(expected)

        await until(told, PATIENCE)
        return found


@asynccontextmanager
async def watching(everything: Running) -> AsyncIterator[Watch]:
    async with httpx.AsyncClient(timeout=10) as client:
        watch = Watch(everything, client)
        tasks = [asyncio.create_task(watch.run(name)) for name in ALL]
        try:
            await watch.seconds_until(dict.fromkeys(ALL, True))
            yield watch
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        assert [task for task in tasks if not task.cancelled()] == []


@pytest.mark.parametrize(
    ("which", "lose", "bring_back", "affected"),
    [
        ("broker", Server.kill, Server.start, WORKERS),
        ("broker", Server.freeze, Server.thaw, WORKERS),
        ("postgres", Server.kill, Server.start, ALL),
        ("postgres", Server.freeze, Server.thaw, ALL),
    ],
    ids=["broker killed", "broker frozen", "database killed", "database frozen"],
)
async def test_readiness_tells_of_a_lost_dependency_in_time(
    everything: Running,
    request: pytest.FixtureRequest,
    which: str,
    lose: Act,
    bring_back: Act,
    affected: frozenset[str],
) -> None:
    server: Server = request.getfixturevalue(which)
    async with watching(everything) as watch:
        await asyncio.to_thread(lose, server)
        lost = await watch.seconds_until(dict.fromkeys(affected, False))
        assert {name for name in ALL if watch.ready[name]} == ALL - affected
        await asyncio.to_thread(bring_back, server)
        back = await watch.seconds_until(dict.fromkeys(ALL, True))
    print(f"\n{which}: told after {_most(lost)}, and of its return after {_most(back)}")  # noqa: T201 - measured
    assert watch.dead == []
    assert max(lost.values()) < LOST, lost
    assert max(back.values()) < BACK, back


def _most(seconds: Mapping[str, float]) -> str:
    name = max(seconds, key=lambda one: seconds[one])
    return f"{seconds[name]:.1f} s ({name})"


async def test_while_kafka_is_away_the_lag_grows_and_the_logs_do_not(everything: Running, broker: Server) -> None:
    async with httpx.AsyncClient(timeout=10, headers={"authorization": f"Bearer {everything.key}"}) as client:
        await asyncio.to_thread(broker.kill)
        before = {name: len(everything.log(name)) for name in WORKERS}
        for number in range(1, 4):
            await _accept(client, everything, number)

            async def lags(number: int = number) -> bool:
                page = await _metrics(client, everything, "ingest-worker")
                return _value(page, "quintant_relay_lag_events") >= number

            await until(lags, PATIENCE)
        said = [line for name in WORKERS for line in _lines(everything.log(name)[before[name] :])]
        await asyncio.to_thread(broker.start)

        async def caught_up() -> bool:
            return _value(await _metrics(client, everything, "ingest-worker"), "quintant_relay_lag_events") == 0

        await until(caught_up, PATIENCE)
    library = [(one["logger"], one["event"]) for one in said if str(one["logger"]).startswith("aiokafka")]
    assert library, "nothing was said of it"
    assert len(library) <= len(WORKERS) * len(set(library)), "a trouble was told more than once"


async def _accept(client: httpx.AsyncClient, everything: Running, number: int) -> None:
    event = {
        "specversion": "1.0",
        "type": "io.quintant.deal.changed.v1",
        "source": "/dependencies",
        "id": f"d{number}",
        "time": "2026-03-01T00:00:00Z",
        "data": {"id": f"D-{number}"},
    }
    url = f"{everything.urls['ingest']}/v1/events"
    answer = await client.post(url, json=event, headers={"content-type": "application/cloudevents+json"})
    assert answer.status_code == 202, answer.text


async def test_connections_in_use_are_told(everything: Running, postgres: Server, broker: Server) -> None:
    async with httpx.AsyncClient(timeout=10, headers={"authorization": f"Bearer {everything.key}"}) as client:
        for name in ALL:
            in_use = _value(await _metrics(client, everything, name), "quintant_db_pool_in_use")
            assert 0 <= in_use <= 32
            if name == "ingest-worker":
                assert in_use >= 2, "the relay's lock and its LISTEN hold two"


async def test_a_stopped_partition_is_told(everything: Running, broker: Server) -> None:
    """The last test: nothing brings the stream of this module back."""
    junk = [Outgoing(b"stranger", b"?", [])] * 60
    async with open_producer(broker.address) as producer:
        await producer.send("sales-events", 2, junk)
    async with httpx.AsyncClient(timeout=10, headers={"authorization": f"Bearer {everything.key}"}) as client:

        async def told() -> bool:
            page = await _metrics(client, everything, "metrics-worker")
            return 'quintant_partition_stopped{partition="2"} 1.0' in page

        await until(told, PATIENCE)
        answer = await client.get(f"{everything.parts['metrics-worker'].address}/readyz")
        assert answer.status_code == 503
        assert "partition 2" in answer.json()["reasons"]["stream"]


async def _metrics(client: httpx.AsyncClient, everything: Running, name: str) -> str:
    answer = await client.get(f"{everything.parts[name].address}/metrics")
    assert answer.status_code == 200, answer.text
    return answer.text


def _value(page: str, metric: str) -> float:
    found = re.search(rf"^{metric}(?:{{.*}})? (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else -1.0


def _lines(log: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.splitlines() if line.startswith("{")]
