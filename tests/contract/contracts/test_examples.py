"""Every committed example is valid by the published schema and by the decoder, and comes back unchanged."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.entities import ENTITIES, canonical, decode_canonical, decode_data, entity_of, said
from shared.contracts.envelope import STRUCTURED, Event, parse_events
from shared.contracts.values import write_instant
from tests.contract.contracts.published import CONTRACTS, EXAMPLES, NAMES, schema, validator


def event_in(path: Path) -> Event:
    (event,) = parse_events({"content-type": STRUCTURED}, path.read_bytes())
    assert isinstance(event, Event), event
    return event


def merged(public: Any, personal: Any) -> Any:
    """The two parts of an event as one again."""
    if not isinstance(public, dict) or not isinstance(personal, dict):
        return personal
    return public | {key: merged(public.get(key), value) for key, value in personal.items()}


def same(sent: Any, read: Any) -> bool:
    """Equal as statements: decimals by value."""
    if isinstance(sent, dict) and isinstance(read, dict):
        return sent.keys() == read.keys() and all(same(sent[key], read[key]) for key in sent)
    try:
        return sent == read or Decimal(sent) == Decimal(read)
    except (ArithmeticError, TypeError):
        return False


@pytest.mark.parametrize("slug", ENTITIES)
def test_every_entity_has_its_examples(slug: str) -> None:
    found = {path.stem for path in EXAMPLES if path.parent.name == slug}
    assert found >= {"whole", "partial", "ended", "revived"}


@pytest.mark.parametrize("slug", ENTITIES)
def test_the_whole_example_says_every_field_and_the_partial_one_clears_some(slug: str) -> None:
    whole = json.loads((CONTRACTS / "examples" / slug / "whole.json").read_text())["data"]
    partial = json.loads((CONTRACTS / "examples" / slug / "partial.json").read_text())["data"]
    optional = {"ended", "since", "person_name", "due_on", "reason", "deal_id", "loss_reason", "lead_id"}
    optional |= {"reversed_on", "reversal_reason"}
    assert ENTITIES[slug].shape.fields.keys() - whole.keys() <= optional
    assert None in partial.values() or any(
        None in inner.values() for inner in partial.values() if isinstance(inner, dict)
    )


@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_an_example_is_valid_by_the_published_schemas(path: Path) -> None:
    event = json.loads(path.read_text())
    validator("cloud-event").validate(event)
    validator(path.parent.name).validate(event["data"])


@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_an_example_is_read_and_comes_back_unchanged(path: Path) -> None:
    event = event_in(path)
    entity = entity_of(event.type)
    assert entity.slug == path.parent.name
    public, personal = canonical(decode_data(entity, event.data))
    sent = json.loads(event.data)
    if "started_at" in sent:
        sent["started_at"] = write_instant(event.time.fromisoformat(sent["started_at"]))
    assert same(sent, merged(json.loads(public), json.loads(personal or b"{}")))


@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_the_canonical_form_is_stable(path: Path) -> None:
    event = event_in(path)
    entity = entity_of(event.type)
    public, _ = canonical(decode_data(entity, event.data))
    assert canonical(decode_canonical(entity, public)) == (public, None)
    assert public == json.dumps(json.loads(public), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    validator(entity.slug).validate(json.loads(public))
    assert said(public).keys() == json.loads(public).keys() - {"id", "ended", "since"}


@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_an_unknown_field_is_refused_by_schema_and_decoder(path: Path) -> None:
    data = json.loads(path.read_text())["data"] | {"colour": "red"}
    assert not validator(path.parent.name).is_valid(data)


@pytest.mark.parametrize("slug", ENTITIES)
def test_a_decimal_may_be_a_json_number_within_the_limits(slug: str) -> None:
    fields = [name for name, field in schema(slug)["properties"].items() if '"decimal"' in json.dumps(field)]
    for name in fields:
        check = validator(slug)
        assert check.is_valid({"id": "X", name: 1})
        assert check.is_valid({"id": "X", name: "1"})
        assert not check.is_valid({"id": "X", name: 10**16})
        assert not check.is_valid({"id": "X", name: "1e3"})
