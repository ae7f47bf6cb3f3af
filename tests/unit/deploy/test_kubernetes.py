"""deploy/kubernetes against Kubernetes' schemas, the settings classes, Compose and itself. No cluster is needed."""

import inspect
import os
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from deploy.generate import ROOT
from shared.runtime.entry import load
from shared.runtime.folding import API_CONNECTIONS, worker_connections
from shared.runtime.settings import SettingsError
from shared.storage.database import open_database
from tests.unit.deploy import kubernetes_checks as checks
from tests.unit.deploy import kubernetes_relations as relations
from tests.unit.deploy.files import Tree
from tests.unit.deploy.manifests import KUBERNETES, Process, long_running, manifests, processes, selects, told

Check = Callable[[Tree], Iterator[str]]
Path_ = tuple[str | int, ...]

ALL: tuple[Check, ...] = (
    checks.schema_problems,
    checks.process_problems,
    checks.variable_problems,
    checks.member_problems,
    checks.port_problems,
    checks.hardening_problems,
    checks.size_problems,
    checks.ending_problems,
    checks.secret_problems,
    relations.selector_problems,
    relations.disruption_problems,
    relations.scaling_problems,
    relations.lag_problems,
    relations.network_problems,
    relations.ingress_problems,
    relations.monitor_problems,
    relations.kustomization_problems,
    relations.address_problems,
)


@cache
def _read() -> Tree:
    return manifests()


@pytest.mark.parametrize("check", ALL)
def test_the_manifests_are_right(check: Check) -> None:
    assert list(check(_read())) == []


def _planted(path: Path_, value: object) -> Tree:
    """The manifests with one place changed; None takes it out. It must have been something else before."""
    tree = deepcopy(_read())
    place: Any = tree
    for step in path[:-1]:
        place = place[step]
    before = place.get(path[-1]) if isinstance(place, dict) else place[path[-1]]
    assert before != value
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return tree


API = ("Deployment", "metrics-api", "spec", "template", "spec")
WORKER = ("StatefulSet", "metrics-worker", "spec", "template", "spec")
JOB = ("Job", "migrate-metrics", "spec", "template", "spec")
TOPICS = ("Job", "topics", "spec", "template", "spec")
IN_API, IN_WORKER = (*API, "containers", 0), (*WORKER, "containers", 0)
POLICY, SCALED = "NetworkPolicy", ("ScaledObject", "metrics-worker", "spec")
MONITOR = ("PodMonitor", "quintant", "spec")
PATHS = ("Ingress", "webhooks", "spec", "rules", 0, "http", "paths", 0)
OTHER = {"matchLabels": {"app.kubernetes.io/name": "quintant", "service": "metrics", "role": "worker"}}

