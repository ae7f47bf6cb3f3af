"""The composition root of forecast: the only place that builds its parts and puts them together."""

from functools import partial
from pathlib import Path

from fastapi import FastAPI

from services.forecast.api import ROUTER
from services.forecast.api.outlooks import Outlooks
from services.forecast.api.routes import Rooms
from services.forecast.consumers import CONSUMERS
from services.forecast.forecaster import Forecaster
from services.forecast.migrations import HEAD
from services.forecast.queries.builds import differences, digest
from services.forecast.settings import Settings
from shared.http.app import create_app
from shared.http.snapshot import Snapshots
from shared.kernel.clock import Clock, SystemClock
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
            jobs=lambda: {"forecaster": forecaster.run},
        )


def rebuildable(settings: Settings) -> Rebuildable:
    """What a new build is made of."""
    handler = CONSUMERS["sales-events"](settings.company())
    return Rebuildable(settings, handler, _MIGRATIONS, HEAD, digest, differences)


def build_api(settings: Settings, database: Database, lookout: Lookout, metrics: Metrics, clock: Clock) -> FastAPI:
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
        Snapshots(database, clock, settings.forecast_wait_seconds, lookout),
        Outlooks(settings.probabilities(), settings.base_currency),
        company.calendar,
        settings.base_currency,
    )
    return app
