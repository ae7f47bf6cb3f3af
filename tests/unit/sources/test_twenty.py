"""Twenty: laws of its signature and its records. Vectors and examples are tested with everybody's (tests/contract)."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.sources.adapter import Account, Delivery, Record, Refusal
from services.ingest.sources.story import SimulatedDeal, endings, told
from services.ingest.sources.twenty.adapter import ADAPTER, TwentySettings
from services.ingest.sources.twenty.simulator import SIMULATOR, signed
from shared.contracts.envelope import Event, Refused
from shared.kernel.errors import InvalidInputError, MalformedError

_NOW = datetime(2026, 11, 24, 15, 12, tzinfo=UTC)


def _account(*secrets: str, **settings: Any) -> Account:
    return Account("acme", secrets or ("s1",), msgspec.convert(settings, TwentySettings))


def _delivery(body: bytes, headers: dict[str, str], at: datetime = _NOW) -> Delivery:
    return Delivery({name.lower(): value for name, value in headers.items()}, body, at)


def _state(events: Iterable[Event | Refused]) -> dict[str, dict[str, Any]]:
    """Last writer wins, field by field."""
    genuine = [event for event in events if isinstance(event, Event)]
    state: dict[str, dict[str, Any]] = {}
    for event in sorted(genuine, key=lambda event: (event.time, event.sequence, event.source, event.id)):
        state.setdefault(event.subject, {}).update(json.loads(event.data))
    return state


@given(st.binary(max_size=200), st.integers(0, 10**13), st.binary(max_size=40))
def test_no_forgery_is_genuine(body: bytes, stamp: int, signature: bytes) -> None:
    headers = {"x-twenty-webhook-timestamp": str(stamp), "x-twenty-webhook-signature": signature.hex()}
    assert ADAPTER.verify(_delivery(body, headers), _account()) is not None


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_changed_byte_is_noticed(body: bytes, data: st.DataObject) -> None:
    headers = signed("s1", body, _NOW)
    assert ADAPTER.verify(_delivery(body, headers), _account()) is None
    place = data.draw(st.integers(0, len(body) - 1))
    flipped = bytes([*body[:place], body[place] ^ (1 << data.draw(st.integers(0, 7))), *body[place + 1 :]])
    assert ADAPTER.verify(_delivery(flipped, headers), _account()) is Refusal.SIGNATURE
    assert ADAPTER.verify(_delivery(body, headers), Account("x", (), TwentySettings())) is Refusal.SIGNATURE


@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_a_story_told_in_any_order_and_twice(seed: int, random: Any) -> None:
    steps = told("deals", seed=seed, things=3, begin=_NOW, span=timedelta(hours=6))
    steps += endings(steps, _NOW + timedelta(days=1)) if seed % 2 else []
    account = _account()
    events: list[Event | Refused] = []
    for step in random.sample(steps + steps, 2 * len(steps)):
        for sent in SIMULATOR.deliveries(step, account, step.at):
            delivery = _delivery(sent.body, dict(sent.headers), step.at)
            assert ADAPTER.verify(delivery, account) is None
            events += ADAPTER.adapt(delivery, account).events
    assert len({event.id for event in events if isinstance(event, Event)}) == len(steps)
    deals = {deal.number: deal for step in steps if isinstance(deal := step.now, SimulatedDeal)}
    state = _state(events)
    assert len(state) == len(deals)
    for deal in deals.values():
        found = next(fields for fields in state.values() if fields["title"] == deal.title and _fits(fields, deal))
        assert bool(found.get("ended")) == deal.deleted
        read = SIMULATOR.shown(deal)
        assert bool(read) != deal.deleted
        for shown in read:
            record = Record(shown.kind, shown.id, _NOW, msgspec.json.encode(shown.body))
            assert _state(ADAPTER.read(record, account))[found["id"]] == {**found, "ended": False}


def _fits(fields: dict[str, Any], deal: SimulatedDeal) -> bool:
    stage = ADAPTER.card.stages[fields["stage"]]
    amount = fields["amount"]
    close = fields["expected_close_on"]
    return stage == deal.stage and float(amount["amount"]) == float(deal.amount) and close == deal.close_on.isoformat()


def test_an_amount_without_a_currency_is_never_guessed() -> None:
    body = _body("opportunity.updated", {"id": "o1", "amount": {"amountMicros": 5, "currencyCode": ""}})
    with pytest.raises(InvalidInputError):
        ADAPTER.adapt(_delivery(body, {}), _account())
    reading = ADAPTER.adapt(_delivery(body, {}), _account(currency="KWD"))
    assert _state(reading.events)["acme:o1"]["amount"] == {"amount": "0.000005", "currency": "KWD"}


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b'{"event":"a.b","data":1}', b"\xff", b'{"eventName":"x.y","record":{}}']
)
def test_what_cannot_be_read_says_so(body: bytes) -> None:
    with pytest.raises(MalformedError):
        ADAPTER.adapt(_delivery(body, {}), _account())


def test_an_unknown_action_is_kept() -> None:
    assert ADAPTER.adapt(_delivery(_body("company.merged", {"id": "c1"}), {}), _account()).unknown


def test_a_wrong_time_zone_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="time_zone"):
        _account(time_zone="Mars/Olympus")


def test_closing_dates_are_read_in_their_time_zone() -> None:
    body = _body("opportunity.updated", {"id": "o1", "closeDate": "2026-12-19T16:00:00.000Z"})
    reading = ADAPTER.adapt(_delivery(body, {}), _account(time_zone="Asia/Shanghai"))
    assert _state(reading.events)["acme:o1"]["expected_close_on"] == "2026-12-20"


def _body(event: str, record: dict[str, Any]) -> bytes:
    return json.dumps({"eventName": event, "eventDate": "2026-11-24T15:11:55.724Z", "record": record}).encode()
