"""The job that watches: one worker leads, and runs evaluation, deliveries and gauges while it does."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from shared.kernel.errors import UnavailableError
from shared.messaging.deadlines import Backoff
from shared.messaging.leader import leadership
from shared.storage.database import Database

_LOG = structlog.get_logger(__name__)
_LOCK = "quintant metrics alerts"

Task = Callable[[], Coroutine[Any, Any, None]]
"""Runs until it is cancelled, or until PostgreSQL is lost."""


@dataclass(frozen=True, slots=True)
class AlertJob:
    """Runs its tasks side by side while it leads; a lost database ends them, and it stands for election again."""

    database: Database
    tasks: Sequence[Task]

    async def run(self) -> None:
        """Watch until cancelled."""
        backoff = Backoff()
        while True:
            try:
                async with leadership(self.database, _LOCK):
                    backoff.reset()
                    await _together(self.tasks)
            except UnavailableError as error:
                _LOG.warning("watching_interrupted", reason=error.detail)
            await backoff.pause()


async def _together(tasks: Sequence[Task]) -> None:
    """Run them until one ends, then end all; raises what the first that failed raised.

    No TaskGroup: on Python 3.11 it leaves its caller marked as being cancelled after a task failed, and the next lost
    connection would then end the whole job without a word.
    """
    running = [asyncio.create_task(task()) for task in tasks]
    try:
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    for task in running:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
