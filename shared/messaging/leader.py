"""One active process among many, by a session advisory lock: it is free again the moment its connection dies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from shared.kernel.errors import UnavailableError
from shared.storage.database import Database

_TRY = "SELECT pg_try_advisory_lock(hashtextextended($1 || current_schema(), 0))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended($1 || current_schema(), 0))"


@asynccontextmanager
async def leadership(database: Database, name: str, *, every: float = 0.5) -> AsyncIterator[None]:
    """Wait for the lock of this name in this database, and hold it for the block.

    When its connection is lost, the lock is free for another and the block is cancelled. Two leaders for a moment (a
    half-dead connection) must do no harm: what is led has to be safe to repeat.
    Raises UnavailableError when PostgreSQL or the lock is lost.
    """
    async with database.session() as connection:
        while not await connection.fetchval(_TRY, name):  # noqa: ASYNC110 - the event is a lock given up elsewhere
            await asyncio.sleep(every)
        async with _while_connected(connection, name):
            yield
        await connection.execute(_UNLOCK, name)


@asynccontextmanager
async def _while_connected(connection: asyncpg.Connection, name: str) -> AsyncIterator[None]:
    """Cancel the block when the connection is lost: nothing else would tell a leader that asks nothing of it."""
    held = asyncio.timeout(None)

    def lost(_connection: object) -> None:
        with suppress(RuntimeError):  # the block was just left
            held.reschedule(0)

    try:
        async with held:
            connection.add_termination_listener(lost)
            try:
                yield
            finally:
                with suppress(asyncpg.InterfaceError):  # it went back to the pool when it was lost
                    connection.remove_termination_listener(lost)
    except TimeoutError:
        if held.expired():
            raise UnavailableError(f"the lock {name!r} was lost with its connection") from None
        raise
