"""Standard Webhooks in: no forgery verifies, and a message says what an event posted directly would say."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import ne

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest import wire
from services.ingest.sources.adapter import Account, CanonicalSettings, Delivery, Refusal
from services.ingest.sources.standard_webhooks.adapter import ADAPTER
from shared.contracts.envelope import STRUCTURED, Event, Refused, parse_events
from shared.http.standard_webhooks import secret_bytes, sign, signed_headers
from shared.kernel.errors import MalformedError

SECRET, OTHER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
NOW = datetime(2026, 11, 24, 15, 12, tzinfo=UTC)
ACCOUNT = Account("erp", (SECRET,), CanonicalSettings())
DEAL = {"id": "D-1", "amount": {"amount": "10.50", "currency": "EUR"}, "title": None}


def body(data: object = DEAL, kind: str = "io.quintant.deal.changed.v1", **more: object) -> bytes:
    said = {"type": kind, "timestamp": "2026-11-24T23:11:55.724+08:00", "data": data}
    return json.dumps(said | more).encode()


def delivery(content: bytes, message_id: str = "msg_1") -> Delivery:
    return Delivery(signed_headers([secret_bytes(SECRET)], message_id, NOW, content), content, NOW)


def test_a_message_says_what_a_posted_event_says() -> None:
    (event,) = ADAPTER.adapt(delivery(body()), ACCOUNT).events
    posted: dict[str, object] = {"specversion": "1.0", "type": "io.quintant.deal.changed.v1", "source": "/sources/erp"}
    posted |= {"id": "msg_1", "time": "2026-11-24T15:11:55.724Z", "data": DEAL}
    (expected,) = parse_events({"content-type": STRUCTURED}, json.dumps(posted).encode())
    assert isinstance(event, Event)
    assert isinstance(expected, Event)
    assert wire.candidate_of(event) == wire.candidate_of(expected)


def test_numbers_stay_as_they_were_written() -> None:
    content = body().replace(b'"10.50"', b"123456789012345.678901")
    (event,) = ADAPTER.adapt(delivery(content), ACCOUNT).events
    assert isinstance(event, Event)
    assert b'"123456789012345.678901"' in wire.candidate_of(event).public


@pytest.mark.parametrize("kind", ["contact.created", "io.quintant.deal.changed.v2", "", "x" * 5000])
def test_an_unknown_type_is_told_and_not_refused(kind: str) -> None:
    reading = ADAPTER.adapt(delivery(body(kind=kind)), ACCOUNT)
    assert (reading.delivery, reading.events) == ("msg_1", ())
    assert reading.unknown.startswith("type '")
    assert len(reading.unknown) < 120


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'"text"'])
def test_what_cannot_be_read(content: bytes) -> None:
    with pytest.raises(MalformedError):
        ADAPTER.adapt(delivery(content), ACCOUNT)


def test_what_is_against_the_contract_is_refused_with_its_place() -> None:
    (refused,) = ADAPTER.adapt(delivery(body(timestamp=None)), ACCOUNT).events
    assert isinstance(refused, Refused)
    assert [fault.where for fault in refused.error.faults] == ["/time"]


def test_an_unsigned_id_never_stands_beside_another_familys_signature() -> None:
    good = delivery(body())
    svix = {name.replace("webhook", "svix"): value for name, value in good.headers.items()}
    mixed = replace(good, headers={**svix, "webhook-id": "msg_other"})
    assert ADAPTER.verify(replace(good, headers=svix), ACCOUNT) is None
    assert ADAPTER.verify(mixed, ACCOUNT) is Refusal.MISSING
    # After a replay there are no signatures any more: the same header gives the id.
    assert ADAPTER.adapt(replace(good, headers={"svix-id": "msg_1"}), ACCOUNT).delivery == "msg_1"


@given(st.binary(max_size=200), st.data())
def test_no_forgery_verifies(content: bytes, data: st.DataObject) -> None:
    good = delivery(content)
    assert ADAPTER.verify(good, ACCOUNT) is None
    other = data.draw(st.binary(max_size=200).filter(lambda one: one != content))
    assert ADAPTER.verify(replace(good, body=other), ACCOUNT) is Refusal.SIGNATURE
    for name, value in good.headers.items():
        text = data.draw(st.text(max_size=60).filter(partial(ne, value)))
        assert ADAPTER.verify(replace(good, headers={**good.headers, name: text}), ACCOUNT) is not None, name


@given(st.text(st.characters(max_codepoint=255), max_size=40), st.text(st.characters(max_codepoint=255), max_size=20))
def test_id_time_and_body_are_cut_in_one_way(message_id: str, timestamp: str) -> None:
    """A signature of one cut never fits another."""
    signature = sign(secret_bytes(SECRET), message_id, timestamp, b"body")
    headers = {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signature}
    if ADAPTER.verify(Delivery(headers, b"body", NOW), ACCOUNT) is None:
        assert "." not in message_id
        assert timestamp.isdecimal()


@pytest.mark.parametrize(("away", "refusal"), [(300, None), (301, Refusal.TIMESTAMP), (-301, Refusal.TIMESTAMP)])
def test_the_replay_window(away: int, refusal: Refusal | None) -> None:
    late = replace(delivery(body()), received_at=NOW + timedelta(seconds=away))
    assert ADAPTER.verify(late, ACCOUNT) is refusal


@pytest.mark.parametrize("secrets", [(), (OTHER,), ("no base64!",), ("whsec_",)])
def test_without_the_secret_nothing_verifies(secrets: tuple[str, ...]) -> None:
    assert ADAPTER.verify(delivery(body()), replace(ACCOUNT, secrets=secrets)) is Refusal.SIGNATURE


def test_either_secret_of_a_rotation_is_enough() -> None:
    for secrets in ((OTHER, SECRET), (SECRET, OTHER), ("no base64!", SECRET)):
        assert ADAPTER.verify(delivery(body()), replace(ACCOUNT, secrets=secrets)) is None
