"""What must hold of each Kubernetes workload. Each check gives the problems that it finds, so a test can plant one."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema
from referencing import Registry, Resource

from shared.runtime.settings import TopicSettings, variable_of
from shared.runtime.shutdown import DRAIN_SECONDS
from tests.unit.deploy.files import DEPLOY, Tree, compose, ours
from tests.unit.deploy.manifests import LONG_RUNNING, Process, amount, long_running, processes, told

VERSIONS = ("1.30.0", "1.37.0")
"""The oldest that knows every field, and the newest whose schemas are at hand."""
OTHERS = ("Kustomization", "Component", "PodMonitor", "ScaledObject")
"""Kinds that are not Kubernetes' own: other checks look at them."""
SECRETS = "/etc/quintant/secrets/"
_MARGIN_SECONDS = 5
_LEFT_OUT = {
    "DATABASE_URL": "given as a file",
    "QUINTANT_HTTP_PORT": "of an api only",
    "QUINTANT_HEALTH_PORT": "of a worker only",
    "QUINTANT_INSTANCE": "of a worker only",
    "QUINTANT_FAILPOINT": "for tests only",
    "QUINTANT_KAFKA_PASSWORD": "given as a file",
}
_PORTS = {"api": ("http", "http_port"), "worker": ("health", "health_port")}
_PROBES = {"startupProbe": "/livez", "readinessProbe": "/readyz", "livenessProbe": "/livez"}
_SECRET = re.compile(r"(PASSWORD|SECRET|_KEY|DATABASE_URL|WEBHOOK_URL)$")


@cache
def _validator(version: str, kind: str, group: str) -> jsonschema.Draft202012Validator:
    schemas = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}-local-strict"
    schema = json.loads((schemas / f"{kind.lower()}-{group}.json").read_text("utf-8"))
    return jsonschema.Draft202012Validator(schema, registry=_definitions(version))


@cache
def _definitions(version: str) -> Registry[bool | Mapping[str, Any]]:
    schemas = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}-local-strict"
    definitions: Tree = json.loads((schemas / "_definitions.json").read_text("utf-8"))
    return Resource.from_contents(definitions) @ Registry()


def schema_problems(tree: Tree) -> Iterator[str]:
    """Against the OpenAPI schemas of Kubernetes, which here let no unknown field pass."""
    for kind in sorted(tree.keys() - set(OTHERS)):
        for name, document in tree[kind].items():
            group = re.sub(r"^([^./]*)(\.[^/]*)?/", r"\1-", document["apiVersion"])
            for version in VERSIONS:
                try:
                    validator = _validator(version, kind, group)
                except FileNotFoundError:
                    yield f"{kind} {name}: Kubernetes {version} has no {document['apiVersion']}"
                    continue
                errors = validator.iter_errors(document)
                yield from (f"{kind} {name} {error.json_path}: {error.message}" for error in errors)


def process_problems(tree: Tree) -> Iterator[str]:
    """The same names, commands and image as in docker-compose.yml; each kind of process as the right workload."""
    wanted = {name: (container["command"], container["image"]) for name, container, _, _ in ours(compose())}
    found = {one.name: (one.container["command"], one.container["image"]) for one in processes(tree)}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            yield f"{name} runs {found.get(name)}, in docker-compose.yml {wanted.get(name)}"
    for one in processes(tree):
        kind = {"api": "Deployment", "worker": "StatefulSet"}.get(one.role, "Job")
        if one.kind != kind or len(one.pod["containers"]) != 1 or "initContainers" in one.pod:
            yield f"{one.name}: is no {kind} with one container"


def variable_problems(tree: Tree) -> Iterator[str]:
    """Every variable is one that the process reads, is set once, and each that it reads is there to be changed."""
    used = set()
    for one in processes(tree):
        refs = [source["configMapRef"]["name"] for source in one.container.get("envFrom", [])]
        used |= set(refs)
        yield from (f"{one.name}: no ConfigMap {ref}" for ref in refs if ref not in tree["ConfigMap"])
        yield from (f"{one.name}: {problem}" for problem in _variables_of(one, [name for name, _ in told(tree, one)]))
    yield from (f"ConfigMap {name} is read by nothing" for name in sorted(tree["ConfigMap"].keys() - used))


