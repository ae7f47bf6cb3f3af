"""Salesforce: laws of its change events and messages. Vectors and examples are tested with everybody's."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import fastavro
import msgspec
import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.sources.adapter import Account, Delivery, Reading, Record, Refusal
from services.ingest.sources.salesforce import messages
from services.ingest.sources.salesforce.adapter import ADAPTER, SalesforceSettings
from services.ingest.sources.salesforce.avro import UndecodableError, decoded, read_schema
from services.ingest.sources.salesforce.simulator import SIMULATOR, message
from services.ingest.sources.story import endings, told
from services.ingest.wire import candidate_of
from shared.contracts.envelope import Event, Refused
from shared.kernel.errors import MalformedError, QuintantError

_NOW = datetime(2026, 11, 24, 15, 12, tzinfo=UTC)
_ORGANIZATION = "00D5Y000001MPM7UAO"
_DEAL = "006SM0000001Tb3YAE"
_FIELDS: dict[str, Sequence[Any]] = {
    "Name": ("a", "b", None),
    "StageName": ("Prospecting", "Closed Won"),
    "Amount": (1.5, 2.5, None),
    "CloseDate": (1653955200000, 1654041600000),
    "OwnerId": ("005SM000000146PYAQ", "005SM000000146QYAQ"),
}


def _account(*secrets: str, **settings: Any) -> Account:
    said = {"organization_id": _ORGANIZATION, "currency": "EUR", **settings}
    return Account("acme", secrets or ("s1",), msgspec.convert(said, SalesforceSettings))


def _header(**said: Any) -> dict[str, Any]:
    return {"entityName": "Opportunity", "recordIds": [_DEAL], "changeType": "UPDATE", "transactionKey": "t1",
            "sequenceNumber": 1, "commitTimestamp": 1652977933000, "commitNumber": 1652977933433528300,
            "changedFields": [], "nulledFields": [], "diffFields": [], **said}  # fmt: skip


def _change(header: dict[str, Any], **fields: Any) -> Delivery:
    body = json.dumps({"ChangeEventHeader": header, **fields}).encode()
    return Delivery({"content-type": "application/json"}, body, _NOW)


def _soap(body: bytes, key: str = "s1") -> Delivery:
    return Delivery({"content-type": "text/xml; charset=utf-8"}, body, _NOW, key=key)


def _opportunity(**fields: Any) -> bytes:
    said = {"Id": _DEAL, "SystemModstamp": "2026-11-24T15:11:55.000Z", **fields}
    return message(_ORGANIZATION, {"04l5Y00002lRDRNQA4": ("Opportunity", said)})


def _state(events: Iterable[Event | Refused]) -> dict[str, dict[str, Any]]:
    """Last writer wins, field by field."""
    genuine = [event for event in events if isinstance(event, Event)]
    state: dict[str, dict[str, Any]] = {}
    for event in sorted(genuine, key=lambda event: (event.time, event.sequence, event.source, event.id)):
        state.setdefault(event.subject, {}).update(json.loads(candidate_of(event).public))
    return state


def _events(reading: Reading) -> list[Event]:
    return [event for event in reading.events if isinstance(event, Event)]


# Outbound messages


@given(st.text(max_size=20), st.binary(max_size=200))
def test_no_stranger_is_genuine(key: str, body: bytes) -> None:
    assert ADAPTER.verify(_soap(body, key), _account()) is not None


@given(st.text(alphabet="0123456789ABCDEFabcdef", min_size=12, max_size=12))
def test_only_the_own_organization_is_heard(rest: str) -> None:
    body = message(f"00D{rest}", {})
    expected = None if f"00D{rest}" == _ORGANIZATION[:15] else Refusal.SIGNATURE
    assert ADAPTER.verify(_soap(body), _account()) is expected
    assert ADAPTER.verify(_soap(body), _account(organization_id=f"00D{rest}")) is None


def test_xml_that_attacks_is_never_read() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>'
    outside = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'
    deep = b"<a>" * 100_000 + b"</a>" * 100_000
    for body in (bomb, outside, deep, b"", b"<a>", b"\xff\xfe", b'<?xml version="1.0" encoding="utf-77"?><a/>'):
        assert ADAPTER.verify(_soap(body), _account()) is Refusal.MALFORMED
        with pytest.raises(MalformedError):
            ADAPTER.adapt(_soap(body), _account())


def test_a_change_event_cannot_be_posted() -> None:
    delivery = replace(_change(_header(changeType="DELETE")), key="s1")
    assert ADAPTER.verify(delivery, _account()) is Refusal.MALFORMED


def test_a_message_holds_a_hundred_notifications_at_most() -> None:
    def of(count: int) -> bytes:
        return message(_ORGANIZATION, {f"04l{n}": ("Opportunity", {"Id": _DEAL}) for n in range(count)})

    assert len(ADAPTER.adapt(_soap(of(100)), _account()).reads) == 1, "one record is read once"
    with pytest.raises(MalformedError):
        ADAPTER.adapt(_soap(of(101)), _account())


def test_a_repeated_notification_with_newer_values_is_another_event() -> None:
    first, same, newer = (_events(ADAPTER.adapt(_soap(_opportunity(Amount=n)), _account()))[0] for n in (1, 1, 2))
    assert first == same
    assert first.id != newer.id


def test_nil_is_cleared_and_what_is_left_out_is_unsaid() -> None:
    body = _opportunity(Name="x").replace(b"<sf:Name>x</sf:Name>", b'<sf:Name xsi:nil="true"/>')
    (event,) = _events(ADAPTER.adapt(_soap(body), _account()))
    assert json.loads(event.data) == {"id": f"acme:{_DEAL}", "title": None}


def test_the_answer_is_the_acknowledgement() -> None:
    reply = ADAPTER.reply(_soap(b""), _account())
    assert reply is not None
    acknowledged = fromstring(reply.body).find(".//{http://soap.sforce.com/2005/09/outbound}Ack")
    assert acknowledged is not None
    assert (reply.status, reply.media_type, acknowledged.text) == (200, "text/xml; charset=utf-8", "true")


def test_a_session_id_is_never_shown() -> None:
    canary = b"<SessionId>canary</SessionId>"
    body = _opportunity(Probability="canary%").replace(b'<SessionId xsi:nil="true"/>', canary)
    with pytest.raises(QuintantError) as refused:
        ADAPTER.adapt(_soap(body), _account())
    assert "canary" not in f"{refused.value} {refused.value.faults}"
    assert "canary" not in repr(ADAPTER.adapt(_soap(body.replace(b"canary%", b"5")), _account()))


@given(st.data())
def test_a_changed_message_is_read_or_refused(data: st.DataObject) -> None:
    body = _opportunity(Name="Acme", Amount="1.5", CloseDate="2026-12-20", Probability="10")
    place = data.draw(st.integers(0, len(body) - 1))
    changed = body[:place] + data.draw(st.binary(max_size=3)) + body[place + data.draw(st.integers(0, 3)) :]
    try:
        ADAPTER.adapt(_soap(changed), _account())
    except QuintantError:
        return


@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_a_story_told_in_any_order_and_twice(seed: int, random: Any) -> None:
    steps = told("deals", seed=seed, things=3, begin=_NOW, span=timedelta(hours=6))
    steps += endings(steps, _NOW + timedelta(days=1)) if seed % 2 else []
    account = _account(several_currencies=True)
    bodies = [signed.body for step in steps for signed in SIMULATOR.deliveries(step, account, step.at)]
    once = [event for body in bodies for event in ADAPTER.adapt(_soap(body), account).events]
    random.shuffle(bodies)
    again = [event for body in bodies + bodies[::2] for event in ADAPTER.adapt(_soap(body), account).events]
    last = {step.now.number: step.now for step in steps}
    whole = [
        event
        for thing in last.values()
        for shown in SIMULATOR.shown(thing)
        for event in ADAPTER.read(
            Record(shown.kind, shown.id, _NOW + timedelta(days=2), msgspec.json.encode(shown.body)), account
        )
    ]
    plain = {subject: {**fields, "ended": fields.get("ended", False)} for subject, fields in _state(once).items()}
    read = {subject: {"channel_id": None, **fields} for subject, fields in plain.items()}
    told_again = _state([*again, *whole])
    assert {s: {"channel_id": None, "ended": False, **f} for s, f in told_again.items()} == read


# Change events


@st.composite
def _updates(draw: st.DrawFn) -> list[tuple[int, dict[str, Any]]]:
    """Transactions in the order of their commits, each with the fields that it changed."""
    count = draw(st.integers(1, 6))
    gaps = draw(st.lists(st.integers(1, 1500), min_size=count, max_size=count))
    found, at = [], 1652977933000
    for gap in gaps:
        at += gap
        names = draw(st.lists(st.sampled_from(sorted(_FIELDS)), unique=True))
        found.append((at, {name: draw(st.sampled_from(_FIELDS[name])) for name in names}))
    return found


def _told(number: int, at: int, fields: dict[str, Any]) -> Delivery:
    """As the Pub/Sub API tells it: all fields, null where they did not change."""
    header = _header(
        transactionKey=f"t{number}",
        commitTimestamp=at,
        changedFields=[*fields, "LastModifiedDate"],
        nulledFields=[name for name, value in fields.items() if value is None],
    )
    return _change(header, **{**dict.fromkeys(_FIELDS), **fields, "LastModifiedDate": at // 1000 * 1000})


@given(_updates(), st.randoms(use_true_random=False))
def test_partial_changes_in_any_order_are_the_whole(updates: list[tuple[int, dict[str, Any]]], random: Any) -> None:
    deliveries = [_told(number, at, fields) for number, (at, fields) in enumerate(updates)]
    random.shuffle(deliveries)
    account = _account()
    said = _state(event for one in deliveries for event in ADAPTER.adapt(one, account).events)
    whole: dict[str, Any] = {}
    for _, fields in updates:
        whole |= fields
    body = json.dumps({"Id": _DEAL, "SystemModstamp": "2026-11-24T15:11:55.000+0000", **whole}).encode()
    (read,) = ADAPTER.read(Record("Opportunity", _DEAL, _NOW, body), account)
    expected = {**json.loads(candidate_of(read).public)}
    assert said.get(f"acme:{_DEAL}", {"id": f"acme:{_DEAL}"}) == {k: v for k, v in expected.items() if k != "ended"}


@given(st.sampled_from(["DELETE", "UNDELETE"]), st.integers(0, 999), st.integers(1, 50))
def test_the_end_comes_after_a_change_of_the_same_second(kind: str, millis: int, place: int) -> None:
    second = 1652977933000
    before = ADAPTER.adapt(_told(1, second + millis, {"Name": "x"}), _account())
    header = _header(changeType=kind, commitTimestamp=second + millis, sequenceNumber=place + 1, transactionKey="t2")
    after = ADAPTER.adapt(_change(header, LastModifiedDate=0), _account())
    (first,), (last,) = _events(before), _events(after)
    assert (first.time, first.sequence) < (last.time, last.sequence)


def test_numbers_beyond_doubles_are_kept_as_they_are() -> None:
    schema = read_schema(json.dumps(_schema()))
    payload = _encoded({"ChangeEventHeader": _avro_header(commitNumber=2**63 - 1)})
    assert msgspec.json.encode(decoded(schema, payload)).count(b"9223372036854775807") == 1


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "UPDATE", "CREATE", _DEAL, "001*", "Name", "Name.LastName", "Amount", "0x1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["FirstName", "Country"]), inner),
    max_leaves=6,
)  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(sorted(_header())), _JSON),
    st.dictionaries(st.sampled_from([*_FIELDS, "BillingAddress", "IsActive", "CurrencyIsoCode"]), _JSON),
    st.sampled_from(["Opportunity", "Account", "User"]),
)
def test_odd_change_events_are_refused_by_name(said: dict[str, Any], fields: dict[str, Any], kind: str) -> None:
    try:
        reading = ADAPTER.adapt(_change(_header(entityName=kind) | said, **fields), _account())
    except QuintantError:
        return
    assert reading.delivery


def test_an_update_that_names_no_field_says_nothing() -> None:
    reading = ADAPTER.adapt(_change(_header(), Name=None, StageName=None), _account())
    assert (list(reading.events), list(reading.reads), reading.unknown) == ([], [], "")


def test_an_overflow_in_the_vault_is_told_to_the_operator() -> None:
    reading = ADAPTER.adapt(_change(_header(changeType="GAP_OVERFLOW", recordIds=[])), _account())
    assert reading.unknown


@pytest.mark.parametrize("probability", [-1, 101])
def test_a_probability_is_a_percentage(probability: int) -> None:
    with pytest.raises(MalformedError):
        ADAPTER.adapt(_told(1, 1652977933000, {"Probability": probability}), _account())


def test_only_known_objects_are_read() -> None:
    with pytest.raises(MalformedError):
        ADAPTER.read(Record("Contact", "0035f00002JUXA8AAP", _NOW, b"{}"), _account())


@pytest.mark.parametrize(
    "wrong",
    [
        {"organization_id": "00D"},
        {"organization_id": "00D5Y000001MPM7UA"},
        {"loss_reason_field": "Name FROM Account"},
        {"currency": "eur"},
        {"change_events": "/event/Order__e"},
        {"api_version": "62"},
        {"login_url": "example.com"},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError):
        _account(**wrong)


# Avro and the protocol


def _schema(names: Sequence[str] = ("A", "B")) -> dict[str, Any]:
    part = {"type": "record", "name": "Part", "fields": [{"name": n, "type": ["null", "string"]} for n in "PQRS"]}
    lists = [{"name": name, "type": {"type": "array", "items": "string"}} for name in ("changedFields", "nulledFields")]
    header = {
        "type": "record",
        "name": "ChangeEventHeader",
        "fields": [{"name": "commitNumber", "type": "long"}, *lists],
    }
    fields: list[dict[str, Any]] = [{"name": "ChangeEventHeader", "type": header}]
    fields += [{"name": name, "type": ["null", "string"], "default": None} for name in names]
    fields += [{"name": "Compound", "type": ["null", "string", part], "default": None}]
    return {"type": "record", "name": "XChangeEvent", "namespace": "com.sforce.eventbus", "fields": fields}


def _avro_header(**said: Any) -> dict[str, Any]:
    return {"commitNumber": 1, "changedFields": [], "nulledFields": [], **said}


def _encoded(event: dict[str, Any], names: Sequence[str] = ("A", "B")) -> bytes:
    stream = BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(_schema(names)), event)
    return stream.getvalue()


@given(st.integers(1, 120), st.data())
def test_every_set_of_fields_comes_out_of_its_bitmap(count: int, data: st.DataObject) -> None:
    names = [f"F{place}" for place in range(count)]
    chosen = data.draw(st.lists(st.sampled_from(names), unique=True))
    parts = data.draw(st.lists(st.sampled_from("PQRS"), unique=True))
    whole = sum(1 << (1 + int(name[1:])) for name in chosen)
    nested = sum(1 << "PQRS".index(part) for part in parts)
    width = data.draw(st.integers(1, 40))
    bitmaps = [f"0x{whole:0{width}X}", f"{count + 1}-0x{nested:02x}"]
    event = {"ChangeEventHeader": _avro_header(changedFields=bitmaps)}
    found = decoded(read_schema(json.dumps(_schema(names))), _encoded(event, names))
    expected = {*chosen, *(f"Compound.{part}" for part in parts)}
    assert set(found["ChangeEventHeader"]["changedFields"]) == expected


def test_the_bitmap_of_the_guide() -> None:
    """0x650004E0 has the bits 5, 6, 7, 10, 24, 26, 29 and 30 set, counted from the lowest."""
    names = [f"F{place}" for place in range(1, 32)]
    event = {"ChangeEventHeader": _avro_header(changedFields=["0x650004E0"])}
    found = decoded(read_schema(json.dumps(_schema(names))), _encoded(event, names))
    assert found["ChangeEventHeader"]["changedFields"] == [f"F{place}" for place in (5, 6, 7, 10, 24, 26, 29, 30)]


@pytest.mark.parametrize("bitmap", ["0x100000", "9-0x01", "1-0x01", "3-0x10"])
def test_a_bitmap_beyond_its_schema(bitmap: str) -> None:
    payload = _encoded({"ChangeEventHeader": _avro_header(nulledFields=[bitmap])})
    with pytest.raises(UndecodableError):
        decoded(read_schema(json.dumps(_schema())), payload)


@given(st.binary(max_size=60))
def test_bytes_that_do_not_fit_are_told(payload: bytes) -> None:
    try:
        assert "ChangeEventHeader" in decoded(read_schema(json.dumps(_schema())), payload)
    except UndecodableError:
        return


@pytest.mark.parametrize("text", ["", "{}", "[]", '"string"', '{"type": "record", "name": "X"}', '{"type": "odd"}'])
def test_what_is_no_schema(text: str) -> None:
    with pytest.raises(UndecodableError):
        read_schema(text)


def test_messages_have_the_documented_field_numbers() -> None:
    """Written by hand: field number and wire type in one byte, lengths and numbers as they are."""
    request = messages.FetchRequest(
        topic_name="/data/x", replay_preset=messages.CUSTOM, replay_id=b"\1", num_requested=9
    )
    assert request.SerializeToString() == b"\x0a\x07/data/x\x10\x02\x1a\x01\x01\x20\x09"
    assert messages.SchemaRequest(schema_id="s").SerializeToString() == b"\x0a\x01s"
    event = b"\x0a\x0b\x0a\x02id\x12\x01s\x1a\x02ab\x12\x02\x00\x07"
    answer = messages.FetchResponse.FromString(
        b"\x0a" + bytes([len(event)]) + event + b"\x12\x02\x00\x08\x1a\x03rpc\x20\x05"
    )
    (one,) = answer.events
    assert (one.event.id, one.event.schema_id, one.event.payload, one.replay_id) == ("id", "s", b"ab", b"\x00\x07")
    assert (answer.latest_replay_id, answer.rpc_id, answer.pending_num_requested) == (b"\x00\x08", "rpc", 5)
    info = messages.SchemaInfo.FromString(b"\x0a\x02{}\x12\x01s\x1a\x03rpc")
    assert (info.schema_json, info.schema_id, info.rpc_id) == ("{}", "s", "rpc")
