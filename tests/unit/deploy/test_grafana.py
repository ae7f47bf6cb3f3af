"""Dashboards ask only for what is exported, from the one data source, under uids that stay."""

from collections.abc import Iterator
from copy import deepcopy

import pytest

from services.metrics.gauges import GAUGED
from shared.telemetry.metric_names import KPI_VALUE
from tests.unit.deploy import promql
from tests.unit.deploy.files import DEPLOY, Tree, compose, read_json, read_yaml
from tests.unit.deploy.test_prometheus import recorded

GRAFANA = DEPLOY / "grafana"
SOURCE = "quintant-prometheus"
DASHBOARDS = {
    "operations.json": ("quintant-operations", "Quintant: operations"),
    "numbers.json": ("quintant-numbers", "Quintant: numbers"),
}


def queries(dashboard: Tree) -> Iterator[tuple[str, str]]:
    """Title of the panel, query."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def problems(dashboard: Tree) -> Iterator[str]:
    """Queries for nothing, other data sources, panels on top of each other."""
    for title, query in queries(dashboard):
        yield from (f"{title}: {problem}" for problem in promql.problems(query, recorded()))
        for selector in promql.read(query).selectors:
            if selector.metric == KPI_VALUE:
                yield from (
                    f"{title}: no gauge of {m.value}"
                    for m in selector.matchers
                    if m.label == "kpi" and m.value not in GAUGED
                )
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(ids) != len(set(ids)):
        yield "two panels have one id"
    sources = {
        str(one.get("datasource", {}).get("uid", SOURCE))
        for panel in dashboard["panels"]
        for one in (panel, *panel.get("targets", []))
    }
    if sources != {SOURCE}:
        yield f"asks {sorted(sources)}"
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        if cells & taken or place["x"] + place["w"] > 24:
            yield f"{panel['title']} lies on another panel"
        taken |= cells


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_asks_for_what_is_exported(name: str) -> None:
    dashboard = read_json(GRAFANA / "dashboards" / name)
    assert list(problems(dashboard)) == []
    assert (dashboard["uid"], dashboard["title"]) == DASHBOARDS[name]
    assert dashboard["id"] is None
    assert len(list(queries(dashboard))) > 15


def test_every_gauge_of_a_kpi_is_shown() -> None:
    shown = " ".join(query for _, query in queries(read_json(GRAFANA / "dashboards" / "numbers.json")))
    assert [slug for slug in GAUGED if f'"{slug}"' not in shown] == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("max(quintant_kpi_values)", "no process exports"),
        ('max(quintant_kpi_value{kpi="turnover"})', "no gauge of turnover"),
        ('max(quintant_kpi_value{slug="revenue"})', "has no label slug"),
    ],
)
def test_a_query_for_nothing_is_found(query: str, said: str) -> None:
    dashboard = deepcopy(read_json(GRAFANA / "dashboards" / "numbers.json"))
    dashboard["panels"][1]["targets"][0]["expr"] = query
    assert any(said in problem for problem in problems(dashboard))


def test_other_mistakes_are_found() -> None:
    dashboard = deepcopy(read_json(GRAFANA / "dashboards" / "numbers.json"))
    dashboard["panels"][2]["gridPos"] = dashboard["panels"][1]["gridPos"]
    dashboard["panels"][3]["id"] = dashboard["panels"][1]["id"]
    dashboard["panels"][4]["datasource"] = {"type": "prometheus", "uid": "default"}
    said = " ".join(problems(dashboard))
    assert "lies on another panel" in said
    assert "two panels have one id" in said
    assert "asks ['default', 'quintant-prometheus']" in said


def test_provisioning_finds_the_dashboards_and_the_data_source() -> None:
    (source,) = read_yaml(GRAFANA / "provisioning" / "datasources" / "quintant.yml")["datasources"]
    (provider,) = read_yaml(GRAFANA / "provisioning" / "dashboards" / "quintant.yml")["providers"]
    assert (source["uid"], source["url"], source["type"]) == (SOURCE, "http://prometheus:9090", "prometheus")
    mounted = {
        target: source for source, target, _ in (v.split(":") for v in compose()["services"]["grafana"]["volumes"][1:])
    }
    assert mounted[provider["options"]["path"]] == "./deploy/grafana/dashboards"
    assert mounted["/etc/grafana/provisioning"] == "./deploy/grafana/provisioning"
    home = compose()["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/operations.json"
    assert {path.name for path in (GRAFANA / "dashboards").iterdir()} == set(DASHBOARDS)