def _variables_of(one: Process, given: list[str]) -> Iterator[str]:
    known = {variable_of(one.settings, field): field for field in one.settings.model_fields}
    in_files = {f"{variable}_FILE" for variable, field in known.items() if _is_secret(one.settings, field)}
    yield from (f"{name} is read by nothing" for name in sorted(set(given) - known.keys() - in_files))
    yield from (f"{name} is set twice" for name, times in Counter(given).items() if times > 1)
    yield from (f"{name} is set twice, as {name}_FILE too" for name in given if f"{name}_FILE" in given)
    missing = known.keys() - set(given) - _LEFT_OUT.keys() if one.role != "migrate" else set()
    yield from (f"{name} cannot be given" for name in sorted(missing))
    for variable, field in known.items():
        if one.settings.model_fields[field].is_required() and not {variable, f"{variable}_FILE"} & set(given):
            yield f"{variable} is required"


def member_problems(tree: Tree) -> Iterator[str]:
    """Each replica of a worker is a member of its own, under a name that outlives a restart."""
    for one in long_running(tree):
        named = [entry for entry in one.container["env"] if entry["name"] == "QUINTANT_INSTANCE"]
        wanted = {"fieldRef": {"fieldPath": "metadata.name"}}
        if one.role == "worker" and [entry.get("valueFrom") for entry in named] != [wanted]:
            yield f"{one.name}: replicas are not told apart"
        if one.role == "worker" and (one.spec["serviceName"], one.spec["podManagementPolicy"]) != (
            one.name,
            "Parallel",
        ):
            yield f"{one.name}: is not governed by its own Service, or starts one after another"


def port_problems(tree: Tree) -> Iterator[str]:
    """The port of a process is the default of its class: told, opened, probed on the right paths, in its Service."""
    for one in long_running(tree):
        port_name, field = _PORTS[one.role]
        usual, values = one.settings.model_fields[field].default, dict(told(tree, one))
        if values.get(variable_of(one.settings, field)) != str(usual):
            yield f"{one.name}: is not told the usual port {usual}"
        if one.container["ports"] != [{"name": port_name, "containerPort": usual}]:
            yield f"{one.name}: opens {one.container['ports']}"
        if values.get("QUINTANT_HTTP_HOST") != "0.0.0.0":  # noqa: S104 - only the pod's own network
            yield f"{one.name}: listens where no probe comes"
        for probe, path in _PROBES.items():
            if one.container.get(probe, {}).get("httpGet") != {"path": path, "port": port_name}:
                yield f"{one.name}: {probe} asks something else than {path}"
        service = tree["Service"].get(one.name, {}).get("spec", {})
        if service.get("ports") != [{"name": port_name, "port": usual, "targetPort": port_name}]:
            yield f"{one.name}: its Service leads elsewhere"
        if (service.get("clusterIP") == "None") != (one.role == "worker"):
            yield f"{one.name}: only a worker's Service is headless"


