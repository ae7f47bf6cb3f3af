"""The inbox: one INSERT is deduplication, audit and queue. Numbers are drawn in commit order, and never have a hole.

Concurrent requests share one commit (group commit): while one is under way the others gather for the next. What is idle
waits for nothing.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from services.ingest.commit import CHANNEL, LOCK, Submission, commit
from services.ingest.domain.candidates import Outcome
from services.ingest.domain.partitions import Generation
from services.ingest.numbering import Numbering
from shared.kernel.clock import Clock
from shared.kernel.errors import UnavailableError
from shared.kernel.period import Calendar
from shared.storage.database import Database
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

__all__ = ["CHANNEL", "LOCK", "Inbox", "Submission"]

_LARGEST = 2000


@dataclass(slots=True)
class _Waiting:
    submission: Submission
    done: asyncio.Future[list[Outcome]]


class Inbox:
    """Accepts candidates. `run` must be running for `accept` to return."""

    def __init__(self, database: Database, calendar: Calendar, partitions: int, metrics: Metrics, clock: Clock) -> None:
        self._database = database
        self._calendar = calendar
        self._numbering = Numbering((Generation(1, 0, partitions),))
        self._metrics = metrics
        self._clock = clock
        self._waiting: list[_Waiting] = []
        self._group: list[_Waiting] = []
        self._arrived = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def accept(self, submission: Submission) -> list[Outcome]:
        """What became of each candidate, after the commit. Raises UnavailableError: then nothing was accepted, or it
        cannot be known, and sending the same events again does no harm."""
        if not submission.candidates and not submission.reads and not submission.delivered:
            return []
        if self._loop is None:
            self._loop = asyncio.get_running_loop()  # asks the system for the process each time
        waiting = _Waiting(submission, self._loop.create_future())
        self._waiting.append(waiting)
        self._arrived.set()
        return await waiting.done

    async def run(self) -> None:
        """Commit what gathers, batch after batch, until cancelled."""
        while True:
            await self._arrived.wait()
            try:
                await self._commit_on_one_connection()
            except UnavailableError as error:
                self._refuse(error)
            except BaseException:
                self._refuse(UnavailableError("the inbox stopped before this was committed: send it again"))
                raise

    async def _commit_on_one_connection(self) -> None:
        """Until it is closed. It is kept: to take one from the pool and give it back costs more than a commit."""
        async with self._database.statements() as writer:
            while not writer.is_closed:
                self._group = self._take()
                began = self._clock.monotonic()
                submissions = [one.submission for one in self._group]
                outcomes = await commit(writer, submissions, self._calendar, self._numbering, self._clock.now())
                self._metrics.observe(metric_names.INBOX_COMMIT_SECONDS, self._clock.monotonic() - began)
                self._answer(outcomes)
                await self._arrived.wait()

    def _take(self) -> list[_Waiting]:
        """The next group: whole submissions, up to the largest size, always at least one."""
        taken, size = 0, 0
        for one in self._waiting:
            size += len(one.submission.candidates)
            if taken and size > _LARGEST:
                break
            taken += 1
        group, self._waiting = self._waiting[:taken], self._waiting[taken:]
        if not self._waiting:
            self._arrived.clear()
        return group

    def _answer(self, outcomes: Sequence[Outcome]) -> None:
        group, self._group, begin = self._group, [], 0
        for one in group:
            end = begin + len(one.submission.candidates)
            if not one.done.done():
                one.done.set_result(list(outcomes[begin:end]))
            begin = end

    def _refuse(self, error: UnavailableError) -> None:
        """The group under way; if there was not even a connection, the one that would have been next."""
        group, self._group = self._group or self._take(), []
        for one in group:
            if not one.done.done():
                one.done.set_exception(error)
