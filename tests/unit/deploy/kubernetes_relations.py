"""How the Kubernetes documents fit together: who selects, scales, reaches and lists what. Problems as in the checks."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from shared.contracts.envelope import MAX_BODY_BYTES
from shared.telemetry.metric_names import EVENTS_BEHIND
from tests.unit.deploy.files import DEPLOY, Tree, compose, read_yaml
from tests.unit.deploy.manifests import amount, folders, long_running, processes, selects

_COMPONENTS = ("webhooks", "monitoring", "workers-by-lag")
"""What an installation may leave out."""
_NAMES, _POSTGRESQL, _KAFKA, _HTTPS, _ALERTMANAGER = 53, 5432, 9092, 443, 9093
_REACHES = {
    "api": {_NAMES, _POSTGRESQL},
    "worker": {_NAMES, _POSTGRESQL, _KAFKA},
    "migrate": {_NAMES, _POSTGRESQL},
    "topics": {_NAMES, _KAFKA},
}
_REACHES_TOO = {
    ("ingest", "api"): {_HTTPS},
    ("ingest", "worker"): {_HTTPS},
    ("metrics", "worker"): {_HTTPS, _ALERTMANAGER},
}
_REACHED = {
    "api": {("from-callers", "http"), ("from-prometheus", "http")},
    "worker": {("from-prometheus", "health")},
}
_REACHED_TOO = {("ingest", "api"): {("from-ingress", "http")}}


def selector_problems(tree: Tree) -> Iterator[str]:
    """Workloads, Services and budgets select the pods of one workload, their own; nothing selects nothing."""
    labels = {one.name: one.labels for one in processes(tree)}
    own = {kind: tree[kind] for kind in ("Deployment", "StatefulSet", "PodDisruptionBudget")}
    selectors = [(kind, name, one["spec"]["selector"]) for kind, found in own.items() for name, one in found.items()]
    selectors += [("Service", name, {"matchLabels": one["spec"]["selector"]}) for name, one in tree["Service"].items()]
    for process in long_running(tree):
        spread = process.pod["topologySpreadConstraints"][0]["labelSelector"]
        selectors.append(("topologySpreadConstraints", process.name, spread))
    for kind, name, selector in selectors:
        taken = [other for other, found in labels.items() if selects(selector, found)]
        if taken != [name]:
            yield f"{kind} {name} selects {taken}"
    for name, policy in tree["NetworkPolicy"].items():
        if not any(selects(policy["spec"]["podSelector"], found) for found in labels.values()):
            yield f"NetworkPolicy {name} selects nothing"


def disruption_problems(tree: Tree) -> Iterator[str]:
    """Every process that stays has a budget that leaves all but one, and holds up no node for a pod that is down."""
    budgets = tree["PodDisruptionBudget"]
    names = {one.name for one in long_running(tree)}
    yield from (f"{name} has no budget" for name in sorted(names - budgets.keys()))
    yield from (f"{name} has a budget and is not there" for name in sorted(budgets.keys() - names))
    for name, budget in budgets.items():
        spec = budget["spec"]
        if (spec.get("maxUnavailable"), spec.get("unhealthyPodEvictionPolicy")) != (1, "AlwaysAllow"):
            yield f"{name}: its budget is {spec}"


def scaling_problems(tree: Tree) -> Iterator[str]:
    """Two or more of each; an api has one autoscaler and no replicas of its own; workers no more than partitions."""
    partitions = int(tree["ConfigMap"]["stream-settings"]["data"]["QUINTANT_PARTITIONS"])
    scaled = {one["spec"]["scaleTargetRef"]["name"]: one["spec"] for one in tree["HorizontalPodAutoscaler"].values()}
    for one in long_running(tree):
        if one.role == "worker" and not 2 <= one.spec.get("replicas", 1) <= partitions:
            yield f"{one.name}: {one.spec.get('replicas')} replicas for {partitions} partitions"
        if one.role == "api":
            autoscaler = scaled.pop(one.name, None)
            if autoscaler is None or "replicas" in one.spec:
                yield f"{one.name}: an autoscaler decides, and nothing else"
            elif not 2 <= autoscaler["minReplicas"] < autoscaler["maxReplicas"]:
                yield f"{one.name}: from {autoscaler['minReplicas']} to {autoscaler['maxReplicas']}"
            elif [metric["resource"]["name"] for metric in autoscaler["metrics"]] != ["cpu"]:
                yield f"{one.name}: is not scaled on its processor time"
    yield from (f"an autoscaler for {name}, which is not there" for name in sorted(scaled))


def lag_problems(tree: Tree) -> Iterator[str]:
    """The workers of the folding services, each on its own lag, no more than there are partitions."""
    partitions = int(tree["ConfigMap"]["stream-settings"]["data"]["QUINTANT_PARTITIONS"])
    folding = {one.name: one.service for one in long_running(tree) if one.role == "worker" and one.service != "ingest"}
    found = tree["ScaledObject"]
    if found.keys() != folding.keys():
        yield f"scaled on lag: {sorted(found)}"
    for name, document in found.items():
        spec = document["spec"]
        if spec["scaleTargetRef"] != {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name}:
            yield f"{name} scales {spec['scaleTargetRef']}"
        if (spec["minReplicaCount"], spec["maxReplicaCount"]) != (2, partitions):
            yield f"{name}: from {spec['minReplicaCount']} to {spec['maxReplicaCount']}, partitions {partitions}"
        labels = f'job="quintant", namespace="quintant", service="{folding.get(name)}"'
        trigger = spec["triggers"][0]["metadata"]
        if len(spec["triggers"]) != 1 or trigger["query"] != f"max({EVENTS_BEHIND}{{{labels}}})":
            yield f"{name} asks {trigger['query']}"
        if any(not isinstance(value, str) for value in trigger.values()) or trigger["ignoreNullValues"] != "false":
            yield f"{name}: no answer would count as no lag, or a value is no text"
    pattern = tree["Component"]["workers-by-lag"]["patches"][0]["target"]["name"]
    if {name for name in tree["StatefulSet"] if re.fullmatch(pattern, name)} != found.keys():
        yield f"the patch that leaves replicas to the autoscaler is for {pattern}"


def network_problems(tree: Tree) -> Iterator[str]:
    """All is forbidden but what each process needs; only database and broker, whose place is unknown, have no `to`."""
    policies = {name: policy["spec"] for name, policy in tree["NetworkPolicy"].items()}
    shut = [spec for spec in policies.values() if not spec.keys() & {"ingress", "egress"}]
    for one in processes(tree):
        if not any(selects(p["podSelector"], one.labels) and len(p["policyTypes"]) == 2 for p in shut):
            yield f"{one.name}: everything is allowed"
        mine = {name: spec for name, spec in policies.items() if selects(spec["podSelector"], one.labels)}
        out = {port for spec in mine.values() for port in _ports(spec, "egress")}
        if out != _REACHES[one.role] | _REACHES_TOO.get((one.service, one.role), set()):
            yield f"{one.name} reaches {sorted(out)}"
        opened = {port["name"] for port in one.container.get("ports", [])}
        into = {(name, port) for name, spec in mine.items() for port in _ports(spec, "ingress") if port in opened}
        if into != _REACHED.get(one.role, set()) | _REACHED_TOO.get((one.service, one.role), set()):
            yield f"{one.name} is reached by {sorted(into)}"
    for name, spec in policies.items():
        if any(not rule.get("from") for rule in spec.get("ingress", [])):
            yield f"{name} lets everybody in"
        loose = {port["port"] for rule in spec.get("egress", []) if not rule.get("to") for port in rule["ports"]}
        if loose - {_POSTGRESQL, _KAFKA}:
            yield f"{name} lets out to everywhere"
    told = tree["ConfigMap"]["stream-settings"]["data"]["KAFKA_BOOTSTRAP_SERVERS"]
    if any(not broker.endswith(f":{_KAFKA}") for broker in told.split(",")):
        yield f"no policy lets out to {told}"


def _ports(policy: Tree, way: str) -> Iterator[int | str]:
    return (port["port"] for rule in policy.get(way, []) for port in rule["ports"])


def ingress_problems(tree: Tree) -> Iterator[str]:
    """Over TLS only, webhooks only, bodies as large as ingest takes, to a port that the Service has."""
    for name, ingress in tree["Ingress"].items():
        spec, limit = ingress["spec"], ingress["metadata"]["annotations"]["nginx.org/client-max-body-size"]
        if amount(limit) != MAX_BODY_BYTES:
            yield f"{name}: bodies up to {limit}"
        secured = {host for one in spec.get("tls", []) for host in one["hosts"]}
        for rule in spec["rules"]:
            if rule.get("host") not in secured:
                yield f"{name}: {rule.get('host')} without TLS"
            for path in rule["http"]["paths"]:
                if (path["path"], path["pathType"]) != ("/v1/webhooks", "Prefix"):
                    yield f"{name}: leads to {path['path']}"
                backend = path["backend"]["service"]
                ports = [
                    port["name"]
                    for port in tree["Service"].get(backend["name"], {"spec": {"ports": []}})["spec"]["ports"]
                ]
                if backend["name"] != "ingest-api" or backend["port"]["name"] not in ports:
                    yield f"{name}: nothing is behind {backend}"


def monitor_problems(tree: Tree) -> Iterator[str]:
    """The eight processes, with the job, labels and pace of deploy/prometheus/prometheus.yml and its key."""
    usual = read_yaml(DEPLOY / "prometheus" / "prometheus.yml")
    job = next(one for one in usual["scrape_configs"] if one["job_name"] == "quintant")
    spec = tree["PodMonitor"]["quintant"]["spec"]
    endpoints = {one["port"]: one for one in spec["podMetricsEndpoints"]}
    for one in processes(tree):
        ports = [port["name"] for port in one.container.get("ports", [])]
        scraped = selects(spec["selector"], one.labels) and bool(set(ports) & endpoints.keys())
        if scraped != (one in list(long_running(tree))):
            yield f"{one.name} is {'' if scraped else 'not '}scraped"
        if scraped and one.labels[spec["jobLabel"]] != job["job_name"]:
            yield f"{one.name}: its job is {one.labels[spec['jobLabel']]}"
    if set(spec["podTargetLabels"]) != job["static_configs"][0]["labels"].keys():
        yield f"labels {spec['podTargetLabels']}"
    pace = (usual["global"]["scrape_interval"], usual["global"]["scrape_timeout"], job["honor_labels"])
    for port, one in endpoints.items():
        key = one["authorization"]["credentials"]
        if (one["interval"], one["scrapeTimeout"], one["honorLabels"]) != pace or one["path"] != "/metrics":
            yield f"{port} is scraped in another way"
        if key != {"name": "quintant", "key": "prometheus_key"} or key["key"] not in compose()["secrets"]:
            yield f"{port}: no key {key}"


def kustomization_problems(tree: Tree) -> Iterator[str]:
    """Every file is listed once, in its folder; one namespace; the image is named in one place; nothing else is on."""
    for name, folder in folders().items():
        one = tree["Kustomization" if name in tree["Kustomization"] else "Component"].get(name, {})
        there = sorted(path.name for path in folder.glob("*.yaml") if path.name != "kustomization.yaml")
        listed = [entry for entry in one.get("resources", []) if entry.endswith(".yaml")]
        if sorted(listed) != there:
            yield f"{name} lists {listed}, there are {there}"
        inner = [entry for entry in one.get("resources", []) if not entry.endswith(".yaml")]
        inner += one.get("components", [])
        yield from (
            f"{name}: no folder {entry}" for entry in inner if not (folder / entry / "kustomization.yaml").exists()
        )
        if one.get("kind") == "Kustomization" and one.get("namespace") not in tree["Namespace"]:
            yield f"{name}: namespace {one.get('namespace')}"
    used = {name: one.get("components", []) for name, one in tree["Kustomization"].items()}
    if used != {"kubernetes": ["components/image"], "prepare": ["../components/image"], "settings": []}:
        yield f"components {used}"
    yield from _image_problems(tree["Component"]["image"], {one.container["image"] for one in processes(tree)})
    if tree["Component"].keys() != {"image", *_COMPONENTS}:
        yield f"components {sorted(tree['Component'])}"


def _image_problems(component: Tree, images: set[str]) -> Iterator[str]:
    wanted = {f"{one['name']}:{one['newTag']}" for one in component["images"]}
    if images != wanted:
        yield f"images {sorted(images)}, renamed {sorted(wanted)}"


def address_problems(tree: Tree) -> Iterator[str]:
    """Addresses in the settings and in what asks for them name the same namespace as the policies let in and out."""
    watching: Mapping[str, Tree] = {
        name: tree["NetworkPolicy"][name]["spec"] for name in ("from-prometheus", "to-alertmanager")
    }
    namespaces = set(re.findall(r"kubernetes.io/metadata.name': '([\w-]+)'", str(watching)))
    asked = {
        trigger["metadata"]["serverAddress"]
        for one in tree["ScaledObject"].values()
        for trigger in one["spec"]["triggers"]
    }
    found = {str(urlsplit(address).hostname).partition(".")[2] for address in asked}
    if found != namespaces or len(namespaces) != 1:
        yield f"Prometheus is in {sorted(namespaces)}, and asked in {sorted(found)}"
