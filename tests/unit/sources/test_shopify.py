"""Shopify: laws of its signature, its money and its order. Vectors and examples are tested with everybody's."""

import base64
import hmac
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.sources.adapter import Account, Delivery, Record, Refusal, ToRead
from services.ingest.sources.shopify.adapter import ADAPTER, ShopifySettings
from services.ingest.sources.shopify.simulator import SIMULATOR
from services.ingest.sources.story import SimulatedOrder, told
from services.ingest.wire import candidate_of
from shared.contracts.envelope import Event, Refused
from shared.kernel.errors import MalformedError

_NOW = datetime(2026, 11, 24, 15, 12, tzinfo=UTC)
_TIMES = {"created_at": "2026-11-20T10:00:00-05:00", "updated_at": "2026-11-20T10:00:03-05:00"}
_cents = st.integers(0, 1_000_000).map(lambda cents: Decimal(cents) / 100)


def _account(*secrets: str, **settings: Any) -> Account:
    return Account("shop", secrets or ("s1",), msgspec.convert(settings, ShopifySettings))


def _delivery(body: bytes, **headers: str) -> Delivery:
    signature = base64.b64encode(hmac.digest(b"s1", body, "sha256")).decode()
    return Delivery({"x-shopify-hmac-sha256": signature, **headers}, body, _NOW)


def _order(**said: Any) -> dict[str, Any]:
    return {"id": 1, **_TIMES, "currency": "EUR", "financial_status": "paid", "line_items": [], **said}


def _said(body: Mapping[str, Any], account: Account | None = None) -> list[tuple[str, dict[str, Any]]]:
    """(entity, data) of what a delivery says; each is checked against the contract."""
    reading = ADAPTER.adapt(_delivery(json.dumps(body).encode()), account or _account())
    return [_checked(event) for event in reading.events]


def _checked(event: Event | Refused) -> tuple[str, dict[str, Any]]:
    assert isinstance(event, Event)
    return candidate_of(event).entity, json.loads(event.data)


def _state(events: Iterable[Event | Refused]) -> dict[tuple[str, str], dict[str, Any]]:
    """Last writer wins, field by field; collections by entry."""
    state: dict[tuple[str, str], dict[str, Any]] = {}
    genuine = {event.id: event for event in events if isinstance(event, Event)}
    for event in sorted(genuine.values(), key=lambda event: (event.time, event.sequence, event.source, event.id)):
        known = state.setdefault((event.type, event.subject), {})
        for name, value in json.loads(event.data).items():
            entries = known.get(name) if name in ("lines", "allocations") else None
            known[name] = (
                {**entries, **{key: {**entries.get(key, {}), **one} for key, one in value.items()}}
                if entries
                else value
            )
    return state


@given(st.binary(max_size=200), st.binary(max_size=40), st.sampled_from(["", "s1", "\u20ac"]))
def test_no_forgery_is_genuine(body: bytes, signature: bytes, secret: str) -> None:
    headers = {"x-shopify-hmac-sha256": base64.b64encode(signature).decode()}
    account = Account("shop", (secret,) if secret else (), ShopifySettings())
    assert ADAPTER.verify(Delivery(headers, body, _NOW), account) is not None


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_changed_byte_is_noticed(body: bytes, data: st.DataObject) -> None:
    sent = _delivery(body)
    assert ADAPTER.verify(sent, _account()) is None
    assert ADAPTER.verify(sent, _account("new", "s1")) is None
    place = data.draw(st.integers(0, len(body) - 1))
    flipped = bytes([*body[:place], body[place] ^ (1 << data.draw(st.integers(0, 7))), *body[place + 1 :]])
    assert ADAPTER.verify(Delivery(sent.headers, flipped, _NOW), _account()) is Refusal.SIGNATURE


@given(_cents, st.integers(1, 50), _cents, _cents, st.booleans())
def test_net_and_tax_of_a_line(price: Decimal, pieces: int, off: Decimal, tax: Decimal, included: bool) -> None:
    item = {
        "id": 9,
        "product_id": 7,
        "quantity": pieces,
        "price": str(price),
        "total_discount": "0.00",
        "discount_allocations": [{"amount": str(off / 2)}, {"amount": str(off / 2)}],
        "tax_lines": [{"price": str(tax)}],
    }
    ((_, data),) = _said(_order(line_items=[item], taxes_included=included, total_tax=str(tax)))
    line = data["lines"]["9"]
    paid = price * pieces - off + (0 if included else tax)
    assert Decimal(line["net"]["amount"]) + Decimal(line["tax"]["amount"]) == paid
    assert Decimal(line["tax"]["amount"]) == tax
    assert (line["unit_price"] is None) is included


def test_tax_that_is_in_the_price_has_to_be_told() -> None:
    item = {"id": 9, "quantity": 1, "price": "119.00"}
    with pytest.raises(MalformedError):
        _said(_order(line_items=[item], taxes_included=True, total_tax="19.00"))


@pytest.mark.parametrize(("currency", "amount"), [("JPY", "500"), ("KWD", "5.123"), ("EUR", "5.12")])
def test_every_currency_as_it_is_written(currency: str, amount: str) -> None:
    item = {"id": 9, "quantity": 2, "price": amount}
    ((_, data),) = _said(_order(currency=currency, line_items=[item]))
    net = data["lines"]["9"]["net"]
    assert (Decimal(net["amount"]), net["currency"]) == (2 * Decimal(amount), currency)


