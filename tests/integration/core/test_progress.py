"""How complete the numbers are: exact, also when a partition is quiet, lags, or stopped in an earlier epoch."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest

from shared.contracts.records import ProgressRecord
from shared.kernel.clock import SystemClock
from shared.kernel.errors import BehindError, InvalidInputError
from shared.kernel.tokens import Token
from shared.messaging.producer import Outgoing
from shared.messaging.progress import ProgressFollower
from shared.storage.database import Database
from shared.storage.position import Applied, Position, advance, take_position
from shared.storage.progress import Completeness, Mark, read_freshness, save_mark
from shared.storage.waiting import Lookout
from shared.telemetry.metrics import Metrics
from tests.integration.core.company import START, Numbered, told
from tests.integration.core.conftest import PARTITIONS, NewStream
from tests.integration.core.service import REVISION, Settings, running
from tests.integration.core.stream import Stream
from tests.integration.core.waiting import until

CLOCK = SystemClock()


def through(second: int) -> datetime:
    return START + timedelta(seconds=second)


async def mark(database: Database, second: int, heads: Mapping[int, int], *, epoch: int = 1) -> None:
    async with database.write() as writer:
        await save_mark(writer, Mark(1, through(second), heads, epoch))


async def move(database: Database, partition: int, number: int, *, epoch: int = 1) -> None:
    async with database.write() as writer:
        before = await take_position(writer, partition, 1, REVISION)
        await advance(writer, before, Position(partition, 1, REVISION, epoch, number), Applied(START))


async def complete(database: Database) -> Completeness:
    async with database.read() as reader:
        return (await read_freshness(reader))[1]


async def count_marks(database: Database) -> int:
    async with database.read() as reader:
        return int(await reader.value("SELECT count(*) FROM progress"))


async def test_nothing_is_known_before_the_first_mark_is_reached(database: Database) -> None:
    assert await complete(database) == Completeness(None, 0)
    await mark(database, 1, {0: 3, 1: 2})
    assert await complete(database) == Completeness(None, 5)
    await move(database, 0, 3)
    assert await complete(database) == Completeness(None, 2)
    await move(database, 1, 2)
    assert await complete(database) == Completeness(through(1), 0)


async def test_a_quiet_partition_is_complete_through_every_mark(database: Database) -> None:
    for second in range(1, 6):
        await mark(database, second, {0: 2 * second, 1: 1})
    await move(database, 0, 7)
    await move(database, 1, 1)
    assert await complete(database) == Completeness(through(3), 3)
    await mark(database, 6, {0: 10, 1: 1})
    assert await complete(database) == Completeness(through(3), 3)
    await move(database, 0, 10)
    assert await complete(database) == Completeness(through(6), 0)


async def test_a_partition_of_which_nothing_was_ever_accepted_counts_as_complete(database: Database) -> None:
    await mark(database, 1, {0: 1, 1: 0})
    await move(database, 0, 1)
    assert await complete(database) == Completeness(through(1), 0)
    await mark(database, 2, {})
    assert await complete(database) == Completeness(through(2), 0)


async def test_marks_that_come_late_or_twice_change_nothing(database: Database) -> None:
    await move(database, 0, 5)
    for second in (3, 1, 2, 3):
        await mark(database, second, {0: second})
    assert await complete(database) == Completeness(through(3), 0)
    assert await count_marks(database) == 1


async def test_what_was_reached_is_not_forgotten_however_far_a_service_falls_behind(database: Database) -> None:
    """A stopped partition, while ingest goes on for hours."""
    await move(database, 0, 1)
    await mark(database, 1, {0: 1})
    for second in range(2, 1202):
        await mark(database, second, {0: second})
    assert await complete(database) == Completeness(through(1), 1200)
    assert await count_marks(database) <= 1002
    await move(database, 0, 1100)
    assert await complete(database) == Completeness(through(1100), 101)
    await move(database, 0, 1201)
    await mark(database, 1202, {0: 1201})
    assert (await complete(database), await count_marks(database)) == (Completeness(through(1202), 0), 1)


async def test_an_epoch_that_a_partition_has_not_begun_says_nothing_about_it(database: Database) -> None:
    """The restored inbox gives numbers anew that this service has applied as other events."""
    for partition, number in ((0, 10), (1, 4)):
        await move(database, partition, number)
    await mark(database, 1, {0: 10, 1: 4})
    await mark(database, 2, {0: 8, 1: 4}, epoch=2)
    assert await complete(database) == Completeness(through(1), 0)
    await move(database, 0, 11, epoch=2)
    await mark(database, 3, {0: 11, 1: 4}, epoch=2)
    assert await complete(database) == Completeness(through(1), 0)
    await move(database, 1, 4, epoch=2)
    await mark(database, 4, {0: 11, 1: 4}, epoch=2)
    assert await complete(database) == Completeness(through(4), 0)


@asynccontextmanager
async def following(stream: Stream, database: Database) -> AsyncIterator["asyncio.Task[None]"]:
    follower = ProgressFollower(stream.bootstrap_servers, stream.topic, 1, database, Metrics(), CLOCK)
    task = asyncio.create_task(follower.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def tell(stream: Stream, second: int, heads: dict[int, int], *, generation: int = 1) -> None:
    record = ProgressRecord(generation=generation, epoch=1, through=through(second), heads=heads)
    await stream.send(0, [Outgoing(*record.encode(), [])])


async def until_complete(database: Database, expected: Completeness) -> None:
    async def told() -> bool:
        return await complete(database) == expected

    await until(told)


async def test_a_follower_tells_what_ingest_tells(
    settings: Settings, database: Database, stream: Stream, new_stream: NewStream
) -> None:
    progress, inbox = await new_stream(1), Numbered(PARTITIONS)
    await stream.send_all(inbox.accept(told(31, events=20, deals=9)))
    first = inbox.heads
    await tell(progress, 1, first)
    async with running(settings, database) as service, following(progress, database):
        await service.applied(first)
        await until_complete(database, Completeness(through(1), 0))
        await stream.send_all(inbox.accept(told(32, events=20, deals=9)))
        await progress.send(0, [Outgoing(b"progress", b"{}", []), Outgoing(None, None, [])])
        await tell(progress, 2, {0: 999}, generation=2)
        await tell(progress, 3, inbox.heads)
        await until_complete(database, Completeness(through(3), 0))
    await tell(progress, 4, {partition: number + 1 for partition, number in inbox.heads.items()})
    async with following(progress, database):
        await until_complete(database, Completeness(through(3), PARTITIONS))


async def test_whoever_waits_is_answered_when_the_events_are_applied(
    settings: Settings, database: Database, stream: Stream
) -> None:
    inbox = Numbered(PARTITIONS)
    fresh = inbox.accept(told(33, events=20, deals=9))
    token = Token.of(1, inbox.heads.items())
    with pytest.raises(BehindError, match="20 of the awaited"):
        await Lookout(database, CLOCK).wait(token, deadline_seconds=0.05)
    waiting = asyncio.create_task(Lookout(database, CLOCK).wait(token, deadline_seconds=20))
    async with running(settings, database):
        await stream.send_all(fresh)
        await waiting
    await Lookout(database, CLOCK).wait(token, deadline_seconds=0)


async def test_a_token_of_another_generation_is_refused_and_one_of_no_partition_waited_for_in_vain(
    database: Database,
) -> None:
    async with database.write() as writer:
        await take_position(writer, 0, 1, REVISION)
    with pytest.raises(InvalidInputError, match="another generation"):
        await Lookout(database, CLOCK).wait(Token.of(2, [(0, 1)]), deadline_seconds=1)
    for partition in (7, 2**40):
        token = Token.of(1, [(partition, 1)])
        with pytest.raises(BehindError):
            await Lookout(database, CLOCK).wait(token, deadline_seconds=0.02)
