"""SQL against plain Python: any postings, any question, with and without summaries, give the same number."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.metrics.domain.figures import Figure
from services.metrics.domain.inquiry import Asked, Inquiry, Related, View, inquire
from services.metrics.domain.kpis import CATALOGUE
from services.metrics.domain.kpis.declaration import Kind
from services.metrics.domain.ledgers import LEDGERS
from services.metrics.domain.slices import SLICES
from services.metrics.domain.spans import Compare
from services.metrics.queries.answers import read_answer
from services.metrics.queries.lineage import read_lineage
from services.metrics.summaries import summarise
from shared.kernel.period import Grain
from shared.storage.database import Database, Writer
from shared.storage.position import read_standing
from tests.integration.metrics_read import oracle
from tests.integration.metrics_read.books import COMPANY, open_books, set_position

FIRST, LAST = date(2025, 12, 20), date(2026, 3, 10)
SIZE, APPLIED = 120, 10
FACTS = {
    "deal_postings": ("open", "created", "created-won", "won", "lost", "advanced", "dropped", "undecided"),
    "trade_postings": (
        "order", "ordered", "shipped", "returned", "invoiced", "credited-return", "credited-allowance",
        "credited-correction", "billable-shipped", "billable-returned", "billable-invoiced", "billable-credited",
    ),
    "cash_postings": ("received", "refunded", "bill-pending", "applied", "on-account", "unallocated"),
}  # fmt: skip
STAGES = ("prospecting", "qualification", "needs-analysis", "unmapped", "won")
VALUES: dict[str, tuple[Any, ...]] = {
    "pipeline": ("default", "other"),
    "stage": STAGES,
    "document": ("order",),
    "currency": ("EUR", "USD", None),
    "unit": ("piece",),
    "related": (False, False, True),
    "instrument": ("transfer", "bill"),
}
_INTRICATE = ("active-customers", "sales-velocity", "receivables", "prepayments", "open-pipeline-value")
OTHERS = ("a", "b", None)
DAYS = st.integers(0, (LAST - FIRST).days).map(lambda days: FIRST + timedelta(days=days))


def postings_about(inquiry: Inquiry, seed: int) -> list[oracle.Posting]:
    """Many postings, most of facts that matter: drawn in bulk, or a question would meet next to none."""
    chance = random.Random(seed)  # noqa: S311 - a test's own
    wanted = sorted({(part.ledger.name, fact) for part in inquiry.formula.parts for fact in part.facts})
    every = [(ledger, fact) for ledger, facts in FACTS.items() for fact in facts]
    return [_posting(chance, *chance.choice(wanted if chance.random() < 0.8 else every)) for _ in range(SIZE)]


def _posting(chance: random.Random, name: str, fact: str) -> oracle.Posting:
    ledger = LEDGERS[name]
    posting: oracle.Posting = {"ledger": name, "fact": fact, "partition": chance.randint(0, 1)}
    posting |= {"number": chance.randint(1, 12), "day": _day(chance), "known_on": _day(chance)}
    for dimension in ledger.dimension_types:
        posting[dimension] = chance.choice(VALUES.get(dimension, OTHERS))
    if "days" in posting:
        posting["days"] = chance.randint(0, 9) if fact in ("won", "lost") else None
    for measure, kind in ledger.measure_types.items():
        least = 1 if fact in ("won", "lost") and measure == "deals" else -2
        amount = Decimal(chance.randint(-10_000, 10_000)).scaleb(-2)
        posting[measure] = chance.randint(least, 3) if kind is int else amount
    posting["applied"] = posting["number"] <= APPLIED
    return posting


def _day(chance: random.Random) -> date:
    return FIRST + timedelta(days=chance.randint(0, (LAST - FIRST).days))


@st.composite
def an_inquiry(draw: st.DrawFn) -> Inquiry:
    kpi = CATALOGUE[draw(st.sampled_from([*CATALOGUE, *_INTRICATE * 3]))]
    start, end = draw(st.none() | DAYS), draw(st.none() | DAYS)
    if start and end and end < start:
        start, end = end, start
    views = [View.BASE] if kpi.base_currency_only or not kpi.in_money else list(View)
    view = draw(st.sampled_from(views))
    by = draw(st.lists(st.sampled_from(kpi.dimensions), max_size=2, unique=True))
    if view is View.ORIGINAL and "currency" not in by:
        by = [*by, "currency"]
    filtered = draw(st.lists(st.sampled_from(kpi.dimensions), max_size=1))
    where = {
        name: tuple(draw(st.lists(st.sampled_from(VALUES.get(name, OTHERS)), min_size=1, max_size=2, unique=True)))
        for name in filtered
    }
    grain = draw(st.none() | st.sampled_from(Grain))
    window = draw(st.none() | st.integers(1, 40)) if kpi.has_window and (end or grain) else None
    asked = Asked(
        start, end, grain, tuple(by), where, draw(st.none() | DAYS), None, view,
        draw(st.none() | st.sampled_from(kpi.bases)) if kpi.bases else None,
        draw(st.sampled_from(Related)), window,
    )  # fmt: skip
    return inquire(kpi, asked, default_basis="invoiced")


@pytest.fixture(scope="module")
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_books(database_url) as opened:
        yield opened


async def write_books(database: Database, postings: list[oracle.Posting], sealed: int) -> None:
    """Postings of numbers up to 10 are applied, those beyond are not; those up to `sealed` are summarised."""
    async with database.write() as writer:
        tables = ["seal", *(slices.table for slices in SLICES.values()), *LEDGERS]
        await writer.execute(f"TRUNCATE {', '.join(tables)}")
        for ledger in LEDGERS.values():
            columns = ["partition", "number", "known_on", "day", "fact", *ledger.dimension_types, *ledger.measure_types]
            own = [one for one in postings if one["ledger"] == ledger.name]
            records = [(f"thing/{place}", *(one[name] for name in columns)) for place, one in enumerate(own)]
            await writer.copy(ledger.name, ["entity", *columns], records)
        await _apply(writer, sealed)
    if sealed:
        await summarise(database)
    async with database.write() as writer:
        await _apply(writer, APPLIED)


async def _apply(writer: Writer, number: int) -> None:
    for partition in (0, 1):
        at = datetime(2026, 1, 1, tzinfo=UTC)
        await set_position(writer, number, partition=partition, at=at, first_known=FIRST)


def expected(postings: list[oracle.Posting], inquiry: Inquiry, row: Any) -> Any:
    asked = inquiry.asked
    where = [*asked.where.items(), *((name, (value,)) for name, value in zip(inquiry.by, row.group, strict=True))]
    slice_ = oracle.Slice(
        row.span.start,
        row.span.end,
        tuple(where),
        asked.known_at,
        asked.related,
        asked.view,
        inquiry.basis,
        asked.window,
    )
    return oracle.KPIS[inquiry.kpi.slug](oracle.selected(postings, slice_), slice_)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(an_inquiry(), st.integers(0, 10**9), st.sampled_from([0, 4, 10]))
async def test_every_number_is_what_the_postings_say(
    database: Database, inquiry: Inquiry, seed: int, sealed: int
) -> None:
    postings = postings_about(inquiry, seed)
    await write_books(database, postings, sealed)
    async with database.read() as reader:
        rows = await read_answer(reader, inquiry, COMPANY)
    for row in rows:
        assert row.figure.value == expected(postings, inquiry, row), (row.span, row.group)
    groups = [(row.span.key, row.group) for row in rows]
    assert len(set(groups)) == len(groups)


@settings(max_examples=15, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**9), st.integers(20, 60), st.sampled_from([None, Grain.WEEK, Grain.MONTH]))
async def test_windows_reach_back_from_the_end_of_each_period(
    database: Database, seed: int, window: int, grain: Grain | None
) -> None:
    asked = Asked(start=date(2026, 1, 26), end=LAST, grain=grain, window=window)
    inquiry = inquire(CATALOGUE["sales-velocity"], asked)
    postings = postings_about(inquiry, seed)
    await write_books(database, postings, 7)
    async with database.read() as reader:
        rows = await read_answer(reader, inquiry, COMPANY)
    values = [row.figure.value for row in rows]
    assert values == [expected(postings, inquiry, row) for row in rows]
    assert any(value is not None for value in values)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(an_inquiry(), st.integers(0, 10**9), st.sampled_from(Compare))
async def test_slices_and_periods_leave_nothing_out(
    database: Database, inquiry: Inquiry, seed: int, compare: Compare
) -> None:
    """What additive KPIs tell in slices and periods is all there is; a comparison is the same question asked then."""
    if inquiry.kpi.kind is not Kind.ADDITIVE:
        return
    postings = postings_about(inquiry, seed)
    await write_books(database, postings, 10)
    one = replace(inquiry, by=(), asked=replace(inquiry.asked, by=(), grain=None))
    compared = replace(inquiry, asked=replace(inquiry.asked, grain=inquiry.asked.grain or Grain.WEEK, compare=compare))
    async with database.read() as reader:
        (whole,) = await read_answer(reader, one, COMPANY)
        parts = await read_answer(reader, inquiry, COMPANY)
        beside = await read_answer(reader, compared, COMPANY)
    assert sum(Decimal(row.figure.value or 0) for row in parts) == whole.figure.value
    for row in beside:
        assert row.beside is not None
        span, figure = row.beside
        assert figure.value == expected(postings, inquiry, replace(row, span=span))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(an_inquiry(), st.integers(0, 10**9))
async def test_lineage_sums_to_the_number(database: Database, inquiry: Inquiry, seed: int) -> None:
    postings = postings_about(inquiry, seed)
    await write_books(database, postings, 6)
    where = {**inquiry.asked.where, **{name: inquiry.asked.where.get(name, ("USD",))[:1] for name in inquiry.by}}
    one = replace(inquiry, by=(), asked=replace(inquiry.asked, by=(), grain=None, where=where))
    async with database.read() as reader:
        (row,) = await read_answer(reader, one, COMPANY)
        standing = await read_standing(reader)
        after, listed, following = "", list[Any](), True
        while following:
            page = await read_lineage(reader, one, COMPANY, pinned=standing.positions, after=after, limit=3)
            assert page.value == row.figure.value
            listed += page.evidence
            following = page.following
            after = f"{listed[-1].key.kind}/{listed[-1].key.id}" if listed else ""
    for name, total in page.parts.items():
        assert sum(Decimal(posting.contributions.get(name, 0)) for item in listed for posting in item.postings) == total
    _check_parts(row.figure, page.parts)


def _check_parts(figure: Figure, parts: Any) -> None:
    for name in figure.parts.keys() & parts.keys():
        assert figure.parts[name] == parts[name]
