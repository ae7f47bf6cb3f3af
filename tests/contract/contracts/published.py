"""The committed schemas and examples, as a consumer outside this repository would read them."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

ROOT = Path(__file__).parents[3]
CONTRACTS = ROOT / "shared" / "contracts"
EXAMPLES = sorted((CONTRACTS / "examples").glob("*/*.json"))
NAMES = [f"{path.parent.name}/{path.stem}" for path in EXAMPLES]


def schema(name: str) -> dict[str, Any]:
    """A committed schema."""
    loaded: dict[str, Any] = json.loads((CONTRACTS / "schemas" / f"{name}.json").read_text())
    return loaded


def validator(name: str) -> Draft202012Validator:
    """Checks against a committed schema, formats included."""
    every = [json.loads(path.read_text()) for path in (CONTRACTS / "schemas").glob("*.json")]
    registry: Registry[Any] = Registry().with_resources((one["$id"], Resource.from_contents(one)) for one in every)
    return Draft202012Validator(schema(name), registry=registry, format_checker=FormatChecker())
