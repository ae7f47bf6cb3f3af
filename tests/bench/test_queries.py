"""KPI reads over full ledgers: how long a question takes that nobody asked before, and how many known ones a second."""

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import starmap
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

import asyncpg
import msgspec
import pytest

from quintant.stack.home import Home, Part
from services.metrics.summaries import summarise
from shared.storage.database import open_database
from tests.bench.books import DAYS, FIRST, Size, apply_tail, write_books
from tests.bench.ground import Busy, Ground, port_of
from tests.bench.load import Pool, connect, drive, in_thread, request
from tests.bench.rounds import RUNS, Line, Rate, alternate, judge, show, verdict

pytestmark = pytest.mark.bench

POSTINGS = int(os.environ.get("BENCH_POSTINGS", "400000"))
ASKED = 20
"""Of each question in each round."""
HITS, CONNECTIONS = 10_000, 16

Asked = Mapping[str, Any]
_LAST = FIRST + timedelta(days=DAYS - 1)


@dataclass(frozen=True, slots=True)
class Question:
    """One kind of question; `ask` draws the parameters of one."""

    title: str
    kpi: str
    ask: Callable[[random.Random], Asked]
    bar: float
    """Milliseconds, as all times here; the 99th of a hundred."""
    aim: float


def _year(chance: random.Random) -> dict[str, Any]:
    start = FIRST + timedelta(days=chance.randrange(DAYS - 365))
    return {"from": start, "to": start + timedelta(days=364)}


def _months(chance: random.Random, count: int) -> dict[str, Any]:
    first = chance.randrange(36 - count)
    return {"from": _first_of(first), "to": _first_of(first + count) - timedelta(days=1)}