PLANTED: tuple[tuple[Check, Path_, object, str], ...] = (
    (checks.schema_problems, (*IN_API, "readinesProbe"), {}, "readinesProbe"),
    (checks.schema_problems, (*API, "terminationGracePeriodSeconds"), "35", "is not of type"),
    (checks.schema_problems, (*IN_API, "env", 0, "value"), 8103, "is not of type"),
    (checks.schema_problems, ("PodDisruptionBudget", "metrics-api", "apiVersion"), "policy/v1beta1", "has no policy"),
    (checks.schema_problems, ("ConfigMap", "pipeline-settings", "data", "QUINTANT_PIPELINE_WAIT_SECONDS"), 10, "type"),
    (checks.schema_problems, ("NetworkPolicy", "to-names", "spec", "podSelector"), [], "podSelector"),
    (checks.process_problems, ("StatefulSet", "metrics-worker"), None, "metrics-worker runs None"),
    (checks.process_problems, (*IN_API, "command", 3), "worker", "metrics-api runs"),
    (checks.process_problems, (*IN_API, "image"), "quintant:0.0.9", "metrics-api runs"),
    (checks.process_problems, (*API, "initContainers"), [], "with one container"),
    (checks.variable_problems, (*IN_API, "env", 0, "name"), "DATABASE_URI_FILE", "DATABASE_URL is required"),
    (checks.variable_problems, (*IN_API, "env", 0, "name"), "DATABASE_URI_FILE", "is read by nothing"),
    (checks.variable_problems, (*IN_API, "env", 0, "name"), "QUINTANT_LOG_LEVEL", "QUINTANT_LOG_LEVEL is set twice"),
    (checks.variable_problems, (*IN_API, "env", 1, "name"), "DATABASE_URL", "as DATABASE_URL_FILE too"),
    (checks.variable_problems, (*IN_API, "envFrom", 1), None, "QUINTANT_BASE_CURRENCY cannot be given"),
    (checks.variable_problems, (*IN_API, "envFrom", 1, "configMapRef", "name"), "company", "no ConfigMap company"),
    (checks.variable_problems, ("ConfigMap", "metrics-settings", "data", "QUINTANT_TIMEZONE"), "UTC", "by nothing"),
    (checks.variable_problems, ("ConfigMap", "more-settings"), {"data": {}}, "more-settings is read by nothing"),
    (
        checks.variable_problems,
        (*TOPICS, "containers", 0, "envFrom", 0, "configMapRef", "name"),
        "company-settings",
        "no",
    ),
    (checks.member_problems, (*IN_WORKER, "env", 4, "name"), "HOSTNAME", "not told apart"),
    (
        checks.member_problems,
        (*IN_WORKER, "env", 4, "valueFrom", "fieldRef", "fieldPath"),
        "metadata.uid",
        "told apart",
    ),
    (checks.member_problems, ("StatefulSet", "metrics-worker", "spec", "serviceName"), "metrics", "not governed"),
    (checks.port_problems, (*IN_API, "env", 3, "value"), "8102", "usual port 8103"),
    (checks.port_problems, (*IN_API, "env", 2, "value"), "127.0.0.1", "no probe comes"),
    (checks.port_problems, (*IN_API, "ports", 0, "containerPort"), 8102, "opens"),
    (checks.port_problems, (*IN_API, "readinessProbe", "httpGet", "path"), "/livez", "readinessProbe asks"),
    (checks.port_problems, (*IN_WORKER, "livenessProbe", "httpGet", "path"), "/readyz", "livenessProbe asks"),
    (checks.port_problems, (*IN_WORKER, "startupProbe"), None, "startupProbe asks"),
    (checks.port_problems, ("Service", "metrics-api", "spec", "ports", 0, "targetPort"), "health", "leads elsewhere"),
    (checks.port_problems, ("Service", "metrics-worker", "spec", "clusterIP"), None, "headless"),
    (checks.hardening_problems, (*API, "securityContext", "runAsUser"), 0, "runs as"),
    (checks.hardening_problems, (*JOB, "securityContext", "seccompProfile"), None, "runs as"),
    (checks.hardening_problems, (*IN_API, "securityContext", "readOnlyRootFilesystem"), False, "may"),
    (checks.hardening_problems, (*IN_API, "securityContext", "capabilities", "drop"), [], "may"),
    (checks.hardening_problems, (*WORKER, "automountServiceAccountToken"), None, "a token"),
    (checks.hardening_problems, (*WORKER, "serviceAccountName"), "default", "no account"),
    (checks.hardening_problems, (*WORKER, "hostNetwork"), True, "with its node"),
    (checks.hardening_problems, ("Namespace", "quintant", "metadata", "labels"), {}, "enforces None"),
    (checks.size_problems, (*IN_API, "resources", "limits", "memory"), "1Gi", "limited to 1Gi"),
    (checks.size_problems, (*IN_API, "resources", "requests", "memory"), "1Gi", "requests"),
    (checks.size_problems, (*IN_API, "resources", "requests", "cpu"), None, "requests"),
    (checks.size_problems, (*API, "volumes", 1, "emptyDir", "sizeLimit"), "32Mi", "is {'medium'"),
    (checks.size_problems, (*IN_API, "volumeMounts", 1, "mountPath"), "/scratch", "has no"),
    (checks.ending_problems, (*API, "terminationGracePeriodSeconds"), 30, "before it has drained"),
    (checks.ending_problems, (*WORKER, "terminationGracePeriodSeconds"), None, "before it has drained"),
    (checks.ending_problems, (*IN_API, "lifecycle"), None, "still sent requests"),
    (checks.ending_problems, (*API[:3], "strategy", "rollingUpdate", "maxUnavailable"), 1, "before another has come"),
    (checks.ending_problems, ("Job", "topics", "spec", "backoffLimit"), None, "again and again"),
    (checks.secret_problems, (*API, "volumes", 0, "secret", "items", 0, "key"), "database", "database is not made"),
    (checks.secret_problems, (*API, "volumes", 0, "secret", "items", 1), None, "is told of"),
    (checks.secret_problems, (*JOB, "volumes", 0, "secret", "items", 0, "path"), "url", "is told of"),
    (checks.secret_problems, (*IN_API, "volumeMounts", 0), None, "not mounted"),
    (checks.secret_problems, (*API, "volumes", 1), {"name": "tmp", "hostPath": {"path": "/srv"}}, "mounts"),
    (checks.secret_problems, (*API, "volumes", 0, "secret", "secretName"), "other", "another Secret"),
    (checks.secret_problems, (*IN_API, "env", 4, "valueFrom", "secretKeyRef", "optional"), None, "nothing makes"),
    (checks.secret_problems, ("ConfigMap", "metrics-settings", "data", "DATABASE_URL"), "postgresql://", "its value"),
    (checks.secret_problems, ("Secret",), {"quintant": {}}, "secrets in the manifests"),
    (relations.selector_problems, ("PodDisruptionBudget", "metrics-api", "spec", "selector"), OTHER, "selects"),
    (relations.selector_problems, ("Deployment", "metrics-api", "spec", "selector", "matchLabels", "role"), "a", "[]"),
    (relations.selector_problems, ("Service", "metrics-api", "spec", "selector", "role"), None, "selects ["),
    (
        relations.selector_problems,
        (POLICY, "to-sources", "spec", "podSelector", "matchLabels", "service"),
        "in",
        "nothing",
    ),
    (relations.disruption_problems, ("PodDisruptionBudget", "metrics-api"), None, "metrics-api has no budget"),
    (relations.disruption_problems, ("PodDisruptionBudget", "metrics-api", "spec", "maxUnavailable"), 0, "budget is"),
    (relations.scaling_problems, ("Deployment", "metrics-api", "spec", "replicas"), 2, "and nothing else"),
    (relations.scaling_problems, ("HorizontalPodAutoscaler", "metrics-api"), None, "an autoscaler decides"),
    (relations.scaling_problems, ("HorizontalPodAutoscaler", "metrics-api", "spec", "minReplicas"), 1, "from 1 to"),
    (relations.scaling_problems, ("StatefulSet", "metrics-worker", "spec", "replicas"), 5, "5 replicas for 4"),
    (relations.lag_problems, (*SCALED, "maxReplicaCount"), 5, "to 5, partitions 4"),
    (
        relations.lag_problems,
        ("ConfigMap", "stream-settings", "data", "QUINTANT_PARTITIONS"),
        "3",
        "to 4, partitions 3",
    ),
    (relations.lag_problems, (*SCALED, "scaleTargetRef", "name"), "metrics-api", "scales"),
    (relations.lag_problems, (*SCALED, "triggers", 0, "metadata", "query"), "sum(quintant_events_behind)", "asks sum"),
    (relations.lag_problems, (*SCALED, "triggers", 0, "metadata", "threshold"), 2500, "is no text"),
    (relations.lag_problems, ("ScaledObject", "metrics-worker"), None, "scaled on lag"),
    (
        relations.lag_problems,
        ("Component", "workers-by-lag", "patches", 0, "target", "name"),
        ".*-worker",
        "leaves replicas",
    ),
    (relations.network_problems, (POLICY, "nothing-else"), None, "everything is allowed"),
    (relations.network_problems, (POLICY, "nothing-else", "spec", "policyTypes"), ["Ingress"], "everything is allowed"),
    (relations.network_problems, (POLICY, "to-kafka"), None, "metrics-worker reaches [53, 443, 5432, 9093]"),
    (
        relations.network_problems,
        (POLICY, "to-kafka", "spec", "podSelector", "matchExpressions"),
        [],
        "metrics-api reaches",
    ),
    (
        relations.network_problems,
        (POLICY, "from-callers"),
        None,
        "metrics-api is reached by [('from-prometheus', 'http')]",
    ),
    (
        relations.network_problems,
        (POLICY, "from-prometheus", "spec", "ingress", 0, "ports", 1),
        None,
        "is reached by []",
    ),
    (relations.network_problems, (POLICY, "from-callers", "spec", "ingress", 0, "from"), None, "lets everybody in"),
    (relations.network_problems, (POLICY, "to-sources", "spec", "egress", 0, "to"), None, "out to everywhere"),
    (
        relations.network_problems,
        ("ConfigMap", "stream-settings", "data", "KAFKA_BOOTSTRAP_SERVERS"),
        "kafka.kafka:9093",
        "no policy lets out",
    ),
    (relations.ingress_problems, (*PATHS, "path"), "/", "leads to /"),
    (relations.ingress_problems, (*PATHS, "backend", "service", "port", "name"), "https", "nothing is behind"),
    (relations.ingress_problems, ("Ingress", "webhooks", "spec", "tls"), None, "without TLS"),
    (
        relations.ingress_problems,
        ("Ingress", "webhooks", "metadata", "annotations", "nginx.org/client-max-body-size"),
        "1m",
        "bodies up to 1m",
    ),
    (relations.monitor_problems, (*MONITOR, "podMetricsEndpoints", 1), None, "metrics-worker is not scraped"),
    (relations.monitor_problems, (*MONITOR, "podMetricsEndpoints", 0, "interval"), "60s", "in another way"),
    (relations.monitor_problems, (*MONITOR, "podTargetLabels"), ["role"], "labels"),
    (relations.monitor_problems, (*MONITOR, "jobLabel"), "role", "its job is api"),
    (
        relations.monitor_problems,
        (*MONITOR, "podMetricsEndpoints", 0, "authorization", "credentials", "key"),
        "key",
        "no key",
    ),
    (relations.kustomization_problems, ("Kustomization", "settings", "resources", 0), None, "settings lists"),
    (relations.kustomization_problems, ("Kustomization", "prepare", "namespace"), "default", "namespace default"),
    (relations.kustomization_problems, ("Kustomization", "prepare", "components"), None, "components"),
    (relations.kustomization_problems, ("Kustomization", "kubernetes", "resources", 0), "setting", "no folder setting"),
    (relations.kustomization_problems, ("Component", "image", "images", 0, "newTag"), "0.2.0", "renamed"),
    (
        relations.address_problems,
        (*SCALED, "triggers", 0, "metadata", "serverAddress"),
        "http://prometheus-operated.observability:9090",
        "asked in",
    ),
)


