"""Waiting for one's own writes: as short as it can be, never longer than allowed."""

import asyncio
from dataclasses import replace

import pytest

from shared.kernel.clock import SystemClock
from shared.kernel.errors import BehindError, InvalidInputError
from shared.kernel.tokens import Token
from shared.storage.database import Database
from shared.storage.position import Applied, Position, advance, take_position
from shared.storage.waiting import Lookout
from tests.integration.pipeline.conftest import clear

CLOCK = SystemClock()


@pytest.fixture
async def position(database: Database) -> Position:
    """Partition 0 stands at number 5."""
    await clear(database)
    async with database.write() as writer:
        fresh = await take_position(writer, 0, 1)
        stands = replace(fresh, number=5)
        await advance(writer, fresh, stands, Applied(CLOCK.now(), 5))
    return stands


async def wait(database: Database, token: Token, seconds: float = 30.0) -> None:
    await Lookout().wait(database, token, deadline_seconds=seconds, clock=CLOCK)


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