def hardening_problems(tree: Tree) -> Iterator[str]:
    """Unprivileged as the Dockerfile and docker-compose.yml say, and within the Pod Security Standard `restricted`."""
    match = re.search(r"^USER (\d+):(\d+)$", (DEPLOY / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    user, group = (int(match[1]), int(match[2])) if match else (0, 0)
    pod = {"runAsNonRoot": True, "runAsUser": user, "runAsGroup": group, "fsGroup": group}
    rights = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    for one in processes(tree):
        if one.pod.get("securityContext") != {**pod, "seccompProfile": {"type": "RuntimeDefault"}}:
            yield f"{one.name}: runs as {one.pod.get('securityContext')}"
        if one.container.get("securityContext") != rights:
            yield f"{one.name}: may {one.container.get('securityContext')}"
        if one.pod.get("automountServiceAccountToken") is not False or one.pod.get("enableServiceLinks") is not False:
            yield f"{one.name}: is given a token or variables that it does not need"
        if one.pod.get("serviceAccountName") not in tree["ServiceAccount"]:
            yield f"{one.name}: has no account"
        if shared := one.pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}:
            yield f"{one.name}: shares {sorted(shared)} with its node"
    enforced = tree["Namespace"]["quintant"]["metadata"]["labels"].get("pod-security.kubernetes.io/enforce")
    if enforced != "restricted":
        yield f"the namespace enforces {enforced}"


def size_problems(tree: Tree) -> Iterator[str]:
    """Memory, and the part of it that is /tmp, as in docker-compose.yml; something is requested, and no more."""
    services = compose()["services"]
    for one in processes(tree):
        resources, tmp = one.container.get("resources", {}), one.volumes.get("tmp", {}).get("emptyDir", {})
        limit = resources.get("limits", {}).get("memory", "0")
        if amount(limit) != amount(services[one.name]["mem_limit"]):
            yield f"{one.name}: limited to {limit}, in docker-compose.yml to {services[one.name]['mem_limit']}"
        requests = resources.get("requests", {})
        if requests.keys() != {"cpu", "memory"} or amount(requests["memory"]) > amount(limit):
            yield f"{one.name}: requests {requests}"
        wanted = re.match(r"/tmp:size=(\w+),", services[one.name]["tmpfs"][0])  # noqa: S108 - the container's own
        if wanted is None or tmp.get("medium") != "Memory" or amount(tmp.get("sizeLimit", "0")) != amount(wanted[1]):
            yield f"{one.name}: /tmp is {tmp}"
        if {"name": "tmp", "mountPath": "/tmp"} not in one.container.get("volumeMounts", []):  # noqa: S108
            yield f"{one.name}: has no /tmp"


def ending_problems(tree: Tree) -> Iterator[str]:
    """Time to drain; an api is replaced before it goes, and not sent anything while it does; a Job ends."""
    for one in processes(tree):
        sleep = one.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        grace = one.pod.get("terminationGracePeriodSeconds", 0)
        if one.role in LONG_RUNNING and grace < sleep + DRAIN_SECONDS + _MARGIN_SECONDS:
            yield f"{one.name}: is killed before it has drained"
        if one.role == "api" and sleep < 1:
            yield f"{one.name}: is still sent requests when it stops listening"
        rolling = one.spec.get("strategy", {}).get("rollingUpdate", {})
        if one.role == "api" and (rolling.get("maxUnavailable") != 0 or rolling.get("maxSurge", 0) < 1):
            yield f"{one.name}: goes before another has come"
        once = (one.pod.get("restartPolicy"), one.spec.get("backoffLimit"))
        if one.kind == "Job" and (once != ("Never", 3) or "activeDeadlineSeconds" not in one.spec):
            yield f"{one.name}: would be done again and again"


def secret_problems(tree: Tree) -> Iterator[str]:
    """A container sees the files that it is told of and no others; make_secrets.py makes them; no manifest has one."""
    made = compose()["secrets"]  # test_secrets.py: exactly what make_secrets.py makes
    for one in processes(tree):
        seen = {item["path"]: item["key"] for item in one.volumes.get("secrets", {}).get("secret", {}).get("items", [])}
        yield from (f"{one.name}: {key} is not made" for key in sorted(set(seen.values()) - made.keys()))
        named = {value.removeprefix(SECRETS) for name, value in told(tree, one) if value and name.endswith("_FILE")}
        if named != set(seen) or any(path != key for path, key in seen.items()):
            yield f"{one.name}: is told of {sorted(named)} and sees {seen}"
        mount = {"name": "secrets", "mountPath": SECRETS.rstrip("/"), "readOnly": True}
        if seen and mount not in one.container.get("volumeMounts", []):
            yield f"{one.name}: its secrets are not mounted"
        if other := [volume for volume in one.volumes.values() if not volume.keys() & {"secret", "emptyDir"}]:
            yield f"{one.name}: mounts {other}"
        if any(volume["secret"]["secretName"] != "quintant" for volume in one.volumes.values() if "secret" in volume):
            yield f"{one.name}: mounts another Secret"
        yield from _loose_secrets(tree, one)
    if "Secret" in tree:
        yield f"secrets in the manifests: {sorted(tree['Secret'])}"


def _loose_secrets(tree: Tree, one: Process) -> Iterator[str]:
    for entry in one.container.get("env", []):
        ref = entry.get("valueFrom", {}).get("secretKeyRef")
        if ref and not ref.get("optional"):
            yield f"{one.name}: {entry['name']} needs the Secret {ref['name']}, which nothing makes"
    for name, value in told(tree, one):
        if value is not None and _SECRET.search(name):
            yield f"{one.name}: {name} has its value in a manifest"


def _is_secret(settings: type[TopicSettings], field: str) -> bool:
    return "SecretStr" in str(settings.model_fields[field].annotation)
