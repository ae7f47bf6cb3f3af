"""HubSpot: laws of its signatures and notices. Vectors and examples are tested with everybody's (tests/contract)."""

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest import wire
from services.ingest.sources.adapter import Account, Delivery, Record, Refusal, ToRead
from services.ingest.sources.hubspot.adapter import ADAPTER, HubspotSettings
from services.ingest.sources.hubspot.simulator import SIMULATOR, signed
from services.ingest.sources.story import SimulatedDeal, Step, endings, told
from shared.contracts.envelope import Event, Refused
from shared.kernel.errors import InvalidInputError, MalformedError

_NOW = datetime(2026, 11, 24, 15, 12, tzinfo=UTC)
_URL = "https://quintant.example/v1/webhooks/acme"


def _account(*secrets: str, **settings: Any) -> Account:
    return Account("acme", secrets or ("s1",), msgspec.convert(settings, HubspotSettings))


def _delivery(body: bytes, headers: dict[str, str], at: datetime = _NOW, url: str = _URL) -> Delivery:
    return Delivery(headers, body, at, "POST", url)


def _state(events: Iterable[Event | Refused]) -> dict[str, dict[str, Any]]:
    """Last writer wins, field by field."""
    genuine = [event for event in events if isinstance(event, Event)]
    state: dict[str, dict[str, Any]] = {}
    for event in sorted(genuine, key=lambda event: (event.time, event.sequence, event.source, event.id)):
        state.setdefault(event.subject, {}).update(json.loads(event.data))
    return state


@given(st.binary(max_size=200), st.integers(0, 10**13), st.binary(max_size=40), st.booleans())
def test_no_forgery_is_genuine(body: bytes, stamp: int, signature: bytes, older: bool) -> None:
    headers = {"x-hubspot-request-timestamp": str(stamp), "x-hubspot-signature-version": "v1" if older else "v2"}
    account = _account(accept_v1=True, accept_v2=True)
    for name, value in (
        ("x-hubspot-signature-v3", msgspec.to_builtins(signature)),
        ("x-hubspot-signature", signature.hex()),
        ("x-hubspot-signature", hashlib.sha256(body).hexdigest()),
    ):
        assert ADAPTER.verify(_delivery(body, {**headers, name: value}), account) is not None


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_changed_byte_is_noticed(body: bytes, data: st.DataObject) -> None:
    headers = signed("s1", _URL, body, _NOW)
    assert ADAPTER.verify(_delivery(body, headers), _account()) is None
    assert ADAPTER.verify(_delivery(body, headers), _account("new", "s1")) is None
    place = data.draw(st.integers(0, len(body) - 1))
    flipped = bytes([*body[:place], body[place] ^ (1 << data.draw(st.integers(0, 7))), *body[place + 1 :]])
    assert ADAPTER.verify(_delivery(flipped, headers), _account()) is Refusal.SIGNATURE
    assert ADAPTER.verify(_delivery(body, headers, url=f"{_URL}?x=1"), _account()) is Refusal.SIGNATURE
    assert ADAPTER.verify(_delivery(body, headers), Account("x", (), HubspotSettings())) is Refusal.SIGNATURE


@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_a_story_told_in_any_order_and_twice(seed: int, random: Any) -> None:
    steps = told("deals", seed=seed, things=3, begin=_NOW, span=timedelta(hours=6))
    steps += endings(steps, _NOW + timedelta(days=1)) if seed % 2 else []
    account, events = _account(target_url=_URL), list[Event | Refused]()
    for attempt, step in enumerate(random.sample(steps + steps, 2 * len(steps))):
        for event in _told(step, account, attempt):
            assert isinstance(event, Event)
            wire.candidate_of(event)
            events.append(event)
    deals = {deal.number: deal for step in steps if isinstance(deal := step.now, SimulatedDeal)}
    state = _state(events)
    assert len({event.id for event in events if isinstance(event, Event)}) < len(events)
    for number, deal in deals.items():
        found = state[f"acme:{number}"]
        assert found.get("ended", False) is deal.deleted
        assert deal.deleted or _fits(found, deal)


def _told(step: Step, account: Account, attempt: int) -> Iterable[Event | Refused]:
    for sent in SIMULATOR.deliveries(step, account, step.at):
        delivery = _delivery(sent.body, dict(sent.headers), step.at)
        assert ADAPTER.verify(delivery, account) is None
        entries = [{**entry, "attemptNumber": attempt, "eventId": attempt} for entry in json.loads(sent.body)]
        reading = ADAPTER.adapt(_delivery(json.dumps(entries).encode(), {}), account)
        assert reading.delivery == ADAPTER.adapt(delivery, account).delivery
        yield from reading.events
        for wanted in reading.reads:
            yield from ADAPTER.read(_shown(wanted, step), account)


def _shown(wanted: ToRead, step: Step) -> Record:
    for shown in SIMULATOR.shown(step.now):
        return Record(shown.kind, shown.id, step.at + timedelta(seconds=1), msgspec.json.encode(shown.body))
    return Record(wanted.kind, wanted.id, step.at, b"", gone=True)


