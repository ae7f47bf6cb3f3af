"""The routes of metrics: parse, hand over, answer."""

from collections.abc import Sequence

from fastapi import APIRouter
from starlette.routing import BaseRoute

from services.metrics.api import alerts, kpis, targets, upkeep


def routes() -> Sequence[APIRouter]:
    """All of them; they find what they need on the application's state."""
    return kpis.router, targets.router, alerts.router, upkeep.router


def kept_route() -> BaseRoute:
    """The one whose answers are kept."""
    return next(route for route in kpis.router.routes if getattr(route, "endpoint", None) is kpis.get_kpi)
