"""Rows that were put together by hand are read by PostgreSQL as what they say."""

from datetime import date
from decimal import Decimal
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.kernel.ledger import Cell, Ledger, Measures
from shared.storage.copying import PostingRows
from shared.storage.database import Database


class Dimensions(NamedTuple):
    name: str | None
    rank: int | None
    related: bool


class Sums(NamedTuple):
    deals: int
    amount: Decimal
    rate: Decimal


LEDGER = Ledger("copied", Dimensions, Sums)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
decimals = st.decimals(-(10**36), 10**36, places=24) | st.decimals(-2, 2, places=6) | st.sampled_from(
    [Decimal("-0"), Decimal("1E+20"), Decimal("1E-24"), Decimal(10_000), Decimal("9999.9999"), Decimal("0.0001")]
)  # fmt: skip
days = st.dates(date(1900, 1, 1), date(2199, 12, 31))
cells = st.builds(
    Cell,
    st.just("copied"),
    days,
    days,
    texts,
    st.builds(Dimensions, st.none() | texts, st.none() | st.integers(-(2**31), 2**31 - 1), st.booleans()),
)
measures = st.builds(Sums, st.integers(-(2**63), 2**63 - 1), decimals, decimals)


async def test_every_value_arrives_as_it_was(database: Database) -> None:
    async with database.write() as writer:
        await writer.execute(
            """CREATE TABLE copied (partition int, number bigint, entity text, known_on date, day date, fact text,
                                    name text, rank int, related boolean, deals bigint, amount numeric, rate numeric)"""
        )
    drawn: list[dict[Cell, Measures]] = []

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(cells, measures, max_size=5))
    def draw(posted: dict[Cell, Measures]) -> None:
        drawn.append(posted)

    draw()
    for number, posted in enumerate(drawn, 2**40):
        rows = PostingRows(LEDGER, 3, number)
        rows.add(f"deal/é {number}", posted)
        assert rows.count == len(posted)
        async with database.write() as writer:
            await writer.copy_packed("copied", rows.columns, rows.packed())
        async with database.read() as reader:
            found = await reader.rows("SELECT * FROM copied WHERE number = $1", number)
        assert all((row["partition"], row["entity"]) == (3, f"deal/é {number}") for row in found)
        assert len(found) == len(posted)
        assert {
            Cell("copied", row["known_on"], row["day"], row["fact"], (row["name"], row["rank"], row["related"])): (
                row["deals"],
                row["amount"],
                row["rate"],
            )
            for row in found
        } == posted
