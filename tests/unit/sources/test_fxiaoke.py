"""Fxiaoke: laws of its envelope and of what its objects say. Vectors and examples: tests/contract/sources."""

import base64
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.sources.adapter import Account, Delivery, Record, Refusal
from services.ingest.sources.fxiaoke.adapter import ADAPTER
from services.ingest.sources.fxiaoke.envelope import Envelope, encrypted, envelope, signature
from services.ingest.sources.fxiaoke.fields import CUSTOMER, DEAL, FIELDS, ORDER, PAYMENT
from services.ingest.sources.fxiaoke.settings import FxiaokeSettings
from services.ingest.sources.fxiaoke.simulator import sealed
from services.ingest.wire import candidate_of
from shared.contracts.envelope import Event
from shared.kernel.errors import MalformedError

_NOW = datetime(2026, 11, 24, 15, 12, tzinfo=UTC)
_KEY, _OTHER = (base64.b64encode(bytes([place]) * 32).decode() for place in (1, 2))
_NOTICE = {"eventType": "update", "apiName": DEAL, "dataId": "d1", "timestamp": 1795533115724, "messageId": "M1"}
_PARTS = st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=20)


def _account(*secrets: str, **settings: Any) -> Account:
    return Account("acme", secrets or (_KEY,), msgspec.convert(settings, FxiaokeSettings))


def _delivery(body: bytes, at: datetime = _NOW) -> Delivery:
    return Delivery({"content-type": "application/json"}, body, at)


def _read(kind: str, body: dict[str, Any], **settings: Any) -> dict[str, Any]:
    record = Record(kind, "x1", _NOW, json.dumps({"_id": "x1", **body}).encode())
    (event,) = ADAPTER.read(record, _account(**settings))
    candidate_of(event)
    said: dict[str, Any] = json.loads(event.data)
    return said


@given(st.binary(max_size=200))
def test_no_noise_is_genuine(body: bytes) -> None:
    assert ADAPTER.verify(_delivery(body), _account()) is not None


@given(
    st.fixed_dictionaries(
        {
            "signature": st.binary(min_size=20, max_size=20).map(bytes.hex),
            "timestamp": st.just(int(_NOW.timestamp() * 1000)),
            "nonce": _PARTS,
            "messageId": _PARTS,
            "retryTimes": st.none() | st.integers(0, 9),
            "enterpriseAccount": _PARTS,
            "encryptedContent": st.binary(min_size=16, max_size=64).map(lambda raw: base64.b64encode(raw).decode()),
        }
    ),
    st.lists(st.sampled_from([_KEY, _OTHER]), max_size=2),
)
def test_no_forgery_is_genuine(body: dict[str, Any], secrets: list[str]) -> None:
    account = Account("acme", tuple(secrets), FxiaokeSettings())
    assert ADAPTER.verify(_delivery(json.dumps(body).encode()), account) is Refusal.SIGNATURE


@given(st.sampled_from(["timestamp", "nonce", "messageId", "retryTimes", "enterpriseAccount"]), st.integers(0, 9))
def test_every_part_is_signed(name: str, digit: int) -> None:
    body = json.loads(sealed(_KEY, _NOTICE, _NOW, "demo", 1))
    assert ADAPTER.verify(_delivery(json.dumps(body).encode()), _account()) is None
    changed = body[name] + digit + 1 if isinstance(body[name], int) else f"{body[name]}{digit}"
    again = json.dumps({**body, name: changed}).encode()
    assert ADAPTER.verify(_delivery(again), _account()) is Refusal.SIGNATURE


@given(st.text(max_size=300), st.binary(min_size=32, max_size=32).map(lambda raw: base64.b64encode(raw).decode()))
def test_what_is_sealed_is_opened(content: str, key: str) -> None:
    text = encrypted(content.encode(), key)
    body = {
        "signature": signature(key, "1795533115724", "n", "m", "demo", text),
        "timestamp": 1795533115724,
        "nonce": "n",
        "messageId": "m",
        "enterpriseAccount": "demo",
        "encryptedContent": text,
    }
    found = envelope(json.dumps(body).encode())
    assert isinstance(found, Envelope)
    assert found.opened([_OTHER, key]).decode() == content
    with pytest.raises(MalformedError):
        found.opened([_OTHER])


@given(st.integers(-400, 400))
def test_the_replay_window(seconds: int) -> None:
    body = sealed(_KEY, _NOTICE, _NOW, "demo")
    late = _delivery(body, _NOW + timedelta(seconds=seconds))
    assert ADAPTER.verify(late, _account()) is (None if abs(seconds) <= 300 else Refusal.TIMESTAMP)
    assert ADAPTER.verify(late, _account(replay_seconds=3600)) is None


def test_identity_is_what_is_encrypted_whatever_the_envelope_says() -> None:
    """The signature joins its parts, so a forger may move letters from the messageId into the nonce."""
    body = json.loads(sealed(_KEY, _NOTICE, _NOW, "demo"))
    shifted = {**body, "nonce": body["nonce"] + body["messageId"][0], "messageId": body["messageId"][1:]}
    readings = []
    for one in (body, shifted):
        delivery = _delivery(json.dumps(one).encode())
        assert ADAPTER.verify(delivery, _account()) is None
        readings.append(ADAPTER.adapt(delivery, _account()))
    assert readings[0] == readings[1]
    assert readings[0].delivery == "M1"


def test_a_repetition_says_the_same() -> None:
    deleted = {**_NOTICE, "eventType": "delete"}
    first, second = (
        ADAPTER.adapt(_delivery(sealed(_KEY, deleted, _NOW + timedelta(minutes=9 * place), "demo", place)), _account())
        for place in (0, 1)
    )
    assert first == second
    (event,) = first.events
    assert isinstance(event, Event)
    assert (event.id, event.cause, json.loads(event.data)) == ("M1", "M1", {"id": "acme:d1", "ended": True})


