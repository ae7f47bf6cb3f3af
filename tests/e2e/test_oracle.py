"""Every KPI over HTTP, now and as known on past days, is what the oracle makes of the accepted events, exactly."""

import asyncio
import json
import random
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import asyncpg
import httpx
import pytest

from quintant.stack import services
from quintant.stack.home import Home
from quintant.stack.services import ROLES
from tests.conftest import execute, with_database
from tests.e2e.conftest import Company
from tests.oracle import replay
from tests.oracle.invented import Invented
from tests.oracle.kpis import KPIS, Books, Group
from tests.running import Running

SEED, SCALE = 7, 4
ZONE = "Asia/Shanghai"
RELAY = "ingest-worker"
LEARNED = (date(2026, 7, 1), date(2026, 7, 10), date(2026, 7, 31), date(2026, 8, 15))
"""The business days on which the invented company's events came in."""
BATCH = {"content-type": "application/cloudevents-batch+json"}
TRADE = ("member", "team", "manager", "region", "customer", "sector", "channel", "business_line", "currency")
DEALS = (*TRADE, "pipeline", "product", "category")
ACCOUNTS = ("customer", "business_line", "currency")

Slices = dict[Group, Fraction]


@dataclass(frozen=True)
class Fed:
    """A running Quintant, and what its inbox holds."""

    company: Company
    events: Sequence[replay.Event]
    zone: str


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
        async with httpx.AsyncClient(headers=headers, timeout=120, trust_env=False) as http:
            yield Company(everything.urls, http), everything
    finally:
        await asyncio.to_thread(everything.stop)
        await execute(server, f"DROP DATABASE {name} WITH (FORCE)")


async def applied(company: Company, everything: Running) -> Company:
    """The same company, once metrics has applied everything: no answer needs to wait for that any more."""
    await asyncio.to_thread(everything.start, [RELAY])
    await company.get("metrics", "/v1/kpis")
    return replace(company, tokens=[])


