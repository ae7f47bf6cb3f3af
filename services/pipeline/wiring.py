"""The composition root of pipeline: the only place that builds its parts and puts them together."""

from pathlib import Path

from fastapi import FastAPI

from services.pipeline.api import ROUTER
from services.pipeline.consumers import CONSUMERS
from services.pipeline.migrations import HEAD
from services.pipeline.queries.snapshot import Questions
from services.pipeline.settings import Settings
from shared.http.app import create_app
from shared.kernel.clock import Clock, SystemClock
from shared.runtime.api import serve_api
from shared.runtime.folding import (
    API_CONNECTIONS,
    VERSION,
    migrate_service,
    readiness,
    run_folding_worker,
    service_database,
    surroundings,
    worker_connections,
)
from shared.runtime.shutdown import Shutdown
from shared.storage.database import Database
from shared.telemetry.metrics import Metrics


async def run_migrate(settings: Settings, _shutdown: Shutdown) -> None:
    """Bring the schema to its newest revision."""
    await migrate_service(settings, Path(__file__).parent / "migrations")


async def run_api(settings: Settings, shutdown: Shutdown) -> None:
    """Serve HTTP."""
    async with service_database(settings, "api", size=API_CONNECTIONS) as database:
        app = build_api(settings, database, Metrics(), SystemClock())
        await serve_api(app, host=settings.http_host, port=settings.http_port, shutdown=shutdown)


async def run_worker(settings: Settings, shutdown: Shutdown) -> None:
    """Apply the stream and publish what is said."""
    async with service_database(settings, "worker", size=worker_connections(settings)) as database:
        await run_folding_worker(
            settings,
            shutdown,
            database,
            CONSUMERS["sales-events"](settings.company()),
            head=HEAD,
            metrics=Metrics(),
            clock=SystemClock(),
            jobs={},
        )


def build_api(settings: Settings, database: Database, metrics: Metrics, clock: Clock) -> FastAPI:
    """The application."""
    app = create_app(
        surroundings(settings, metrics, readiness(settings, database, clock, HEAD), clock),
        title="Quintant pipeline",
        version=VERSION,
        description="Deals and their way through the sales pipeline: at any instant, as known on any day.",
        routers=[ROUTER],
    )
    app.state.questions = Questions(
        database, clock, settings.generation, settings.pipeline_wait_seconds, settings.company()
    )
    return app
