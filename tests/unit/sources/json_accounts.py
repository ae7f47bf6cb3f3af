"""JSON webhooks configured for tests, and what they say about a body."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st

from services.ingest import wire
from services.ingest.sources.adapter import Account, Delivery, Reading
from services.ingest.sources.json_webhook.adapter import ADAPTER, JsonSettings
from shared.contracts.envelope import Event, Refused

NOW = datetime(2026, 11, 24, 15, 12, tzinfo=UTC)
AT = "2026-11-24T15:11:55Z"
SIGNED = {"scheme": "url"}
RULE: dict[str, Any] = {"name": "deal", "entity": "deal", "id": "id", "time": "at"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcdid"), inner, max_size=4),
    max_leaves=25,
)


def account(*rules: dict[str, Any], **more: Any) -> Account:
    said = {"verification": SIGNED, "events": list(rules), **more}
    return Account("crm", ("secret",), msgspec.convert(said, JsonSettings))


def adapted(configured: Account, body: object) -> Reading:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ADAPTER.adapt(Delivery({}, content, NOW), configured)


def fields(said: dict[str, Any], body: dict[str, Any], entity: str = "deal", **more: Any) -> dict[str, Any]:
    """What one rule with these fields says about a body, without the id."""
    rule = {**RULE, "entity": entity, "fields": said}
    rule |= {name: more.pop(name) for name in ("whole", "ended") if name in more}
    configured = account(rule, **more)
    (event,) = adapted(configured, {"id": 8, "at": AT, **body}).events
    assert isinstance(event, Event), event
    candidate = wire.candidate_of(event)
    found: dict[str, Any] = msgspec.json.decode(candidate.public)
    assert found.pop("id") == "crm:8"
    return found | (msgspec.json.decode(candidate.personal) if candidate.personal else {})


def wrong(said: dict[str, Any], body: dict[str, Any], entity: str = "deal", **more: Any) -> list[str]:
    """Where the faults stand."""
    (refused,) = adapted(
        account({**RULE, "entity": entity, "fields": said}, **more), {"id": 8, "at": AT, **body}
    ).events
    assert isinstance(refused, Refused)
    assert "8" not in refused.error.detail
    return [fault.where for fault in refused.error.faults]


def problem(*rules: dict[str, Any], **more: Any) -> str:
    with pytest.raises(msgspec.ValidationError) as refused:
        account(*rules, **more)
    return str(refused.value)
