"""The routes of metrics: parse, hand over, answer."""

from collections.abc import Sequence

from fastapi import APIRouter

from services.metrics.api import alerts, kpis, targets, upkeep


def routes() -> Sequence[APIRouter]:
    """All of them; they find what they need on the application's state."""
    return kpis.router, targets.router, alerts.router, upkeep.router
