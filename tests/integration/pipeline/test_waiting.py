"""Waiting for one's own writes: as short as it can be, never longer than allowed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from services.pipeline.migrations import HEAD
from shared.http.freshness import NotYetAppliedError
from shared.http.snapshot import Snapshots
from shared.kernel.clock import SystemClock
from shared.kernel.errors import BehindError, InvalidInputError
from shared.kernel.tokens import Token
from shared.messaging.announcing import Announcer
from shared.storage.database import Database
from shared.storage.position import Applied, Position, advance, take_position
from shared.storage.waiting import Lookout, channel_of, tell
from tests.integration.core.waiting import until
from tests.integration.pipeline.conftest import clear

CLOCK = SystemClock()


@pytest.fixture
async def position(database: Database) -> Position:
    """Partition 0 stands at number 5."""
    await clear(database)
    async with database.write() as writer:
        fresh = await take_position(writer, 0, 1, HEAD)
        stands = replace(fresh, number=5)
        await advance(writer, fresh, stands, Applied(CLOCK.now(), 5))
    return stands


async def wait(database: Database, token: Token, seconds: float = 30.0) -> None:
    await Lookout(database, CLOCK).wait(token, deadline_seconds=seconds)


async def test_what_is_applied_is_not_waited_for(database: Database, position: Position) -> None:
    await wait(database, Token(1, ((0, 5),)), seconds=0)
    await wait(database, Token(1, ()), seconds=0)


@pytest.mark.parametrize("positions", [((0, 6),), ((0, 5), (1, 1)), ((2**40, 1),)])
async def test_the_wait_ends_at_its_deadline(
    database: Database, position: Position, positions: tuple[tuple[int, int], ...]
) -> None:
    """Also for a partition that nobody has read, and for one that cannot be."""
    with pytest.raises(BehindError, match="1 of the awaited events"):
        await wait(database, Token(1, positions), seconds=0.05)


async def test_the_wait_ends_when_the_events_are_applied(database: Database, position: Position) -> None:
    waiting = asyncio.create_task(wait(database, Token(1, ((0, 7),))))
    for number in (6, 7):
        assert not waiting.done()
        async with database.write() as writer:
            await advance(writer, position, replace(position, number=number), Applied(CLOCK.now(), 1))
        position = replace(position, number=number)
    await waiting


async def test_a_token_of_another_generation_is_refused_at_once(database: Database, position: Position) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await wait(database, Token(2, ((0, 1),)))
    assert refused.value.faults[0].where == "after"


NEVER = 1000.0
"""Seconds: whoever looks so seldom has heard what he knows."""


@asynccontextmanager
async def listening(database: Database, seldom: float = NEVER) -> AsyncIterator[tuple[Lookout, Announcer]]:
    """Somebody who listens, and a worker who tells."""
    lookout, announcer = Lookout(database, CLOCK, seldom=seldom), Announcer(database)
    tasks = [asyncio.create_task(job()) for job in (lookout.listen, announcer.run)]

    async def is_listening() -> bool:
        return lookout.is_listening

    try:
        await until(is_listening)
        yield lookout, announcer
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def applied(database: Database, before: Position, number: int) -> Position:
    after = replace(before, number=number)
    async with database.write() as writer:
        await advance(writer, before, after, Applied(CLOCK.now(), 1))
    return after


async def test_whoever_listens_is_told(database: Database, position: Position) -> None:
    async with listening(database) as (lookout, announcer):
        early = asyncio.create_task(lookout.wait(Token(1, ((0, 6),)), deadline_seconds=60))
        late = asyncio.create_task(lookout.wait(Token(1, ((0, 7),)), deadline_seconds=60))
        announcer.applied(0, (await applied(database, position, 6)).number)
        await asyncio.wait_for(early, 20)
        assert not late.done()
        announcer.applied(0, (await applied(database, replace(position, number=6), 7)).number)
        await asyncio.wait_for(late, 20)
        await lookout.wait(Token(1, ((0, 7),)), deadline_seconds=0)


async def test_whoever_is_told_nothing_looks_for_himself(database: Database, position: Position) -> None:
    async with listening(database, seldom=0.01) as (lookout, _):
        waiting = asyncio.create_task(lookout.wait(Token(1, ((0, 6),)), deadline_seconds=60))
        await applied(database, position, 6)
        await asyncio.wait_for(waiting, 20)


async def test_what_was_told_too_early_is_not_believed(database: Database, position: Position) -> None:
    """As after a restore from a backup. Nobody asks again and again meanwhile either."""
    async with listening(database) as (lookout, _):
        with suppress(BehindError):  # from the first look it knows the generation
            await lookout.wait(Token(1, ((0, 6),)), deadline_seconds=0)
        async with database.statements() as reader:
            await tell(reader, channel_of(database), {0: 6})
        await asyncio.wait_for(lookout.wait(Token(1, ((0, 6),)), deadline_seconds=60), 20)
        with pytest.raises(NotYetAppliedError):
            async with Snapshots(database, CLOCK, 0.1, lookout).snapshot(after=Token(1, ((0, 6),))):
                pytest.fail("it is not applied")
