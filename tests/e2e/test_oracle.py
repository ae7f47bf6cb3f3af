"""Every KPI over HTTP, now and as known on past days, is what the oracle makes of the accepted events, exactly."""

import asyncio
import json
import random
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import asyncpg
import httpx
import pytest

from quintant.stack import services
from quintant.stack.home import Home
from quintant.stack.services import ROLES
from tests.conftest import execute, with_database
from tests.e2e.conftest import LIMITS, Company
from tests.oracle import Books, Found, accepted, in_ledgers, over_http
from tests.oracle.invented import PIPELINES, Invented
from tests.oracle.kpis import KPIS
from tests.oracle.replay import FIRST, LAST, Event
from tests.running import Running

SEED, SIZE = 7, 1500
ZONE = "Asia/Shanghai"
RELAY = "ingest-worker"
LEARNED = (date(2026, 7, 1), date(2026, 7, 10), date(2026, 7, 31), date(2026, 8, 15))
"""The business days on which the invented company's events came in."""
SETTINGS = {
    "QUINTANT_COMPANY_TIME_ZONE": ZONE,
    "QUINTANT_METRICS_SUMMARY_LEAST": "0",
    "QUINTANT_PIPELINES": json.dumps(PIPELINES),
}
MAIN = ("currency", "team", "product", "stage", "instrument")
BATCH = {"content-type": "application/cloudevents-batch+json"}
_IDENTITY = ("id", "of_source", "pipeline_id", "of_type", "base", "quote", "rate_type")


