"""What the three folding services have in common: their database, their readiness, and a worker's usual jobs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from shared.contracts.topics import topic_name
from shared.http.app import Surroundings
from shared.http.auth import ApiKeys
from shared.http.health import Check, Readiness
from shared.kernel.clock import Clock, SystemClock
from shared.kernel.errors import UnavailableError
from shared.messaging.announcing import Announcer
from shared.messaging.cluster import check_brokers
from shared.messaging.dead_letters import DeadLetters
from shared.messaging.failpoints import Failpoints
from shared.messaging.fetching import LoopConfig
from shared.messaging.folding import FoldingOpener, Handler
from shared.messaging.loop import Loop
from shared.messaging.outbox_relay import OutboxRelay
from shared.messaging.progress import ProgressFollower
from shared.runtime.api import serve_api
from shared.runtime.collecting import NEW_OBJECTS_OF_BATCHES, collect_seldom
from shared.runtime.current import CurrentBuild
from shared.runtime.health import health_port
from shared.runtime.settings import ServiceSettings
from shared.runtime.shutdown import Shutdown
from shared.runtime.worker import Job, supervise
from shared.storage.builds import Build
from shared.storage.database import Database, open_database
from shared.storage.schema import check_schema, role_of, schemas_of
from shared.storage.waiting import Lookout
from shared.telemetry import metric_names
from shared.telemetry.logging import get_logger
from shared.telemetry.metrics import Metrics

VERSION = "0.1.0"
_BESIDE_PARTITIONS = 7
_MOST_CONNECTIONS = 32
API_CONNECTIONS = 9

Trouble = Callable[[], list[str]]
"""Why the stream is not read as it should be; empty if it is."""

_log = get_logger("quintant.runtime")


async def migrate_service(settings: ServiceSettings, scripts: Path) -> None:
    """Bring the current build and what is permanent to their newest revision."""
    from shared.storage.migrate import register  # Alembic's 26 MB are for this role alone

    url = settings.database_url.get_secret_value()
    current = await register(url, service=settings.service, partitions=settings.partitions)
    await migrate_build(settings, scripts, current)


async def migrate_build(settings: ServiceSettings, scripts: Path, build: Build) -> None:
    """Bring one build to the newest revision, and make its schema if there is none."""
    from shared.storage.migrate import migrate

    schema, permanent = schemas_of(settings.service, build.number)
    url = settings.database_url.get_secret_value()
    await migrate(url, role=role_of(settings.service), schema=schema, permanent=permanent, scripts=scripts)


def worker_connections(settings: ServiceSettings) -> int:
    """One for each partition that may be applied at once, and some for the jobs beside."""
    return min(settings.partitions + _BESIDE_PARTITIONS, _MOST_CONNECTIONS)


@asynccontextmanager
async def service_database(settings: ServiceSettings, role: str, *, size: int) -> AsyncIterator[Database]:
    """The service's own schemas, seen as its own role: of the current build, as soon as PostgreSQL says which it is."""
    async with bare_database(settings, role, size=size) as database:
        with suppress(UnavailableError):  # whoever follows the current build binds it later
            await CurrentBuild(database, settings.service, settings.partitions).bind()
        yield database


@asynccontextmanager
async def bare_database(settings: ServiceSettings, role: str, *, size: int) -> AsyncIterator[Database]:
    """The same, bound to no build yet."""
    async with open_database(
        settings.database_url.get_secret_value(),
        role=role_of(settings.service),
        schemas=(),
        application=f"quintant {settings.service} {role}",
        size=size,
    ) as database:
        yield database


def readiness(
    settings: ServiceSettings, database: Database, clock: Clock, head: str, trouble: Trouble | None = None
) -> Readiness:
    """PostgreSQL answers, the schema is at revision `head`; with a stream, Kafka answers and it is without trouble."""

    async def schema() -> None:
        await check_schema(database, head)

    async def stream() -> None:
        if trouble is not None and (found := trouble()):
            raise UnavailableError("; ".join(found))

    checks: dict[str, Check] = {"database": database.check, "schema": schema}
    if trouble is not None:
        checks |= {"kafka": partial(check_brokers, settings.kafka), "stream": stream}
    return Readiness(checks, clock=clock)


def surroundings(settings: ServiceSettings, metrics: Metrics, ready: Readiness, clock: Clock) -> Surroundings:
    """What the service's applications are handed."""
    return Surroundings(settings.service, ApiKeys(settings.api_keys_file), metrics, ready, clock)


def group_of(settings: ServiceSettings, generation: int) -> str:
    """The consumer group of the service's workers: one for each prefix and generation."""
    suffix = "" if generation == 1 else f"-{generation}"
    return f"{settings.topic_prefix}quintant-{settings.service}{suffix}"


