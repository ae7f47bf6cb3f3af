"""One round under fire: a chapter is told while a fault is injected, then quiet, then everything is checked."""

import asyncio
import random
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from typing import Any

from shared.kernel.clock import SystemClock
from tests.fault.checks import Evidence, Poison, check, quiet
from tests.fault.company import RELAY, Company
from tests.fault.feed import Event, Feed, Told, chapter
from tests.fault.report import Report
from tests.fault.twin import Twin
from tests.fault.watch import Held, Watch, held, watching
from tests.servers import Server

SIZE = 160
"""Events of a chapter."""
PAST = (timedelta(days=40), timedelta(days=25))
"""How long ago the first two chapters were learned."""

_PRICED = "refolded"
_BETWEEN = 0.5
"""Seconds between two of them."""


@dataclass(slots=True)
class Ground:
    """Where rounds are fought: a company, its undisturbed twin, and what was told so far."""

    company: Company
    twin: Twin | None
    report: Report
    group: str
    told: list[Told] = field(default_factory=list)
    poison: list[Poison] = field(default_factory=list)
    """On the topic as it is now."""
    buried: list[Poison] = field(default_factory=list)
    """That ever was on it."""
    lost: bool = False
    """Whether the broker ever lost what it had acknowledged."""
    before: dict[str, Held] = field(default_factory=dict)
    turns: Counter[str] = field(default_factory=Counter)
    """How often each scenario ran here."""

    async def begin(self) -> None:
        """Tell what was learned on past days, start the relay, and let everything become ready."""
        today = SystemClock().now().date()
        seen = 0
        for number, ago in enumerate(PAST):
            seed = self.report.seed + number
            feed = Feed(self.company, random.Random(seed), chapter(seed, f"past{number}", SIZE, first=True), 0.0)  # noqa: S311
            await self._learn(feed, today - ago, seen)
            async with self.company.database() as connection:
                seen = await connection.fetchval("SELECT max(seq) FROM ingest.event")
        await self.company.start(RELAY)
        async with under_fire(self, f"{self.group}: nothing happens", seconds=1):
            pass  # the checks must hold here too, and every process has done what it does when the next ones look at it
        self.before = await held(self.company)

    async def _learn(self, feed: Feed, day: date, after: int) -> None:
        """known_on is the business date of the commit; nothing is published yet, so it can be set back."""
        await feed.run()
        self.told += feed.told
        async with self.company.database() as connection:
            await connection.execute(
                "UPDATE ingest.event SET known_on = $1, recorded_on = $1 WHERE seq > $2", day, after
            )
        self.company.learned.append(day)


@dataclass(slots=True)
class Round:
    """What a scenario gets: chance, the company, the watch; it counts the faults that it injects."""

    ground: Ground
    draw: random.Random
    watch: Watch
    feed: Feed
    faults: int = 0

    @property
    def company(self) -> Company:
        return self.ground.company

    @property
    def database_server(self) -> Server:
        assert self.company.postgres is not None
        return self.company.postgres

    def injected(self, count: int = 1) -> None:
        self.faults += count

    async def tell_refold(self, deals: int, *, tag: str = "refolded") -> None:
        """Many deals that use one price."""
        tag = f"{tag}-{self.company.rounds}"
        events = [_event("deal", f"{tag}-{n}", id=f"{tag}-{n}", product_id=_PRICED) for n in range(deals)]
        await self.feed.tell(events)

    async def change_price(self) -> None:
        """All of them have to be folded again."""
        price = {"amount": str(self.draw.randrange(10, 99)), "currency": "EUR"}
        await self.feed.tell([_event("product", f"price-{self.draw.random()}", id=_PRICED, price=price)])

    async def tell_until(self, done: Coroutine[Any, Any, None]) -> None:
        """New deals come until this is done: what was told before may all be taken in one batch."""
        task = asyncio.create_task(done)
        try:
            for number in count():
                tag = f"more-{self.company.rounds}-{number}"
                await self.feed.tell([_event("deal", tag, id=tag)])
                if (await asyncio.wait([task], timeout=_BETWEEN))[0]:
                    return await task
        finally:
            task.cancel()

    async def passes(self, least: float, most: float) -> None:
        """A time of chance: the story goes on meanwhile."""
        await asyncio.sleep(self.draw.uniform(least, most))


def _event(entity: str, event_id: str, **data: object) -> Event:
    kind = f"io.quintant.{entity}.changed.v1"
    event = {"specversion": "1.0", "type": kind, "source": "/refold", "time": "2026-03-01T10:00:00Z", "data": data}
    return {**event, "id": event_id}


@asynccontextmanager
async def under_fire(ground: Ground, name: str, *, seconds: float = 8.0, hooks: float = 0.0) -> AsyncIterator[Round]:
    """The block injects the fault and undoes it; afterwards everything is checked and the report gets its row.

    `seconds` is how long the story is told at least, `hooks` which share of its documents comes as signed webhooks.
    """
    seed = ground.report.seed + zlib.crc32(name.encode()) % 100_000 + 1_000_000 * ground.turns[name]
    ground.turns[name] += 1
    print(f"{name}: seed {seed}")  # noqa: T201
    company = ground.company
    company.rounds += 1
    draw = random.Random(seed)  # noqa: S311 - repeatable
    feed = Feed(company, draw, chapter(seed, f"r{company.rounds}", SIZE), seconds, hooks)
    row = ground.report.row(ground.group, name)
    row.violations += 1  # until it is known to be none
    async with watching(company) as watch:
        this = Round(ground, draw, watch, feed)
        telling = asyncio.create_task(feed.run())
        try:
            yield this
            await telling
            await quiet(company, watch)
        finally:
            telling.cancel()
            ground.told += feed.told
        findings = await check(
            company, watch, ground.twin, Evidence(ground.told, ground.poison, ground.buried, ground.before, ground.lost)
        )
    findings.wrong("a strange answer", feed.strange)
    row.violations -= 1
    row.rounds += 1
    row.faults += this.faults
    row.sent += feed.sent
    row.events, row.comparisons = row.events + findings.events, row.comparisons + findings.comparisons
    row.violations += len(findings.violations)
    lost, back = watch.slowest()
    row.to_lost, row.to_ready = max(row.to_lost, lost), max(row.to_ready, back)
    assert findings.violations == [], "\n".join([f"{name}, seed {seed}", *findings.violations])
