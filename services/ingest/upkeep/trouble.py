"""What fails about which source, told once when it begins and once when it is over."""

import structlog

from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

_LOG = structlog.get_logger(__name__)


class Troubles:
    """Of all sources of this process."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._known: dict[tuple[str, str], str] = {}

    def met(self, source: str, job: str, detail: str) -> None:
        """Something failed."""
        if self._known.get((source, job)) != detail:
            _LOG.warning("source_trouble", source=source, job=job, detail=detail)
        self._known[source, job] = detail
        self._metrics.set(metric_names.SOURCE_TROUBLE, 1, source=source, task=job)

    def has(self, source: str, job: str) -> bool:
        """Whether it failed when it was last told of."""
        return (source, job) in self._known

    def over(self, source: str, job: str) -> None:
        """It worked."""
        if self._known.pop((source, job), None) is not None:
            _LOG.info("source_trouble_over", source=source, task=job)
        self._metrics.set(metric_names.SOURCE_TROUBLE, 0, source=source, task=job)