@pytest.mark.parametrize(("inside", "net"), [("119.00", "100"), ("100.00", "100")])
def test_a_subtotal_with_and_without_the_tax_of_the_price(inside: str, net: str) -> None:
    sold = {"id": 9, "product_id": 7, "quantity": 1, "price": "119.00", "tax_lines": [{"price": "19.00"}]}
    back = {"id": 3, "line_item_id": 9, "quantity": 1, "subtotal": inside, "total_tax": "19.00", "line_item": sold}
    refund = {"id": 4, "order_id": 1, **_TIMES, "refund_line_items": [back]}
    said = _said(_order(taxes_included=True, total_tax="19.00", line_items=[sold], refunds=[refund]))
    assert [data["lines"]["3"]["net"]["amount"] for entity, data in said if entity == "return"] == [net]


def test_refunded_shipping_is_told_once() -> None:
    money = {"shop_money": {"amount": "5.00", "currency_code": "EUR"}}
    line = {"id": 8, "shipping_line_id": 6, "subtotal_amount_set": money}
    refund: dict[str, Any] = {
        "id": 4,
        "order_id": 1,
        **_TIMES,
        "refund_line_items": [],
        "refund_shipping_lines": [line],
    }
    ((_, data),) = _said(refund)
    assert data["lines"] == {"shipping:8": {"net": {"amount": "5", "currency": "EUR"}}}
    both = {"id": 2, "kind": "shipping_refund", "amount": "-5.00", "tax_amount": "0.00"}
    less = {"id": 3, "kind": "refund_discrepancy", "amount": "5.00", "tax_amount": "0.00"}
    ((_, data),) = _said({**refund, "order_adjustments": [both, less]}, _account(currency="EUR"))
    assert data["lines"] == {"adjustment:2": {"net": {"amount": "5", "currency": "EUR"}}}


def test_headers_say_nothing() -> None:
    body = json.dumps(_order()).encode()
    readings = [
        ADAPTER.adapt(_delivery(body, **{"x-shopify-topic": topic}), _account())
        for topic in ("orders/create", "orders/delete", "customers/redact")
    ]
    assert readings[0] == readings[1] == readings[2]


def test_what_cannot_be_reached_is_not_asked_for() -> None:
    body = json.dumps(_order()).encode()
    assert not ADAPTER.adapt(_delivery(body), _account(shop="a.myshopify.com")).reads
    reading = ADAPTER.adapt(_delivery(body), _account(shop="a.myshopify.com", client_id="id"))
    assert reading.reads == [ToRead("orders", "1", reading.delivery)]


def test_the_cash_of_another_source_is_not_counted_twice() -> None:
    sale = {"id": 2, "order_id": 1, **_TIMES, "kind": "sale", "gateway": "cash", "status": "success", "amount": "5.00",
            "currency": "EUR"}  # fmt: skip
    ((entity, data),) = _said(sale)
    assert (entity, data["instrument"], data["amount"]) == ("payment", "cash", {"amount": "5", "currency": "EUR"})
    assert _said(sale, _account(payments=False)) == []
    assert _said({**sale, "amount": "0.00"}) == []
    assert _said({**sale, "currency": None}) == []


def test_within_a_second_the_version_that_is_further_along_is_later() -> None:
    versions = [
        _order(financial_status="pending"),
        _order(financial_status="paid"),
        _order(financial_status="paid", fulfillment_status="fulfilled"),
        _order(financial_status="refunded", refunds=[{"id": 4, "order_id": 1, **_TIMES, "refund_line_items": []}]),
        _order(financial_status="refunded", cancelled_at=_TIMES["updated_at"]),
    ]
    events = [
        event for one in versions for event in ADAPTER.adapt(_delivery(json.dumps(one).encode()), _account()).events
    ]
    sequences = [event.sequence for event in events if isinstance(event, Event)]
    assert sequences == sorted(set(sequences))


@pytest.mark.parametrize("settings", [{"shop": "example.com"}, {"shop": "x.myshopify.com/admin"}, {"currency": "EURO"}])
def test_settings_that_cannot_be_right(settings: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(settings, ShopifySettings)


@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_a_story_told_in_any_order_twice_and_read(seed: int, random: Any) -> None:
    steps = told("orders", seed=seed, things=3, begin=_NOW, span=timedelta(hours=6))
    account = _account()
    in_order: list[Event | Refused] = []
    for step in steps:
        for sent in SIMULATOR.deliveries(step, account, step.at):
            delivery = Delivery(sent.headers, sent.body, step.at)
            assert ADAPTER.verify(delivery, account) is None
            in_order += ADAPTER.adapt(delivery, account).events
    twice = in_order + in_order
    random.shuffle(twice)
    state = _state(twice)
    assert state == _state(in_order)
    for order in {thing.number: thing for step in steps if isinstance(thing := step.now, SimulatedOrder)}.values():
        for shown in SIMULATOR.shown(order):
            record = Record(shown.kind, shown.id, _NOW + timedelta(days=1), msgspec.json.encode(shown.body))
            read = _state(ADAPTER.read(record, account))
            assert not [key for key, fields in read.items() if not _agree(fields, state[key])]


def _agree(read: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """What is read adds to what is known, and contradicts none of it."""
    return all(read.get(name, value) == value for name, value in known.items())
