"""One commit for all that gathered: each event gets its own answer, and what belongs to it is kept with it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from importlib import import_module
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from services.ingest.domain.candidates import Candidate, Outcome, Status
from services.ingest.inbox import Inbox, Submission
from services.ingest.sources.adapter import ToRead
from services.ingest.store import Raw
from shared.kernel.clock import Clock, SystemClock
from shared.kernel.errors import UnavailableError
from shared.kernel.period import Calendar
from shared.storage.database import Database
from shared.telemetry.metrics import Metrics

PARTITIONS = 4
TAKE_IN: str = import_module("services.ingest.migrations.versions.0004_take_in").TAKE_IN
WHEN = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
SHANGHAI = Calendar(ZoneInfo("Asia/Shanghai"))


class YearsAgo:
    """Of a machine whose clock was never set."""

    def now(self) -> datetime:
        return datetime(2020, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return SystemClock().monotonic()


def said(number: int, amount: int = 1, *, entity: str = "deal", history: bool = False) -> Candidate:
    public = f'{{"amount":{{"amount":"{amount}","currency":"EUR"}},"id":"c{number}"}}'.encode()
    return Candidate(entity, "/commit", f"c{number}", f"c{number}", WHEN, 0, public, None, history=history)


def raw(name: str, source: str | None = "shop") -> Raw:
    return Raw(name, WHEN, "webhook", "application/json", {"content-type": "application/json"}, b"{}", source)


async def in_one_group(box: Inbox, submissions: list[Submission]) -> list[list[Outcome]]:
    """What is asked before the writer runs is committed together."""
    asked = [asyncio.create_task(box.accept(one)) for one in submissions]
    await asyncio.gather(*(asyncio.create_task(_nothing()) for _ in asked))
    running = asyncio.create_task(box.run())
    try:
        return await asyncio.gather(*asked)
    finally:
        running.cancel()
        await asyncio.wait([running])


async def _nothing() -> None:
    return


@pytest.fixture
async def empty(database: Database) -> Database:
    """Without the traces of another test of this module."""
    async with database.write() as writer:
        for table in ("coverage", "to_read", "raw", "source"):
            await writer.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of ours
    return database


@pytest.fixture
async def behind(empty: Database) -> AsyncIterator[Database]:
    """With the function of before, which does not say the epochs: this code came before its migration."""
    async with empty.write() as writer:
        now: str = await writer.value("SELECT pg_get_functiondef('take_in'::regproc)")
        await writer.execute("DROP FUNCTION take_in")
        await writer.execute(TAKE_IN)
    yield empty
    async with empty.write() as writer:
        await writer.execute("DROP FUNCTION take_in")
        await writer.execute(now)


def box(database: Database, clock: Clock | None = None) -> Inbox:
    return Inbox(database, SHANGHAI, PARTITIONS, Metrics(), clock or SystemClock())


async def test_one_group_holds_everything(empty: Database) -> None:
    await in_one_group(box(empty), [Submission([said(1)])])
    submissions = [
        Submission([said(2), said(3)], raw("new"), delivered=True),
        Submission([said(2)], raw("repeated"), delivered=True),
        Submission([said(3, amount=2)], raw("conflict"), delivered=True),
        Submission([said(1)], raw("known"), delivered=True),
        Submission([said(1)], raw("known, but more to read"), reads=[ToRead("deals", "8"), ToRead("deals", "9", "x")]),
        Submission([said(4, entity="product")], raw("everywhere", None)),
        Submission([], raw("says nothing"), delivered=True),
    ]
    found = await in_one_group(box(empty), submissions)
    statuses = [[one.status for one in outcomes] for outcomes in found]
    new, known, refused = Status.ACCEPTED, Status.DUPLICATE, Status.REJECTED
    assert statuses == [[new, new], [known], [refused], [known], [known], [new], []]
    assert found[1][0].places == found[0][0].places
    assert found[3][0].places == found[4][0].places
    assert (len(found[0][0].places), len(found[5][0].places), found[2][0].places) == (1, PARTITIONS, ())
    assert found[2][0].error is not None
    async with empty.read() as reader:
        kept = {row["id"] for row in await reader.rows("SELECT id FROM raw")}
        asked = {(row["object_id"], row["cause"]) for row in await reader.rows("SELECT object_id, cause FROM to_read")}
        delivered = await reader.value("SELECT delivered FROM coverage WHERE source = 'shop'")
        figures = await reader.row("SELECT accepted, duplicate, rejected FROM source WHERE source = '/commit'")
        holes = await reader.value(
            """SELECT count(*) FROM head WHERE number <>
               (SELECT count(*) FROM stream WHERE stream.partition = head.partition)"""
        )
    assert kept == {"new", "known, but more to read", "everywhere"}
    assert asked == {("8", None), ("9", "x")}
    assert delivered == 5
    assert figures is not None
    assert tuple(figures) == (4, 3, 1)
    assert holes == 0


async def test_the_day_is_the_companys_by_the_clock_of_the_database(empty: Database) -> None:
    [[live, history]] = await in_one_group(box(empty, YearsAgo()), [Submission([said(21), said(22, history=True)])])
    assert (live.status, history.status) == (Status.ACCEPTED, Status.ACCEPTED)
    async with empty.read() as reader:
        rows = await reader.rows(
            """SELECT known_on, recorded_on, reconstructed, (accepted_at AT TIME ZONE 'Asia/Shanghai')::date AS day
               FROM event WHERE event_id IN ('c21', 'c22') ORDER BY event_id"""
        )
    now, then = rows
    assert now["known_on"] == now["recorded_on"] == now["day"] == then["recorded_on"]
    assert (then["known_on"].isoformat(), then["reconstructed"], now["reconstructed"]) == ("2026-03-02", True, False)


async def test_a_schema_that_is_not_migrated_yet_takes_nothing_in(behind: Database) -> None:
    inbox = box(behind)
    asked = asyncio.create_task(inbox.accept(Submission([said(901)], raw("too soon"))))
    with pytest.raises(asyncpg.UndefinedColumnError):
        await inbox.run()
    with pytest.raises(UnavailableError):
        await asked
    async with behind.read() as reader:
        assert await reader.value("SELECT count(*) FROM event WHERE event_id = 'c901'") == 0
        assert await reader.value("SELECT count(*) FROM raw WHERE id = 'too soon'") == 0
