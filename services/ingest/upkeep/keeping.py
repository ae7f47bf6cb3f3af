"""Renews or re-creates what makes a source send to us, well before it expires."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from services.ingest import sourcebook
from services.ingest.accounts import Connected
from services.ingest.sources.api import Keeper, Subscription
from services.ingest.sources.calling import TryLaterError
from services.ingest.upkeep.trouble import Troubles
from shared.kernel.clock import Clock
from shared.kernel.errors import QuintantError, UnavailableError
from shared.storage.database import Database
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

_EVERY = timedelta(minutes=30)
_LEAST = timedelta(seconds=1)
_AFTER_FAILURE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Keeping:
    """Keeps the subscription of one source."""

    connected: Connected
    keeper: Keeper
    url: str
    """Where the source must send to."""
    database: Database
    troubles: Troubles
    metrics: Metrics
    clock: Clock

    async def run(self) -> None:
        """Look, renew and wait until cancelled."""
        while True:
            wait = await self._once()
            await asyncio.sleep(wait.total_seconds())

    async def _once(self) -> timedelta:
        """When to look again."""
        name = self.connected.account.name
        async with self.database.read() as reader:
            known = await sourcebook.load_subscription(reader, name)
        try:
            found = await self.keeper.keep(self.url, known)
        except UnavailableError:
            raise
        except QuintantError as error:
            self.troubles.met(name, "keep", error.detail)
            return error.wait if isinstance(error, TryLaterError) else _AFTER_FAILURE
        async with self.database.write() as writer:
            await sourcebook.save_subscription(writer, name, found, self.clock.now())
        self.troubles.over(name, "keep")
        if found.expires_at is not None:
            self.metrics.set(metric_names.SOURCE_EXPIRES, found.expires_at.timestamp(), source=name)
        return self._wait(found)

    def _wait(self, found: Subscription) -> timedelta:
        """A third of what is left, so that two attempts may fail."""
        if found.expires_at is None:
            return _EVERY
        return min(_EVERY, max(_LEAST, (found.expires_at - self.clock.now()) / 3))
