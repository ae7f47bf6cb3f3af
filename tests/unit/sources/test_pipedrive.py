"""Pipedrive: laws of its credentials and its objects. Vectors and examples are tested with everybody's
(tests/contract)."""

import base64
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest import wire
from services.ingest.sources.adapter import Account, Delivery, Reading, Record
from services.ingest.sources.pipedrive.adapter import ADAPTER, PipedriveSettings
from services.ingest.sources.pipedrive.simulator import SIMULATOR, basic
from services.ingest.sources.story import SimulatedDeal, endings, told
from shared.contracts.envelope import Event, Refused
from shared.kernel.errors import InvalidInputError, MalformedError

_NOW = datetime(2026, 11, 24, 15, 12, tzinfo=UTC)
_SECRET = "quintant:5b7e1c0a94d24f6f"


def _account(*secrets: str, **settings: Any) -> Account:
    return Account("acme", secrets or (_SECRET,), msgspec.convert(settings, PipedriveSettings))


def _delivery(body: bytes, headers: dict[str, str], at: datetime = _NOW) -> Delivery:
    return Delivery(headers, body, at)


def _state(events: Iterable[Event | Refused]) -> dict[str, dict[str, Any]]:
    """Last writer wins, field by field."""
    genuine = [event for event in events if isinstance(event, Event)]
    state: dict[str, dict[str, Any]] = {}
    for event in sorted(genuine, key=lambda event: (event.time, event.sequence, event.source, event.id)):
        state.setdefault(event.subject, {}).update(json.loads(event.data))
    return state


@given(st.text(max_size=40), st.text(max_size=40))
def test_only_user_and_password_are_genuine(given_header: str, password: str) -> None:
    assert ADAPTER.verify(_delivery(b"{}", {"authorization": given_header}), _account()) is not None
    other = {"authorization": "Basic " + base64.b64encode(f"quintant:{password}".encode()).decode()}
    assert ADAPTER.verify(_delivery(b"{}", other), _account()) is not None
    assert ADAPTER.verify(_delivery(b"{}", other), Account("x", (), PipedriveSettings())) is not None
    assert ADAPTER.verify(_delivery(b"{}", other), _account("old:one", f"quintant:{password}")) is None


@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_a_story_told_in_any_order_and_twice(seed: int, random: Any) -> None:
    steps = told("deals", seed=seed, things=3, begin=_NOW, span=timedelta(hours=6))
    steps += endings(steps, _NOW + timedelta(days=1)) if seed % 2 else []
    account, events = _account(), list[Event | Refused]()
    for attempt, step in enumerate(random.sample(steps + steps, 2 * len(steps)), 1):
        for sent in SIMULATOR.deliveries(step, account, step.at):
            delivery = _delivery(_attempt(sent.body, attempt), dict(sent.headers), step.at)
            assert ADAPTER.verify(delivery, account) is None
            events += ADAPTER.adapt(delivery, account).events
    assert len({event.id for event in events if isinstance(event, Event)}) == len(steps)
    deals = {deal.number: deal for step in steps if isinstance(deal := step.now, SimulatedDeal)}
    state = _state(events)
    assert state.keys() == {f"acme:{number}" for number in deals}
    for number, deal in deals.items():
        found = state[f"acme:{number}"]
        assert found["ended"] is deal.deleted
        for shown in SIMULATOR.shown(deal):
            record = Record(shown.kind, shown.id, deal.changed_at + timedelta(days=2), msgspec.json.encode(shown.body))
            assert _state(ADAPTER.read(record, account))[found["id"]] == found


def _attempt(body: bytes, attempt: int) -> bytes:
    """The same event, as another attempt or another webhook sends it."""
    sent = json.loads(body)
    sent["meta"] |= {"attempt": attempt % 4 + 1, "id": f"{attempt}", "webhook_id": str(attempt)}
    return json.dumps(sent).encode()


