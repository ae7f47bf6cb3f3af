"""The closed list, and the registry that takes nothing else."""

import re

import pytest

from shared.telemetry import metric_names as names
from shared.telemetry.metrics import Metrics, UndeclaredMetricError


def test_names_follow_the_convention() -> None:
    assert len({metric.name for metric in names.METRICS}) == len(names.METRICS)
    for metric in names.METRICS:
        assert re.fullmatch(r"quintant_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert bool(metric.buckets) == (metric.kind == "histogram"), metric.name
        assert metric.help.endswith("."), metric.name
        assert not set(metric.labels) & {"le", "quantile"}


def test_every_constant_is_declared() -> None:
    constants = {value for key, value in vars(names).items() if key.isupper() and isinstance(value, str)}
    assert constants == {metric.name for metric in names.METRICS}


def test_what_was_counted_is_rendered() -> None:
    metrics = Metrics()
    metrics.add(names.EVENTS_APPLIED, 3, partition="0")
    metrics.set(names.KPI_VALUE, 0.5, kpi="win-rate")
    metrics.observe(names.INBOX_COMMIT_SECONDS, 0.004)
    text = metrics.render().decode()
    assert 'quintant_events_applied_total{partition="0"} 3.0' in text
    assert 'quintant_kpi_value{kpi="win-rate"} 0.5' in text
    assert 'quintant_inbox_commit_seconds_bucket{le="0.005"} 1.0' in text
    assert "_created" not in text


def test_every_declared_metric_can_be_used() -> None:
    metrics = Metrics()
    act = {"counter": metrics.add, "gauge": metrics.set, "histogram": metrics.observe}
    for metric in names.METRICS:
        act[metric.kind](metric.name, 1, **{label: (values or ("x",))[0] for label, values in metric.labels.items()})
        assert metric.name in metrics.render().decode()


def test_process_metrics_are_those_listed() -> None:
    exported = set(re.findall(r"^(process_[a-z_]+) ", Metrics().render().decode(), re.MULTILINE))
    assert exported == set(names.PROCESS_METRICS)


def test_a_gauge_without_a_value_is_not_exported() -> None:
    metrics = Metrics()
    assert names.EVENTS_BEHIND not in metrics.render().decode()
    metrics.set(names.EVENTS_BEHIND, 0)
    assert names.EVENTS_BEHIND in metrics.render().decode()
    metrics.forget(names.EVENTS_BEHIND)
    metrics.forget(names.EVENTS_BEHIND)
    assert names.EVENTS_BEHIND not in metrics.render().decode()


def test_the_undeclared_is_refused() -> None:
    metrics = Metrics()
    with pytest.raises(UndeclaredMetricError, match="not declared as a counter"):
        metrics.add("quintant_made_up_total")
    with pytest.raises(UndeclaredMetricError, match="not declared as a gauge"):
        metrics.set(names.EVENTS_APPLIED, 1, partition="0")
    with pytest.raises(UndeclaredMetricError, match="takes the labels"):
        metrics.add(names.EVENTS_APPLIED, customer="c-1")
    with pytest.raises(UndeclaredMetricError, match="one of committed"):
        metrics.add(names.LOOP_BATCHES, outcome="lost")
