"""A digest is of the sums by cell, however they came about, and of nothing else."""

from collections.abc import AsyncIterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from services.metrics.audit import digest
from services.metrics.domain.ledgers import CASH, LEDGERS, CashDimensions
from services.metrics.settings import Settings
from services.metrics.wiring import rebuildable
from shared.kernel.ledger import Cell, Cells, Measures, added, negated, post
from shared.kernel.money import EXACT
from shared.runtime.current import CurrentBuild
from shared.runtime.folding import bare_database, migrate_service
from shared.sales.references import Key
from shared.storage.database import Database
from shared.storage.digests import Digest
from shared.storage.folds import append_postings

DAY = date(2026, 3, 1)
LARGE = EXACT.multiply(Decimal("999999999999999.999999"), Decimal("999999999999.999999"))


class Posting(NamedTuple):
    partition: int
    number: int
    entity: str
    cell: Cell
    measures: Measures


def cell(day: int, member: str | None, customer: str | None) -> Cell:
    dimensions = CashDimensions(
        "cash", member, None, None, None, customer, None, None, None, "EUR", None, related=False
    )
    return Cell(CASH.name, DAY, DAY + timedelta(days=day), "received", dimensions)


def measures(value: Decimal, payments: int = 1) -> Measures:
    return payments, value, value, Decimal(0), 0, 0


CELLS = st.builds(cell, st.integers(0, 2), st.sampled_from([None, "", "a", "a,b"]), st.sampled_from([None, "b"]))
VALUES = st.one_of(st.decimals(-9, 9, places=2), st.sampled_from([LARGE, Decimal("1E-24"), Decimal("2E+3")]))
POSTINGS = st.lists(
    st.builds(
        Posting,
        st.integers(0, 2),
        st.integers(1, 30),
        st.sampled_from(["x", "y"]),
        CELLS,
        st.builds(measures, VALUES, st.integers(-2, 2)),
    ),
    max_size=8,
)


@pytest.fixture(scope="module")
async def database(database_url: str) -> AsyncIterator[Database]:
    settings = Settings(database_url=database_url, kafka_bootstrap_servers="localhost:1")
    await migrate_service(settings, rebuildable(settings).scripts)
    async with bare_database(settings, "test", size=4) as opened:
        await CurrentBuild(opened, "metrics", 4).bind()
        yield opened


async def hold(database: Database, postings: Sequence[Posting], positions: dict[int, int] | None = None) -> None:
    """These postings and no others."""
    async with database.write() as writer:
        await writer.execute(f"TRUNCATE position, {', '.join(LEDGERS)}")
        for partition, number in (positions or {0: 30, 1: 30, 2: 30}).items():
            await writer.execute("INSERT INTO position VALUES ($1, 1, 1, $2, 0, NULL, 0, 0, 0)", partition, number)
        for one in postings:
            change = [(Key("payment", one.entity), {one.cell: one.measures})]
            await append_postings(writer, one.partition, one.number, change, LEDGERS)


async def told(database: Database, made: Digest | None = None) -> str:
    async with database.read() as reader:
        return await (made or digest()).tell(reader)


def summed(postings: Sequence[Posting]) -> Cells:
    cells: Cells = {}
    for one in postings:
        post(cells, one.cell, one.measures)
    return cells


@trying(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=POSTINGS, other=POSTINGS)
async def test_it_is_the_same_exactly_if_the_cells_are(
    database: Database, one: list[Posting], other: list[Posting]
) -> None:
    await hold(database, one)
    first = await told(database)
    await hold(database, other)
    assert (await told(database) == first) == (summed(one) == summed(other))


@trying(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(postings=POSTINGS, data=st.data())
async def test_it_does_not_matter_how_the_sums_came_about(
    database: Database, postings: list[Posting], data: st.DataObject
) -> None:
    """Other partitions, numbers, entities and scales, parts of a posting, and what comes to nothing."""
    await hold(database, postings)
    expected = await told(database)
    passing = data.draw(POSTINGS)
    undone = [one._replace(measures=negated(one.measures)) for one in passing]
    parts = [part for one in postings for part in halves(one, data.draw(VALUES))]
    again = [
        one._replace(partition=data.draw(st.integers(0, 2)), number=data.draw(st.integers(1, 30)), entity="z")
        for one in data.draw(st.permutations([*passing, *undone, *parts]))
    ]
    await hold(database, again)
    assert await told(database) == expected


def halves(one: Posting, value: Decimal) -> list[Posting]:
    """Two postings that are the same together, with more digits after the point."""
    part = measures(EXACT.add(value, Decimal("0.000")), 5)
    return [one._replace(measures=part), one._replace(measures=added(one.measures, negated(part)))]


@trying(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(postings=POSTINGS, stops=st.lists(st.integers(1, 29), max_size=3), step=st.integers(1, 40))
async def test_books_can_be_followed_while_they_grow(
    database: Database, postings: list[Posting], stops: list[int], step: int
) -> None:
    """What stands beyond the positions, as in a refold under way, does not count before they move there."""
    followed = Digest(LEDGERS.values(), step=step)
    for number in [*sorted(stops), 30]:
        await hold(database, postings, dict.fromkeys(range(3), number))
        async with database.read() as reader:
            while await followed.follow(reader):
                pass
    assert await told(database, followed) == await told(database)


async def test_what_was_not_followed_is_summed_up_when_it_is_told(database: Database) -> None:
    postings = [Posting(0, 9, "x", cell(0, "a", None), measures(Decimal("0.50")))]
    await hold(database, postings, {0: 8})
    nothing = await told(database)
    made = digest()
    async with database.read() as reader:
        assert not await made.follow(reader), "so few events are left to the end"
    assert await told(database, made) == nothing
    await hold(database, postings, {0: 9})
    assert await told(database, made) == await told(database) != nothing