async def inbox(url: str) -> list[replay.Event]:
    """The accepted events as ingest keeps them."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT * FROM ingest.event ORDER BY seq")
    finally:
        await connection.close()
    return [
        replay.Event(
            row["entity"], row["subject"], row["occurred_at"], row["sequence"], row["source"], row["event_id"],
            row["revision"], row["known_on"], json.loads(row["public"]),
        )
        for row in rows
    ]  # fmt: skip


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
    for day, (start, stop) in zip(LEARNED, pairwise(cuts), strict=True):
        again = draw.sample(late[:stop], stop // 5)
        wave = sorted([*late[start:stop], *again], key=lambda _: draw.random())
        await tell(company, wave, draw)
        connection = await asyncpg.connect(url)
        update = "UPDATE ingest.event SET known_on = $1, recorded_on = $1 WHERE seq > $2"
        await connection.execute(update, day, seen)
        seen = await connection.fetchval("SELECT max(seq) FROM ingest.event")
        await connection.close()


@pytest.fixture(scope="module")
async def invented(database_server: str, kafka_bootstrap: str, server_directory: Any) -> AsyncIterator[Fed]:
    print(f"seed {SEED}")  # noqa: T201
    draw = random.Random(SEED)  # noqa: S311 - repeatable
    name, home = f"test_{secrets.token_hex(6)}", Home(server_directory / f"own-{secrets.token_hex(4)}")
    url = with_database(database_server, name)
    zone = {"QUINTANT_COMPANY_TIME_ZONE": ZONE, "QUINTANT_METRICS_SUMMARY_LEAST": "0"}
    async with running(database_server, kafka_bootstrap, home, name, **zone) as (company, everything):
        await learn(company, url, Invented(SEED, SCALE, steady=True).said, draw)
        whole = await applied(company, everything)
        yield Fed(whole, await inbox(url), ZONE)


def dimensions(kpi: str) -> tuple[str, ...]:
    """The dimensions of a KPI, one at a time."""
    slug = kpi.partition("/")[0].partition(":")[0]
    if slug in ("receivables", "prepayments"):
        return ACCOUNTS
    if slug in ("revenue", "volume", "gross-profit", "gross-profit-rate"):
        return (*TRADE, "product", "category", "unit")
    if slug == "collections":
        return (*TRADE, "instrument")
    if slug == "order-count":
        return TRADE
    return (*DEALS, "stage") if slug.startswith("open-pipeline") else DEALS


def months(first: date, last: date) -> Iterator[tuple[date, date]]:
    start = first.replace(day=1)
    while start <= last:
        following = (start + timedelta(days=31)).replace(day=1)
        yield start, following - timedelta(days=1)
        start = following


async def told(
    company: Company, kpi: str, by: Sequence[str], **asked: Any
) -> tuple[tuple[str, ...], dict[Any, Slices]]:
    """What the service answers: the names of the slices, and by the first day of each period their values."""
    path, _, statistic = kpi.partition("/")
    slug, _, basis = path.partition(":")
    parameters = {key: str(value) for key, value in asked.items() if value is not None}
    parameters |= {"basis": basis} if basis else {}
    parameters |= {"by": ",".join(by)} if by else {}
    body = await company.get("metrics", f"/v1/kpis/{slug}", **parameters)
    found: dict[Any, Slices] = defaultdict(dict)
    for row in body["rows"]:
        value = row[statistic or "value"]
        if value is not None:
            number = Fraction(value["amount"] if isinstance(value, dict) else str(value))
            if number or KPIS[kpi]({}) is None:
                found[row["period"]["start"]][tuple(row[name] for name in body["by"])] = number
    return tuple(body["by"]), found


async def differences(
    fed: Fed, known_at: date | None, kpis: Iterable[str] = tuple(KPIS), events: Sequence[replay.Event] = ()
) -> list[str]:
    """Where the service and the oracle disagree."""
    oracle = Books(replay.Company(events or fed.events, known_at or date.max, fed.zone))
    wrong: list[str] = []

    def compare(kpi: str, names: Sequence[str], start: date | None, end: date | None, got: Slices) -> None:
        expected = oracle.answer(kpi, start or replay.FIRST, end or replay.LAST, names)
        for group in sorted(expected.keys() | got.keys(), key=str):
            if expected.get(group) != got.get(group):
                said = f"told {_text(got.get(group))}, oracle {_text(expected.get(group))}"
                wrong.append(f"{kpi} {start}..{end} {dict(zip(names, group, strict=True))} known {known_at}: {said}")

    for kpi in kpis:
        first, last = oracle.days(kpi)
        always = ("unit",) if kpi.startswith("volume") else ()
        for by in ((), *((name,) for name in dimensions(kpi))):
            names, found = await told(fed.company, kpi, tuple(dict.fromkeys((*by, *always))), known_at=known_at)
            compare(kpi, names, None, None, found[None])
        for by in ((), dimensions(kpi)[:1], dimensions(kpi)[4:5]):
            asked = {"grain": "month", "from": first.replace(day=1), "to": list(months(first, last))[-1][1]}
            names, found = await told(
                fed.company, kpi, tuple(dict.fromkeys((*by, *always))), known_at=known_at, **asked
            )
            for start, end in months(first, last):
                compare(kpi, names, start, end, found[start.isoformat()])
    return wrong


def _text(number: Fraction | None) -> str:
    return "nothing" if number is None else f"{float(number):.12g} ({number})"


@pytest.mark.parametrize("known_at", [None, LEARNED[0], LEARNED[1] + timedelta(days=3)])
async def test_an_invented_company(invented: Fed, known_at: date | None) -> None:
    wrong = await differences(invented, known_at)
    assert wrong == [], "\n".join([f"seed {SEED}, {len(wrong)} differences", *wrong[:40]])


async def test_one_cent_is_seen(invented: Fed) -> None:
    """A payment of which the oracle reads a cent more: exactly the KPIs that it stands in differ."""
    right = Books(replay.Company(invented.events, date.max, ZONE)).answer("collections", replay.FIRST, replay.LAST)
    for changed in _a_cent_more(invented.events):
        if Books(replay.Company(changed, date.max, ZONE)).answer("collections", replay.FIRST, replay.LAST) != right:
            wrong = await differences(invented, None, ["collections", "order-count"], changed)
            assert {line.partition(" ")[0] for line in wrong} == {"collections"}
            return
    pytest.fail("no payment counts")


def _a_cent_more(events: Sequence[replay.Event]) -> Iterator[list[replay.Event]]:
    for place, event in enumerate(events):
        if event.entity == "payment" and event.data.get("amount"):
            money = event.data["amount"]
            more = {**money, "amount": str(Decimal(money["amount"]) + Decimal("0.01"))}
            yield [*events[:place], event._replace(data={**event.data, "amount": more}), *events[place + 1 :]]
