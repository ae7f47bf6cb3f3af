"""The composition root of pipeline: the only place that builds its parts and puts them together."""

import asyncio
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from services.pipeline.api import ROUTER
from services.pipeline.consumers import CONSUMERS
from services.pipeline.migrations import HEAD
from services.pipeline.queries.builds import differences, digest
from services.pipeline.queries.snapshot import Questions
from services.pipeline.settings import Settings
from shared.http.app import create_app
from shared.kernel.clock import Clock, SystemClock
from shared.messaging.folding import Handler
from shared.runtime.fingerprint import fingerprint
from shared.runtime.folding import (
    VERSION,
    migrate_service,
    readiness,
    run_folding_api,
    run_folding_worker,
    service_database,
    surroundings,
    worker_connections,
)
from shared.runtime.rebuildable import Rebuildable
from shared.runtime.shutdown import Shutdown
from shared.storage.database import Database
from shared.storage.waiting import Lookout
from shared.telemetry.metrics import Metrics

_MIGRATIONS = Path(__file__).parent / "migrations"


async def run_migrate(settings: Settings, _shutdown: Shutdown) -> None:
    """Bring the schema to its newest revision."""
    await migrate_service(settings, _MIGRATIONS)


async def run_api(settings: Settings, shutdown: Shutdown) -> None:
    """Serve HTTP."""
    await run_folding_api(settings, shutdown, partial(build_api, settings))


async def run_worker(settings: Settings, shutdown: Shutdown) -> None:
    """Apply the stream and publish what is said."""
    async with service_database(settings, "worker", size=worker_connections(settings)) as database:
        await run_folding_worker(
            settings,
            shutdown,
            database,
            await asyncio.to_thread(_handler, settings),
            head=HEAD,
            metrics=Metrics(),
            clock=SystemClock(),
            jobs=dict,
        )


def rebuildable(settings: Settings) -> Rebuildable:
    """What a new build is made of."""
    return Rebuildable(settings, _handler(settings), _MIGRATIONS, HEAD, digest, differences)


def _handler(settings: Settings) -> Handler:
    return CONSUMERS["sales-events"](settings.company(), fingerprint(settings))


def build_api(settings: Settings, database: Database, lookout: Lookout, metrics: Metrics, clock: Clock) -> FastAPI:
    """The application."""
    app = create_app(
        surroundings(settings, metrics, readiness(settings, database, clock, HEAD), clock),
        title="Quintant pipeline",
        version=VERSION,
        description="Deals and their way through the sales pipeline: at any instant, as known on any day.",
        routers=[ROUTER],
    )
    app.state.questions = Questions(database, clock, settings.pipeline_wait_seconds, lookout, settings.company())
    return app
