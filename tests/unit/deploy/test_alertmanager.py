"""Alertmanager: the receiver is a secret, and what is held back names alerts that exist."""

import re
from collections.abc import Iterator

import pytest

from deploy.generate import ROOT
from tests.unit.deploy.files import DEPLOY, Tree, read_yaml
from tests.unit.deploy.test_prometheus import alerts

_MATCHER = re.compile(r"(\w+)(=~|!~|!=|=)\"([^\"]*)\"")
_LABELS = {"alertname", "severity", "service", "role", "kpi"}


def config() -> Tree:
    return read_yaml(DEPLOY / "alertmanager" / "alertmanager.yml")


def _matchers(tree: Tree) -> Iterator[str]:
    for route in tree["route"].get("routes", []):
        yield from route["matchers"]
    for rule in tree["inhibit_rules"]:
        yield from (*rule["source_matchers"], *rule["target_matchers"])


def problems(tree: Tree) -> Iterator[str]:
    """Alerts that do not exist, receivers that do not exist, secrets that are not files."""
    names = {rule["alert"] for rule in alerts()} | {"QuintantKpi"}
    for text in _matchers(tree):
        match = _MATCHER.fullmatch(text)
        if match is None or match[1] not in _LABELS:
            yield f"{text} is no matcher"
        elif match[1] == "alertname":
            said = [one for one in match[3].split("|") if not one.endswith(".+")]
            yield from (f"there is no alert {one}" for one in said if one not in names)
    receivers = {receiver["name"] for receiver in tree["receivers"]}
    used = {tree["route"]["receiver"], *(route["receiver"] for route in tree["route"].get("routes", []))}
    yield from (f"there is no receiver {one}" for one in sorted(used - receivers))
    for receiver in tree["receivers"]:
        for webhook in receiver["webhook_configs"]:
            if webhook.get("url_file") != "/run/secrets/alertmanager_webhook_url" or "url" in webhook:
                yield f"{receiver['name']}: the address is not a secret"
    for rule in tree["inhibit_rules"]:
        # What an alert holds back must not be itself: Alertmanager would then send neither.
        if rule["source_matchers"] == rule["target_matchers"]:
            yield f"{rule['source_matchers']} holds itself back"


def test_it_is_right() -> None:
    assert list(problems(config())) == []


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        ("receivers", [{"name": "team", "webhook_configs": [{"url": "http://pager"}]}], "not a secret"),
        ("receivers", [], "no receiver team"),
        (
            "inhibit_rules",
            [{"source_matchers": ['alertname="QuintantDown"'], "target_matchers": ['severity="warning"']}],
            "no alert QuintantDown",
        ),
        ("inhibit_rules", [{"source_matchers": ["alertname"], "target_matchers": []}], "no matcher"),
    ],
)
def test_a_planted_mistake_is_found(where: str, value: object, said: str) -> None:
    found = list(problems({**config(), where: value}))
    assert any(said in problem for problem in found), found


def test_the_name_of_kpi_alerts_is_the_one_that_metrics_sends() -> None:
    assert '"alertname": "QuintantKpi"' in (ROOT / "services" / "metrics" / "alert_wire.py").read_text("utf-8")
