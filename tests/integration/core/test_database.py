"""Transactions and locks when connections die or work is cancelled in their middle."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import asyncpg
import pytest

from shared.kernel.errors import UnavailableError
from shared.messaging.leader import leadership
from shared.storage.database import Database, Deadlines, open_database
from tests.integration.core.company import Numbered, deal
from tests.integration.core.lanes import Interrupting, apply, apply_once, opener
from tests.integration.core.service import ROLE, cells
from tests.integration.core.waiting import until
from tests.unit.sales import worker

MINE = "core database test"


@pytest.fixture
async def operator(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection from outside, to look at the others and to end them."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def mine(database_url: str, database: Database) -> AsyncIterator[Database]:
    """Connections that can be told from all others."""
    async with database.read() as reader:
        schema = str(await reader.value("SELECT current_schema()"))
    async with open_database(
        database_url, role=ROLE, schemas=(schema,), application=MINE, size=3, deadlines=Deadlines(acquire=2.0)
    ) as opened:
        yield opened


async def terminate(operator: asyncpg.Connection) -> int:
    """End the connections of the service; how many there were."""
    return len(
        await operator.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", MINE)
    )


async def seen(operator: asyncpg.Connection, shows: Callable[[asyncpg.Record], bool], connections: int = 1) -> None:
    """Wait until so many connections of the service show it."""

    async def shown() -> bool:
        rows = await operator.fetch("SELECT * FROM pg_stat_activity WHERE application_name = $1", MINE)
        return sum(map(shows, rows)) >= connections

    await until(shown, 10)


def sleeps(row: asyncpg.Record) -> bool:
    return bool(row["wait_event"] == "PgSleep")


def idles_in_a_transaction(row: asyncpg.Record) -> bool:
    return bool(row["state"] == "idle in transaction")


def asks_for_the_lock(row: asyncpg.Record) -> bool:
    return "pg_try_advisory_lock" in row["query"]


async def sleep_in_a_transaction(database: Database) -> None:
    async with database.write() as writer:
        await writer.execute("INSERT INTO mini_deal (id) VALUES ('never')")
        await writer.value("SELECT pg_sleep(60)")


async def test_work_that_is_cancelled_in_a_transaction_leaves_nothing_and_gives_its_connection_back(
    mine: Database, operator: asyncpg.Connection
) -> None:
    for _ in range(5):
        task = asyncio.create_task(sleep_in_a_transaction(mine))
        await seen(operator, sleeps)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    async with mine.read() as one, mine.read() as two, mine.read() as three:
        assert [await reader.value("SELECT count(*) FROM mini_deal") for reader in (one, two, three)] == [0, 0, 0]


async def test_a_statement_given_up_between_parsing_and_running_leaves_its_connection_clean(mine: Database) -> None:
    """As a task that is cancelled there does; a value that cannot be sent stops it at the same point, each time."""

    async def give_up() -> None:
        async with mine.statements() as statements:
            await statements.value("SELECT count(*) FROM mini_deal WHERE id = $1", object())

    for _ in range(5):
        with pytest.raises(asyncpg.DataError):
            await give_up()
        async with mine.read() as one, mine.read() as two, mine.read() as three:
            assert [await reader.value("SELECT count(*) FROM mini_deal") for reader in (one, two, three)] == [0, 0, 0]


async def test_a_connection_that_is_ended_in_a_transaction_is_unavailable_and_the_next_one_works(
    mine: Database, operator: asyncpg.Connection
) -> None:
    task = asyncio.create_task(sleep_in_a_transaction(mine))
    await seen(operator, sleeps)
    assert await terminate(operator) == 1
    with pytest.raises(UnavailableError):
        await task
    async with mine.write() as writer:
        assert await writer.value("SELECT count(*) FROM mini_deal") == 0


async def test_a_cancellation_is_not_lost_when_the_connection_dies_at_the_same_moment(
    mine: Database, operator: asyncpg.Connection
) -> None:
    """Else a shutdown while PostgreSQL is down would be taken for one more outage, and waited out."""

    async def outlast() -> None:
        while True:
            with suppress(UnavailableError):
                async with mine.write():
                    await gone.wait()
                    raise AssertionError("not reached")

    gone = asyncio.Event()
    task = asyncio.create_task(outlast())
    await seen(operator, idles_in_a_transaction)
    await terminate(operator)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)


async def test_a_mistake_of_ours_is_no_outage(mine: Database) -> None:
    """It must end the process, not be tried again for ever."""
    for value in ("x", 2**40):
        with pytest.raises(asyncpg.DataError):
            async with mine.read() as reader:
                await reader.value("SELECT $1::int", value)
    with pytest.raises(asyncpg.UndefinedTableError):
        async with mine.read() as reader:
            await reader.rows("SELECT * FROM nowhere")


async def test_a_reader_cannot_write_and_sees_one_snapshot(mine: Database) -> None:
    async with mine.read() as reader:
        before = await reader.value("SELECT count(*) FROM mini_deal")
        async with mine.write() as writer:
            assert await writer.execute("INSERT INTO mini_deal (id) VALUES ('a'), ('b')") == 2
        assert await reader.value("SELECT count(*) FROM mini_deal") == before
        assert [row["id"] async for row in reader.stream("SELECT id FROM mini_deal")] == []
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with mine.read() as reader:
            await reader.rows("INSERT INTO mini_deal (id) VALUES ('c') RETURNING id")


async def test_a_lane_goes_on_when_its_connection_is_ended_between_any_two_statements(
    mine: Database, operator: asyncpg.Connection
) -> None:
    story = [deal(number, f"e{number}", owner_id="ann") for number in range(12)]
    [records] = Numbered(1).accept(story).values()
    await apply(opener(mine), records[:4])
    assert await terminate(operator) > 0
    with suppress(UnavailableError):
        await apply_once(await opener(mine).open(0), records[:8])
    await apply(opener(mine, Interrupting(at="fold.saved", time=1)), records)
    assert await cells(mine) == worker.told(story)


async def lead(database: Database, leading: asyncio.Event) -> None:
    async with leadership(database, "core test", every=0.01):
        leading.set()
        await asyncio.Event().wait()


async def test_there_is_one_leader_and_the_next_when_it_goes(mine: Database, operator: asyncpg.Connection) -> None:
    first, second = asyncio.Event(), asyncio.Event()
    one = asyncio.create_task(lead(mine, first))
    await asyncio.wait_for(first.wait(), 10)
    two = asyncio.create_task(lead(mine, second))
    await seen(operator, asks_for_the_lock, connections=2)
    assert not second.is_set()
    one.cancel()
    await asyncio.wait_for(second.wait(), 10)
    two.cancel()
    outcomes = await asyncio.gather(one, two, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in outcomes)


async def test_a_leader_that_loses_its_lock_stops_leading(mine: Database, operator: asyncpg.Connection) -> None:
    """Its other connections may be well: it would go on for ever beside the next one."""
    leading = asyncio.Event()
    task = asyncio.create_task(lead(mine, leading))
    await asyncio.wait_for(leading.wait(), 10)
    assert await terminate(operator) >= 1
    with pytest.raises(UnavailableError, match="the lock 'core test' was lost"):
        await asyncio.wait_for(task, 10)
    again = asyncio.Event()
    task = asyncio.create_task(lead(mine, again))
    await asyncio.wait_for(again.wait(), 10)
    task.cancel()
    await asyncio.wait([task])
