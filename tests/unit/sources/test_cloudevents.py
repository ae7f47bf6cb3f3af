"""CloudEvents in: the three modes say the same, and nobody speaks for another source."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest import wire
from services.ingest.sources.adapter import Account, CanonicalSettings, Delivery, Refusal
from services.ingest.sources.cloudevents.adapter import ADAPTER
from shared.contracts.envelope import BATCH, STRUCTURED, Event, Refused
from shared.kernel.errors import MalformedError, UnsupportedMediaTypeError

NOW = datetime(2026, 11, 24, 15, 12, tzinfo=UTC)
TOKEN = "mF_9.B5f-4.1JqM"
ACCOUNT = Account("erp", (TOKEN,), CanonicalSettings())
DATA = {"id": "D-1", "amount": {"amount": "10.50", "currency": "EUR"}}
SOURCES = st.from_regex(r"[a-z/:#?.]{1,250}", fullmatch=True)
IDS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=250).filter(
    lambda text: text == text.strip()
)


def attributes(**more: object) -> dict[str, Any]:
    said = {"specversion": "1.0", "type": "io.quintant.deal.changed.v1", "source": "/erp", "id": "1"}
    return said | {"time": "2026-11-24T15:11:55Z"} | more


def delivery(body: object, media: str = STRUCTURED, **headers: str) -> Delivery:
    return Delivery({"content-type": media, **headers}, json.dumps(body).encode(), NOW)


def only(one: Delivery) -> Event:
    (event,) = ADAPTER.adapt(one, ACCOUNT).events
    assert isinstance(event, Event), event
    return event


def test_the_three_modes_say_the_same() -> None:
    structured = only(delivery(attributes(data=DATA, cause="0")))
    binary = only(delivery(DATA, "application/json", **{f"ce-{k}": v for k, v in attributes(cause="0").items()}))
    batch = only(delivery([attributes(data=DATA, cause="0")], BATCH))
    assert wire.candidate_of(structured) == wire.candidate_of(binary) == wire.candidate_of(batch)
    assert (structured.source, structured.id, structured.cause) == ("/sources/erp", "/erp 1", "/erp 0")


@given(SOURCES, IDS, SOURCES, IDS)
def test_ids_of_two_senders_never_meet(source: str, id_: str, other_source: str, other_id: str) -> None:
    one = only(delivery(attributes(source=source, id=id_, data=DATA)))
    other = only(delivery(attributes(source=other_source, id=other_id, data=DATA)))
    assert one.source == other.source == ACCOUNT.source
    assert (one.id == other.id) == ((source, id_) == (other_source, other_id))
    wire.candidate_of(one)


def test_a_foreign_type_is_told_whatever_else_it_lacks() -> None:
    foreign = {"specversion": "1.0", "type": "com.example.created", "source": "/x", "id": "9"}
    reading = ADAPTER.adapt(delivery([foreign, attributes(data=DATA)], BATCH), ACCOUNT)
    assert [event.id for event in reading.events] == ["/erp 1"]
    assert reading.unknown == "1 of 2 events: not of Quintant's types"
    single = ADAPTER.adapt(delivery(foreign), ACCOUNT)
    assert (single.delivery, single.events) == ("/x 9", [])


@pytest.mark.parametrize("kind", [None, 7])
def test_an_event_without_a_type_is_refused(kind: object) -> None:
    (refused,) = ADAPTER.adapt(delivery(attributes(type=kind, data=DATA)), ACCOUNT).events
    assert isinstance(refused, Refused)
    assert (refused.source, refused.id) == ("/sources/erp", "/erp 1")


def test_a_refused_event_without_an_id_has_none_here() -> None:
    (refused,) = ADAPTER.adapt(delivery({"specversion": "1.0", "type": "io.quintant.deal.changed.v1"}), ACCOUNT).events
    assert (refused.source, refused.id) == ("/sources/erp", None)


def test_batches_of_other_bytes_are_other_deliveries() -> None:
    one, other = (ADAPTER.adapt(delivery([attributes(data=DATA)] * n, BATCH), ACCOUNT).delivery for n in (2, 3))
    assert one != other


def test_what_is_no_cloud_event() -> None:
    with pytest.raises(UnsupportedMediaTypeError):
        ADAPTER.adapt(delivery(DATA, "application/json"), ACCOUNT)
    with pytest.raises(MalformedError):
        ADAPTER.adapt(delivery(DATA, BATCH), ACCOUNT)


@given(st.text(max_size=60))
def test_no_other_token_verifies(text: str) -> None:
    for header in (text, f"Bearer {text}", f"Bearer {TOKEN}{text}", f"Bearer {text}{TOKEN}"):
        token = header.partition(" ")[2]
        refusal = ADAPTER.verify(Delivery({"authorization": header}, b"{}", NOW), ACCOUNT)
        assert (refusal is None) == (header.lower().startswith("bearer ") and token == TOKEN)


def test_the_token_in_the_address_is_not_looked_at() -> None:
    url = f"https://quintant.example/v1/webhooks/erp?access_token={TOKEN}"
    assert ADAPTER.verify(Delivery({}, b"{}", NOW, url=url), ACCOUNT) is Refusal.MISSING
