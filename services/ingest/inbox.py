"""The inbox: one INSERT is deduplication, audit and queue. Numbers are drawn in commit order, and never have a hole.

Concurrent requests share one commit (group commit): while one is under way the others gather for the next. What is idle
waits for nothing. Once enough have gathered they are sent ahead on a second connection: PostgreSQL has them at hand
when the commit before ends, instead of waiting until they are packed and sent.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

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
_SENT_AHEAD = 500
"""Events. Fewer wait: a commit costs PostgreSQL as much as some twenty events."""


@dataclass(slots=True)
class _Waiting:
    submission: Submission
    done: asyncio.Future[list[Outcome]]


@dataclass(slots=True)
class _Hand:
    """What commits one group at a time on a connection of its own."""

    due: asyncio.Event
    """Set while there is something to take."""
    group: list[_Waiting] = field(default_factory=list)
    """Under way."""


class Inbox:
    """Accepts candidates. `run` must be running for `accept` to return."""

    def __init__(self, database: Database, calendar: Calendar, partitions: int, metrics: Metrics, clock: Clock) -> None:
        self._database = database
        self._calendar = calendar
        self._numbering = Numbering((Generation(1, 0, partitions),))
        self._metrics = metrics
        self._clock = clock
        self._waiting: list[_Waiting] = []
        self._size = 0
        self._arrived = asyncio.Event()
        self._many = asyncio.Event()
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
        self._count(len(submission.candidates))
        return await waiting.done

    async def run(self) -> None:
        """Commit what gathers, batch after batch, until cancelled."""
        hands = [asyncio.create_task(self._work(_Hand(due))) for due in (self._arrived, self._many)]
        try:
            await asyncio.gather(*hands)
        finally:
            for hand in hands:
                hand.cancel()
            await asyncio.wait(hands)

    async def _work(self, hand: _Hand) -> None:
        while True:
            await hand.due.wait()
            try:
                await self._commit_on_one_connection(hand)
            except UnavailableError as error:
                self._refuse(hand, error)
            except BaseException:
                self._refuse(hand, UnavailableError("the inbox stopped before this was committed: send it again"))
                raise

    async def _commit_on_one_connection(self, hand: _Hand) -> None:
        """Until it is closed. It is kept: to take one from the pool and give it back costs more than a commit."""
        async with self._database.statements() as writer:
            while not writer.is_closed:
                hand.group = self._take()
                if hand.group:  # else the other hand was faster
                    began = self._clock.monotonic()
                    submissions = [one.submission for one in hand.group]
                    outcomes = await commit(writer, submissions, self._calendar, self._numbering, self._clock.now())
                    self._metrics.observe(metric_names.INBOX_COMMIT_SECONDS, self._clock.monotonic() - began)
                    self._answer(hand, outcomes)
                await hand.due.wait()

    def _take(self) -> list[_Waiting]:
        """The next group: whole submissions, up to the largest size, always at least one if there is any."""
        taken, size = 0, 0
        for one in self._waiting:
            more = len(one.submission.candidates)
            if taken and size + more > _LARGEST:
                break
            taken, size = taken + 1, size + more
        group, self._waiting = self._waiting[:taken], self._waiting[taken:]
        self._count(-size)
        return group

    def _count(self, more: int) -> None:
        """After the list of those who wait has changed."""
        self._size += more
        (self._arrived.set if self._waiting else self._arrived.clear)()
        (self._many.set if self._size >= _SENT_AHEAD else self._many.clear)()

    def _answer(self, hand: _Hand, outcomes: Sequence[Outcome]) -> None:
        group, hand.group, begin = hand.group, [], 0
        for one in group:
            end = begin + len(one.submission.candidates)
            if not one.done.done():
                one.done.set_result(list(outcomes[begin:end]))
            begin = end

    def _refuse(self, hand: _Hand, error: UnavailableError) -> None:
        """The group under way; if there was not even a connection, the one that would have been next."""
        group, hand.group = hand.group or self._take(), []
        for one in group:
            if not one.done.done():
                one.done.set_exception(error)