@given(st.permutations(["created", "won", "deleted", "read"]), st.floats(0, 1e9).map(lambda value: round(value, 12)))
def test_webhooks_and_reads_agree_in_any_order(order: list[str], value: float) -> None:
    deal = {
        "id": 8,
        "title": "A",
        "value": value,
        "currency": "EUR",
        "status": "open",
        "stage_id": 2,
        "add_time": _at(0),
    }
    won = {**deal, "status": "won", "won_time": _at(60), "update_time": _at(60)}
    events = {
        "created": _adapted("create", {**deal, "update_time": None}, _at(0, 89)).events,
        "won": _adapted("change", won, _at(60, 10)).events,
        "deleted": _adapted("delete", won, _at(90, 500)).events,
        "read": ADAPTER.read(Record("deals", "8", _NOW + timedelta(seconds=80), json.dumps(won).encode()), _account()),
    }
    state = _state(event for name in order for event in events[name])["acme:8"]
    assert (state["stage"], state["ended"]) == ("won", True)
    for event in (event for name in order for event in events[name]):
        assert isinstance(event, Event)
        wire.candidate_of(event)


def _at(seconds: int, millis: int | None = None) -> str:
    moment = (_NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}Z" if millis is None else f"{moment}.{millis:03}Z"


def _adapted(action: str, found: dict[str, Any], at: object, entity: str = "deal", **meta: Any) -> Reading:
    shown = {"data": None, "previous": found} if action == "delete" else {"data": found, "previous": None}
    said = {"action": action, "entity": entity, "entity_id": "8", "timestamp": at, "version": "2.0", **meta}
    return ADAPTER.adapt(_delivery(json.dumps({**shown, "meta": said}).encode(), {}), _account())


@pytest.mark.parametrize("at", ["2026-11-24T15:11:55Z", "1795533115", 1795533115, 1795533115000, "2026-11-24 15:11:55"])
def test_the_time_of_an_event_in_every_spelling(at: object) -> None:
    (event,) = _adapted("delete", {"id": 8}, at).events
    assert isinstance(event, Event)
    assert event.time == datetime(2026, 11, 24, 15, 11, 55, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "currency", "amount"),
    [
        (0.1 + 0.2, "EUR", {"amount": "0.3", "currency": "EUR"}),
        (1e15 - 1, "JPY", {"amount": "999999999999999", "currency": "JPY"}),
        (12.345, "KWD", {"amount": "12.345", "currency": "KWD"}),
        (None, "EUR", None),
    ],
)
def test_floating_point_is_read_as_money(value: object, currency: str, amount: object) -> None:
    (event,) = _adapted("change", {"id": 8, "value": value, "currency": currency}, _at(0)).events
    assert isinstance(event, Event)
    assert json.loads(event.data)["amount"] == amount


def test_a_currency_of_ones_own_making_is_not_read() -> None:
    with pytest.raises(InvalidInputError):
        _adapted("change", {"id": 8, "value": 1, "currency": "BEADS"}, _at(0))


def test_a_person_alone_who_is_merged_is_an_alias() -> None:
    (event,) = _adapted("delete", {"id": 8, "org_id": None}, _at(0), "person", merged_to_id="9").events
    assert isinstance(event, Event)
    assert (event.subject, json.loads(event.data)["into_id"]) == ("customer:acme:person-8", "acme:person-9")
    wire.candidate_of(event)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b"\xff",
        b'{"meta":{"version":"2.0","action":"change","entity":"deal"}}',
        b'{"meta":{"version":"2.0","action":"change","entity":"deal","entity_id":"1","timestamp":"x"},"data":{}}',
        b'{"meta":{"version":"2.0","action":"delete","entity":"deal","entity_id":"1","timestamp":1},"data":{}}',
    ],
)
def test_what_cannot_be_read_says_so(body: bytes) -> None:
    with pytest.raises(MalformedError):
        ADAPTER.adapt(_delivery(body, {}), _account())


def test_a_record_of_another_kind_is_not_read() -> None:
    with pytest.raises(MalformedError):
        ADAPTER.read(Record("leads", "1", _NOW, b"{}"), _account())
    with pytest.raises(MalformedError):
        _adapted("change", {"duration": "soon"}, _at(0), "activity")


def test_a_wrong_time_zone_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="time_zone"):
        _account(time_zone="Mars/Olympus")


def test_the_header_is_what_the_rfc_says() -> None:
    assert basic("Aladdin:open sesame") == {"authorization": "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}
