"""Stripe: laws of its signature, its currencies and its order. Vectors and examples are tested with everybody's."""

import itertools
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.sources.adapter import Account, Delivery, Record, Refusal
from services.ingest.sources.story import SimulatedOrder, told
from services.ingest.sources.stripe.adapter import ADAPTER, StripeSettings
from services.ingest.sources.stripe.simulator import SIMULATOR, signed
from services.ingest.wire import candidate_of
from shared.contracts.envelope import Event, Refused
from shared.kernel.errors import InvalidInputError, MalformedError

_NOW = datetime(2026, 11, 24, 15, 12, tzinfo=UTC)
_CREATED = int(_NOW.timestamp())
_ids = itertools.count(1)


def _account(*secrets: str, **settings: Any) -> Account:
    return Account("pay", secrets or ("whsec_1",), msgspec.convert(settings, StripeSettings))


def _delivery(body: bytes, headers: Mapping[str, str], at: datetime = _NOW) -> Delivery:
    return Delivery(headers, body, at)


def _event(kind: str, subject: Mapping[str, Any], at: int = _CREATED) -> bytes:
    event = {"id": f"evt_{next(_ids)}", "object": "event", "created": at, "type": kind, "livemode": True}
    return json.dumps({**event, "data": {"object": subject}}).encode()


def _told(body: bytes, account: Account | None = None) -> list[Event]:
    """What a delivery says; each is checked against the contract."""
    events = ADAPTER.adapt(_delivery(body, {}), account or _account()).events
    return [event for event in events if isinstance(event, Event) and candidate_of(event)]


def _charge(**said: Any) -> dict[str, Any]:
    return {"id": "ch_1", "object": "charge", "status": "succeeded", "captured": True, "amount": 1000,
            "amount_captured": 1000, "currency": "eur", "created": _CREATED, "payment_intent": "pi_1",
            **said}  # fmt: skip


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


@given(st.binary(max_size=200), st.integers(0, 10**12), st.lists(st.binary(max_size=40), max_size=3))
def test_no_forgery_is_genuine(body: bytes, stamp: int, given_: list[bytes]) -> None:
    header = ",".join([f"t={stamp}", *(f"v1={one.hex()}" for one in given_)])
    assert ADAPTER.verify(_delivery(body, {"stripe-signature": header}), _account()) is not None


@given(st.text(max_size=80))
def test_no_header_breaks_it(header: str) -> None:
    assert ADAPTER.verify(_delivery(b"{}", {"stripe-signature": header}), _account()) is not None


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_changed_byte_is_noticed(body: bytes, data: st.DataObject) -> None:
    headers = signed("whsec_1", body, _NOW)
    assert ADAPTER.verify(_delivery(body, headers), _account("whsec_0", "whsec_1")) is None
    place = data.draw(st.integers(0, len(body) - 1))
    flipped = bytes([*body[:place], body[place] ^ (1 << data.draw(st.integers(0, 7))), *body[place + 1 :]])
    assert ADAPTER.verify(_delivery(flipped, headers), _account()) is Refusal.SIGNATURE
    late = _NOW + timedelta(seconds=301)
    assert ADAPTER.verify(_delivery(body, headers, late), _account()) is Refusal.TIMESTAMP


@pytest.mark.parametrize(
    ("currency", "minor", "amount"),
    [
        ("usd", 1099, "10.99"),
        ("jpy", 500, "500"),
        ("mga", 500, "500"),
        ("isk", 500, "5"),
        ("ugx", 500, "5"),
        ("huf", 1045, "10.45"),
        ("twd", 80045, "800.45"),
        ("kwd", 5120, "5.12"),
        ("tnd", 1, "0.001"),
    ],
)
def test_every_currency_in_stripes_own_unit(currency: str, minor: int, amount: str) -> None:
    (event,) = _told(_event("charge.succeeded", _charge(amount_captured=minor, currency=currency)))
    assert json.loads(event.data)["amount"] == {"amount": amount, "currency": currency.upper()}


def test_a_currency_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInputError):
        _told(_event("charge.succeeded", _charge(currency="usdc")))


@given(st.permutations(range(4)))
def test_all_that_tell_of_one_payment_tell_one_payment(order: list[int]) -> None:
    intent = {"id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount_received": 1000,
              "currency": "eur", "metadata": {"order_id": "7"}}  # fmt: skip
    paid = {"id": "inpay_1", "object": "invoice_payment", "status": "paid", "invoice": "in_1", "amount_paid": 1000,
            "currency": "eur", "payment": {"type": "payment_intent", "payment_intent": "pi_1"}}  # fmt: skip
    bodies = [
        _event("payment_intent.succeeded", {**intent, "metadata": {}}),
        _event("charge.succeeded", _charge()),
        _event("charge.updated", _charge(), _CREATED + 60),
        _event("invoice_payment.paid", paid),
    ]
    events = [event for place in order for event in _told(bodies[place])]
    ((_, payment),) = _state(events).items()
    assert payment == {
        "id": "pay:pi_1",
        "kind": "receipt",
        "amount": {"amount": "10", "currency": "EUR"},
        "customer_id": None,
        "instrument": "other",
        "received_on": "2026-11-24",
        "allocations": {"pay:in_1": {"amount": "10", "currency": "EUR"}},
    }


