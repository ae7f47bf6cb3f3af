"""The audit finds each kind of error that is planted, and nothing in sound books."""

import pytest

from services.metrics.audit import AuditReport, audit
from services.metrics.store import drop_summaries
from services.metrics.summaries import summarise
from shared.storage.database import Database
from tests.integration.metrics_write.books import apply_all, story, stream


@pytest.fixture
async def books(database: Database) -> Database:
    await apply_all(database, stream(story(6), partitions=2))
    await summarise(database)
    return database


async def plant(database: Database, statement: str) -> AuditReport:
    async with database.write() as writer:
        assert await writer.execute(statement) > 0
    return await audit(database)


async def test_sound_books(books: Database) -> None:
    report = await audit(books)
    assert report.sound
    assert report.differences == ()
    async with books.read() as reader:
        assert report.entities == await reader.value("SELECT count(*) FROM entity")


async def test_a_wrong_summary(books: Database) -> None:
    report = await plant(
        books,
        """UPDATE deal_summary SET value = value + 0.01 WHERE (cut, grain, fact) = ('team', 'day', 'won')
           AND start = (SELECT min(start) FROM deal_summary WHERE (cut, grain, fact) = ('team', 'day', 'won'))""",
    )
    assert report.wrong_summaries > 0
    assert report.wrong_entities == 0
    found = report.differences[0]
    assert found.where == "deal_summary"
    assert (found.cell["cut"], found.cell["fact"]) == ("team", "won")
    assert [str(excess) for excess in found.excess.values()] == ["0.01"]


async def test_a_lost_summary_row(books: Database) -> None:
    report = await plant(books, "DELETE FROM trade_summary WHERE cut = 'customer+currency' AND grain = 'month'")
    assert report.wrong_summaries > 0


@pytest.mark.parametrize(("cut", "grain"), [("team+category", "month"), ("team+days", "month"), ("region", "known")])
async def test_a_wrong_sum_of_each_kind(books: Database, cut: str, grain: str) -> None:
    report = await plant(
        books,
        f"UPDATE deal_summary SET deals = deals + 1 WHERE (cut, grain) = ('{cut}', '{grain}')",  # noqa: S608
    )
    assert report.wrong_summaries > 0
    assert {one.cell["cut"] for one in report.differences} == {cut}
    assert {one.cell["grain"] for one in report.differences} == {grain}


async def test_a_posting_that_nobody_remembers(books: Database) -> None:
    report = await plant(
        books, "INSERT INTO cash_postings SELECT * FROM cash_postings WHERE fact = 'received' ORDER BY entity LIMIT 1"
    )
    assert report.wrong_entities == 1
    assert report.wrong_summaries > 0
    assert report.differences[-1].where.startswith("payment/")
    assert report.differences[-1].excess["payments"] == 1


async def test_a_posting_that_is_gone(books: Database) -> None:
    async with books.write() as writer:
        await drop_summaries(writer)
    report = await plant(
        books, "DELETE FROM deal_postings WHERE entity = (SELECT min(entity) FROM deal_postings) AND fact = 'open'"
    )
    assert report.wrong_entities > 0
    assert report.wrong_summaries == 0


async def test_an_entity_that_is_forgotten(books: Database) -> None:
    report = await plant(books, "DELETE FROM entity WHERE id = (SELECT min(id) FROM entity WHERE kind = 'order')")
    assert report.wrong_entities == 1
    assert report.differences[0].where.startswith("order/")


async def test_only_the_first_differences_are_told(books: Database) -> None:
    report = await plant(books, "UPDATE deal_summary SET deals = deals + 1")
    assert report.wrong_summaries > 20
    assert len(report.differences) == 20
