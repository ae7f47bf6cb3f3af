"""Follows a stream that a source offers instead of calling us; its place is stored after its messages are."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

from services.ingest import sourcebook
from services.ingest.accounts import Connected
from services.ingest.receiving import Receiving
from services.ingest.sources.api import Feed, PositionLostError
from services.ingest.sources.calling import TryLaterError
from services.ingest.upkeep.trouble import Troubles
from shared.kernel.clock import Clock
from shared.kernel.errors import QuintantError, UnavailableError
from shared.storage.database import Database

_AFTER_FAILURE = timedelta(minutes=1)
_AFTER_END = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Following:
    """Follows the feed of one source."""

    connected: Connected
    feed: Feed
    database: Database
    receiving: Receiving
    troubles: Troubles
    clock: Clock

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            wait = await self._once()
            await asyncio.sleep(wait.total_seconds())

    async def _once(self) -> timedelta:
        """One connection; when to open the next."""
        name = self.connected.account.name
        async with self.database.read() as reader:
            position = await sourcebook.load_position(reader, name)
        try:
            async with aclosing(self.feed.follow(position)) as messages:
                async for fed in messages:
                    for delivery in fed.deliveries:
                        await self.receiving.take(self.connected, delivery, kind="feed")
                    await self._move(fed.position)
                    self.troubles.over(name, "feed")
        except PositionLostError:
            await self._lost()
        except UnavailableError:
            raise
        except QuintantError as error:
            self.troubles.met(name, "feed", error.detail)
            return error.wait if isinstance(error, TryLaterError) else _AFTER_FAILURE
        return _AFTER_END

    async def _move(self, position: str | None) -> None:
        async with self.database.write() as writer:
            await sourcebook.save_position(writer, self.connected.account.name, position, self.clock.now())

    async def _lost(self) -> None:
        """What the feed no longer has is found by polling everything."""
        name = self.connected.account.name
        self.troubles.met(name, "feed", "The feed does not go back to our place: everything is polled.")
        async with self.database.write() as writer:
            await sourcebook.save_position(writer, name, None, self.clock.now())
            await sourcebook.forget_polls(writer, name)