def test_the_answer_is_sealed_with_the_key_of_the_question() -> None:
    delivery = _delivery(sealed(_KEY, _NOTICE, _NOW, "demo"))
    reply = ADAPTER.reply(delivery, _account(_OTHER, _KEY))
    assert reply is not None
    assert reply.status == 200
    said = json.loads(reply.body)
    assert said["timestamp"] == int(_NOW.timestamp() * 1000)
    assert said["encryptedResult"] == encrypted(b"success", _KEY)
    parts = (str(said["timestamp"]), said["nonce"], said["encryptedResult"])
    assert said["signature"] == signature(_KEY, *parts)
    assert ADAPTER.reply(delivery, _account(_OTHER)) is None
    assert ADAPTER.reply(_delivery(b"{}"), _account()) is None


@pytest.mark.parametrize("secret", ["", "short", base64.b64encode(b"1" * 16).decode(), "*" * 44])
def test_a_secret_that_is_no_key_opens_nothing(secret: str) -> None:
    content = encrypted(b"{}", _KEY)
    body = {
        "signature": signature(secret, "1795533115724", "n", "m", "demo", content),
        "timestamp": 1795533115724,
        "nonce": "n",
        "messageId": "m",
        "enterpriseAccount": "demo",
        "encryptedContent": content,
    }
    with pytest.raises(MalformedError, match="aesKey"):
        ADAPTER.adapt(_delivery(json.dumps(body).encode()), _account(secret))


def test_a_notice_without_its_parts_is_malformed() -> None:
    for name in ("apiName", "dataId"):
        body = sealed(_KEY, {key: value for key, value in _NOTICE.items() if key != name}, _NOW, "demo")
        with pytest.raises(MalformedError, match=name):
            ADAPTER.adapt(_delivery(body), _account())
    with pytest.raises(MalformedError):
        ADAPTER.read(Record("LeadsObj", "l1", _NOW, b"{}"), _account())


_MONEY = st.decimals(-10_000, 10_000, places=2)


@given(st.lists(_MONEY, max_size=5), _MONEY, st.sampled_from(["0", "6", "13"]), st.sampled_from(["CNY", "JPY", "KWD"]))
def test_an_order_is_worth_what_its_amount_says(lines: list[Decimal], total: Decimal, tax: str, currency: str) -> None:
    details = [{"id": f"l{place}", "subtotal": str(line)} for place, line in enumerate(lines)]
    body = {"order_amount": str(total), "mc_currency": currency, "details": {"SalesOrderProductObj": details}}
    said = _read(ORDER, body, tax_percent=tax)["lines"].values()
    worth = sum((Decimal(part["amount"]) for line in said for part in (line["net"], line["tax"]) if part), Decimal(0))
    assert worth == total
    assert {part["currency"] for line in said for part in (line["net"], line["tax"]) if part} <= {currency}


@pytest.mark.parametrize(
    ("amount", "currency", "net"), [("113", "CNY", "100"), ("100", "CNY", "88.5"), ("100", "JPY", "88")]
)
def test_tax_is_taken_out_to_the_minor_unit(amount: str, currency: str, net: str) -> None:
    said = _read(DEAL, {"amount": amount, "mc_currency": currency}, tax_percent="13")
    assert said["amount"] == {"amount": net, "currency": currency}


def test_what_the_api_leaves_out_is_cleared() -> None:
    said = _read(DEAL, {"last_modified_time": 1795533115525})
    assert {name: said[name] for name in ("amount", "owner_id", "stage", "expected_close_on")} == dict.fromkeys(
        ("amount", "owner_id", "stage", "expected_close_on")
    )
    assert _read(DEAL, {"amount": "", "owner": []})["amount"] is None


@pytest.mark.parametrize("percent", ["101", "-1"])
def test_a_probability_that_is_none_is_not_said(percent: str) -> None:
    assert _read(DEAL, {"probability": percent})["probability"] is None


def test_life_status() -> None:
    assert _read(CUSTOMER, {"life_status": "invalid"}) == {"id": "acme:x1", "ended": True}
    assert _read(CUSTOMER, {"is_deleted": True}) == {"id": "acme:x1", "ended": True}
    assert _read(ORDER, {"life_status": "invalid"})["status"] == "cancelled"
    assert _read(ORDER, {"life_status": "in_change"})["status"] == "confirmed"
    assert _read(PAYMENT, {"life_status": "ineffective"})["ended"] is True
    assert _read(PAYMENT, {"life_status": "in_change", "payment_amount": "0.00"})["amount"] is None


def test_a_field_can_be_told_to_be_elsewhere_or_nowhere() -> None:
    body = {"amount": "1", "amount__c": "2", "sales_stage": "1"}
    said = _read(DEAL, body, fields={DEAL: {"amount": "amount__c", "stage": ""}})
    assert (said["amount"]["amount"], said["stage"]) == ("2", None)
    assert set(FIELDS) >= {DEAL, CUSTOMER, ORDER, PAYMENT}


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"currency": "RMB"}, "currency"),
        ({"tax_percent": "13%"}, "tax_percent"),
        ({"tax_percent": ""}, "tax_percent"),
        ({"tax_percent": "100"}, "tax_percent"),
        ({"outcomes": {"2": "closed"}}, "outcomes"),
        ({"polled": ["LeadsObj"]}, "polled"),
        ({"fields": {"LeadsObj": {"name": "x"}}}, "LeadsObj"),
        ({"fields": {DEAL: {"nonsense": "x"}}}, "nonsense|no such name"),
        ({"replay_seconds": 5}, "replay_seconds"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=why):
        _account(**settings)