@pytest.mark.parametrize(
    ("settings", "metadata", "document"),
    [
        ({}, {"order_id": "7"}, None),
        ({"order_prefix": "shopify:"}, {"order_id": "7"}, "shopify:7"),
        ({"order_prefix": ""}, {"order_id": "7"}, "7"),
        ({"order_prefix": "erp:", "order_key": "so"}, {"order_id": "7", "so": "S-9"}, "erp:S-9"),
        ({"order_prefix": "shopify:"}, {}, None),
    ],
)
def test_the_order_that_the_metadata_name(settings: dict[str, str], metadata: dict[str, str], document: str) -> None:
    (event,) = _told(_event("charge.succeeded", _charge(metadata=metadata)), _account(**settings))
    share = {"amount": "10", "currency": "EUR"}
    assert json.loads(event.data).get("allocations") == (None if document is None else {document: share})


@given(st.permutations(range(3)), st.booleans())
def test_a_dispute_in_any_order(order: list[int], won: bool) -> None:
    taken = {"amount": -1000, "created": _CREATED + 10, "currency": "eur"}
    back = {"amount": 1000, "created": _CREATED + 900, "currency": "eur"}
    dispute = {"id": "dp_1", "object": "dispute", "charge": "ch_1", "payment_intent": "pi_1", "amount": 1000,
               "currency": "eur", "reason": "fraudulent"}  # fmt: skip
    last = {"status": "won", "balance_transactions": [taken, back]} if won else {"status": "lost"}
    bodies = [
        _event("charge.dispute.created", {**dispute, "status": "needs_response", "balance_transactions": []}),
        _event("charge.dispute.funds_withdrawn", {**dispute, "balance_transactions": [taken]}),
        _event("charge.dispute.closed", {**dispute, "balance_transactions": [taken], **last}, _CREATED + 900),
    ]
    ((_, payment),) = _state([event for place in order for event in _told(bodies[place])]).items()
    assert payment["reversed_on"] == (None if won else "2026-11-24")
    assert payment["reversal_reason"] == (None if won else "fraudulent")


def test_the_day_is_that_of_the_account() -> None:
    late = int(datetime(2026, 11, 24, 23, 30, tzinfo=UTC).timestamp())
    (event,) = _told(_event("charge.succeeded", _charge(), late), _account(time_zone="Europe/Berlin"))
    assert json.loads(event.data)["received_on"] == "2026-11-25"


def test_several_invoices_of_one_payment_as_they_are_read() -> None:
    paid = [{"status": "paid", "invoice": f"in_{n}", "amount_paid": n * 100, "currency": "eur"} for n in (1, 9)]
    record = Record("charges", "pi_1", _NOW, json.dumps(_charge(invoice_payments={"data": paid})).encode())
    (event,) = ADAPTER.read(record, _account())
    shares = {document: share["amount"] for document, share in json.loads(event.data)["allocations"].items()}
    assert shares == {"pay:in_1": "1", "pay:in_9": "9"}


def test_an_invoice_that_was_given_up_and_paid_after_all() -> None:
    times = {"finalized_at": _CREATED, "marked_uncollectible_at": _CREATED + 5}
    invoice = {"id": "in_1", "object": "invoice", "currency": "eur", "total": 119, "total_excluding_tax": 100,
               "status_transitions": times, "lines": {"data": []}}  # fmt: skip
    given_up = {**invoice, "status": "uncollectible", "amount_remaining": 119}
    first = _told(_event("invoice.marked_uncollectible", given_up, _CREATED + 5))
    paid = _told(_event("invoice.paid", {**invoice, "status": "paid", "amount_remaining": 0}, _CREATED + 9))
    notes = [state for (kind, _), state in _state(first).items() if "credit-note" in kind]
    assert [(note["net"]["amount"], note["gross"]["amount"], note["ended"]) for note in notes] == [("0", "1.19", False)]
    assert [state["ended"] for (kind, _), state in _state([*paid, *first]).items() if "credit-note" in kind] == [True]


def test_a_key_of_test_mode_is_noticed() -> None:
    record = Record("customers", "cus_1", _NOW, b'{"id": "cus_1", "object": "customer", "livemode": false}')
    with pytest.raises(InvalidInputError):
        ADAPTER.read(record, _account())
    assert len(ADAPTER.read(record, _account(test_mode=True))) == 1
    with pytest.raises(MalformedError):
        ADAPTER.read(Record("payouts", "po_1", _NOW, b"{}"), _account())


def test_a_time_zone_that_is_none() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"time_zone": "Mars/Olympus"}, StripeSettings)


@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_a_story_told_in_any_order_twice_and_read(seed: int, random: Any) -> None:
    steps = told("orders", seed=seed, things=3, begin=_NOW, span=timedelta(hours=6))
    account = _account()
    in_order: list[Event | Refused] = []
    for step in steps:
        for sent in SIMULATOR.deliveries(step, account, step.at):
            delivery = _delivery(sent.body, sent.headers, step.at)
            assert ADAPTER.verify(delivery, account) is None
            in_order += ADAPTER.adapt(delivery, account).events
    twice = in_order + in_order
    random.shuffle(twice)
    state = _state(twice)
    assert state == _state(in_order)
    orders = {thing.number: thing for step in steps if isinstance(thing := step.now, SimulatedOrder)}
    cash = sum((Decimal(fields["amount"]["amount"]) * (1 if fields["kind"] == "receipt" else -1)
                for (kind, _), fields in state.items() if "payment" in kind), Decimal(0))  # fmt: skip
    assert cash == sum((order.net - order.refunded for order in orders.values() if order.paid_at), Decimal(0))
    for order in orders.values():
        for shown in SIMULATOR.shown(order):
            body = msgspec.json.encode(shown.body)
            read = _state(ADAPTER.read(Record(shown.kind, shown.id, _NOW + timedelta(days=1), body), account))
            assert not [key for key, fields in read.items() if not _agree(fields, state[key])]


def _agree(read: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """What is read adds to what is known, and contradicts none of it."""
    return all(read.get(name, value) == value for name, value in known.items())