def _first_of(month: int) -> date:
    months = FIRST.year * 12 + FIRST.month - 1 + month
    return date(months // 12, months % 12 + 1, 1)


def _day(chance: random.Random) -> date:
    return FIRST + timedelta(days=chance.randrange(60, DAYS))


def _past(one: Question) -> Question:
    """The same as known on a day not long after the question's last one."""

    def ask(chance: random.Random) -> Asked:
        asked = one.ask(chance)
        return {**asked, "known_at": asked["to"] + timedelta(days=chance.randrange(120))}

    return Question(f"{one.title}, known on a past day", one.kpi, ask, 250, 80)


def _crossed(by: str, kpi: str) -> Question:
    return Question(f"year by {by}", kpi, lambda chance: {**_year(chance), "by": by}, 1000, 200)


_ONE = (
    Question("year by team, any days", "revenue", lambda c: {**_year(c), "by": "team"}, 30, 12),
    Question("year by member, whole months", "deals-won-value", lambda c: {**_months(c, 12), "by": "member"}, 30, 12),
    Question("stock at a day by stage", "open-pipeline-value", lambda c: {"to": _day(c), "by": "stage"}, 30, 12),
    Question("median of a year", "sales-cycle-won", _year, 30, 12),
    Question("distinct customers of a quarter", "active-customers", lambda c: _months(c, 3), 30, 12),
)
_TWO = (
    ("team,category", "revenue"),
    ("category,sector", "deals-won-value"),
    ("region,sector", "revenue"),
    ("region,product", "deals-won-value"),
)
QUESTIONS = (*_ONE, *map(_past, _ONE), *starmap(_crossed, _TWO))


@dataclass(slots=True)
class Api:
    """The real api process, asked over one connection, never the same to the byte."""

    pool: Pool
    key: str
    asked: int = 0

    async def ask(self, question: Question, asked: Asked) -> tuple[float, Any]:
        """Milliseconds and the answer."""
        self.asked += 1
        spelled = message(question, asked, self.key, self.asked)
        began = time.perf_counter()
        status, body = await self.pool.ask(spelled)
        waited = (time.perf_counter() - began) * 1000
        assert status == 200, body
        return waited, msgspec.json.decode(body)


def message(question: Question, asked: Asked, key: str, spelling: int = 0) -> bytes:
    """The last day as one of its seconds, which one is all the same."""
    second = datetime.combine(asked["to"], datetime.min.time()) + timedelta(seconds=spelling)
    path = f"/v1/kpis/{question.kpi}?{urlencode({**asked, 'to': f'{second.isoformat()}Z'})}"
    return request("GET", path, {"authorization": f"Bearer {key}"})


async def test_questions_over_full_ledgers(ground: Ground, tmp_path: Path) -> None:
    place = await ground.place()
    size = await _fill(place.database_url)
    show(size)
    async with ground.serving("metrics", "api", place) as api:
        waits = await in_thread(lambda: _ask_all(api, ground.home, place.database_url))
        show(*_table(waits))
        body = await in_thread(lambda: _body(api, ground.home))
        file = tmp_path / "answer"
        file.write_bytes(body)
        async with ground.bare(file) as bare:
            rates = await alternate(_contestants(api, bare, ground.home), warm_up=True)
    judge(Line(f"hit, {len(body):,} bytes", rates["hit"], rates["bare"], 0.7, 0.9, holds=False))


async def _fill(url: str) -> str:
    """Everything but a tail is summarised, by what summarises in the worker."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        postings = await write_books(connection, Size(POSTINGS))
        began = time.perf_counter()
        async with open_database(
            url, role="quintant_metrics", schemas=("metrics", "metrics_permanent"), application="bench"
        ) as database:
            await summarise(database)
        seconds = time.perf_counter() - began
        await apply_tail(connection)
        await connection.execute("VACUUM ANALYZE", timeout=600)
        sizes = [await connection.fetchval(_SIZE, f"%{kind}") for kind in ("_postings", "_summary")]
    finally:
        await connection.close(timeout=10)
    summaries = f"summaries {sizes[1]}, made in {seconds:.0f} s, {Size(0).tail:,} in the tail"
    return f"{postings:,} postings ({sizes[0]}), {summaries}"


_SIZE = """SELECT pg_size_pretty(sum(pg_total_relation_size(oid))) FROM pg_class
           WHERE relnamespace = 'metrics'::regnamespace AND relkind = 'r' AND relname LIKE $1"""


async def _ask_all(part: Part, home: Home, url: str) -> dict[str, list[float]]:
    """The milliseconds of every question, none asked twice, all kinds in turn; some answers are counted by hand."""
    pool = Pool(await connect(port_of(part), 1))
    api, chance = Api(pool, home.own_key()), random.Random(7)  # noqa: S311 - a choice of questions, no secret
    waits: dict[str, list[float]] = {one.title: [] for one in QUESTIONS}
    try:
        for one in QUESTIONS:
            _, answer = await api.ask(one, asked := one.ask(chance))  # also warms up
            await _check(url, one, asked, answer["rows"])
        for _ in range(RUNS):
            for one in QUESTIONS:
                for _ in range(ASKED):
                    waited, _ = await api.ask(one, one.ask(chance))
                    waits[one.title].append(waited)
    finally:
        await pool.close()
    return waits


async def _check(url: str, question: Question, asked: Asked, rows: Sequence[Mapping[str, Any]]) -> None:
    """The same number from the single postings, in SQL of its own."""
    count, sql = _PLAIN[question.kpi]
    connection = await asyncpg.connect(url, timeout=10)
    try:
        expected = await connection.fetchval(
            f"SELECT {count} FROM metrics.{sql} AND NOT related AND known_on <= $3 AND day <= $2 AND day >= $1",  # noqa: S608
            asked.get("from", FIRST),
            asked["to"],
            asked.get("known_at", date.max),
            timeout=120,
        )
    finally:
        await connection.close(timeout=10)
    assert rows, question.title
    if question.kpi == "sales-cycle-won":
        assert Decimal(rows[0]["median"]) == Decimal(str(expected)), question.title
        return
    told = [row["value"]["amount"] if isinstance(row["value"], dict) else row["value"] for row in rows]
    assert sum(map(Decimal, told)) == expected, question.title


_PLAIN = {
    "revenue": ("sum(value)", "trade_postings WHERE fact = 'ordered'"),
    "deals-won-value": ("sum(value)", "deal_postings WHERE fact = 'won'"),
    "open-pipeline-value": ("sum(value)", "deal_postings WHERE fact = 'open'"),
    "sales-cycle-won": ("percentile_cont(0.5) WITHIN GROUP (ORDER BY days)", "deal_postings WHERE fact = 'won'"),
    "active-customers": ("count(DISTINCT customer)", "trade_postings WHERE fact = 'order'"),
}


def _table(waits: Mapping[str, Sequence[float]]) -> Iterator[str]:
    yield "| question | p50 ms | p99 ms | bar p99 | aim p99 | |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for one in QUESTIONS:
        times = sorted(waits[one.title])
        worst = times[int(0.99 * (len(times) - 1))]
        said = verdict(aim=worst <= one.aim, bar=worst <= one.bar)
        yield f"| {one.title} | {median(times):.1f} | {worst:.1f} | {one.bar:g} | {one.aim:g} | {said} |"


def _contestants(api: Part, bare: Part, home: Home) -> dict[str, Callable[[int], Any]]:
    asked = _hit(home)

    def contestant(part: Part) -> Callable[[int], Any]:
        async def run(_round: int) -> Rate:
            busy = Busy(part.process)
            load = await drive(port_of(part), [asked] * HITS, CONNECTIONS)
            assert set(load.statuses) == {200}, load.statuses
            return Rate(HITS / load.seconds, HITS / busy.spent())

        return run

    return {"hit": contestant(api), "bare": contestant(bare)}


def _hit(home: Home) -> bytes:
    """The same question every time."""
    asked = {"from": FIRST, "to": FIRST + timedelta(days=364), "by": "team"}
    return message(_ONE[0], asked, home.own_key())


async def _body(part: Part, home: Home) -> bytes:
    pool = Pool(await connect(port_of(part), 1))
    status, body = await pool.ask(_hit(home))
    await pool.close()
    assert status == 200
    return body
