"""The present value of some KPIs over the whole company, as Prometheus gauges: for dashboards, never for the books."""

import asyncio
from dataclasses import dataclass

from services.metrics.domain.inquiry import Asked, inquire
from services.metrics.domain.kpis import CATALOGUE
from services.metrics.queries.answers import read_figure
from services.metrics.queries.snapshot import Questions
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

GAUGED = (
    "open-pipeline-count",
    "open-pipeline-value",
    "deals-won-value",
    "win-rate-closed",
    "average-deal-size",
    "sales-cycle-won",
    "sales-velocity",
    "order-count",
    "revenue",
    "gross-profit",
    "collections",
    "receivables",
    "prepayments",
)
"""Of all history: what grows can be differentiated by whoever draws it."""


@dataclass(slots=True)
class Gauges:
    """Refreshes the gauges when something was applied. Run by one worker, or sums over processes would count twice."""

    questions: Questions
    metrics: Metrics
    pause: float = 15.0
    _seen: tuple[tuple[int, int], ...] | None = None

    async def run(self) -> None:
        """Refresh until cancelled; then the gauges are gone, for another worker has them. Raises UnavailableError."""
        try:
            while True:
                await self.tick()
                await asyncio.sleep(self.pause)
        finally:
            self.metrics.forget(metric_names.KPI_VALUE)

    async def tick(self) -> bool:
        """Refresh, unless nothing was applied since; whether it did."""
        async with self.questions.snapshot() as snapshot:
            positions = tuple(sorted(snapshot.standing.positions.items()))
            if snapshot.standing.first_known is None or positions == self._seen:
                return False
            for slug in GAUGED:
                kpi = CATALOGUE[slug]
                basis = self.questions.receivable_basis if kpi.basis_setting else ""
                figure = await read_figure(
                    snapshot.reader, inquire(kpi, Asked(), default_basis=basis), self.questions.company
                )
                if figure.value is not None:
                    self.metrics.set(metric_names.KPI_VALUE, float(figure.value), kpi=slug)
        self._seen = positions
        return True
