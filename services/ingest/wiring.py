"""The composition root of ingest: the only place that builds its parts and puts them together."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from services.ingest.accounts import Accounts, Connected
from services.ingest.api import ROUTERS
from services.ingest.api.rooms import Rooms
from services.ingest.importing import Imports
from services.ingest.inbox import Inbox
from services.ingest.intake import Intake
from services.ingest.migrations import HEAD
from services.ingest.receiving import Receiving
from services.ingest.refusals import Refusals
from services.ingest.relay import InboxStream
from services.ingest.replaying import Replays
from services.ingest.settings import Settings
from services.ingest.source_reading import SourceReading
from services.ingest.sources import reach
from services.ingest.sources.api import Reach
from services.ingest.sources.calling import Calling
from services.ingest.upkeep.running import Upkeep
from shared.contracts.envelope import MAX_BODY_BYTES
from shared.contracts.topics import topic_name
from shared.http.app import Surroundings, create_app
from shared.http.auth import ApiKeys
from shared.http.client import Requester
from shared.http.health import Readiness
from shared.http.limits import Limits
from shared.kernel.clock import Clock, SystemClock
from shared.messaging.failpoints import Failpoints
from shared.messaging.relay import StreamRelay
from shared.runtime.api import serve_api
from shared.runtime.health import health_port
from shared.runtime.shutdown import Shutdown
from shared.runtime.worker import supervise
from shared.storage.database import Database, open_database
from shared.storage.schema import check_schema
from shared.telemetry.metrics import Metrics

VERSION = "0.1.0"
SCHEMA = "ingest"
_SOURCE_SECONDS = 30.0
"""How long one call to a source's API may take."""


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
        ready = _readiness(database, clock)
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
        async with (
            health_port(surroundings, version=VERSION, host=settings.http_host, port=settings.health_port),
            Requester(deadline_seconds=_SOURCE_SECONDS) as requester,
        ):
            inbox, upkeep = build_upkeep(settings, database, metrics, requester)
            await supervise({"relay": relay.run, "inbox": inbox.run, "sources": upkeep.run}, shutdown)


def build_upkeep(
    settings: Settings, database: Database, metrics: Metrics, requester: Requester
) -> tuple[Inbox, Upkeep]:
    """What keeps the sources complete, and the inbox writer that it needs to be running."""
    clock, company = SystemClock(), settings.company()
    inbox = Inbox(database, company.calendar, settings.partitions, metrics, clock)
    intake = Intake(database, inbox, company.pipelines, metrics, clock)
    accounts = Accounts(settings.ingest_sources_file, settings.ingest_public_url)
    return inbox, Upkeep(
        accounts=accounts,
        database=database,
        receiving=Receiving(database, accounts, intake, Refusals(database, company.calendar, clock), metrics),
        reach=partial(_reach, requester, clock),
        metrics=metrics,
        calendar=company.calendar,
        clock=clock,
        public_url=settings.ingest_public_url,
        poll_every=timedelta(seconds=settings.ingest_poll_seconds),
        poll_grace=timedelta(seconds=settings.ingest_poll_grace_seconds),
    )


def _reach(requester: Requester, clock: Clock, connected: Connected) -> Reach:
    calling = Calling(requester, clock, connected.adapter.card.rate)
    return reach(connected.adapter, connected.account, calling)


def build_api(settings: Settings, database: Database, metrics: Metrics, *, on_death: Callable[[str], None]) -> FastAPI:
    """The application, with the inbox writer running for as long as it does; `on_death` ends the process if it dies."""
    clock = SystemClock()
    company = settings.company()
    inbox = Inbox(database, company.calendar, settings.partitions, metrics, clock)
    intake = Intake(database, inbox, company.pipelines, metrics, clock)
    accounts = Accounts(settings.ingest_sources_file, settings.ingest_public_url)
    refusals = Refusals(database, company.calendar, clock)
    requester = Requester(deadline_seconds=_SOURCE_SECONDS)
    public_url = settings.ingest_public_url
    rooms = Rooms(
        database=database,
        intake=intake,
        imports=Imports(database, intake, company.calendar.zone, settings.generation, clock),
        receiving=Receiving(database, accounts, intake, refusals, metrics),
        replays=Replays(database, accounts, intake, inbox),
        reading=SourceReading(database, accounts, company.calendar, clock, requester, public_url),
        public_url=public_url,
        generation=settings.generation,
        clock=clock,
    )
    ready = _readiness(database, clock)
    app = create_app(
        Surroundings(settings.service, ApiKeys(settings.api_keys_file), metrics, ready, clock),
        title="Quintant ingest",
        version=VERSION,
        description="Everything comes in here, is checked, kept as it came, numbered and published.",
        routers=ROUTERS,
        lifespan=partial(_running, inbox, refusals, requester, on_death),
        limits=Limits(body_bytes=MAX_BODY_BYTES, by_prefix={"/v1/imports": settings.ingest_import_bytes}),
        signed_prefixes=("/v1/webhooks/",),
    )
    app.state.rooms = rooms
    return app


@asynccontextmanager
async def _running(
    inbox: Inbox, refusals: Refusals, requester: Requester, on_death: Callable[[str], None], _app: FastAPI
) -> AsyncIterator[None]:
    """Without its inbox writer the process must not go on: requests would wait for ever."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            on_death(f"{task.get_name()} ended: {task.exception()!r}")

    running = [
        asyncio.create_task(inbox.run(), name="inbox"),
        asyncio.create_task(refusals.run(), name="refusals"),
    ]
    for task in running:
        task.add_done_callback(ended)
    async with requester:
        try:
            yield
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running)
            await refusals.flush()


def _readiness(database: Database, clock: Clock) -> Readiness:
    """Kafka is not asked: ingest accepts without it, and the relay catches up."""

    async def schema() -> None:
        await check_schema(database, SCHEMA, HEAD)

    return Readiness({"database": database.check, "schema": schema}, clock=clock)


@asynccontextmanager
async def _database(settings: Settings, role: str) -> AsyncIterator[Database]:
    async with open_database(
        settings.database_url.get_secret_value(),
        role="quintant_ingest",
        schemas=(SCHEMA,),
        application=f"quintant ingest {role}",
    ) as database:
        yield database
