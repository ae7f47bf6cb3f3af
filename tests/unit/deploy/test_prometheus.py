"""Rules ask only for what processes export, and every alert leads somewhere. promtool, if there, has the last word."""

import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from deploy.generate import ROOT
from tests.unit.deploy import promql
from tests.unit.deploy.files import DEPLOY, Tree, read_yaml

PROMETHEUS = DEPLOY / "prometheus"
RUNBOOK = ROOT / "docs" / "how-to" / "operations.md"
_DURATION = re.compile(r"\d+[smhd]")
_RECORD = re.compile(r"(service|instance):quintant_\w+:\w+")
_ALERT = re.compile(r"Quintant[A-Z]\w+")
_NOT_OURS = {"QuintantKpi"}
"""Sent by metrics for the company's own alert rules."""


def rules() -> list[Tree]:
    return [
        rule
        for path in sorted((PROMETHEUS / "rules").glob("*.yml"))
        for group in read_yaml(path)["groups"]
        for rule in group["rules"]
    ]


def recorded() -> dict[str, set[str]]:
    """Recorded series and their labels, as their level says."""
    levels = {"service": {"service"}, "instance": {"job", "instance", "service", "role"}}
    return {rule["record"]: levels[rule["record"].partition(":")[0]] for rule in rules() if "record" in rule}


def alerts() -> list[Tree]:
    return [rule for rule in rules() if "alert" in rule]


def rule_problems(rule: Tree) -> Iterator[str]:
    """What is wrong with the shape or the query of one rule."""
    name = rule.get("record") or rule.get("alert", "")
    if not (_RECORD if "record" in rule else _ALERT).fullmatch(name):
        yield f"{name} is not named as the others"
    yield from (f"{name}: {problem}" for problem in promql.problems(rule["expr"], recorded()))
    if "alert" not in rule:
        return
    if rule.get("labels", {}).get("severity") not in ("critical", "warning"):
        yield f"{name} has no severity"
    if "for" in rule and not _DURATION.fullmatch(rule["for"]):
        yield f"{name} waits for {rule['for']}"
    said = rule.get("annotations", {})
    if said.keys() != {"summary", "description", "runbook"}:
        yield f"{name} says {sorted(said)}"
    if said.get("runbook") != f"docs/how-to/operations.md#{name.lower()}":
        yield f"{name} leads to {said.get('runbook')}"


def test_rules_ask_for_what_is_exported() -> None:
    assert [problem for rule in rules() for problem in rule_problems(rule)] == []
    names = [rule.get("record") or rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("expr", "said"),
    [
        ("quintant_event_behind > 0", "no process exports quintant_event_behind"),
        ("sum(rate(quintant_relay_sent_total[5m]) > 0", "not closed"),
        ("quintant_events_behind{partition='1'} > 0", "has no label partition"),
        ('quintant_loop_batches_total{outcome="fence"}', "outcome is never fence"),
        ('quintant_deliveries_total{outcome=~"gone|lost"}', "outcome is never lost"),
        ("rate(quintant_inbox_commit_seconds[5m])", "no process exports quintant_inbox_commit_seconds"),
        ("quintant_relay_sent_total_count", "no process exports"),
        ("service:quintant_http_errors:ratio_rate2m > 1", "no process exports"),
        ('service:quintant_http_errors:ratio_rate5m{role="api"}', "has no label role"),
        ("sum by (tenant) (quintant_events_behind)", "no metric has the label tenant"),
    ],
)
def test_a_query_for_something_else_is_found(expr: str, said: str) -> None:
    rule = {"alert": "QuintantSome", "expr": expr, "labels": {"severity": "warning"}}
    assert any(said in problem for problem in rule_problems(rule))


@pytest.mark.parametrize(
    ("field", "value"),
    [("alert", "Some"), ("labels", {}), ("for", "5 minutes"), ("annotations", {"summary": "…"})],
)
def test_an_alert_without_its_parts_is_found(field: str, value: object) -> None:
    assert list(rule_problems(alerts()[0])) == []
    assert list(rule_problems({**alerts()[0], field: value}))


def test_queries_are_read_as_prometheus_reads_them() -> None:
    query = promql.read(
        'sum by (le) (rate(a_bucket{x="1", y!~"b|c"}[5m])) / on (job) group_left () b offset 5m > bool 2e3 or vector(0)'
    )
    assert [selector.metric for selector in query.selectors] == ["a_bucket", "b"]
    assert query.selectors[0].matchers == (promql.Matcher("x", "=", "1"), promql.Matcher("y", "!~", "b|c"))
    assert query.labels == {"le", "job"}


def test_every_alert_has_a_section_in_the_runbook_and_every_section_an_alert() -> None:
    sections = set(re.findall(r"^### (\w+)$", RUNBOOK.read_text("utf-8"), re.MULTILINE))
    assert sections == {rule["alert"] for rule in alerts()} | _NOT_OURS


def test_every_alert_is_tested_both_ways() -> None:
    tests = read_yaml(PROMETHEUS / "tests" / "alerts_test.yml")["tests"]
    cases = [
        (case["alertname"], bool(case["exp_alerts"])) for test in tests for case in test.get("alert_rule_test", [])
    ]
    names = {rule["alert"] for rule in alerts()}
    assert {name for name, fires in cases if fires} == names
    # One that waits must also be seen waiting.
    assert {rule["alert"] for rule in alerts() if "for" in rule} <= {name for name, fires in cases if not fires}


def test_prometheus_is_configured() -> None:
    config = read_yaml(PROMETHEUS / "prometheus.yml")
    assert config["rule_files"] == ["rules/*.yml"]
    assert config["alerting"]["alertmanagers"] == [{"static_configs": [{"targets": ["alertmanager:9093"]}]}]
    (job,) = config["scrape_configs"]
    assert job["honor_labels"] is True
    assert job["authorization"] == {"credentials_file": "/run/secrets/prometheus_key"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "--syntax-only", "prometheus.yml"),
        ("check", "rules", "rules/recording.yml", "rules/alerts.yml"),
        ("test", "rules", "tests/alerts_test.yml"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_promtool_agrees(arguments: tuple[str, ...]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus); everything else here was checked without it")
    done = subprocess.run(
        [promtool, *arguments], cwd=PROMETHEUS, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
