"""Tells the readers of a service what its worker has applied, as soon as that is committed."""

import asyncio

from shared.kernel.errors import UnavailableError
from shared.messaging.deadlines import Backoff
from shared.storage.database import Database
from shared.storage.waiting import channel_of, tell

_GATHER = 0.005
"""Seconds in which what several partitions have applied gathers."""


class Announcer:
    """Tells of much at once only each partition's last number, and locks nothing for those who apply."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._applied: dict[int, int] = {}
        self._stirred = asyncio.Event()

    def applied(self, partition: int, number: int) -> None:
        """Everything of this partition up to this number is committed."""
        self._applied[partition] = number
        self._stirred.set()

    async def run(self) -> None:
        """Tell it until cancelled. What could not be told is not told again: who waits looks, too."""
        backoff = Backoff()
        while True:
            try:
                await self._tell(backoff)
            except UnavailableError:
                await backoff.pause()

    async def _tell(self, backoff: Backoff) -> None:
        async with self._database.statements() as connection:
            channel = channel_of(self._database)
            while not connection.is_closed:
                await self._stirred.wait()
                self._stirred.clear()
                news, self._applied = self._applied, {}
                await tell(connection, channel, news)
                backoff.reset()
                await asyncio.sleep(_GATHER)
