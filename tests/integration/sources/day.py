"""A day of a made-up company at a source that repeats, reorders and loses: through the real routes of ingest, its
upkeep, and the source's own API, served by the fake of its tests over real HTTP.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import httpx
import msgspec

from services.ingest import queries, sourcebook
from services.ingest.accounts import Connected
from services.ingest.settings import Settings
from services.ingest.sources import ADAPTERS, reach, simulator
from services.ingest.sources.adapter import Account, Adapter, Rate
from services.ingest.sources.api import Reach
from services.ingest.sources.calling import Calling
from services.ingest.sources.story import Shown, Signed, Simulator, Step, told
from services.ingest.wiring import build_api, build_upkeep
from shared.http.client import Requester
from shared.kernel.clock import Clock, SystemClock
from shared.kernel.journal import states
from shared.storage.database import Database
from shared.telemetry.metrics import Metrics
from tests.integration.ingest.conftest import KEY

SPAN = timedelta(hours=20)
DEADLINE_SECONDS = 30.0
INGEST = "http://ingest.test"
_NOT_YET = timedelta(days=1)
_ANY_RATE = Rate(1_000_000, 1)
_exact = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True)
class Stand:
    """One source with its fake: how to serve it, what to configure, and how objects come and go in it."""

    adapter: str
    serving: Callable[[], AbstractAsyncContextManager[str]]
    """Gives the base URL of the fake's API."""
    settings: Callable[[str, str], dict[str, Any]]
    """What to configure, by that URL and the name of the source."""
    show: Callable[[Sequence[Shown], datetime], None]
    """Puts objects that changed then into the fake, in place of what it showed of them before."""
    delete: Callable[[str, datetime], None]
    """Deletes an object in the fake."""
    tells_deletions: bool = True
    """Whether the API tells of deleted objects; otherwise they are just not there any more."""
    secret: str = "a secret of no worth"


@dataclass(slots=True)
class Day:
    """What happened, what was sent of it, and how it ended."""

    account: Account
    simulator: Simulator
    steps: list[Step]
    lost: list[Step]
    source: dict[str, Any]


@asynccontextmanager
async def applications(settings: Settings, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Ingest's own routes, called with a key that may do everything."""
    died: list[str] = []
    app = build_api(settings, database, Metrics(), on_death=died.append)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url=INGEST, headers={"authorization": f"Bearer {KEY}"}
        ) as client,
    ):
        yield client
    assert died == []


def at_any_rate(requester: Requester, clock: Clock, connected: Connected) -> Reach:
    """The source's API, called as fast as it answers."""
    return reach(connected.adapter, connected.account, Calling(requester, clock, _ANY_RATE))


@asynccontextmanager
async def upkeep(
    settings: Settings,
    database: Database,
    *,
    grace: timedelta = timedelta(),
    every: timedelta = timedelta(seconds=1),
    reached: Callable[[Requester, Clock, Connected], Reach] = at_any_rate,
) -> AsyncIterator[None]:
    """The worker's part, polling all the time unless told otherwise. An end of it before the block's fails the test."""
    chosen = settings.model_copy(
        update={"ingest_poll_seconds": every.total_seconds(), "ingest_poll_grace_seconds": grace.total_seconds()}
    )
    async with Requester() as requester:
        inbox, keep = build_upkeep(chosen, database, Metrics(), requester)
        keep.reach = partial(reached, requester, SystemClock())
        running = [asyncio.create_task(inbox.run()), asyncio.create_task(keep.run())]
        try:
            yield
        finally:
            for task in running:
                task.cancel()
            for ended in await asyncio.gather(*running, return_exceptions=True):
                if isinstance(ended, Exception):
                    raise ended


async def lived(
    stand: Stand, settings: Settings, database: Database, folder: Path, *, things: int, losses: float
) -> Day:
    """Live through a day: a share of the webhooks is lost, and all those of one thing; 20 % come twice, all in
    disorder. With `losses` 0 nothing is lost."""
    adapter, name = ADAPTERS[stand.adapter], f"{stand.adapter}-{things}"
    telling = simulator(adapter)
    assert telling is not None
    async with stand.serving() as url:
        said = stand.settings(url, name)
        chosen = configured(settings, folder, {name: entry(stand.adapter, stand.secret, said)})
        async with applications(chosen, database) as client:
            await tell_stages(client, name, adapter)
            async with upkeep(chosen, database, grace=_NOT_YET):
                await polled(client, name, _now() - _NOT_YET)
            account = Account(name, (stand.secret,), msgspec.convert(said, adapter.settings))
            random = Random(things)  # noqa: S311
            begin = _now().replace(microsecond=0) - SPAN - timedelta(hours=1)
            steps = told(telling.subject, seed=things, things=things, begin=begin, span=SPAN)
            for step in steps:
                _happens(stand, telling, step)
            unheard = {steps[0].now.number} if losses else set()
            lost = [step for step in steps if random.random() < losses or step.now.number in unheard]
            await _sent(client, telling, account, [step for step in steps if step not in lost], random)
            async with upkeep(chosen, database):
                source = await polled(client, name, _now())
    return Day(account, telling, steps, lost, source)


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251