@pytest.mark.parametrize(
    ("check", "path", "value", "said"), PLANTED, ids=[f"{'/'.join(map(str, p[1]))}={p[2]}" for p in PLANTED]
)
def test_a_planted_mistake_is_found(check: Check, path: Path_, value: object, said: str) -> None:
    problems = list(check(_planted(path, value)))
    assert any(said in problem for problem in problems), problems


def test_every_check_is_shown_a_mistake() -> None:
    assert {check for check, *_ in PLANTED} == set(ALL)


def _loaded(process: Process, values: dict[str, str], folder: Path, patch: pytest.MonkeyPatch) -> Any:
    """The settings that the process would have, with its files in a folder here."""
    for name in os.environ:
        if name.startswith(("QUINTANT_", "KAFKA_", "DATABASE_")):
            patch.delenv(name)
    (folder / "database_url").write_text("postgresql://quintant:secret@postgres:5432/quintant\n")
    for name, value in values.items():
        patch.setenv(name, value.replace(checks.SECRETS, f"{folder}/"))
    return load(process.settings)


@pytest.mark.parametrize("name", [one.name for one in processes(_read())])
def test_the_settings_are_taken_and_are_the_defaults(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written out in the ConfigMaps, so that it can be changed there, says nothing new."""
    process = next(one for one in processes(_read()) if one.name == name)
    values = {variable: value for variable, value in told(_read(), process) if value is not None}
    settings = _loaded(process, values, tmp_path, monkeypatch)
    told_here = {"kafka_bootstrap_servers", "database_url", "http_host", "api_keys_file", "ingest_sources_file"}
    fields = process.settings.model_fields
    for field in fields.keys() - told_here - {"instance"}:
        assert getattr(settings, field) == fields[field].get_default(call_default_factory=True), field


def test_a_setting_that_no_process_takes_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = next(one for one in processes(_read()) if one.name == "metrics-api")
    values = {variable: value for variable, value in told(_read(), process) if value is not None}
    with pytest.raises(SettingsError, match="QUINTANT_FISCAL_YEAR_START_MONTH"):
        _loaded(process, {**values, "QUINTANT_FISCAL_YEAR_START_MONTH": "13"}, tmp_path, monkeypatch)


def test_selectors_are_read_as_kubernetes_reads_them() -> None:
    labels = {"service": "metrics", "role": "api"}
    assert selects({}, labels)
    assert selects({"matchLabels": {"role": "api"}}, labels)
    assert not selects({"matchLabels": {"role": "api", "name": "quintant"}}, labels)
    assert selects({"matchExpressions": [{"key": "role", "operator": "In", "values": ["api", "worker"]}]}, labels)
    assert not selects({"matchExpressions": [{"key": "role", "operator": "In", "values": ["worker"]}]}, labels)


def test_the_page_says_how_many_connections_there_are_at_most() -> None:
    """Of everything scaled up; PostgreSQL must allow them."""
    tree, most = _read(), 0
    own = inspect.signature(open_database).parameters["size"].default
    for one in long_running(tree):
        scaled = tree["HorizontalPodAutoscaler" if one.role == "api" else "ScaledObject"].get(one.name, {"spec": {}})[
            "spec"
        ]
        pods = scaled.get("maxReplicas") or scaled.get("maxReplicaCount") or one.spec["replicas"]
        worker = worker_connections(one.settings.model_construct(partitions=4))  # type: ignore[arg-type]
        most += pods * (own if one.service == "ingest" else API_CONNECTIONS if one.role == "api" else worker)
    page = (ROOT / "docs" / "how-to" / "kubernetes.md").read_text("utf-8")
    assert f"hold {most} connections at most" in page


def test_the_page_makes_the_secret_that_pods_mount() -> None:
    page = (ROOT / "docs" / "how-to" / "kubernetes.md").read_text("utf-8")
    said = set(re.findall(r"--from-file=([a-z_]+)=", page))
    mounted = set(re.findall(r"\{key: ([a-z_]+), path:", "".join(p.read_text() for p in KUBERNETES.glob("**/*.yaml"))))
    assert said == mounted | {"prometheus_key"}
