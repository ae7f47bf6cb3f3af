"""The composition root of forecast: the only place that builds its parts and puts them together."""

from pathlib import Path

from fastapi import FastAPI

from services.forecast.api import ROUTER
from services.forecast.api.outlooks import Outlooks
from services.forecast.api.routes import Rooms
from services.forecast.consumers import CONSUMERS
from services.forecast.forecaster import Forecaster
from services.forecast.migrations import HEAD
from services.forecast.settings import Settings
from shared.http.app import create_app
from shared.http.snapshot import Snapshots
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
    """Apply the stream, and forecast when it stands still."""
    clock = SystemClock()
    company = settings.company()
    async with service_database(settings, "worker", size=worker_connections(settings)) as database:
        forecaster = Forecaster(
            database,
            company.calendar,
            clock,
            settings.forecast_horizon_months,
            settings.forecast_origins,
            settings.forecast_pause_seconds,
        )
        await run_folding_worker(
            settings,
            shutdown,
            database,
            CONSUMERS["sales-events"](company),
            head=HEAD,
            metrics=Metrics(),
            clock=clock,
            jobs={"forecaster": forecaster.run},
        )


def build_api(settings: Settings, database: Database, metrics: Metrics, clock: Clock) -> FastAPI:
    """The application."""
    company = settings.company()
    app = create_app(
        surroundings(settings, metrics, readiness(settings, database, clock, HEAD), clock),
        title="Quintant forecast",
        version=VERSION,
        description="What is to come, how far it can be trusted, and how it turned out.",
        routers=[ROUTER],
    )
    app.state.rooms = Rooms(
        Snapshots(database, clock, settings.generation, settings.forecast_wait_seconds),
        Outlooks(settings.probabilities(), settings.base_currency),
        company.calendar,
        settings.base_currency,
    )
    return app
