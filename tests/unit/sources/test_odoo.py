"""Odoo: laws of its address and its records. Vectors and examples are tested with everybody's (tests/contract)."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.sources.adapter import Account, Delivery, Record, Refusal
from services.ingest.sources.odoo.adapter import ADAPTER, OdooSettings
from services.ingest.sources.odoo.simulator import SIMULATOR
from services.ingest.sources.odoo.values import quantity
from services.ingest.sources.story import SimulatedDeal, endings, told
from services.ingest.wire import candidate_of
from shared.contracts.envelope import Event, Refused
from shared.contracts.strict_json import Number
from shared.kernel.errors import InvalidInputError, MalformedError

_NOW = datetime(2026, 11, 24, 15, 12, tzinfo=UTC)
_API = {"api_url": "https://acme.odoo.example", "database": "acme", "login": "q", "api_key": "k-123456"}
_LEAD = {"_model": "crm.lead", "_id": 57, "_action": "Send(#1)", "write_date": "2026-11-24 15:11:55.7"}


def _account(*secrets: str, **settings: Any) -> Account:
    return Account("acme", secrets or ("s1",), msgspec.convert(settings, OdooSettings))


def _delivery(said: object, key: str = "s1") -> Delivery:
    return Delivery({}, said if isinstance(said, bytes) else json.dumps(said).encode(), _NOW, key=key)


def _state(events: Iterable[Event | Refused]) -> dict[str, dict[str, Any]]:
    """Last writer wins, field by field."""
    genuine = [event for event in events if isinstance(event, Event)]
    state: dict[str, dict[str, Any]] = {}
    for event in sorted(genuine, key=lambda event: (event.time, event.sequence, event.source, event.id)):
        state.setdefault(event.subject, {}).update(json.loads(event.data))
    return state


@given(st.text(max_size=40), st.binary(max_size=40))
def test_no_other_address_is_genuine(key: str, body: bytes) -> None:
    found = ADAPTER.verify(_delivery(body, key), _account("odoo-path-7f3a9c51e2", "another"))
    assert found is (Refusal.SIGNATURE if key else Refusal.MISSING)


@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_a_story_told_in_any_order_and_twice(seed: int, random: Any) -> None:
    steps = told("deals", seed=seed, things=3, begin=_NOW, span=timedelta(hours=6))
    steps += endings(steps, _NOW + timedelta(days=1)) if seed % 2 else []
    account = _account()
    events: list[Event | Refused] = []
    for step in random.sample(steps + steps, 2 * len(steps)):
        for sent in SIMULATOR.deliveries(step, account, step.at):
            delivery = _delivery(sent.body, sent.path_key)
            assert ADAPTER.verify(delivery, account) is None
            events += ADAPTER.adapt(delivery, account).events
    assert len({event.id for event in events if isinstance(event, Event)}) == len(steps)
    state = _state(events)
    for deal in {deal.number: deal for step in steps if isinstance(deal := step.now, SimulatedDeal)}.values():
        found = state[f"acme:{deal.number}"]
        assert found["ended"] is deal.deleted
        assert deal.deleted or ADAPTER.card.stages.get(found["stage"], found["stage"]) == deal.stage
        for shown in SIMULATOR.shown(deal):
            record = Record(shown.kind, shown.id, _NOW, msgspec.json.encode(shown.body))
            assert _state(ADAPTER.read(record, account))[found["id"]] == found


@given(st.floats(1e-12, 1e9, allow_nan=False))
def test_floats_become_decimals_that_the_contract_takes(value: float) -> None:
    row = {**_LEAD, "expected_revenue": value, "company_currency": [1, "EUR"]}
    (event,) = ADAPTER.adapt(_delivery(row), _account()).events
    assert isinstance(event, Event)
    said = json.loads(candidate_of(event).public)["amount"]["amount"]
    assert abs(float(said) - value) <= 1e-6


@pytest.mark.parametrize(
    ("written", "expected"),
    [("22500.0", "22500"), ("0.30000000000000004", "0.3"), ("1e3", "1000"), ("-0.0", "0"), ("1e40", "1" + "0" * 40)],
)
def test_numbers(written: str, expected: str) -> None:
    found = quantity(Number(written))
    assert found is not None
    assert float(found) == float(expected)
    assert "e" not in found.lower()


@pytest.mark.parametrize("link", [2, [2, "Qualified"]])
def test_links_of_both_shapes_say_the_same(link: object) -> None:
    row = {**_LEAD, "stage_id": link, "user_id": link, "partner_id": link}
    state = _state(ADAPTER.adapt(_delivery(row), _account()).events)["acme:57"]
    assert (state["stage"], state["owner_id"], state["customer_id"]) == ("2", "acme:2", "acme:2")


def test_a_currency_is_never_guessed() -> None:
    row = {**_LEAD, "expected_revenue": 5.0, "company_currency": 9}
    with pytest.raises(InvalidInputError):
        ADAPTER.adapt(_delivery(row), _account(currency="EUR", currencies={"1": "EUR"}))
    reading = ADAPTER.adapt(_delivery({**row, "type": "opportunity"}), _account(currency="EUR", **_API))
    assert [(read.kind, read.id) for read in reading.reads] == [("crm.lead", "57")]
    assert "amount" not in _state(reading.events)["acme:57"]


def test_webhooks_within_a_second_keep_their_order_and_a_read_comes_after_them() -> None:
    account = _account()
    early = {**_LEAD, "stage_id": 1, "write_date": "2026-11-24 15:11:55.100000"}
    late = {**_LEAD, "stage_id": 2, "write_date": "2026-11-24 15:11:55.900000"}
    events = [*ADAPTER.adapt(_delivery(late), account).events, *ADAPTER.adapt(_delivery(early), account).events]
    assert _state(events)["acme:57"]["stage"] == "2"
    body = json.dumps({"id": 57, "type": "opportunity", "stage_id": [3, "x"], "write_date": "2026-11-24 15:11:55"})
    events += ADAPTER.read(Record("crm.lead", "57", _NOW, body.encode()), account)
    assert _state(events)["acme:57"]["stage"] == "3"


def test_nothing_comes_after_a_deletion() -> None:
    account = _account()
    deleted = {"_model": "crm.lead", "_id": 57, "_action": "Quintant: deleted(#9)", "write_date": "2026-11-24 15:11:55"}
    body = json.dumps({"id": 57, "type": "opportunity", "active": True, "write_date": "2026-11-24 15:11:55"})
    events = [
        *ADAPTER.adapt(_delivery(deleted), account).events,
        *ADAPTER.read(Record("crm.lead", "57", _NOW, body.encode()), account),
    ]
    assert _state(events)["acme:57"]["ended"] is True


def test_a_webhook_cannot_say_what_only_a_read_tells() -> None:
    lines = [{"id": 1, "price_subtotal": 5.0}]
    order = {**_LEAD, "_model": "sale.order", "state": "sale", "currency_id": [1, "EUR"], "_lines": lines}
    assert "lines" not in _state(ADAPTER.adapt(_delivery(order), _account()).events)["acme:57"]


@pytest.mark.parametrize("body", [b"[]", b"{}", b"\xff", b'{"_model":"crm.lead"}', b'{"_id":1}'])
def test_what_cannot_be_read_says_so(body: bytes) -> None:
    with pytest.raises(MalformedError):
        ADAPTER.adapt(_delivery(body), _account())


@pytest.mark.parametrize("wrong", [{"time_zone": "Mars/Olympus"}, {"api_key": "k"}, {"protocol": "soap"}])
def test_settings_that_cannot_work_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError):
        _account(**wrong)
