"""Zoho CRM: laws of its token and of what its records say. Vectors and examples: tests/contract/sources."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.sources.adapter import Account, Delivery, Record, Refusal
from services.ingest.sources.story import SimulatedDeal, endings, told
from services.ingest.sources.zoho.adapter import ADAPTER
from services.ingest.sources.zoho.settings import ACCOUNTS, DEALS, INVOICES, ORDERS, ZohoSettings, channel_of
from services.ingest.sources.zoho.simulator import SIMULATOR
from services.ingest.wire import candidate_of
from shared.contracts.envelope import Event, Refused
from shared.kernel.errors import InvalidInputError, MalformedError

_NOW = datetime(2026, 11, 24, 15, 12, tzinfo=UTC)
_TOKENS = st.sampled_from(["", "one", "two"]) | st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), max_size=60
)
_CLIENT = {"client_id": "1", "client_secret": "2", "refresh_token": "3"}


def _account(*secrets: str, **settings: Any) -> Account:
    return Account("acme", secrets or ("our-token",), msgspec.convert({"currency": "EUR", **settings}, ZohoSettings))


def _delivery(body: object) -> Delivery:
    return Delivery({"content-type": "application/json"}, json.dumps(body).encode(), _NOW)


def _notice(values: dict[str, Any] | None = None, *, module: str = DEALS, **fields: Any) -> dict[str, Any]:
    told_of = [] if values is None else [{"record_id": "6001", "values": values}]
    return {"server_time": 1750102639787, "affected_values": told_of, "module": module, "ids": ["6001"],
            "operation": "update", "channel_id": channel_of(_account()), "token": "our-token", **fields}  # fmt: skip


def _state(events: Iterable[Event | Refused]) -> dict[str, dict[str, Any]]:
    """Last writer wins, field by field."""
    genuine = [event for event in events if isinstance(event, Event)]
    state: dict[str, dict[str, Any]] = {}
    for event in sorted(genuine, key=lambda event: (event.time, event.sequence, event.source, event.id)):
        state.setdefault(event.subject, {}).update(json.loads(event.data))
    return state


def _read(kind: str, body: dict[str, Any], **settings: Any) -> dict[str, Any]:
    record = Record(kind, "6001", _NOW, json.dumps({"id": "6001", **body}).encode())
    (event,) = ADAPTER.read(record, _account(**settings))
    candidate_of(event)
    said: dict[str, Any] = json.loads(event.data)
    return said


@given(_TOKENS, st.just(channel_of(Account("acme", (), ZohoSettings()))) | _TOKENS, st.lists(_TOKENS, max_size=2))
def test_no_other_token_and_no_other_channel_is_genuine(token: str, channel: str, secrets: list[str]) -> None:
    account = Account("acme", tuple(secrets), ZohoSettings())
    fine = token != "" and token in secrets and channel == channel_of(account)
    expected = None if fine else Refusal.SIGNATURE if token and channel else Refusal.MISSING
    assert ADAPTER.verify(_delivery(_notice(token=token, channel_id=channel)), account) is expected


@given(st.binary(max_size=200))
def test_no_noise_is_genuine(body: bytes) -> None:
    assert ADAPTER.verify(Delivery({}, body, _NOW), _account()) is not None


def test_the_channel_belongs_to_the_source() -> None:
    one, other = Account("acme", (), ZohoSettings()), Account("acme-test", (), ZohoSettings())
    assert channel_of(one) == channel_of(one) != channel_of(other)
    assert len(channel_of(one)) == 15
    assert channel_of(_account(channel_id="9223372036854775807")) == "9223372036854775807"


@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_a_story_told_in_any_order_and_twice(seed: int, random: Any) -> None:
    steps = told("deals", seed=seed, things=3, begin=_NOW, span=timedelta(hours=6))
    steps += endings(steps, _NOW + timedelta(days=1)) if seed % 2 else []
    account, events = _account(), list[Event | Refused]()
    for step in random.sample(steps + steps, 2 * len(steps)):
        for sent in SIMULATOR.deliveries(step, account, step.at):
            delivery = Delivery(sent.headers, sent.body, step.at)
            assert ADAPTER.verify(delivery, account) is None
            events += ADAPTER.adapt(delivery, account).events
    assert len({event.id for event in events if isinstance(event, Event)}) == len(steps)
    state = _state(events)
    for deal in {deal.number: deal for step in steps if isinstance(deal := step.now, SimulatedDeal)}.values():
        for shown in SIMULATOR.shown(deal):
            body = msgspec.json.Encoder(decimal_format="number").encode(shown.body)
            (event,) = ADAPTER.read(Record(shown.kind, shown.id, _NOW, body), account)
            read = json.loads(event.data)
            known = state[event.subject]
            assert {name: read[name] for name in known} == known
    assert sum(bool(fields.get("ended")) for fields in state.values()) == sum(
        bool(step.now.deleted) for step in steps if isinstance(step.now, SimulatedDeal)
    )


@given(st.lists(st.sampled_from(["6001", "6002", "6003"]), min_size=1, max_size=6), st.booleans())
def test_each_record_of_a_notification_once(ids: list[str], connected: bool) -> None:
    settings = _CLIENT if connected else {}
    deleted = ADAPTER.adapt(_delivery(_notice(ids=ids, operation="delete")), _account(**settings))
    assert [event.subject for event in deleted.events if isinstance(event, Event)] == [
        f"acme:{one}" for one in dict.fromkeys(ids)
    ]
    assert {event.cause for event in deleted.events if isinstance(event, Event)} == {deleted.delivery}
    updated = ADAPTER.adapt(_delivery(_notice(ids=ids)), _account(**settings))
    assert [read.id for read in updated.reads] == list(dict.fromkeys(ids))


def test_the_token_is_not_part_of_anything_that_is_said() -> None:
    reading = ADAPTER.adapt(_delivery(_notice({"Stage": "Closed Won"})), _account())
    assert "our-token" not in repr(reading)
    other = ADAPTER.adapt(_delivery(_notice({"Stage": "Closed Won"}, token="new")), _account("new"))
    assert other == reading


def test_other_values_are_another_event() -> None:
    ids = set()
    for stage in ("Qualification", "Closed Won"):
        (event,) = ADAPTER.adapt(_delivery(_notice({"Stage": stage})), _account()).events
        ids.add(event.id)
    assert len(ids) == 2


def test_an_amount_without_a_currency_is_never_guessed() -> None:
    with pytest.raises(InvalidInputError):
        ADAPTER.adapt(_delivery(_notice({"Amount": 5})), _account(currency=None))
    reading = ADAPTER.adapt(_delivery(_notice({"Amount": 5, "Stage": "X"})), _account(several_currencies=True))
    assert _state(reading.events)["acme:6001"] == {"id": "acme:6001", "stage": "X"}
    assert [read.id for read in reading.reads] == ["6001"]
    assert _read(DEALS, {"Amount": 0.1, "Currency": "KWD"}, currency=None)["amount"]["amount"] == "0.1"


def test_only_what_changed_is_said_of_an_update() -> None:
    reading = ADAPTER.adapt(_delivery(_notice({"Closing_Date": None, "Account_Name": "77"})), _account())
    assert _state(reading.events)["acme:6001"] == {
        "id": "acme:6001",
        "expected_close_on": None,
        "customer_id": "acme:77",
    }
    everything = {
        "Owner": {"id": "1"},
        "Pipeline": {"name": "P", "id": "2"},
        "Created_Time": "2026-01-01T23:00:00-08:00",
    }
    reading = ADAPTER.adapt(_delivery(_notice(everything)), _account(pipelines={"P": "direct"}))
    assert _state(reading.events)["acme:6001"] == {
        "id": "acme:6001",
        "owner_id": "acme:1",
        "pipeline_id": "direct",
        "created_on": "2026-01-01",
    }


@pytest.mark.parametrize("module", [ORDERS, INVOICES])
def test_documents_are_never_said_in_part(module: str) -> None:
    reading = ADAPTER.adapt(_delivery(_notice({"Status": "Approved"}, module=module)), _account())
    assert (reading.events, [read.kind for read in reading.reads]) == ([], [module])


_MONEY = st.decimals(0, 10_000, places=2)


@given(st.lists(st.tuples(_MONEY, _MONEY), max_size=4), _MONEY, _MONEY, st.decimals(-100, 100, places=2))
def test_documents_add_up(rows: list[tuple[Decimal, Decimal]], discount: Decimal, tax: Decimal, more: Decimal) -> None:
    items = [
        {"id": str(place), "Total_After_Discount": float(net), "Tax": float(of_row)}
        for place, (net, of_row) in enumerate(rows)
    ]
    nets, taxes = sum((net for net, _ in rows), Decimal(0)), sum((of_row for _, of_row in rows), Decimal(0))
    total = nets + taxes - discount + tax + more
    whole = {"Discount": float(discount), "Tax": float(tax), "Adjustment": float(more), "Grand_Total": float(total)}
    lines = _read(ORDERS, {"Ordered_Items": items, **whole})["lines"].values()
    assert sum((Decimal(line["net"]["amount"]) for line in lines), Decimal(0)) == nets - discount + more
    assert sum((Decimal(line["tax"]["amount"]) for line in lines), Decimal(0)) == taxes + tax
    invoice = _read(INVOICES, {"Invoiced_Items": items, **whole})
    parts = [Decimal(invoice[name]["amount"]) for name in ("gross", "tax", "net")]
    assert parts == [total, taxes + tax, nets - discount + more]


def test_a_record_says_everything() -> None:
    said = _read(DEALS, {"Modified_Time": "2026-11-24T10:00:00+01:00"})
    assert {name for name, value in said.items() if value is None} == {
        "title", "stage", "loss_reason", "customer_id", "owner_id", "amount", "probability", "expected_close_on",
        "pipeline_id", "created_on",
    }  # fmt: skip
    assert _read(ACCOUNTS, {})["kind"] == "company"
    assert _read(DEALS, {"Probability": 101})["probability"] is None


def test_documents_that_ended_or_slipped() -> None:
    assert _read(INVOICES, {"Status": "Cancelled"}) == {"id": "acme:6001", "ended": True}
    assert _read(ORDERS, {"Status": "Shipped by hand"})["status"] == "confirmed"
    assert _read(ORDERS, {"Status": "Draft"}, order_statuses={"Draft": "draft"})["status"] == "draft"
    slip = {"Invoice_Date": "2026-02-02", "Due_Date": "2026-02-01"}
    assert _read(INVOICES, slip)["due_on"] is None
    assert _read(INVOICES, {"Invoiced_Items": [{"id": "1", "$delete": True}]})["lines"] == {}


def test_a_field_can_be_told_to_be_elsewhere_or_nowhere() -> None:
    names = {DEALS: {"loss_reason": "Lost_Because", "pipeline": ""}}
    said = _read(DEALS, {"Lost_Because": "price", "Pipeline": "P"}, fields=names, pipelines={"P": "direct"})
    assert (said["loss_reason"], said["pipeline_id"]) == ("price", None)


@pytest.mark.parametrize(
    "change", [{"module": None}, {"operation": ""}, {"ids": []}, {"ids": "6001"}, {"ids": [" "]}, {"server_time": None}]
)
def test_what_cannot_be_read_says_so(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        ADAPTER.adapt(_delivery(_notice(**{"module": DEALS, **change})), _account())
    with pytest.raises(MalformedError):
        ADAPTER.read(Record("Leads", "1", _NOW, b"{}"), _account())


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"currency": "EURO"}, "currency"),
        ({"modules": []}, "modules"),
        ({"modules": ["Leads"]}, "modules"),
        ({"channel_id": "0"}, "channel_id"),
        ({"channel_id": "1" * 20}, "channel_id"),
        ({"order_statuses": {"Created": "open"}}, "order_statuses"),
        ({"fields": {"Leads": {"name": "x"}}}, "Leads"),
        ({"fields": {DEALS: {"nonsense": "x"}}}, "no such name"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=why):
        _account(**settings)
