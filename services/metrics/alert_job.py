"""The job that watches: one worker leads, and runs evaluation, deliveries and gauges while it does."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from shared.kernel.errors import UnavailableError
from shared.messaging.deadlines import Backoff
from shared.messaging.leader import leadership
from shared.storage.database import Database

_LOG = structlog.get_logger(__name__)
_LOCK = "quintant metrics alerts"


@dataclass(frozen=True, slots=True)
class AlertJob:
    """Runs its tasks side by side while it leads; a lost database ends them, and it stands for election again."""

    database: Database
    tasks: Sequence[Callable[[], Awaitable[None]]]

    async def run(self) -> None:
        """Watch until cancelled."""
        backoff = Backoff()
        while True:
            try:
                async with leadership(self.database, _LOCK):
                    backoff.reset()
                    async with asyncio.TaskGroup() as group:
                        for task in self.tasks:
                            group.create_task(_run(task))
            except* UnavailableError as errors:
                _LOG.warning("watching_interrupted", reason=str(errors.exceptions[0]))
            await backoff.pause()


async def _run(task: Callable[[], Awaitable[None]]) -> None:
    await task()
