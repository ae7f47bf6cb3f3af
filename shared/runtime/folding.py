"""What the three folding services have in common: their database, their readiness, and a worker's usual jobs."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from shared.contracts.topics import topic_name
from shared.http.app import Surroundings
from shared.http.auth import ApiKeys
from shared.http.health import Check, Readiness
from shared.kernel.clock import Clock
from shared.kernel.errors import UnavailableError
from shared.messaging.dead_letters import DeadLetters
from shared.messaging.failpoints import Failpoints
from shared.messaging.folding import FoldingOpener, Handler
from shared.messaging.loop import Loop, LoopConfig
from shared.messaging.outbox_relay import OutboxRelay
from shared.messaging.progress import ProgressFollower
from shared.runtime.health import health_port
from shared.runtime.settings import ServiceSettings
from shared.runtime.shutdown import Shutdown
from shared.runtime.worker import Job, supervise
from shared.storage.database import Database, open_database
from shared.storage.schema import check_schema, role_of, schemas_of
from shared.telemetry.metrics import Metrics

VERSION = "0.1.0"
_BESIDE_PARTITIONS = 6
_MOST_CONNECTIONS = 32
API_CONNECTIONS = 8


async def migrate_service(settings: ServiceSettings, scripts: Path) -> None:
    """Bring the service's schemas to their newest revision."""
    from shared.storage.migrate import migrate  # Alembic's 26 MB are for this role alone

    schema, permanent = schemas_of(settings.service, settings.generation)
    await migrate(
        settings.database_url.get_secret_value(),
        role=role_of(settings.service),
        schema=schema,
        permanent=permanent,
        scripts=scripts,
    )


def worker_connections(settings: ServiceSettings) -> int:
    """One for each partition that may be applied at once, and some for the jobs beside."""
    return min(settings.partitions + _BESIDE_PARTITIONS, _MOST_CONNECTIONS)


@asynccontextmanager
async def service_database(settings: ServiceSettings, role: str, *, size: int) -> AsyncIterator[Database]:
    """The service's own schemas, seen as its own role."""
    async with open_database(
        settings.database_url.get_secret_value(),
        role=role_of(settings.service),
        schemas=schemas_of(settings.service, settings.generation),
        application=f"quintant {settings.service} {role}",
        size=size,
    ) as database:
        yield database


def readiness(
    settings: ServiceSettings, database: Database, clock: Clock, head: str, loop: Loop | None = None
) -> Readiness:
    """PostgreSQL answers, the schema is at revision `head`, and the loop has its partitions and none is stopped."""

    async def schema() -> None:
        await check_schema(database, settings.service, head)

    async def stream() -> None:
        if loop is not None and (trouble := loop.trouble()):
            raise UnavailableError("; ".join(trouble))

    checks: dict[str, Check] = {"database": database.check, "schema": schema}
    return Readiness({**checks, "stream": stream} if loop else checks, clock=clock)


def surroundings(settings: ServiceSettings, metrics: Metrics, ready: Readiness, clock: Clock) -> Surroundings:
    """What the service's applications are handed."""
    return Surroundings(settings.service, ApiKeys(settings.api_keys_file), metrics, ready, clock)


def build_loop(settings: ServiceSettings, database: Database, handler: Handler, metrics: Metrics, clock: Clock) -> Loop:
    """Applies `sales-events`, with a consumer group for each prefix and generation."""
    failpoints = Failpoints(settings.failpoint)
    suffix = "" if settings.generation == 1 else f"-{settings.generation}"
    return Loop(
        LoopConfig(
            bootstrap_servers=settings.kafka_bootstrap_servers,
            topic=_topic(settings, "sales-events"),
            group=f"{settings.topic_prefix}quintant-{settings.service}{suffix}",
            instance=settings.instance,
        ),
        FoldingOpener(database, settings.generation, handler, metrics, clock, failpoints),
        DeadLetters(
            settings.kafka_bootstrap_servers, settings.service, settings.topic_prefix, settings.generation, metrics
        ),
        metrics,
        clock,
        failpoints,
    )


def usual_jobs(
    settings: ServiceSettings, database: Database, handler: Handler, metrics: Metrics, clock: Clock
) -> tuple[Loop, dict[str, Job]]:
    """Apply the stream, publish what is said, follow the progress."""
    loop = build_loop(settings, database, handler, metrics, clock)
    outbox = OutboxRelay(
        settings.kafka_bootstrap_servers,
        settings.service,
        settings.topic_prefix,
        settings.generation,
        database,
        metrics,
        Failpoints(settings.failpoint),
    )
    progress = ProgressFollower(
        settings.kafka_bootstrap_servers,
        _topic(settings, "sales-progress"),
        settings.generation,
        database,
        metrics,
        clock,
    )
    return loop, {"loop": loop.run, "outbox": outbox.run, "progress": progress.run}


async def run_folding_worker(
    settings: ServiceSettings,
    shutdown: Shutdown,
    database: Database,
    handler: Handler,
    *,
    head: str,
    metrics: Metrics,
    clock: Clock,
    jobs: Mapping[str, Job],
) -> None:
    """The usual jobs and the service's own, until shut down."""
    loop, usual = usual_jobs(settings, database, handler, metrics, clock)
    around = surroundings(settings, metrics, readiness(settings, database, clock, head, loop), clock)
    async with health_port(around, version=VERSION, host=settings.http_host, port=settings.health_port):
        await supervise({**usual, **jobs}, shutdown)


def _topic(settings: ServiceSettings, slug: str) -> str:
    return topic_name(slug, prefix=settings.topic_prefix, generation=settings.generation)
