"""CloudEvents over HTTP: three modes, each item on its own, and requests that are refused as a whole."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.contracts.envelope import (
    BATCH,
    MAX_BATCH,
    MAX_BODY_BYTES,
    MAX_EVENT_BYTES,
    STRUCTURED,
    Event,
    Refused,
    parse_events,
)
from shared.kernel.errors import (
    InvalidInputError,
    MalformedError,
    QuintantError,
    TooLargeError,
    UnsupportedMediaTypeError,
)

TYPE = "io.quintant.deal.changed.v1"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
EVENT = Event(
    type=TYPE,
    source="/crm",
    id="e1",
    subject="D-1",
    time=datetime(2026, 3, 31, 1, tzinfo=UTC),
    sequence=7,
    data=b'{"id": "D-1", "probability": 0.70}',
    cause="e0",
    traceparent=TRACE,
    members={"id": "D-1", "probability": 0.7},
)
HEADERS = {
    "content-type": "application/json; charset=UTF-8",
    "ce-specversion": "1.0",
    "ce-type": TYPE,
    "ce-source": "/crm",
    "ce-id": "e1",
    "ce-subject": "D-1",
    "ce-time": "2026-03-31T09:00:00+08:00",
    "ce-sequence": "7",
    "ce-cause": "e0",
    "traceparent": TRACE,
}


def attributes(**changes: Any) -> dict[str, Any]:
    """A structured event; a change to None leaves an attribute out."""
    usual = {name.removeprefix("ce-"): value for name, value in HEADERS.items() if name != "content-type"}
    changed = usual | {"data": {"id": "D-1"}} | changes
    return {name: value for name, value in changed.items() if value is not None}


def structured(**changes: Any) -> Event | Refused:
    (result,) = parse_events({"content-type": STRUCTURED}, json.dumps(attributes(**changes)).encode())
    return result


def binary(body: bytes = EVENT.data, **changes: str | None) -> Event | Refused:
    changed = HEADERS | {f"ce-{name}": value for name, value in changes.items()}
    (result,) = parse_events({name: value for name, value in changed.items() if value is not None}, body)
    return result


def reasons(result: Event | Refused) -> dict[str, str]:
    assert isinstance(result, Refused)
    return {fault.where: fault.reason for fault in result.error.faults}


def test_the_three_modes_read_the_same_event_with_the_data_as_sent() -> None:
    assert binary() == EVENT
    envelope = json.dumps(attributes(data="@")).replace('"@"', EVENT.data.decode()).encode()
    assert list(parse_events({"content-type": STRUCTURED}, envelope)) == [EVENT]
    assert (
        list(parse_events({"content-type": f"{BATCH}; charset=utf-8"}, b"[%s, %s]" % (envelope, envelope)))
        == [EVENT] * 2
    )


def test_optional_attributes_may_be_missing() -> None:
    event = structured(subject=None, sequence=None, cause=None, traceparent=None)
    assert isinstance(event, Event)
    assert (event.subject, event.sequence, event.cause, event.traceparent) == ("D-1", 0, None, None)


def test_header_values_are_percent_decoded() -> None:
    event = binary(b'{"id":"\xe4\xba\xa4\xe6\x98\x93"}', subject="%E4%BA%A4%E6%98%93", id="%E4%BA%8B")
    assert isinstance(event, Event)
    assert (event.subject, event.id) == ("交易", "事")


def test_unknown_extensions_and_unreadable_trace_contexts_are_ignored() -> None:
    event = structured(myextension="x", dataschema="urn:x", traceparent="00-0-0-0")
    assert isinstance(event, Event)
    assert event.traceparent is None


def test_a_sequence_may_be_a_json_integer() -> None:
    event = structured(sequence=2**63 - 1)
    assert isinstance(event, Event)
    assert event.sequence == 2**63 - 1


@pytest.mark.parametrize(
    ("changes", "where", "reason"),
    [
        ({"specversion": "0.3"}, "/specversion", '"1.0"'),
        ({"specversion": None}, "/specversion", '"1.0"'),
        ({"type": None}, "/type", "is required"),
        ({"type": "io.quintant.deal.won.v1"}, "/type", "one of the entities"),
        ({"source": None}, "/source", "is required"),
        ({"source": ""}, "/source", "URI reference"),
        ({"source": "a b"}, "/source", "URI reference"),
        ({"source": "/" + "x" * 255}, "/source", "URI reference"),
        ({"id": 5}, "/id", "must be a string"),
        ({"id": ""}, "/id", "printable"),
        ({"id": "x" * 256}, "/id", "printable"),
        ({"time": None}, "/time", "is required"),
        ({"time": "2026-03-31T09:00:00"}, "/time", "offset"),
        ({"time": 1774947600}, "/time", "must be a string"),
        ({"sequence": "-1"}, "/sequence", "whole number"),
        ({"sequence": "1.5"}, "/sequence", "whole number"),
        ({"sequence": "01"}, "/sequence", "whole number"),
        ({"sequence": str(2**63)}, "/sequence", "whole number"),
        ({"sequence": True}, "/sequence", "whole number"),
        ({"subject": "D-2"}, "/subject", "must be the id of the data"),
        ({"cause": ""}, "/cause", "printable"),
        ({"datacontenttype": "application/xml"}, "/datacontenttype", "application/json"),
        ({"data": None}, "/data", "must be a JSON object"),
        ({"data": None, "data_base64": "e30="}, "/data", "in `data`"),
        ({"data": []}, "/data", "must be a JSON object"),
        ({"data": {}}, "/data/id", "is required"),
        ({"data": {"id": 5}}, "/data/id", "is required"),
    ],
)
def test_a_wrong_attribute_is_told(changes: dict[str, Any], where: str, reason: str) -> None:
    found = reasons(structured(**changes))
    assert found.keys() == {where}
    assert reason in found[where]


def test_all_wrong_attributes_are_told_together() -> None:
    assert reasons(structured(id="", time=None, data=[])).keys() == {"/id", "/time", "/data"}


def test_in_binary_mode_faults_name_the_header() -> None:
    assert reasons(binary(time="noon", source=None)).keys() == {"ce-time", "ce-source"}


def test_a_refusal_says_whose_event_it_is() -> None:
    result = structured(time=None)
    assert isinstance(result, Refused)
    assert (result.source, result.id) == ("/crm", "e1")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", MalformedError),
        (b'{"id":"D-1","id":"D-1"}', MalformedError),
        (b'{"id":"D-1","x":NaN}', MalformedError),
        (b'{"id":"\xff"}', MalformedError),
        (b'{"id":"D-1","x":' + b"[" * 40 + b"]" * 40 + b"}", TooLargeError),
        (b'{"id":"D-1","x":"' + b"x" * MAX_EVENT_BYTES + b'"}', TooLargeError),
    ],
)
def test_bad_data_are_refused_in_both_single_modes(body: bytes, error: type[QuintantError]) -> None:
    envelope = json.dumps(attributes(data="@")).encode().replace(b'"@"', body)
    (in_structure,) = parse_events({"content-type": STRUCTURED}, envelope)
    for result in (binary(body), in_structure):
        assert isinstance(result, Refused)
        assert isinstance(result.error, error)


def test_a_partly_bad_batch_answers_item_by_item() -> None:
    good = attributes()
    items = [json.dumps(item) for item in (good, {}, 5, good | {"time": "x"}, good | {"id": "e2"})]
    body = f'[{items[0]}, {", ".join(items[1:])}, {{"a":1,"a":2}}]'.encode()
    results = parse_events({"content-type": BATCH}, body)
    assert [isinstance(result, Event) for result in results] == [True, False, False, False, True, False]
    errors = [type(result.error) for result in results if isinstance(result, Refused)]
    assert errors == [InvalidInputError, InvalidInputError, InvalidInputError, MalformedError]


def test_an_empty_batch_holds_nothing() -> None:
    assert list(parse_events({"content-type": BATCH}, b"[]")) == []


@pytest.mark.parametrize(
    ("content_type", "body", "error"),
    [
        (BATCH, b"{}", MalformedError),
        (BATCH, b"[{}", MalformedError),
        (BATCH, b'[{"a":"\xff"}]', MalformedError),
        (BATCH, b'[{"a":NaN}]', MalformedError),
        (BATCH, b"[" + b"{}," * MAX_BATCH + b"{}]", TooLargeError),
        (BATCH, b"[" * 40, TooLargeError),
        (BATCH, b"[" * 70 + b"{}" + b"]" * 70, TooLargeError),
        (BATCH, b"[" * 5000 + b"]" * 5000, TooLargeError),
        (BATCH, b'[{},{"a":' + b"[" * 70 + b"]" * 70 + b"}]", TooLargeError),
        (STRUCTURED, b" " * (MAX_BODY_BYTES + 1), TooLargeError),
        ("application/json", b"{}", UnsupportedMediaTypeError),
        ("text/plain", b"{}", UnsupportedMediaTypeError),
        ("", b"{}", UnsupportedMediaTypeError),
        ("application/cloudevents+avro", b"{}", UnsupportedMediaTypeError),
        (f"{STRUCTURED}; charset=latin-1", b"{}", UnsupportedMediaTypeError),
    ],
)
def test_requests_that_are_refused_as_a_whole(content_type: str, body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_events({"content-type": content_type}, body)


def test_the_largest_batch_is_read() -> None:
    body = json.dumps([attributes(id=f"e{n}") for n in range(MAX_BATCH)]).encode()
    assert all(isinstance(result, Event) for result in parse_events({"content-type": BATCH}, body))
