"""The files under test, read once a question, and the settings classes that they are held against."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from deploy.generate import ROOT, settings_classes
from shared.runtime.settings import TopicSettings

DEPLOY = ROOT / "deploy"
HERE = Path(__file__).parent

Tree = dict[str, Any]


def read_yaml(path: Path) -> Tree:
    """A YAML document that is a mapping."""
    tree: Tree = yaml.safe_load(path.read_text("utf-8"))
    return tree


def read_json(path: Path) -> Tree:
    tree: Tree = json.loads(path.read_text("utf-8"))
    return tree


def compose() -> Tree:
    """docker-compose.yml, its anchors resolved."""
    return read_yaml(ROOT / "docker-compose.yml")


def ours(tree: Tree) -> Iterator[tuple[str, Tree, type[TopicSettings], str]]:
    """The containers that run Quintant: name, definition, the settings class that they read, their role."""
    classes: Mapping[str, type[TopicSettings]] = settings_classes()
    for name, service in tree["services"].items():
        match service.get("command"):
            case ["python", "-m", "shared.runtime", "topics"]:
                yield name, service, TopicSettings, "topics"
            case ["python", "-m", str(module), str(role)] if module.removeprefix("services.") in classes:
                yield name, service, classes[module.removeprefix("services.")], role
