"""Summaries are a cache: with them, without them and half-way through, every question has the same answer."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest

from services.metrics.audit import audit
from services.metrics.domain.ledgers import CASH, DEALS, TRADE
from services.metrics.domain.slices import SLICES
from services.metrics.queries_source import Question, postings, source
from services.metrics.store import drop_summaries, seal_step
from services.metrics.summaries import Pace, Summariser, summarise
from shared.kernel.period import Grain
from shared.storage.database import Database
from shared.storage.position import FencedError
from tests.integration.metrics_write.books import Stream, apply, apply_all, opener, story, stream
from tests.unit.metrics_write.stories import START

EVER = date(2199, 12, 31)
QUESTIONS = (
    Question(DEALS, ("open",), end=START + timedelta(days=45), by=("stage",)),
    Question(DEALS, ("open",), end=EVER, by=("team", "stage", "currency")),
    Question(DEALS, ("won", "lost"), start=START, end=date(2026, 4, 10), by=("member",)),
    Question(DEALS, ("won",), start=date(2026, 3, 4), end=date(2026, 4, 20), by=("region",), grain=Grain.WEEK),
    Question(DEALS, ("created",), start=date(2026, 3, 21), end=EVER, where={"team": ("north", None)}),
    Question(
        DEALS,
        ("created",),
        start=date(2026, 4, 1),
        end=EVER,
        where={"sector": ("tech", None), "stage": ("prospecting",)},
    ),
    Question(DEALS, ("won",), end=EVER, by=("team", "product")),
    Question(DEALS, ("won",), end=EVER, by=("days",)),
    Question(
        TRADE, ("ordered",), start=date(2026, 3, 15), end=date(2026, 4, 15), by=("category", "unit"), grain=Grain.MONTH
    ),
    Question(TRADE, ("ordered", "billable-shipped"), end=EVER, by=("customer",), with_related=True),
    Question(TRADE, ("invoiced",), start=date(2026, 3, 5), end=date(2026, 3, 25)),
    Question(CASH, ("received",), start=START, end=date(2026, 4, 30), by=("customer", "instrument")),
    Question(CASH, ("bill-pending",), end=date(2026, 3, 31), by=("related",)),
)

FACTS: Mapping[str, Sequence[str]] = {
    "deal_postings": ("open", "created", "won", "lost", "advanced", "dropped", "undecided"),
    "trade_postings": ("ordered", "order", "shipped", "billable-invoiced"),
    "cash_postings": ("received", "bill-pending", "on-account"),
}

Answer = Mapping[tuple[object, ...], tuple[object, ...]]


async def ask(database: Database, question: Question) -> Answer:
    """The sums by everything that the rows tell apart, but for the day."""
    origin = source(question)
    async with database.read() as reader:
        return await _summed(reader, origin.sql, origin.values, question)


async def ask_ledger(database: Database, question: Question) -> Answer:
    """The same from the single postings."""
    origin = postings(question)
    async with database.read() as reader:
        return await _summed(reader, origin.sql, origin.values, question)


async def _summed(reader, sql: str, values: tuple[object, ...], question: Question) -> Answer:  # type: ignore[no-untyped-def]
    bucket = "date_trunc('week', day)" if question.grain is Grain.WEEK else "date_trunc('month', day)"
    key = ", ".join(("fact", *question.by, *([bucket] if question.grain else [])))
    sums = ", ".join(f"sum({name}) AS {name}" for name in question.ledger.measure_types)
    width = 1 + len(question.by) + bool(question.grain)
    rows = await reader.rows(f"SELECT {key}, {sums} FROM {sql} GROUP BY {key}", *values)  # noqa: S608
    return {tuple(row)[:width]: tuple(row)[width:] for row in rows if any(tuple(row)[width:])}


async def check(database: Database) -> None:
    for question in QUESTIONS:
        assert await ask(database, question) == await ask_ledger(database, question), question


@pytest.fixture
def records() -> Stream:
    return stream(story(5), partitions=2)


async def test_summaries_and_the_tail_are_the_ledger_at_any_moment(database: Database, records: Stream) -> None:
    for until in (25, 60, 100, 1000):
        for partition, share in records.items():
            await apply(await opener(database, chunk=10).open(partition), share[:until])
        await check(database)
        for slices in SLICES.values():
            async with database.write() as writer:
                await seal_step(writer, slices, 40)
            await check(database)
    await summarise(database, limit=30)
    await check(database)
    assert (await audit(database)).sound


async def test_every_answer_is_there_before_any_summary_and_after_they_were_dropped(
    database: Database, records: Stream
) -> None:
    await apply_all(database, records)
    before = [await ask(database, question) for question in QUESTIONS]
    assert [question for question, answer in zip(QUESTIONS, before, strict=True) if not answer] == []
    await summarise(database)
    assert [await ask(database, question) for question in QUESTIONS] == before
    async with database.write() as writer:
        await drop_summaries(writer)
    assert [await ask(database, question) for question in QUESTIONS] == before
    await summarise(database, limit=1)
    assert [await ask(database, question) for question in QUESTIONS] == before
    assert (await audit(database)).sound


async def test_a_reader_keeps_its_answer_while_summaries_are_made_and_dropped(
    database: Database, records: Stream
) -> None:
    await apply_all(database, records)
    question = QUESTIONS[1]
    origin = source(question)
    async with database.read() as reader:
        before = await _summed(reader, origin.sql, origin.values, question)
        await summarise(database)
        assert await _summed(reader, origin.sql, origin.values, question) == before
        async with database.write() as writer:
            await drop_summaries(writer)
        assert await _summed(reader, origin.sql, origin.values, question) == before


async def test_any_range_slice_and_bucket(database: Database, records: Stream) -> None:
    await apply_all(database, records)
    await summarise(database)
    rng = random.Random(9)  # noqa: S311 - a choice of questions, no secret
    answered = summarised = 0
    for _ in range(200):
        slices = rng.choice(list(SLICES.values()))
        start, end = sorted(START + timedelta(days=rng.randrange(-5, 75)) for _ in range(2))
        question = Question(
            slices.ledger,
            rng.sample(FACTS[slices.ledger.name], 2),
            start=rng.choice((start, None)),
            end=end,
            by=(*rng.sample(slices.kept, rng.randrange(2)), *rng.choice(slices.cuts).dimensions),
            grain=rng.choice((None, Grain.WEEK, Grain.MONTH)),
            known_at=rng.choice((None, START + timedelta(days=rng.randrange(75)))),
        )
        summarised += source(question).summarised
        answer = await ask(database, question)
        assert answer == await ask_ledger(database, question), question
        answered += bool(answer)
    assert answered > 60
    assert summarised > 60


async def test_two_summarisers_add_nothing_twice(database: Database, records: Stream) -> None:
    await apply_all(database, records)
    ended = await asyncio.gather(
        *(summarise(database, limit=20) for _ in range(3)), return_exceptions=True
    )  # fmt: skip
    assert all(one is None or isinstance(one, FencedError) for one in ended)
    await summarise(database)
    await check(database)
    assert (await audit(database)).sound


async def test_what_is_summarised_is_not_read_from_the_ledger(database: Database, records: Stream) -> None:
    await apply_all(database, records)
    await summarise(database)
    asked = [QUESTIONS[1], replace(QUESTIONS[1], known_at=EVER)]
    before = [await ask(database, question) for question in asked]
    async with database.write() as writer:
        await writer.execute("DELETE FROM deal_postings")
    assert [await ask(database, question) for question in asked] == before


async def test_what_was_known_then_is_what_the_postings_say(database: Database, records: Stream) -> None:
    await apply_all(database, records)
    await summarise(database)
    for question in QUESTIONS:
        known = replace(question, known_at=START + timedelta(days=20))
        assert await ask(database, known) == await ask_ledger(database, known)
        assert await ask(database, replace(question, known_at=EVER)) == await ask(database, question)


async def test_the_summariser_keeps_up_by_itself(database: Database, records: Stream) -> None:
    running = asyncio.create_task(Summariser(database, Pace(least=0, calm=0, every=0.02)).run())
    try:
        await apply_all(database, records, batch=20)
        async with asyncio.timeout(20):
            while await _waiting(database):  # noqa: ASYNC110 - the summariser tells nobody
                await asyncio.sleep(0.02)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    await check(database)
    assert (await audit(database)).sound


async def _waiting(database: Database) -> int:
    async with database.read() as reader:
        return int(
            await reader.value(
                """SELECT count(*) FROM position p CROSS JOIN (VALUES ('deal_postings'), ('trade_postings'),
                     ('cash_postings')) AS kept (ledger)
                   LEFT JOIN seal s ON s.partition = p.partition AND s.ledger = kept.ledger
                   WHERE coalesce(s.number, 1) <= p.number"""
            )
        )


def test_the_pace_leaves_the_machine_to_an_import() -> None:
    pace = Pace(least=10, calm=3, patience=100)
    assert not pace.is_time(0, 9)
    assert not pace.is_time(9, 9)
    assert pace.is_time(10, 3)
    assert not pace.is_time(99, 2)
    assert pace.is_time(100, 0)
    assert not Pace(least=0, calm=0).is_time(0, 0)