def _fits(found: dict[str, Any], deal: SimulatedDeal) -> bool:
    stage, amount = ADAPTER.card.stages[found["stage"]], found["amount"]
    close = found["expected_close_on"] == deal.close_on.isoformat()
    return stage == deal.stage and float(amount["amount"]) == float(deal.amount) and close


def _entry(**said: Any) -> dict[str, Any]:
    kind = {"subscriptionType": "deal.propertyChange", "objectId": 7, "occurredAt": 1764554400123, "portalId": 33}
    return {**kind, **said}


def _adapted(*entries: dict[str, Any], **settings: Any) -> list[Event | Refused]:
    return [*ADAPTER.adapt(_delivery(json.dumps(entries).encode(), {}), _account(**settings)).events]


_HISTORY = {
    "dealstage": [
        {"value": "closedwon", "timestamp": "2026-11-24T15:00:00Z"},
        {"value": "contractsent", "timestamp": "2026-11-24T14:00:00Z"},
    ]
}


@given(st.permutations(["moved", "won", "named", "read"]))
def test_one_property_at_a_time_and_the_whole_in_any_order(order: list[str]) -> None:
    record = {
        "id": "7",
        "updatedAt": "2026-11-24T15:00:01Z",
        "properties": {"dealstage": "closedwon", "dealname": "Late", "amount": "5", "deal_currency_code": "EUR"},
        "propertiesWithHistory": _HISTORY,
    }
    events = {
        "moved": _adapted(_entry(propertyName="dealstage", propertyValue="contractsent", occurredAt=1795528800000)),
        "won": _adapted(_entry(propertyName="dealstage", propertyValue="closedwon", occurredAt=1795532400000)),
        "named": _adapted(_entry(propertyName="dealname", propertyValue="Later", occurredAt=1795536000000)),
        "read": ADAPTER.read(Record("deals", "7", _NOW, json.dumps(record).encode()), _account()),
    }
    state = _state(event for name in order for event in events[name])["acme:7"]
    assert (state["stage"], state["title"], state["amount"]["amount"]) == ("closedwon", "Later", "5")
    stage = [event for event in events["read"] if isinstance(event, Event) and b'"stage"' in event.data]
    assert [event.time for event in stage] == [datetime(2026, 11, 24, 15, tzinfo=UTC)]


def test_a_history_that_does_not_know_the_present_value_dates_nothing() -> None:
    body = {"updatedAt": "2026-11-24T15:00:01Z", "properties": {"dealstage": "new"}, "propertiesWithHistory": _HISTORY}
    (event,) = ADAPTER.read(Record("deals", "7", _NOW, json.dumps(body).encode()), _account())
    assert event.time == datetime(2026, 11, 24, 15, 0, 1, tzinfo=UTC)


def test_an_amount_without_a_currency_is_never_guessed() -> None:
    body = json.dumps({"updatedAt": "2026-11-24T15:00:01Z", "properties": {"amount": "5"}}).encode()
    with pytest.raises(InvalidInputError):
        ADAPTER.read(Record("deals", "7", _NOW, body), _account())
    (event,) = ADAPTER.read(Record("deals", "7", _NOW, body), _account(currency="KWD"))
    assert json.loads(event.data)["amount"] == {"amount": "5", "currency": "KWD"}


@pytest.mark.parametrize(
    "entry",
    [
        _entry(objectId=None),
        _entry(occurredAt="yesterday"),
        _entry(subscriptionType="deal.merge", primaryObjectId=1, mergedObjectIds="2"),
        _entry(subscriptionType="deal.associationChange", associationType="DEAL_TO_COMPANY"),
        _entry(propertyName="closedate", propertyValue="soon"),
    ],
)
def test_an_entry_that_cannot_be_read_does_not_hold_up_the_others(entry: dict[str, Any]) -> None:
    refused, said = _adapted(entry, _entry(propertyName="dealname", propertyValue="A"))
    assert isinstance(refused, Refused)
    assert isinstance(said, Event)


@pytest.mark.parametrize("body", [b"{}", b"[1]", b"\xff", b""])
def test_what_cannot_be_read_says_so(body: bytes) -> None:
    with pytest.raises(MalformedError):
        ADAPTER.adapt(_delivery(body, {}), _account())


def test_another_kind_of_record_is_not_read() -> None:
    with pytest.raises(MalformedError):
        ADAPTER.read(Record("tickets", "1", _NOW, b"{}"), _account())


@pytest.mark.parametrize("settings", [{"time_zone": "Mars/Olympus"}, {"currency": "BEADS"}])
def test_settings_that_cannot_be_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError):
        _account(**settings)


def test_a_story_needs_the_url_that_it_is_sent_to() -> None:
    (step, *_) = told("deals", seed=1, things=1, begin=_NOW, span=timedelta(hours=1))
    with pytest.raises(InvalidInputError, match="target_url"):
        SIMULATOR.deliveries(step, _account(), _NOW)
