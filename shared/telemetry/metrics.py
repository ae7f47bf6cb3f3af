"""A registry built from the closed list: asking for an undeclared metric, label or label value raises."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Protocol, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from shared.telemetry.metric_names import METRICS, Kind, Metric

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_Called = tuple[Any, ...]
"""A name, and pairs of a label and its value."""
_Made = TypeVar("_Made", Counter, Gauge)
_Series = TypeVar("_Series", Counter, Gauge, Histogram)


class Counts(Protocol):
    """One series of a counter."""

    def inc(self, amount: float = 1) -> None:
        """Count so many more."""


class Observes(Protocol):
    """One series of a histogram."""

    def observe(self, amount: float) -> None:
        """Put one observation into it."""


class UndeclaredMetricError(LookupError):
    """A name, label or label value that `metric_names` does not declare: a mistake in code, never in data."""


class Metrics:
    """The metrics of one process. Made once in the composition root and handed on."""

    def __init__(self, declared: Iterable[Metric] = METRICS) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._declared = {metric.name: metric for metric in declared}
        self._gauges: dict[str, Gauge] = {}
        self._counters = {m.name: self._build(Counter, m) for m in self._of("counter")}
        self._histograms = {
            m.name: Histogram(m.name, m.help, tuple(m.labels), registry=self._registry, buckets=m.buckets)
            for m in self._of("histogram")
        }
        # Checking a name and finding its series costs several times what counting does.
        self._counter = cache(self._find_counter)
        self._histogram = cache(self._find_histogram)

    def add(self, name: str, amount: float = 1.0, /, **labels: str) -> None:
        """Count `amount` (not negative) more on a counter."""
        self._counter((name, *labels.items())).inc(amount)

    def counter(self, name: str, /, **labels: str) -> Counts:
        """The series itself, for who counts often: to find it costs several times what counting does."""
        return self._counter((name, *labels.items()))

    def histogram(self, name: str, /, **labels: str) -> Observes:
        """The series itself, for who observes often."""
        return self._histogram((name, *labels.items()))

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge. One that was never set is not exported: it has no value, and that is not zero."""
        metric = self._check(name, "gauge", labels)
        if name not in self._gauges:
            self._gauges[name] = self._build(Gauge, metric)
        _series(self._gauges[name], labels).set(value)

    def watch(self, name: str, read: Callable[[], float]) -> None:
        """A gauge without labels whose value is read whenever somebody asks."""
        self.set(name, read())
        self._gauges[name].set_function(read)

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Put one observation into a histogram."""
        self._histogram((name, *labels.items())).observe(value)

    def forget(self, name: str) -> None:
        """Drop a gauge with all its series, for instance of partitions that went to another worker."""
        if name in self._gauges:
            self._registry.unregister(self._gauges.pop(name))

    def render(self) -> bytes:
        """Prometheus text format 0.0.4; serve it as `CONTENT_TYPE`."""
        return generate_latest(self._registry)

    def _find_counter(self, called: _Called) -> Counter:
        name, labels = str(called[0]), dict(called[1:])
        self._check(name, "counter", labels)
        return _series(self._counters[name], labels)

    def _find_histogram(self, called: _Called) -> Histogram:
        name, labels = str(called[0]), dict(called[1:])
        self._check(name, "histogram", labels)
        return _series(self._histograms[name], labels)

    def _of(self, kind: Kind) -> list[Metric]:
        return [metric for metric in self._declared.values() if metric.kind == kind]

    def _build(self, make: type[_Made], metric: Metric) -> _Made:
        return make(metric.name, metric.help, tuple(metric.labels), registry=self._registry)

    def _check(self, name: str, kind: Kind, labels: Mapping[str, str]) -> Metric:
        metric = self._declared.get(name)
        if metric is None or metric.kind != kind:
            raise UndeclaredMetricError(f"{name} is not declared as a {kind} in shared.telemetry.metric_names")
        if labels.keys() != metric.labels.keys():
            raise UndeclaredMetricError(f"{name} takes the labels {sorted(metric.labels)}, not {sorted(labels)}")
        for label, value in labels.items():
            closed = metric.labels[label]
            if closed is not None and value not in closed:
                raise UndeclaredMetricError(f"{name}: the label {label} is one of {', '.join(closed)}, not {value}")
        return metric


def _series(metric: _Series, labels: Mapping[str, str]) -> _Series:
    return metric.labels(**labels) if labels else metric
