"""Frappe: laws of its signature and documents. Vectors and examples are tested with everybody's (tests/contract)."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.sources.adapter import Account, Delivery, Record, Refusal
from services.ingest.sources.frappe.adapter import ADAPTER, FrappeSettings
from services.ingest.sources.frappe.simulator import SIMULATOR, signed
from services.ingest.sources.story import SimulatedDeal, endings, told
from services.ingest.wire import candidate_of
from shared.contracts.envelope import Event, Refused
from shared.kernel.errors import InvalidInputError, MalformedError

_NOW = datetime(2026, 11, 24, 15, 12, tzinfo=UTC)
_API = {"api_url": "https://erp.example", "api_key": "k-123456", "api_secret": "s-123456"}
_OPPORTUNITY = {"doctype": "Opportunity", "name": "CRM-OPP-2026-00001", "modified": "2026-11-24 15:11:55.724000"}


def _account(*secrets: str, **settings: Any) -> Account:
    return Account("acme", secrets or ("s1",), msgspec.convert(settings, FrappeSettings))


def _delivery(said: object, headers: dict[str, str] | None = None) -> Delivery:
    return Delivery(headers or {}, said if isinstance(said, bytes) else json.dumps(said).encode(), _NOW)


def _state(events: Iterable[Event | Refused]) -> dict[str, dict[str, Any]]:
    """Last writer wins, field by field."""
    genuine = [event for event in events if isinstance(event, Event)]
    state: dict[str, dict[str, Any]] = {}
    for event in sorted(genuine, key=lambda event: (event.time, event.sequence, event.source, event.id)):
        state.setdefault(event.subject, {}).update(json.loads(event.data))
    return state


@given(st.binary(max_size=200), st.binary(max_size=40), st.data())
def test_no_forgery_is_genuine(body: bytes, signature: bytes, data: st.DataObject) -> None:
    headers = signed("s1", body)
    assert ADAPTER.verify(_delivery(body, headers), _account("s0", "s1")) is None
    forged = {"x-frappe-webhook-signature": signature.hex()}
    assert ADAPTER.verify(_delivery(body, forged), _account()) is not None
    assert ADAPTER.verify(_delivery(body, headers), Account("x", (), FrappeSettings())) is Refusal.SIGNATURE
    if body:
        place = data.draw(st.integers(0, len(body) - 1))
        flipped = bytes([*body[:place], body[place] ^ (1 << data.draw(st.integers(0, 7))), *body[place + 1 :]])
        assert ADAPTER.verify(_delivery(flipped, headers), _account()) is Refusal.SIGNATURE


@given(st.integers(0, 10_000), st.randoms(use_true_random=False), st.sampled_from(["UTC", "Asia/Kolkata"]))
def test_a_story_told_in_any_order_and_twice(seed: int, random: Any, zone: str) -> None:
    steps = told("deals", seed=seed, things=3, begin=_NOW, span=timedelta(hours=6))
    steps += endings(steps, _NOW + timedelta(days=1)) if seed % 2 else []
    account = _account(time_zone=zone)
    events: list[Event | Refused] = []
    for step in random.sample(steps + steps, 2 * len(steps)):
        for sent in SIMULATOR.deliveries(step, account, step.at):
            delivery = _delivery(sent.body, dict(sent.headers))
            assert ADAPTER.verify(delivery, account) is None
            events += ADAPTER.adapt(delivery, account).events
    assert len({event.id for event in events if isinstance(event, Event)}) == len(steps)
    state = _state(events)
    for deal in {deal.number: deal for step in steps if isinstance(deal := step.now, SimulatedDeal)}.values():
        found = state[f"acme:CRM-OPP-SIM-{deal.number}"]
        assert found["ended"] is deal.deleted
        assert deal.deleted or ADAPTER.card.stages.get(found["stage"], found["stage"]) == deal.stage
        for shown in SIMULATOR.shown(deal) if zone == "UTC" else ():
            record = Record(shown.kind, shown.id, _NOW, msgspec.json.encode(shown.body))
            assert _state(ADAPTER.read(record, account))[found["id"]] == found


@given(st.sampled_from(["Customer", "User"]), st.text("abcXYZ äöü@.", min_size=3, max_size=40))
def test_names_of_persons_do_not_leave_as_ids(doctype: str, name: str) -> None:
    if len(name.strip()) < 3:
        return
    doc = {**_OPPORTUNITY, "doctype": doctype, "name": name, "customer_name": name, "full_name": name, "enabled": 1}
    reading = ADAPTER.adapt(_delivery(doc), _account())
    (event,) = reading.events
    assert isinstance(event, Event)
    shown = [event.subject, event.id, str(event.cause), reading.delivery, candidate_of(event).public.decode()]
    assert not [one for one in shown if name.strip() in one]


def test_a_customer_is_the_same_wherever_it_is_named() -> None:
    order = {"doctype": "Sales Order", "name": "SO-1", "modified": "2026-11-24 15:11:55", "customer": "Erika Muster"}
    customer = {**order, "doctype": "Customer", "name": "Erika Muster"}
    said = [ADAPTER.adapt(_delivery(doc), _account()).events[0] for doc in (order, customer)]
    one, other = (event for event in said if isinstance(event, Event))
    assert json.loads(one.data)["customer_id"] == other.subject


def test_picked_fields_leave_the_rest_alone() -> None:
    account = _account()
    whole = {**_OPPORTUNITY, "status": "Open", "sales_stage": "Qualification", "probability": 20.0}
    late = {**_OPPORTUNITY, "modified": "2026-11-24 15:11:56.000000", "probability": 40.0}
    events = [*ADAPTER.adapt(_delivery(late), account).events, *ADAPTER.adapt(_delivery(whole), account).events]
    state = _state(events)["acme:CRM-OPP-2026-00001"]
    assert (state["stage"], state["probability"]) == ("Qualification", "0.4")


def test_a_currency_is_never_guessed() -> None:
    doc = {**_OPPORTUNITY, "opportunity_amount": 12500.5}
    with pytest.raises(InvalidInputError):
        ADAPTER.adapt(_delivery(doc), _account())
    reading = ADAPTER.adapt(_delivery(doc), _account(**_API))
    assert [(read.kind, read.id) for read in reading.reads] == [("Opportunity", "CRM-OPP-2026-00001")]
    assert "amount" not in _state(reading.events)["acme:CRM-OPP-2026-00001"]


@pytest.mark.parametrize("doctype", ["Sales Invoice", "Payment Entry"])
def test_a_document_of_which_too_little_is_said_is_read_or_waits(doctype: str) -> None:
    doc = {**_OPPORTUNITY, "doctype": doctype, "grand_total": 5.0}
    assert ADAPTER.adapt(_delivery(doc), _account()).unknown
    reading = ADAPTER.adapt(_delivery(doc), _account(**_API))
    assert (len(reading.events), len(reading.reads), reading.unknown) == (0, 1, "")


@given(st.floats(-1e9, 1e9, allow_nan=False).filter(lambda value: value == 0 or abs(value) > 1e-12))
def test_floats_become_decimals_that_the_contract_takes(value: float) -> None:
    doc = {**_OPPORTUNITY, "opportunity_amount": value, "currency": "EUR"}
    (event,) = ADAPTER.adapt(_delivery(doc), _account()).events
    assert isinstance(event, Event)
    said = json.loads(candidate_of(event).public)["amount"]["amount"]
    assert abs(float(said) - value) <= 1e-6


@pytest.mark.parametrize("body", [b"[]", b"", b"\xff", b"doctype=Opportunity&name=x"])
def test_what_cannot_be_read_says_so(body: bytes) -> None:
    with pytest.raises(MalformedError):
        ADAPTER.adapt(_delivery(body), _account())


@pytest.mark.parametrize("wrong", [{"time_zone": "Mars/Olympus"}, {"api_key": "k"}])
def test_settings_that_cannot_work_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError):
        _account(**wrong)
