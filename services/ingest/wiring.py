"""The composition root of ingest: the only place that builds its parts and puts them together."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType

from fastapi import FastAPI

from services.ingest.accounts import Accounts, Connected
from services.ingest.api import ROUTERS
from services.ingest.api.rooms import Rooms
from services.ingest.domain.partitions import Generation
from services.ingest.generations import Relays
from services.ingest.importing import Imports
from services.ingest.inbox import Inbox
from services.ingest.intake import Intake
from services.ingest.migrations import HEAD
from services.ingest.numbering import begin_first
from services.ingest.receiving import Receiving
from services.ingest.refusals import Refusals
from services.ingest.relay import InboxStream
from services.ingest.repartitioning import Repartitioning, begin_epoch
from services.ingest.replaying import Replays
from services.ingest.settings import Settings
from services.ingest.source_reading import SourceReading
from services.ingest.sources import reach
from services.ingest.sources.api import Reach
from services.ingest.sources.calling import Calling
from services.ingest.upkeep.releasing import Releasing
from services.ingest.upkeep.running import Upkeep
from shared.contracts.envelope import MAX_BODY_BYTES
from shared.contracts.topics import topic_name
from shared.http.app import Surroundings, create_app
from shared.http.auth import ApiKeys
from shared.http.client import Requester
from shared.http.health import Check, Readiness
from shared.http.limits import Limits
from shared.kernel.clock import Clock, SystemClock
from shared.kernel.errors import InvalidInputError, UnavailableError
from shared.messaging.cluster import check_brokers
from shared.messaging.failpoints import Failpoints
from shared.messaging.relay import StreamRelay
from shared.runtime.api import serve_api
from shared.runtime.entry import Command, Tell
from shared.runtime.health import health_port
from shared.runtime.shutdown import Shutdown
from shared.runtime.worker import supervise
from shared.storage.database import Database, open_database
from shared.storage.schema import check_schema
from shared.telemetry import metric_names
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
    async with _database(settings, "migrate", Metrics()) as database, database.write() as writer:
        await begin_first(writer, settings.partitions)


def _declare_repartition(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("partitions", type=int, nargs="?", help="how many; with --clean none")
    parser.add_argument("--clean", action="store_true", help="close the generation before and delete its topics")


async def _repartition(settings: Settings, _shutdown: Shutdown, said: argparse.Namespace, tell: Tell) -> None:
    if said.clean != (said.partitions is None):
        raise InvalidInputError("say either a number of partitions or --clean")
    async with _database(settings, "repartition", Metrics()) as database:
        work = Repartitioning(database, settings.kafka, settings.topic_prefix, SystemClock(), tell)
        await (work.close() if said.clean else work.open(said.partitions))


async def _begin_epoch(settings: Settings, _shutdown: Shutdown, _said: argparse.Namespace, tell: Tell) -> None:
    async with _database(settings, "begin-epoch", Metrics()) as database, database.write() as writer:
        tell({"phase": "begun-epoch", "epoch": await begin_epoch(writer)})


BEGIN_EPOCH: Command[Settings] = Command(lambda _parser: None, _begin_epoch)
"""The role that is called once after the inbox was restored from a backup."""
REPARTITION: Command[Settings] = Command(_declare_repartition, _repartition)
"""The role that cuts the stream anew."""


async def run_api(settings: Settings, shutdown: Shutdown) -> None:
    """Serve HTTP."""
    metrics = Metrics()
    async with _database(settings, "api", metrics) as database:
        app = build_api(settings, database, metrics, on_death=shutdown.begin)
        await serve_api(app, host=settings.http_host, port=settings.http_port, shutdown=shutdown)


async def run_worker(settings: Settings, shutdown: Shutdown) -> None:
    """Relay the inbox to Kafka."""
    clock, metrics = SystemClock(), Metrics()
    async with _database(settings, "worker", metrics) as database:
        make = partial(_relay, settings, database, metrics, clock)
        relay = Relays(database, settings.kafka, settings.topic_prefix, make)
        ready = _readiness(
            database, clock, {"kafka": partial(check_brokers, settings.kafka), "relay": partial(_relays, relay)}
        )
        surroundings = Surroundings(settings.service, ApiKeys(settings.api_keys_file), metrics, ready, clock)
        async with (
            health_port(surroundings, version=VERSION, host=settings.http_host, port=settings.health_port),
            Requester(deadline_seconds=_SOURCE_SECONDS) as requester,
        ):
            inbox, upkeep = build_upkeep(settings, database, metrics, requester)
            releasing = Releasing(upkeep.receiving.intake)
            jobs = {"relay": relay.run, "inbox": inbox.run, "sources": upkeep.run, "quarantine": releasing.run}
            await supervise(jobs, shutdown)


def _relay(
    settings: Settings, database: Database, metrics: Metrics, clock: Clock, generation: Generation
) -> StreamRelay:
    topic = partial(topic_name, prefix=settings.topic_prefix, generation=generation.number)
    return StreamRelay(
        bootstrap_servers=settings.kafka,
        topic=topic("sales-events"),
        progress_topic=topic("sales-progress"),
        generation=generation.number,
        partitions=generation.partitions,
        inbox=InboxStream(database, generation, clock),
        metrics=metrics,
        clock=clock,
        failpoints=Failpoints(settings.failpoint),
    )


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
        imports=Imports(database, intake, company.calendar.zone, clock),
        receiving=Receiving(database, accounts, intake, refusals, metrics),
        replays=Replays(database, accounts, intake, inbox),
        reading=SourceReading(database, accounts, company.calendar, clock, requester, public_url),
        public_url=public_url,
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


def _readiness(database: Database, clock: Clock, also: Mapping[str, Check] = MappingProxyType({})) -> Readiness:
    """The api does not ask for Kafka: it accepts without, and the relay catches up."""

    async def schema() -> None:
        await check_schema(database, HEAD)

    return Readiness({"database": database.check, "schema": schema, **also}, clock=clock)


async def _relays(relay: Relays) -> None:
    """Raises UnavailableError while it does not."""
    if found := relay.trouble():
        raise UnavailableError("; ".join(found))


@asynccontextmanager
async def _database(settings: Settings, role: str, metrics: Metrics) -> AsyncIterator[Database]:
    async with open_database(
        settings.database_url.get_secret_value(),
        role="quintant_ingest",
        schemas=(SCHEMA,),
        application=f"quintant ingest {role}",
    ) as database:
        metrics.watch(metric_names.DB_POOL_IN_USE, database.in_use)
        yield database
