"""Runs the upkeep of every configured source, one leader among all workers; follows changes of the sources file."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from services.ingest import sourcebook, waiting_reads
from services.ingest.accounts import Accounts, Connected
from services.ingest.receiving import Receiving
from services.ingest.sources.api import Reach
from services.ingest.upkeep.absorbing import Absorbing
from services.ingest.upkeep.following import Following
from services.ingest.upkeep.keeping import Keeping
from services.ingest.upkeep.polling import Polling
from services.ingest.upkeep.reading import QueueReading
from services.ingest.upkeep.trouble import Troubles
from shared.kernel.clock import Clock
from shared.kernel.errors import QuintantError, UnavailableError
from shared.kernel.period import Calendar
from shared.messaging.leader import leadership
from shared.storage.database import Database
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

_LOG = structlog.get_logger(__name__)
_LOOK_SECONDS = 2.0
_AFTER_DATABASE_SECONDS = 1.0
_AFTER_DEFECT_SECONDS = 60.0
_COVERED = timedelta(days=1)

Job = Callable[[], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class Upkeep:
    """The upkeep of all sources."""

    accounts: Accounts
    database: Database
    receiving: Receiving
    reach: Callable[[Connected], Reach]
    """What of a source can be reached, at most as often as its documented rate allows."""
    metrics: Metrics
    calendar: Calendar
    clock: Clock
    public_url: str
    poll_every: timedelta
    poll_grace: timedelta
    _asked: dict[str, asyncio.Event] = field(default_factory=dict)
    _running: dict[str, tuple[Connected, list[asyncio.Task[None]]]] = field(default_factory=dict)

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            try:
                await self._lead()
            except UnavailableError:
                await asyncio.sleep(_AFTER_DATABASE_SECONDS)

    async def _lead(self) -> None:
        async with leadership(self.database, "quintant sources"), self.database.session() as connection:
            await connection.add_listener(waiting_reads.CHANNEL, self._hear)
            try:
                while True:
                    await self._follow_accounts()
                    await self._measure()
                    await asyncio.sleep(_LOOK_SECONDS)
            finally:
                await self._stop_all()
                if not connection.is_closed():
                    await connection.remove_listener(waiting_reads.CHANNEL, self._hear)

    def _hear(self, *_: object) -> None:
        for event in self._asked.values():
            event.set()

    async def _follow_accounts(self) -> None:
        """Start what was added, stop what was taken out, and start anew what was changed."""
        wanted = self.accounts.all()
        for name, (connected, _) in list(self._running.items()):
            if wanted.get(name) != connected:
                await self._stop(name)
        for name, connected in wanted.items():
            if name not in self._running:
                self._running[name] = connected, self._start(connected)

    def _start(self, connected: Connected) -> list[asyncio.Task[None]]:
        jobs = self._jobs(connected)
        name = connected.account.name
        if jobs:
            _LOG.info("source_upkeep", source=name, adapter=connected.adapter.name, jobs=sorted(jobs))
        return [asyncio.create_task(self._guarded(name, job, run), name=f"{job} {name}") for job, run in jobs.items()]

    def _jobs(self, connected: Connected) -> dict[str, Job]:
        name = connected.account.name
        troubles = Troubles(self.metrics)
        try:
            found = self.reach(connected)
        except (QuintantError, ImportError) as error:
            troubles.met(name, "read", str(error))
            return {}
        except Exception as error:  # noqa: BLE001 - the edge of one source
            self._defect(name, "read", error)
            return {}
        absorbing = Absorbing(self.database, self.receiving.intake)
        jobs: dict[str, Job] = {}
        if found.api is not None:
            self._asked[name] = asyncio.Event()
            jobs["read"] = QueueReading(
                connected, found.api, self.database, absorbing, troubles, self.metrics, self.clock, self._asked[name]
            ).run
            jobs["poll"] = Polling(
                connected=connected,
                api=found.api,
                database=self.database,
                absorbing=absorbing,
                troubles=troubles,
                metrics=self.metrics,
                calendar=self.calendar,
                clock=self.clock,
                every=self.poll_every,
                grace=self.poll_grace,
            ).run
        if found.keeper is not None and self.public_url:
            url = f"{self.public_url}/v1/webhooks/{name}"
            jobs["keep"] = Keeping(connected, found.keeper, url, self.database, troubles, self.metrics, self.clock).run
        if found.feed is not None:
            jobs["feed"] = Following(connected, found.feed, self.database, self.receiving, troubles, self.clock).run
        return jobs

    async def _guarded(self, name: str, job: str, run: Job) -> None:
        """One source's defect must stop neither the relay nor other sources: it is logged, shown, and tried again."""
        while True:
            try:
                await run()
            except UnavailableError:
                await asyncio.sleep(_AFTER_DATABASE_SECONDS)
            except Exception as error:  # noqa: BLE001 - the edge of one source
                self._defect(name, job, error)
                await asyncio.sleep(_AFTER_DEFECT_SECONDS)

    def _defect(self, name: str, job: str, error: Exception) -> None:
        _LOG.error("source_job_failed", source=name, job=job, kind=type(error).__name__, exc_info=error)
        self.metrics.set(metric_names.SOURCE_TROUBLE, 1, source=name, task=job)

    async def _stop(self, name: str) -> None:
        _, tasks = self._running.pop(name)
        self._asked.pop(name, None)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _stop_all(self) -> None:
        for name in list(self._running):
            await self._stop(name)

    async def _measure(self) -> None:
        """What Prometheus shows of the queues, the polls and the coverage."""
        now = self.clock.now()
        async with self.database.read() as reader:
            backlogs = await waiting_reads.backlogs(reader)
            polls = await sourcebook.polls(reader)
            covered = await sourcebook.coverage(reader, self.calendar.day(now - _COVERED))
        for name in self._running:
            backlog = backlogs.get(name)
            self.metrics.set(metric_names.SOURCE_BACKLOG, backlog["waiting"] if backlog else 0, source=name)
            age = (now - backlog["oldest_at"]).total_seconds() if backlog else 0.0
            self.metrics.set(metric_names.SOURCE_BACKLOG_AGE, age, source=name)
            through = [one["through"] for one in polls.get(name, ()) if one["through"] is not None]
            if through:
                self.metrics.set(metric_names.SOURCE_POLL_AGE, (now - min(through)).total_seconds(), source=name)
            polled = sum(day["polled"] for day in covered.get(name, ()))
            if polled:
                missed = sum(day["reconciled"] for day in covered[name])
                self.metrics.set(metric_names.SOURCE_COMPLETENESS, 1 - missed / polled, source=name)
