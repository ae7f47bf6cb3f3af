"""The composition root of metrics: the only place that builds its parts and puts them together."""

from datetime import timedelta
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from services.metrics.alert_desk import Desk, receiver_of
from services.metrics.alert_job import AlertJob
from services.metrics.alerting import Evaluator
from services.metrics.alertmanager import AlertmanagerSender
from services.metrics.api import kept_route, routes
from services.metrics.audit import digest
from services.metrics.consumers import CONSUMERS
from services.metrics.gauges import Gauges
from services.metrics.migrations import HEAD
from services.metrics.queries.builds import differences
from services.metrics.queries.snapshot import Questions
from services.metrics.settings import Settings
from services.metrics.summaries import Pace, Summariser
from services.metrics.webhooks import Webhook, WebhookSender
from shared.http.app import Surroundings, create_app
from shared.http.client import Deliverer
from shared.http.hits import HitsFirst
from shared.http.observing import Observer
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
from shared.runtime.worker import Job
from shared.storage.database import Database
from shared.storage.waiting import Lookout
from shared.telemetry.metrics import Metrics

_MIGRATIONS = Path(__file__).parent / "migrations"


async def run_migrate(settings: Settings, _shutdown: Shutdown) -> None:
    """Bring the schemas to their newest revision."""
    await migrate_service(settings, _MIGRATIONS)


async def run_api(settings: Settings, shutdown: Shutdown) -> None:
    """Serve HTTP."""
    await run_folding_api(settings, shutdown, partial(build_api, settings))


async def run_worker(settings: Settings, shutdown: Shutdown) -> None:
    """Apply the stream, keep the summaries up, watch the alert rules."""
    clock, metrics = SystemClock(), Metrics()
    async with (
        service_database(settings, "worker", size=worker_connections(settings)) as database,
        Deliverer(clock=clock) as deliverer,
    ):

        def jobs() -> dict[str, Job]:
            watching = build_alerts(settings, database, deliverer, metrics, clock)
            return {**_summaries(settings, database), "alerts": watching.run}

        await run_folding_worker(
            settings,
            shutdown,
            database,
            CONSUMERS["sales-events"](settings.company()),
            head=HEAD,
            metrics=metrics,
            clock=clock,
            jobs=jobs,
        )


def _summaries(settings: Settings, database: Database) -> dict[str, Job]:
    return {"summaries": Summariser(database, Pace(least=settings.metrics_summary_least)).run}


def rebuildable(settings: Settings) -> Rebuildable:
    """What a new build is made of: its summaries too, so that it is as fast as the one before. It judges no alerts."""
    handler = CONSUMERS["sales-events"](settings.company())
    return Rebuildable(settings, handler, _MIGRATIONS, HEAD, digest, differences, partial(_summaries, settings))


def build_api(settings: Settings, database: Database, lookout: Lookout, metrics: Metrics, clock: Clock) -> HitsFirst:
    """The application behind the answers that are kept."""
    around = surroundings(settings, metrics, readiness(settings, database, clock, HEAD), clock)
    app = _application(settings, database, lookout, around)
    return HitsFirst(
        app,
        route=kept_route(),
        snapshots=app.state.questions,
        keys=around.keys,
        observer=Observer(around.service, metrics, clock),
    )


def _application(settings: Settings, database: Database, lookout: Lookout, around: Surroundings) -> FastAPI:
    app = create_app(
        around,
        title="Quintant metrics",
        version=VERSION,
        description="Every KPI from the books: by any slice, over any range, as known on any day.",
        routers=routes(),
    )
    app.state.questions = _questions(settings, database, lookout, around.clock)
    app.state.desk = _desk(settings, app.state.questions)
    return app


def build_alerts(
    settings: Settings, database: Database, deliverer: Deliverer, metrics: Metrics, clock: Clock
) -> AlertJob:
    """What one worker of all does: judge the rules, deliver what they say, show some KPIs as gauges."""
    questions = _questions(settings, database, Lookout(database, clock), clock)
    tasks = [
        Evaluator(_desk(settings, questions), metrics, settings.metrics_alert_behind_limit).run,
        Gauges(questions, metrics).run,
    ]
    if settings.metrics_webhook_url is not None:
        webhook = Webhook(settings.metrics_webhook_url.get_secret_value(), settings.webhook_secrets)
        tasks.append(WebhookSender(webhook, database, deliverer, clock, metrics).run)
    if settings.alertmanagers:
        resend = timedelta(seconds=settings.metrics_alertmanager_resend_seconds)
        tasks.append(AlertmanagerSender(settings.alertmanagers, database, deliverer, clock, metrics, resend).run)
    return AlertJob(database, tasks)


def _questions(settings: Settings, database: Database, lookout: Lookout, clock: Clock) -> Questions:
    return Questions(
        database,
        clock,
        settings.metrics_wait_seconds,
        lookout,
        settings.company(),
        settings.metrics_receivable_basis,
    )


def _desk(settings: Settings, questions: Questions) -> Desk:
    url = settings.metrics_webhook_url
    return Desk(questions, receiver_of(url.get_secret_value()) if url else None)