def usual_jobs(
    settings: ServiceSettings,
    build: Build,
    database: Database,
    handler: Handler,
    head: str,
    metrics: Metrics,
    clock: Clock,
) -> tuple[Loop, dict[str, Job]]:
    """Apply the stream, publish what is said, follow the progress."""
    failpoints = Failpoints(settings.failpoint)
    announcer = Announcer(database)
    loop = Loop(
        LoopConfig(
            bootstrap_servers=settings.kafka,
            topic=topic_of(settings, "sales-events", build),
            group=group_of(settings, build.generation),
            instance=settings.instance,
        ),
        FoldingOpener(
            database,
            head,
            build.generation,
            handler,
            metrics,
            clock,
            failpoints,
        ),
        DeadLetters(settings.kafka, settings.service, settings.topic_prefix, build.generation, metrics),
        metrics,
        clock,
        failpoints,
        announce=announcer.applied,
    )
    outbox = OutboxRelay(
        settings.kafka,
        settings.service,
        settings.topic_prefix,
        build.generation,
        database,
        metrics,
        clock,
        failpoints,
    )
    progress = progress_follower(settings, build, database, metrics, clock)
    return loop, {"loop": loop.run, "announcer": announcer.run, "outbox": outbox.run, "progress": progress.run}


async def run_folding_worker(
    settings: ServiceSettings,
    shutdown: Shutdown,
    database: Database,
    handler: Handler,
    *,
    head: str,
    metrics: Metrics,
    clock: Clock,
    jobs: Callable[[], Mapping[str, Job]],
) -> None:
    """The usual jobs and the service's own on the current build, until shut down.

    When another build takes over, they end and begin anew on that. When a migration takes the schema away from revision
    `head`, they end, and begin anew when it is there: a worker older than the schema waits for its own upgrade.
    """
    collect_seldom(NEW_OBJECTS_OF_BATCHES)
    metrics.watch(metric_names.DB_POOL_IN_USE, database.in_use)
    current = CurrentBuild(database, settings.service, settings.partitions, needs=head)
    stream: Trouble = _nothing_yet

    async with health_port(
        surroundings(settings, metrics, readiness(settings, database, clock, head, lambda: stream()), clock),
        version=VERSION,
        host=settings.http_host,
        port=settings.health_port,
    ):
        while build := await _unless_ending(current.settle(), shutdown):
            loop, usual = usual_jobs(settings, build, database, handler, head, metrics, clock)
            stream = loop.trouble
            _log.info("build", number=build.number, generation=build.generation)
            await supervise({**usual, **jobs()}, shutdown, until=partial(current.replaced, build))


async def run_folding_api(
    settings: ServiceSettings, shutdown: Shutdown, make: Callable[[Database, Lookout, Metrics, Clock], ASGIApp]
) -> None:
    """Serve HTTP from the current build. An answer that is being read when another takes over ends where it began."""
    metrics, clock = Metrics(), SystemClock()
    async with service_database(settings, "api", size=API_CONNECTIONS) as database:
        lookout = Lookout(database, clock)
        follow = CurrentBuild(database, settings.service, settings.partitions).follow()
        beside = [asyncio.create_task(job) for job in (follow, lookout.listen())]
        for one in beside:
            one.add_done_callback(lambda task: None if task.cancelled() else shutdown.begin(f"{task.exception()!r}"))
        metrics.watch(metric_names.DB_POOL_IN_USE, database.in_use)
        try:
            app = make(database, lookout, metrics, clock)
            await serve_api(app, host=settings.http_host, port=settings.http_port, shutdown=shutdown)
        finally:
            for one in beside:
                one.cancel()


def progress_follower(
    settings: ServiceSettings, build: Build, database: Database, metrics: Metrics, clock: Clock
) -> ProgressFollower:
    """Follows how far the build's generation is accepted."""
    return ProgressFollower(
        settings.kafka,
        topic_of(settings, "sales-progress", build),
        build.generation,
        database,
        metrics,
        clock,
    )


def topic_of(settings: ServiceSettings, slug: str, build: Build) -> str:
    """The name of a topic of the build's generation."""
    return topic_name(slug, prefix=settings.topic_prefix, generation=build.generation)


def _nothing_yet() -> list[str]:
    return ["which build is the current one is not known yet"]


async def _unless_ending(work: Coroutine[Any, Any, Build], shutdown: Shutdown) -> Build | None:
    """What the work gives; None if the process is to end before."""
    task, ending = asyncio.create_task(work), asyncio.create_task(shutdown.requested.wait())
    try:
        await asyncio.wait([task, ending], return_when=asyncio.FIRST_COMPLETED)
        return None if ending.done() else task.result()
    finally:
        task.cancel()
        ending.cancel()
