"""Personal fields never appear in the public part: a canary is planted in each of them."""

import json
from typing import Any

import msgspec
import pytest

from shared.contracts.entities import ENTITIES, Entity, canonical, decode_data
from shared.contracts.records import StreamRecord
from shared.contracts.shape import Path
from tests.contract.contracts.published import CONTRACTS, schema

CANARY = "canary-4711"
WITH_PERSONAL = [slug for slug, entity in ENTITIES.items() if entity.personal]


def plant(node: dict[str, Any], path: Path) -> None:
    head, *rest = path
    for key in (list(node) or ["one"]) if head == "*" else [head]:
        if not rest:
            node[key] = CANARY
        else:
            inner = node.setdefault(key, {})
            plant(inner, tuple(rest))


def planted(entity: Entity) -> bytes:
    data: dict[str, Any] = json.loads((CONTRACTS / "examples" / entity.slug / "whole.json").read_text())["data"]
    for path in entity.personal:
        plant(data, path)
    return json.dumps(data).encode()


def test_the_entities_with_personal_data() -> None:
    assert {"lead", "activity", "feedback", "customer", "member"} == set(WITH_PERSONAL)


@pytest.mark.parametrize("slug", WITH_PERSONAL)
def test_no_canary_leaves_ingest(slug: str) -> None:
    entity = ENTITIES[slug]
    public, personal = canonical(decode_data(entity, planted(entity)))
    assert CANARY.encode() not in public
    assert personal is not None
    assert personal.count(CANARY.encode()) == len(entity.personal)


@pytest.mark.parametrize("slug", WITH_PERSONAL)
def test_clearing_a_personal_field_is_personal_too(slug: str) -> None:
    entity = ENTITIES[slug]
    cleared = {path[0]: None for path in entity.personal if len(path) == 1}
    public, personal = canonical(decode_data(entity, json.dumps({"id": "X"} | cleared).encode()))
    assert public == b'{"id":"X"}'
    assert msgspec.json.decode(personal or b"") == cleared


def test_a_contact_is_known_outside_by_its_id_alone() -> None:
    public, _ = canonical(decode_data(ENTITIES["customer"], planted(ENTITIES["customer"])))
    assert json.loads(public)["contacts"] == {"CP-1": {}}


@pytest.mark.parametrize("slug", ENTITIES)
def test_the_schema_marks_what_the_registry_calls_personal(slug: str) -> None:
    loaded = schema(slug)

    def marked(node: dict[str, Any], prefix: Path) -> set[Path]:
        found: set[Path] = set()
        for one in node.get("anyOf", [node]):
            target = loaded["$defs"][one["$ref"].rpartition("/")[2]] if "$ref" in one else one
            found |= {prefix} if target.get("x-personal") else set()
            for name, inner in target.get("properties", {}).items():
                found |= marked(inner, (*prefix, name))
            if isinstance(target.get("additionalProperties"), dict):
                found |= marked(target["additionalProperties"], (*prefix, "*"))
        return found

    assert marked(loaded, ()) == set(ENTITIES[slug].personal)


def test_the_fields_of_a_stream_record_hold_the_public_part_only() -> None:
    assert "personal" not in StreamRecord.__slots__