@dataclass(frozen=True)
class Fed:
    """A running Quintant, where its database is, what its inbox holds, and its settings."""

    company: Company
    url: str
    events: Sequence[Event]
    settings: Mapping[str, Any] = field(default_factory=lambda: {"zone": ZONE, "pipelines": PIPELINES})

    def books(self, known_at: date | None = None, events: Sequence[Event] = ()) -> Books:
        return Books(events or self.events, known_at, **self.settings)

    async def ask(self, path: str, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        return await self.company.get("metrics", path, **parameters)


@asynccontextmanager
async def running(
    server: str, kafka: str, home: Home, name: str, **settings: str
) -> AsyncIterator[tuple[Company, Running]]:
    """A Quintant of its own whose relay does not run yet: nothing is published before ingest's worker starts."""
    await execute(server, f"CREATE DATABASE {name}")
    env = services.environment(home, with_database(server, name), kafka)
    everything = Running(home, env | {"QUINTANT_TOPIC_PREFIX": f"t{secrets.token_hex(4)}-"} | settings)
    try:
        await asyncio.to_thread(everything.prepare)
        await asyncio.to_thread(everything.start, [role.name for role in ROLES if role.name != RELAY])
        headers = {"authorization": f"Bearer {everything.key}"}
        async with httpx.AsyncClient(headers=headers, timeout=120, limits=LIMITS, trust_env=False) as http:
            yield Company(everything.urls, http, env["DATABASE_URL"]), everything
    finally:
        await asyncio.to_thread(everything.stop)
        await execute(server, f"DROP DATABASE {name} WITH (FORCE)")


async def applied(company: Company, everything: Running) -> Company:
    """The same company, once metrics has applied everything: no answer needs to wait for that any more."""
    await asyncio.to_thread(everything.start, [RELAY])
    await company.get("metrics", "/v1/kpis")
    return replace(company, tokens=[])


async def tell(company: Company, events: Sequence[dict[str, Any]], draw: random.Random) -> None:
    """Send events in batches of any size."""
    left = list(events)
    while left:
        size = draw.randrange(1, 60)
        batch, left = left[:size], left[size:]
        url = company.urls["ingest"] + "/v1/events"
        answered = await company.http.post(url, content=json.dumps(batch), headers=BATCH)
        assert answered.status_code in (200, 202), answered.text
        assert answered.json()["counts"]["rejected"] == 0, answered.text
        if token := answered.json()["token"]:
            company.tokens.append(token)


async def learn(company: Company, url: str, said: Sequence[dict[str, Any]], draw: random.Random) -> None:
    """Send everything in disorder and some of it again, a part on each day of learning.

    known_on is the business date of the inbox commit; before anything is published it is set back to the day that is
    played, in the order of the commits.
    """
    late = sorted(said, key=lambda _: draw.random())
    cuts = [0, *sorted(draw.sample(range(1, len(late)), len(LEARNED) - 1)), len(late)]
    seen = 0
    connection = await asyncpg.connect(url)
    for day, (start, stop) in zip(LEARNED, pairwise(cuts), strict=True):
        again = draw.sample(late[:stop], stop // 5)
        wave = sorted([*late[start:stop], *again], key=lambda _: draw.random())
        await tell(company, wave, draw)
        newest = await connection.fetch("SELECT max(seq) FROM ingest.event GROUP BY source, event_id ORDER BY 1")
        for row in draw.sample(newest, len(newest) // 30):
            await read_anew(connection, row["max"], draw)
        update = "UPDATE ingest.event SET known_on = $1, recorded_on = $1 WHERE seq > $2"
        await connection.execute(update, day, seen)
        seen = await connection.fetchval("SELECT max(seq) FROM ingest.event")
    await connection.close()


async def read_anew(connection: asyncpg.Connection, seq: int, draw: random.Random) -> None:
    """A mended adapter reads less in an event's bytes: its next revision, on the same partitions."""
    async with connection.transaction():
        data = json.loads(await connection.fetchval("SELECT public FROM ingest.event WHERE seq = $1", seq))
        kept = {name: value for name, value in data.items() if name in _IDENTITY or draw.random() < 0.7}
        copied = "source, event_id, entity, subject, occurred_at, sequence, accepted_at, known_on, recorded_on"
        anew = await connection.fetchval(
            f"""INSERT INTO ingest.event ({copied}, reconstructed, content, revision, public)
                SELECT {copied}, reconstructed, content, revision + 1, $2 FROM ingest.event WHERE seq = $1
                RETURNING seq""",  # noqa: S608 - fixed names
            seq,
            json.dumps(kept).encode(),
        )
        for row in await connection.fetch("SELECT partition FROM ingest.stream WHERE seq = $1", seq):
            await connection.execute(
                """WITH head AS (UPDATE ingest.head SET number = number + 1 WHERE partition = $1 RETURNING *)
                   INSERT INTO ingest.stream (partition, number, epoch, seq)
                   SELECT partition, number, epoch, $2 FROM head""",
                row["partition"],
                anew,
            )


@pytest.fixture(scope="module")
async def invented(database_server: str, kafka_bootstrap: str, server_directory: Any) -> AsyncIterator[Fed]:
    print(f"seed {SEED}")  # noqa: T201
    draw = random.Random(SEED)  # noqa: S311 - repeatable
    name, home = f"test_{secrets.token_hex(6)}", Home(server_directory / f"own-{secrets.token_hex(4)}")
    url = with_database(database_server, name)
    async with running(database_server, kafka_bootstrap, home, name, **SETTINGS) as (company, everything):
        await learn(company, url, Invented(SEED, SIZE).said, draw)
        whole = await applied(company, everything)
        yield await fed(whole, zone=ZONE, pipelines=PIPELINES)


async def fed(company: Company, **settings: Any) -> Fed:
    connection = await asyncpg.connect(company.database)
    events = await accepted(connection)
    await connection.close()
    return Fed(company, company.database, events, settings)


async def ledgers(of: Fed, known_at: date | None = None) -> Found:
    connection = await asyncpg.connect(of.url)
    found = await in_ledgers(connection, of.books(known_at))
    await connection.close()
    return found


@pytest.mark.parametrize("known_at", [None, LEARNED[0], LEARNED[1] + timedelta(days=3)])
async def test_an_invented_company(invented: Fed, known_at: date | None) -> None:
    by = None if known_at is None else MAIN
    is_right(await over_http(invented.ask, invented.books(known_at), by=by))


@pytest.mark.parametrize("known_at", [None, LEARNED[2]])
async def test_the_ledgers_of_an_invented_company(invented: Fed, known_at: date | None) -> None:
    is_right(await ledgers(invented, known_at))


@pytest.mark.fault
async def test_the_demo_company(company: Company, reports: dict[str, Any]) -> None:
    """Two public data sets, as `quintant up` imports them."""
    assert reports
    demo = await fed(company)
    is_right(await over_http(demo.ask, demo.books(), by=("currency", "team")))
    is_right(await ledgers(demo))


def is_right(found: Found) -> None:
    print(f"{found.checked} numbers compared")  # noqa: T201
    assert found.checked
    assert found.wrong == [], "\n".join([f"seed {SEED}, {len(found.wrong)} differences", *found.wrong[:100]])


async def test_no_kpi_is_forgotten(invented: Fed) -> None:
    told = {kpi["slug"] for kpi in (await invented.ask("/v1/kpis", {}))["items"]}
    assert told == {kpi.partition(":")[0] for kpi in KPIS}


async def test_one_cent_is_seen(invented: Fed) -> None:
    """A payment of which the oracle reads a cent more: exactly the KPIs that it stands in differ."""
    right = invented.books().answer("collections", FIRST, LAST)
    for changed in _a_cent_more(invented.events):
        books = invented.books(events=changed)
        if books.answer("collections", FIRST, LAST) != right:
            found = await over_http(invented.ask, books, ["collections", "order-count"], by=())
            assert {line.partition(" ")[0] for line in found.wrong} == {"collections"}
            return
    pytest.fail("no payment counts")


def _a_cent_more(events: Sequence[Event]) -> Iterator[list[Event]]:
    for place, event in enumerate(events):
        if event.entity == "payment" and event.data.get("amount"):
            money = event.data["amount"]
            more = {**money, "amount": str(Decimal(money["amount"]) + Decimal("0.01"))}
            yield [*events[:place], event._replace(data={**event.data, "amount": more}), *events[place + 1 :]]
