"""Any JSON webhook: what its fields and rules say about a delivery."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from services.ingest import wire
from services.ingest.sources import json_webhook
from services.ingest.sources.adapter import Account
from services.ingest.sources.json_webhook.adapter import JsonSettings
from shared.contracts.envelope import Event, Refused
from tests.unit.sources.json_accounts import AT, RULE, account, adapted, fields, wrong

# What is said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"c": {"n": "Acme"}}, {"title": "Acme"}),
        ({"c": {"n": None}}, {"title": None}),
        ({"c": {"n": " "}}, {"title": None}),
        ({"c": {"n": False}}, {"title": None}),
        ({"c": None}, {"title": None}),
        ({"c": {}}, {}),
        ({"c": "x"}, {}),
        ({}, {}),
        ({"c": {"n": 7}}, {"title": "7"}),
        ({"c": {"n": True}}, {"title": "true"}),
    ],
)
def test_absent_is_unsaid_and_null_is_cleared(body: dict[str, Any], said: dict[str, Any]) -> None:
    assert fields({"title": "c.n"}, body) == said


def test_of_a_whole_record_what_is_not_there_is_cleared() -> None:
    mapping = {"title": "c.n", "amount": {"value": "v", "currency": "'EUR'"}, "stage": "not_null(s, t)"}
    assert fields(mapping, {}, whole=True) == {"title": None, "amount": None, "stage": None}
    assert fields(mapping, {}) == {}


def money(amount: str, currency: str = "CHF") -> dict[str, Any]:
    return {"amount": {"amount": amount, "currency": currency}}


def minor(currency: str) -> dict[str, Any]:
    return {"amount": {"value": "v", "unit": "minor", "currency": currency}}


def due(**format: str) -> dict[str, Any]:
    return {"expected_close_on": {"value": "d", **format}}


def stage(**more: Any) -> dict[str, Any]:
    return {"stage": {"value": "s", **more}}


def rivals(key: str, **more: str) -> dict[str, Any]:
    return {"competitor_ids": {"each": "r", "key": key, **more}}


PRICED = {"amount": {"value": "v", "currency": "c"}}


@pytest.mark.parametrize(
    ("said", "body", "found"),
    [
        (PRICED, {"v": 1.10, "c": "eur"}, money("1.1", "EUR")),
        (PRICED, {"v": 1}, money("1")),
        ({"amount": "v"}, {"v": "1234.50"}, money("1234.5")),
        ({"amount": "v"}, {"v": False}, {"amount": None}),
        (minor("'JPY'"), {"v": 500}, money("500", "JPY")),
        (minor("'KWD'"), {"v": 1}, money("0.001", "KWD")),
        ({"amount": {"value": "v", "unit": "micros"}}, {"v": "5"}, money("0.000005")),
        ({"probability": {"value": "v", "unit": "percent"}}, {"v": 62.5}, {"probability": "0.625"}),
        ({"quantity": "v"}, {"v": "1e3"}, {"quantity": "1000"}),
        (due(), {"d": "2026-12-20T00:00:00.000Z"}, {"expected_close_on": "2026-12-20"}),
        (due(format="%d.%m.%y"), {"d": "20.12.26"}, {"expected_close_on": "2026-12-20"}),
        (due(format="seconds", zone="Asia/Shanghai"), {"d": 1795536000}, {"expected_close_on": "2026-11-25"}),
        ({"customer_id": "c[0]"}, {"c": [5, "Acme"]}, {"customer_id": "crm:5"}),
        ({"pipeline_id": "p"}, {"p": 7}, {"pipeline_id": "renewals"}),
        ({"pipeline_id": "p"}, {"p": 8}, {"pipeline_id": None}),
        (stage(values={"3": "won"}), {"s": 3}, {"stage": "won"}),
        (stage(values={"3": "won"}, otherwise=None), {"s": 4}, {"stage": None}),
        (stage(values={"true": "won"}, otherwise="lost"), {"s": True}, {"stage": "won"}),
        ({"loss_reason": {"constant": None}}, {}, {"loss_reason": None}),
        (rivals("@", removed="^.gone"), {"r": [1], "gone": True}, {"competitor_ids": {"crm:1": None}}),
        (rivals("id"), {"r": {"id": 1}}, {"competitor_ids": {"crm:1": {}}}),
        (rivals("id"), {"r": None}, {"competitor_ids": None}),
        (rivals("id"), {"r": []}, {"competitor_ids": {}}),
        (rivals("id"), {}, {}),
    ],
)
def test_fields(said: dict[str, Any], body: dict[str, Any], found: dict[str, Any]) -> None:
    assert fields(said, body, currency="CHF", pipelines={"7": "renewals"}) == found


def test_fields_of_other_entities() -> None:
    activity = {"minutes": "m", "started_at": {"value": "s", "format": "%Y/%m/%d %H:%M"}, "subject_text": "t"}
    body = {"m": 30, "s": "2026/11/24 10:00", "t": "Jane called"}
    said = {"minutes": 30, "started_at": "2026-11-24T15:00:00Z", "subject_text": "Jane called"}
    assert fields(activity, body, "activity", time_zone="America/New_York") == said
    assert fields({"active": "a"}, {"a": "No"}, "member") == {"active": False}
    assert fields({"active": "a"}, {"a": False}, "member") == {"active": False}
    assert fields({"active": "a"}, {"a": ""}, "member") == {"active": None}
    points = {"points": {"each": "p", "key": "day", "fields": {"value": "v"}}}
    day = {"p": [{"day": "2026-11-24", "v": 1.25}]}
    assert fields(points, day, "external-series") == {"points": {"2026-11-24": {"value": "1.25"}}}


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**14), max_value=10**14, places=6))
def test_amounts_are_exact(amount: Any) -> None:
    written = format(amount, "f").encode()
    configured = account({**RULE, "fields": {"amount": "v"}}, currency="EUR")
    (event,) = adapted(configured, b'{"id":1,"at":"%s","v":%s}' % (AT.encode(), written)).events
    assert isinstance(event, Event)
    assert msgspec.json.decode(event.data, type=dict[str, Any])["amount"]["amount"] == _plain(written.decode())


def _plain(text: str) -> str:
    found = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if found in ("-0", "") else found


@pytest.mark.parametrize(
    ("said", "body", "where"),
    [
        ({"amount": "v"}, {"v": "a lot"}, "rule deal, field amount"),
        ({"amount": {"value": "v", "currency": "c"}}, {"v": 1, "c": "Euro"}, "rule deal, field amount"),
        ({"amount": "v"}, {"v": {"amount": 1}}, "rule deal, field amount"),
        ({"title": "t"}, {"t": [1]}, "rule deal, field title"),
        ({"title": "sum(t)"}, {"t": ["x"]}, "rule deal, field title"),
        ({"owner_id": "o"}, {"o": "jane@example.com"}, "rule deal, field owner_id"),
        ({"expected_close_on": "d"}, {"d": "20.12.2026"}, "rule deal, field expected_close_on"),
        (due(format="%d.%m.%Y"), {"d": "2026-12-20"}, "rule deal, field expected_close_on"),
        ({"stage": {"value": "s", "values": {"a": "won"}}}, {"s": "b"}, "rule deal, field stage"),
        ({"competitor_ids": {"each": "r", "key": "id"}}, {"r": [{}]}, "rule deal, field competitor_ids, key"),
        ({"competitor_ids": {"each": "r", "key": "@"}}, {"r": [1, 1]}, "rule deal, field competitor_ids, key"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_and_not_shown(said: dict[str, Any], body: dict[str, Any], where: str) -> None:
    assert wrong(said, body, currency="CHF") == [where]


@pytest.mark.parametrize(
    ("said", "body"),
    [({"minutes": "m"}, {"m": 1.5}), ({"minutes": "m"}, {"m": "x"}), ({"started_at": "m"}, {"m": "x"})],
)
def test_what_does_not_fit_an_activity(said: dict[str, Any], body: dict[str, Any]) -> None:
    assert wrong(said, body, "activity")[0].startswith("rule deal, field ")


# Rules


def test_rules_speak_about_what_they_match() -> None:
    configured = account(
        {**RULE, "each": "items", "when": "kind == 'deal'", "time": "$.at", "ended": "gone"},
        {**RULE, "name": "buyer", "entity": "customer", "when": "buyer", "id": "buyer.id"},
        {"name": "noise", "entity": "nothing", "each": "items", "when": "kind == 'noise'"},
    )
    body = {"at": AT, "buyer": {"id": "B"}, "items": [{"kind": "deal", "id": 1, "gone": True}, {"kind": "noise"}]}
    reading = adapted(configured, body)
    events = [event for event in reading.events if isinstance(event, Event)]
    said = [(event.type.split(".")[2], event.id.split("@")[0]) for event in events]
    assert said == [("customer", "buyer:B"), ("deal", "deal:1")]
    assert reading.unknown == ""
    body["items"] = [{"kind": "deal", "id": 1}, {"kind": "else"}]
    assert adapted(configured, body).unknown == "1 entries that no rule matches"
    assert adapted(configured, {"at": AT}).unknown == "no rule matches"
    assert adapted(account(), {"at": AT}).unknown == "no rule matches"


def test_one_bad_entry_does_not_hold_up_the_others() -> None:
    configured = account({**RULE, "each": "@"})
    events = adapted(
        configured, [{"id": 1, "at": AT}, {"id": None, "at": AT}, {"id": 3, "at": "x"}, {"id": 4, "at": AT}]
    ).events
    assert [isinstance(event, Event) for event in events] == [True, False, False, True]
    faults = [event.error.faults[0].where for event in events if isinstance(event, Refused)]
    assert faults == ["rule deal: id", "rule deal: time"]


@pytest.mark.parametrize(("gone", "ended"), [(True, True), (False, False), (None, None)])
def test_ended(gone: bool | None, ended: bool | None) -> None:
    assert fields({}, {"gone": gone}, ended="gone").get("ended") is ended
    assert fields({}, {}, ended=True) == {"ended": True}


def test_ended_is_a_truth_value() -> None:
    (refused,) = adapted(account({**RULE, "ended": "gone"}), {"id": 1, "at": AT, "gone": "no"}).events
    assert isinstance(refused, Refused)


@pytest.mark.parametrize(
    ("time", "value"),
    [
        ("at", "2026-11-24T16:11:55.5+01:00"),
        ({"value": "at", "format": "seconds"}, 1795533115.5),
        ({"value": "at", "format": "milliseconds"}, "1795533115500"),
        ({"value": "at", "zone": "Asia/Shanghai"}, "2026-11-24 23:11:55.5"),
        ({"value": "at", "format": "%d.%m.%Y %H:%M:%S.%f", "zone": "Europe/Berlin"}, "24.11.2026 16:11:55.500000"),
        ({"value": "at", "format": "%Y%m%dT%H%M%S.%f%z"}, "20261124T161155.5+0100"),
    ],
)
def test_times(time: object, value: object) -> None:
    (event,) = adapted(
        account({**RULE, "time": time, "sequence": {"value": "at"} if time == "at" else ""}), {"id": 1, "at": value}
    ).events
    assert isinstance(event, Event)
    assert event.time == datetime(2026, 11, 24, 15, 11, 55, 500000, tzinfo=UTC)
    assert event.sequence == (1795533115500000 if time == "at" else 0)


@pytest.mark.parametrize(("value", "number"), [(7, 7), ("007", 7), (None, 0), ("x", None), (-1, None)])
def test_a_sequence_of_the_senders_own(value: object, number: int | None) -> None:
    (event,) = adapted(account({**RULE, "sequence": "n"}), {"id": 1, "at": AT, "n": value}).events
    assert (event.sequence if isinstance(event, Event) else None) == number


def test_event_ids() -> None:
    plain, named = account(RULE), account({**RULE, "event_id": "e"})
    first, again, other = (adapted(plain, body).events[0].id for body in (
        b'{"id":1,"at":"2026-11-24T15:11:55Z","e":5}', b'{ "id": 1, "at": "2026-11-24T15:11:55Z", "e": 5 }\n',
        b'{"id":1,"at":"2026-11-24T15:11:55Z","e":6}'))  # fmt: skip
    assert first == again != other
    assert str(first).startswith("deal:1@2026-11-24T15:11:55Z:")
    assert adapted(named, {"id": 1, "at": AT, "e": 5}).events[0].id == "5:deal:1"


def test_somebody_known_by_mail_address_alone() -> None:
    member = account(
        {**RULE, "entity": "member", "id": {"value": "mail", "kind": "person"}, "fields": {"email": "mail"}},
        {**RULE, "name": "own", "fields": {"owner_id": {"value": "mail", "kind": "person"}}},
    )
    one, other = adapted(member, {"id": 1, "at": AT, "mail": "Jane@example.com"}).events
    assert isinstance(one, Event)
    assert isinstance(other, Event)
    assert "@" not in one.subject
    assert one.subject == msgspec.json.decode(other.data, type=dict[str, str])["owner_id"]


def test_the_mapping_of_its_page_is_one() -> None:
    page = Path(json_webhook.__file__).with_name("README.md").read_text("utf-8")
    said = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    configured = Account("crm", ("secret",), msgspec.convert(said, JsonSettings))
    deal = {"id": 8, "cents": 123450, "currency": "EUR", "step": "Auftrag", "due": "20.12.2026", "owner_mail": "a@b.cc"}
    (event,) = adapted(configured, {"event": "deal.updated", "changed_at": AT, "deal": deal}).events
    assert isinstance(event, Event)
    public = msgspec.json.decode(wire.candidate_of(event).public)
    assert (public["amount"], public["stage"]) == ({"amount": "1234.5", "currency": "EUR"}, "won")