def entry(adapter: str, secret: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """One source as it stands in the sources file."""
    return {"adapter": adapter, "secrets": [{"value": secret, "since": "2026-01-01"}], "settings": settings}


def configured(settings: Settings, folder: Path, sources: Mapping[str, Any]) -> Settings:
    """With a sources file of these."""
    file = folder / "sources.json"
    file.write_text(json.dumps({"sources": sources}))
    return settings.model_copy(update={"ingest_sources_file": file})


def _happens(stand: Stand, telling: Simulator, step: Step) -> None:
    shown = telling.shown(step.now)
    # As it stands in JSON, where a Decimal is a number.
    stand.show([replace(one, body=json.loads(_exact(one.body))) for one in shown], step.at)
    if step.before is not None and not shown:
        for one in telling.shown(step.before):
            stand.delete(one.id, step.at)


async def tell_stages(client: httpx.AsyncClient, name: str, adapter: Adapter) -> None:
    """The stage map that `quintant source add` would propose."""
    stages = {label: {"stage": stage} for label, stage in adapter.card.stages.items()}
    if not stages:
        return
    source = f"/sources/{name}"
    data = {"id": f"{source}#default", "of_source": source, "pipeline_id": "default", "stages": stages}
    event = {
        "specversion": "1.0",
        "type": "io.quintant.stage-map.changed.v1",
        "source": "/tests/day",
        "id": f"stages-{name}",
        "time": "2026-01-01T00:00:00Z",
        "data": data,
    }
    answer = await client.post("/v1/events", json=event, headers={"content-type": "application/cloudevents+json"})
    assert answer.status_code in (200, 202), answer.text


async def _sent(
    client: httpx.AsyncClient, telling: Simulator, account: Account, steps: Sequence[Step], random: Random
) -> None:
    now = _now().replace(microsecond=0)
    signed = [one for step in steps for one in telling.deliveries(step, account, now)]
    signed += random.sample(signed, len(signed) // 5)
    random.shuffle(signed)
    waiting = asyncio.Semaphore(20)

    async def send(one: Signed) -> None:
        async with waiting:
            await deliver(client, account.name, one)

    await asyncio.gather(*map(send, signed))


async def deliver(client: httpx.AsyncClient, name: str, one: Signed) -> None:
    """Send one webhook of a source; it must be taken."""
    path = f"/v1/webhooks/{name}" + (f"/{one.path_key}" if one.path_key else "")
    # Without the client's own key: not every source sends credentials.
    headers = {"authorization": ""} | {key.lower(): value for key, value in one.headers.items()}
    answer = await client.request(one.method, path, content=one.body, headers=headers)
    assert answer.status_code < 300, (answer.status_code, answer.text, one.body)


async def polled(client: httpx.AsyncClient, name: str, through: datetime) -> dict[str, Any]:
    """The source, once all its kinds are polled through then and nothing waits to be read."""

    def is_whole(found: dict[str, Any]) -> bool:
        polls = {one["kind"]: one["through"] for one in found["polls"]}
        whole = set(polls) == set(ADAPTERS[found["adapter"]].card.kinds) and not found["backlog"]
        return whole and all(one and datetime.fromisoformat(one) >= through for one in polls.values())

    return await shown(client, name, is_whole)


async def shown(client: httpx.AsyncClient, name: str, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The source as ingest shows it, once it fits."""
    found: dict[str, Any] = {}
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                answer = await client.get(f"/v1/sources/{name}")
                found = answer.json()
                if answer.status_code == 200 and fits(found):
                    return found
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not so within {DEADLINE_SECONDS:.0f} s: {found}") from None


async def followed(database: Database, name: str, position: str) -> None:
    """Once the feed of a source is taken in up to there."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            async with database.read() as reader:
                if await sourcebook.load_position(reader, name) == position:
                    return
            await asyncio.sleep(0.05)


async def deal_said(database: Database, name: str, subject: str) -> dict[str, Any]:
    """The fields of a deal as a source has said them."""
    async with database.read() as reader:
        known = (await queries.said_by(reader, f"/sources/{name}", [("deal", subject)])).get(f"deal/{subject}")
    return dict(states(known.assertions, frozenset())[-1].fields) if known else {}
