"""The Kubernetes manifests as one tree (kind, name, document), and what the containers in them are told."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from shared.runtime.settings import TopicSettings
from tests.unit.deploy.files import DEPLOY, Tree, ours

KUBERNETES = DEPLOY / "kubernetes"
WORKLOADS = ("Deployment", "StatefulSet", "Job")
LONG_RUNNING = ("api", "worker")
_UNITS = {"": 1, "m": 2**20, "g": 2**30, "Mi": 2**20, "Gi": 2**30}


@dataclass(frozen=True, slots=True)
class Process:
    """One workload and the only container of its pods."""

    name: str
    kind: str
    role: str
    settings: type[TopicSettings]
    spec: Tree
    pod: Tree
    container: Tree
    labels: dict[str, str]

    @property
    def service(self) -> str:
        """Empty for what belongs to no service."""
        return str(getattr(self.settings, "service", ""))

    @property
    def volumes(self) -> dict[str, Tree]:
        return {volume["name"]: volume for volume in self.pod.get("volumes", [])}


def folders() -> dict[str, Path]:
    """The folders that kustomize reads, by their last name."""
    return {path.parent.name: path.parent for path in sorted(KUBERNETES.rglob("kustomization.yaml"))}


def manifests() -> Tree:
    """All documents. A kustomization goes by the name of its folder; LookupError if a name is there twice."""
    tree: Tree = {}
    for path in sorted(KUBERNETES.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text("utf-8")):
            name = path.parent.name if path.name == "kustomization.yaml" else document["metadata"]["name"]
            if tree.setdefault(document["kind"], {}).setdefault(name, document) is not document:
                raise LookupError(f"{path}: another {document['kind']} has the name {name}")
    return tree


def processes(tree: Tree) -> Iterator[Process]:
    """Every workload that runs Quintant."""
    for kind in WORKLOADS:
        for name, document in tree.get(kind, {}).items():
            template = document["spec"]["template"]
            for _, container, settings, role in ours({"services": {name: template["spec"]["containers"][0]}}):
                labels = template["metadata"]["labels"]
                yield Process(name, kind, role, settings, document["spec"], template["spec"], container, labels)


def long_running(tree: Tree) -> Iterator[Process]:
    """The eight that stay."""
    return (process for process in processes(tree) if process.role in LONG_RUNNING)


def told(tree: Tree, process: Process) -> list[tuple[str, str | None]]:
    """Variables in the order in which they are set; the value is None where only the cluster knows it."""
    found: list[tuple[str, str | None]] = []
    for source in process.container.get("envFrom", []):
        config = tree["ConfigMap"].get(source["configMapRef"]["name"], {"data": {}})
        found += config["data"].items()
    return found + [(one["name"], one.get("value")) for one in process.container.get("env", [])]


def selects(selector: Tree, labels: dict[str, str]) -> bool:
    """Whether a label selector takes these labels; only `In` is known among the expressions."""
    wanted: dict[str, str] = selector.get("matchLabels", {})
    expressions = selector.get("matchExpressions", [])
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        one["operator"] == "In" and labels.get(one["key"]) in one["values"] for one in expressions
    )


def amount(text: str) -> int:
    """Bytes, as Compose (`512m`) or Kubernetes (`512Mi`) writes them; ValueError if neither does."""
    match = re.fullmatch(r"(\d+)([a-zA-Z]*)", text)
    if match is None or match[2] not in _UNITS:
        raise ValueError(text)
    return int(match[1]) * _UNITS[match[2]]
