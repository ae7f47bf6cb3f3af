"""The composition root of ingest: the only place that builds its parts and puts them together."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from services.ingest.api import ROUTERS
from services.ingest.api.rooms import Rooms, Webhook
from services.ingest.importing import Imports
from services.ingest.inbox import Inbox
from services.ingest.intake import Intake
from services.ingest.relay import InboxStream
from services.ingest.settings import Settings
from services.ingest.sources import ADAPTERS
from shared.contracts.envelope import MAX_BODY_BYTES
from shared.contracts.topics import topic_name
from shared.http.app import Surroundings, create_app
from shared.http.auth import ApiKeys
from shared.http.health import Readiness
from shared.http.limits import Limits
from shared.kernel.clock import SystemClock
from shared.messaging.failpoints import Failpoints
from shared.messaging.relay import StreamRelay
from shared.runtime.api import serve_api
from shared.runtime.health import health_port
from shared.runtime.shutdown import Shutdown
from shared.runtime.worker import supervise
from shared.storage.database import Database, open_database
from shared.telemetry.metrics import Metrics

VERSION = "0.1.0"
SCHEMA = "ingest"


async def run_migrate(settings: Settings, _shutdown: Shutdown) -> None:
    """Bring the schema to its newest revision."""
    from shared.storage.migrate import migrate  # Alembic's 26 MB are for this role alone

    await migrate(
        settings.database_url.get_secret_value(),
        role="quintant_ingest",
        schema=SCHEMA,
        permanent=SCHEMA,
        scripts=Path(__file__).parent / "migrations",
    )


async def run_api(settings: Settings, shutdown: Shutdown) -> None:
    """Serve HTTP."""
    async with _database(settings, "api") as database:
        app = build_api(settings, database, Metrics(), on_death=shutdown.begin)
        await serve_api(app, host=settings.http_host, port=settings.http_port, shutdown=shutdown)


async def run_worker(settings: Settings, shutdown: Shutdown) -> None:
    """Relay the inbox to Kafka."""
    clock, metrics = SystemClock(), Metrics()
    async with _database(settings, "worker") as database:
        ready = Readiness({"database": database.check}, clock=clock)
        surroundings = Surroundings(settings.service, ApiKeys(settings.api_keys_file), metrics, ready, clock)
        relay = StreamRelay(
            bootstrap_servers=settings.kafka_bootstrap_servers,
            topic=topic_name("sales-events", prefix=settings.topic_prefix, generation=settings.generation),
            progress_topic=topic_name("sales-progress", prefix=settings.topic_prefix, generation=settings.generation),
            generation=settings.generation,
            partitions=settings.partitions,
            inbox=InboxStream(database),
            metrics=metrics,
            clock=clock,
            failpoints=Failpoints(settings.failpoint),
        )
        async with health_port(surroundings, version=VERSION, host=settings.http_host, port=settings.health_port):
            await supervise({"relay": relay.run}, shutdown)


def build_api(settings: Settings, database: Database, metrics: Metrics, *, on_death: Callable[[str], None]) -> FastAPI:
    """The application, with the inbox writer running for as long as it does; `on_death` ends the process if it dies."""
    clock = SystemClock()
    company = settings.company()
    inbox = Inbox(database, company.calendar, settings.partitions, metrics, clock)
    intake = Intake(database, inbox, company.pipelines, metrics, clock)
    rooms = Rooms(
        database=database,
        intake=intake,
        imports=Imports(database, intake, company.calendar.zone, settings.generation, clock),
        webhooks={
            name: Webhook(ADAPTERS[one.adapter], tuple(secret.get_secret_value() for secret in one.secrets))
            for name, one in settings.ingest_webhook_sources.items()
        },
        generation=settings.generation,
        clock=clock,
    )
    ready = Readiness({"database": database.check}, clock=clock)
    app = create_app(
        Surroundings(settings.service, ApiKeys(settings.api_keys_file), metrics, ready, clock),
        title="Quintant ingest",
        version=VERSION,
        description="Everything comes in here, is checked, kept as it came, numbered and published.",
        routers=ROUTERS,
        lifespan=partial(_inbox_running, inbox, on_death),
        limits=Limits(body_bytes=MAX_BODY_BYTES, by_prefix={"/v1/imports": settings.ingest_import_bytes}),
        signed_prefixes=("/v1/webhooks/",),
    )
    app.state.rooms = rooms
    return app


@asynccontextmanager
async def _inbox_running(inbox: Inbox, on_death: Callable[[str], None], _app: FastAPI) -> AsyncIterator[None]:
    """Without its inbox writer the process must not go on: requests would wait for ever."""
    running = asyncio.create_task(inbox.run(), name="inbox")
    running.add_done_callback(lambda task: None if task.cancelled() else on_death(f"inbox ended: {task.exception()!r}"))
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait([running])


@asynccontextmanager
async def _database(settings: Settings, role: str) -> AsyncIterator[Database]:
    async with open_database(
        settings.database_url.get_secret_value(),
        role="quintant_ingest",
        schemas=(SCHEMA,),
        application=f"quintant ingest {role}",
    ) as database:
        yield database
