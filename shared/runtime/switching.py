"""Fills a new build beside the running one, compares the two where they stand on one event, and switches to it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

from shared.kernel.clock import Clock
from shared.kernel.errors import StoppedError, UnavailableError
from shared.messaging.deadlines import Backoff
from shared.messaging.failpoints import Failpoints
from shared.messaging.fetching import LoopConfig
from shared.messaging.folding import FoldingOpener
from shared.messaging.held_loop import HeldLoop, UnsentDeadLetters
from shared.runtime.entry import Tell
from shared.runtime.folding import group_of, progress_follower, topic_of
from shared.runtime.rebuildable import Rebuildable, Wish
from shared.runtime.shutdown import Shutdown
from shared.runtime.worker import supervise
from shared.storage.builds import Build, take_over
from shared.storage.database import Database, Writer
from shared.storage.digests import Digest
from shared.storage.meeting import (
    Place,
    comparable,
    place_of,
    same_numbers,
    stand_still,
    told_cut,
    told_total,
)
from shared.storage.outbox import count_messages
from shared.storage.position import fence
from shared.storage.schema import schemas_of
from shared.telemetry.logging import get_logger
from shared.telemetry.metrics import Metrics

_log = get_logger("quintant.runtime")
_NEAR = 5_000
"""So few events behind, the new build may ask the running one to stand still."""
_MEETING_SECONDS = 5.0
_POLL = 0.05
_POLL_FAR = 0.5
"""Seconds between two looks while thousands of events are missing: each look costs what an event costs."""
_TOLD_EVERY = 0.5
_SUM_EVERY = 1.0
"""Seconds between two steps of the digests."""
_SESSION_SECONDS = 15.0
"""After so long without a sign of life Kafka forgets a rebuild that was killed."""


class _OtherEpochError(StoppedError):
    """The running build stands in an epoch that is over."""


@dataclass(slots=True)
class Rebuilding:
    """One rebuild under way. `before` sees the running build, `after` the new one."""

    service: Rebuildable
    running: Build
    made: Build
    before: Database
    after: Database
    wish: Wish
    clock: Clock
    tell: Tell
    _loop: HeldLoop = field(init=False)
    _digests: tuple[Digest, Digest] = field(init=False)
    _began: tuple[float, int] | None = None
    _told: float = float("-inf")

    async def run(self, shutdown: Shutdown) -> None:
        settings, metrics = self.service.settings, Metrics()
        self._loop = self._held_loop(metrics)
        self._digests = self.service.digest(), self.service.digest()
        progress = progress_follower(settings, self.made, self.after, metrics, self.clock)
        jobs = {"loop": self._loop.run, "progress": progress.run, "digests": self._sum_up}
        jobs |= self.service.jobs(self.after)
        await supervise(jobs, shutdown, until=self._conduct)
        if shutdown.requested.is_set():
            raise UnavailableError("interrupted: the same command goes on from here")

    def _held_loop(self, metrics: Metrics) -> HeldLoop:
        settings, made = self.service.settings, self.made
        group = group_of(settings, made.generation)
        failpoints = Failpoints(settings.failpoint)
        silent = replace(self.service.handler, say=lambda _changes, _references: ())
        return HeldLoop(
            LoopConfig(
                bootstrap_servers=settings.kafka,
                topic=topic_of(settings, "sales-events", made),
                # Of another generation nobody reads yet, and the workers go on from the offsets that are left here.
                group=group if made.generation != self.running.generation else f"{group}-b{made.number}",
                instance="",
                session_timeout=_SESSION_SECONDS,
            ),
            FoldingOpener(
                self.after,
                self.service.head,
                made.generation,
                silent,
                metrics,
                self.clock,
                failpoints,
            ),
            UnsentDeadLetters(settings.kafka, settings.service, "", made.generation, metrics),
            metrics,
            self.clock,
            failpoints,
        )

    async def _conduct(self) -> None:
        """Fill, compare, switch; begin again with what is there when PostgreSQL was lost."""
        backoff = Backoff()
        while True:
            try:
                digest = await self._carry_out()
            except UnavailableError as error:
                _log.warning("rebuild_interrupted", reason=error.detail)
                await backoff.pause()
            else:
                self.tell({"phase": "switched", "build": self.made.number, "digest": digest})
                return

    async def _carry_out(self) -> str | None:
        """The digest of what is now the current build; None if the one before said something else."""
        try:
            digest = await self._compared()
            while not await self._switched():
                await self._follow("switching")
        except _OtherEpochError:
            if not self.wish.accept:
                raise
            await self._replace_what_is_void()
            return None
        return digest

    async def _replace_what_is_void(self) -> None:
        """The running build knows events that the restored inbox does not: it cannot be met."""
        self._loop.hold_at(None)
        while True:
            self._trouble()
            async with self.after.read() as reader:
                done, goal = (await place_of(reader)).total, await told_total(reader)
            self._tell_progress("filling", done, goal)
            if goal is not None and done >= goal:
                break
            await asyncio.sleep(_POLL)
        async with self.before.write() as writer:
            await stand_still(writer)
            await take_over(writer, self.service.settings.service, self.running, self.made)
            await fence(writer)

    async def _compared(self) -> str | None:
        """The digest in which both agree; None if they differ and that is accepted. Raises StoppedError."""
        while True:
            await self._follow("filling")
            async with AsyncExitStack() as stack:
                async with self._meeting() as writer:
                    if writer is None:
                        continue
                    readers = [await stack.enter_async_context(one.read()) for one in (self.before, self.after)]
                    for reader in readers:  # in these snapshots both stand still; the one may wait for the other
                        await reader.value("SELECT set_config('idle_in_transaction_session_timeout', '0', true)")
                self.tell({"phase": "comparing", "build": self.made.number})
                old, new = [await one.tell(reader) for one, reader in zip(self._digests, readers, strict=True)]
                if old == new:
                    return new
                schemas = [self._schema(build) for build in (self.running, self.made)]
                found = await self.service.differences(readers[1], *schemas)
            self.tell({"phase": "differs", "old": old, "new": new, "differences": found})
            if self.wish.accept:
                return None
            raise StoppedError(
                f"build {self.made.number} says something else than the running build {self.running.number}: look at "
                "the differences; `rebuild --accept` switches to it"
            )

    async def _sum_up(self) -> None:
        """Sum up the digests of both builds while the new one is filled: at the meeting little is left to do."""
        while True:
            try:
                for digest, database in zip(self._digests, (self.before, self.after), strict=True):
                    async with database.read() as reader:
                        await digest.follow(reader)
            except UnavailableError as error:
                _log.warning("digests_interrupted", reason=error.detail)
            await asyncio.sleep(_SUM_EVERY)

    def _schema(self, build: Build) -> str:
        return schemas_of(self.service.settings.service, build.number)[0]

    async def _switched(self) -> bool:
        """Hand over, where both stand on the same event and everything that was said is published."""
        async with self._meeting() as writer:
            if writer is None or not await self._is_published(writer):
                return False
            await take_over(writer, self.service.settings.service, self.running, self.made)
            await fence(writer)
        return True

    async def _is_published(self, writer: Writer) -> bool:
        until = self.clock.monotonic() + _MEETING_SECONDS
        while await count_messages(writer):
            if self.clock.monotonic() > until:
                self.tell({"phase": "waiting", "reason": "the running build has not published all that it said"})
                return False
            await asyncio.sleep(_POLL)
        return True

    @asynccontextmanager
    async def _meeting(self) -> AsyncIterator[Writer | None]:
        """The running build stands still and the new one stands on the same event; None if they do not meet now."""
        async with self.before.write() as writer:
            place = await stand_still(writer)
            goal = None if place is None else await self._counterpart(writer, place)
            if goal is None:
                yield None
                return
            self._loop.hold_at(goal)
            yield writer if await self._reaches(goal) else None

    async def _counterpart(self, writer: Writer, place: Place) -> Mapping[int, int] | None:
        """The numbers under which the new build has the same events; None if that cannot be said just now."""
        if comparable(self.running, self.made):
            return place.numbers
        async with self.after.read() as reader:
            cut = await told_cut(writer, reader)
        return cut[1] if cut is not None and same_numbers(cut[0], place.numbers) else None

    async def _reaches(self, goal: Mapping[int, int]) -> bool:
        until = self.clock.monotonic() + _MEETING_SECONDS
        while True:
            async with self.after.read() as reader:
                if same_numbers((await place_of(reader)).numbers, goal):
                    return True
            if self.clock.monotonic() > until:
                return False
            await asyncio.sleep(_POLL / 5)

    async def _follow(self, phase: str) -> None:
        """Come near the running build without passing it. Raises StoppedError if that cannot be."""
        void_since: float | None = None
        while True:
            self._trouble()
            near = await self._hold()
            async with self.before.read() as old, self.after.read() as new:
                there, here = await place_of(old), await place_of(new)
                goal = there.total if comparable(self.running, self.made) else await told_total(new)
            self._tell_progress(phase, here.total, goal)
            if not comparable(self.running, self.made) or not there.is_void_beside(here):
                if near:
                    return
                void_since = None
            else:
                void_since = void_since or self.clock.monotonic()
                if self.clock.monotonic() - void_since > _MEETING_SECONDS:  # its worker may be about to follow
                    raise _OtherEpochError(
                        f"build {self.running.number} stands in an epoch that is over, beyond what the restored inbox "
                        "knows, and cannot be compared: `rebuild --accept` replaces it"
                    )
            is_far = not near and comparable(self.running, self.made)  # else a moment is waited for that soon passes
            await asyncio.sleep(_POLL_FAR if is_far else _POLL)

    def _trouble(self) -> None:
        stopped = [one for one in self._loop.trouble() if "not a member" not in one]
        if stopped:
            raise StoppedError("; ".join(stopped))

    async def _hold(self) -> bool:
        """Hold the new build back at the running one; whether it is near enough to meet it."""
        async with self.before.read() as old, self.after.read() as new:
            there, here = await place_of(old), await place_of(new)
            if comparable(self.running, self.made):
                self._loop.hold_at(there.numbers)
                return there.total - here.total <= _NEAR
            cut = await told_cut(old, new)
        if cut is None:
            return False
        self._loop.hold_at(cut[1])
        return same_numbers(cut[0], there.numbers) and sum(cut[1].values()) - here.total <= _NEAR

    def _tell_progress(self, phase: str, done: int, goal: int | None) -> None:
        now = self.clock.monotonic()
        if now - self._told < _TOLD_EVERY:
            return
        self._told = now
        self._began = self._began or (now, done)
        seconds, events = now - self._began[0], done - self._began[1]
        rate = events / seconds if seconds > 0 else 0.0
        left = None if goal is None or rate <= 0 else round(max(0, goal - done) / rate, 1)
        self.tell({"phase": phase, "applied": done, "of": goal, "rate": round(rate), "seconds_left": left})
