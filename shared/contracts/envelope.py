"""CloudEvents 1.0 over HTTP: binary, structured and batch mode, each event accepted or refused on its own."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import msgspec

from shared.contracts.entities import entity_of, is_event_type
from shared.contracts.headers import whole
from shared.contracts.strict_json import MAX_DEPTH, Number, check_depth, parse, regular_object, regular_objects
from shared.contracts.values import read_instant
from shared.kernel.errors import (
    Fault,
    InvalidInputError,
    MalformedError,
    QuintantError,
    TooLargeError,
    UnsupportedMediaTypeError,
)
from shared.kernel.ids import is_id

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_EVENT_BYTES = 256 * 1024
"""Of the data of one event; well below what a Kafka record may hold by default."""
MAX_BATCH = 1000

BATCH = "application/cloudevents-batch+json"
STRUCTURED = "application/cloudevents+json"

_URI_REFERENCE = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]{1,255}")
_NEVER = datetime.min.replace(tzinfo=UTC)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Event(msgspec.Struct, frozen=True):
    """One event as it came in. `(source, id)` is its identity; `data` are the bytes as sent, not yet checked."""

    type: str
    source: str
    id: str
    subject: str
    """The id of the entity: always that of the data."""
    time: datetime
    """When it happened in the source (`occurred_at`), UTC."""
    sequence: int
    """The source's own order among events of the same instant."""
    data: bytes
    cause: str | None = None
    """The id of the event that led to this one."""
    traceparent: str | None = None
    members: dict[str, Any] | None = None
    """The data as they were read for their id, not yet checked; None if they were not read."""


class _Data(msgspec.Struct, frozen=True):
    data: msgspec.Raw = msgspec.Raw()


_data_in = msgspec.json.Decoder(_Data).decode
_items_in = msgspec.json.Decoder(list[msgspec.Raw]).decode
_all_data_in = msgspec.json.Decoder(list[_Data]).decode


@dataclass(frozen=True, slots=True)
class Refused:
    """One event that cannot be accepted, and why; identity as far as it could be read."""

    source: str | None
    id: str | None
    error: QuintantError


def parse_events(headers: Mapping[str, str], body: bytes) -> list[Event | Refused]:
    """The events of one HTTP request, in its order; header names are lower-case.

    Raises for what concerns the request as a whole: UnsupportedMediaTypeError, TooLargeError, MalformedError.
    """
    if len(body) > MAX_BODY_BYTES:
        raise TooLargeError(f"The body is longer than {MAX_BODY_BYTES} bytes.")
    media = _media_type(headers.get("content-type", ""))
    if media == BATCH:  # first: it shares a prefix with the structured type
        return _batch(body)
    if media == STRUCTURED:
        return [_structured(body)]
    if (media == "application/json" or media.endswith("+json")) and any(name.startswith("ce-") for name in headers):
        return [_binary(headers, body)]
    raise UnsupportedMediaTypeError(f"Send {STRUCTURED}, {BATCH}, or JSON data with ce- headers.")


def _media_type(content_type: str) -> str:
    media, *parameters = (part.strip().lower() for part in content_type.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in ("utf-8", "utf8"):
            raise UnsupportedMediaTypeError("JSON is read as UTF-8 only.")
    return media


def _items(body: bytes) -> Sequence[bytes]:
    try:
        body.decode()
        items = list(map(bytes, _items_in(body)))
    except RecursionError:
        check_depth(body)
        raise
    except msgspec.ValidationError:
        check_depth(body)
        raise MalformedError("A batch is a JSON array of events.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        check_depth(body)
        raise MalformedError("The body is not JSON in UTF-8.") from None
    if len(items) > MAX_BATCH:
        raise TooLargeError(f"A batch holds at most {MAX_BATCH} events.")
    # To look at each is a hundredth of the work: hardly any has so many brackets.
    if any(item.count(b"{") + item.count(b"[") >= MAX_DEPTH for item in items):
        check_depth(body)
    return items


def _batch(body: bytes) -> list[Event | Refused]:
    items = _items(body)
    regular = regular_objects(body)
    if regular is None:
        return [_structured(item) for item in items]
    return [
        _flawless(attributes, attributes.get("data"), bytes(one.data)) or _structured(item)
        for attributes, one, item in zip(regular, _all_data_in(body), items, strict=True)
    ]


def event_of(attributes: Mapping[str, Any], data: bytes) -> Event | Refused:
    """One event around data as they were sent, its attributes known by their CloudEvents names."""
    return _around(attributes, data, "/{}")


def _structured(item: bytes) -> Event | Refused:
    regular = regular_object(item)
    if regular is not None and (event := _flawless(regular, regular.get("data"), bytes(_data_in(item).data))):
        return event
    try:
        attributes = parse(item)
        if not isinstance(attributes, dict):
            raise InvalidInputError("An event is a JSON object.", faults=[Fault("", "must be an object")])
    except QuintantError as error:
        return Refused(None, None, error)
    return _event(attributes, attributes.get("data"), bytes(_data_in(item).data), "/{}")


def _binary(headers: Mapping[str, str], body: bytes) -> Event | Refused:
    attributes: dict[str, Any] = {
        name.removeprefix("ce-"): unquote(value) for name, value in headers.items() if name.startswith("ce-")
    }
    attributes.setdefault("traceparent", headers.get("traceparent"))
    return _around(attributes, body, "ce-{}")


def _around(attributes: Mapping[str, Any], raw: bytes, where: str) -> Event | Refused:
    regular = regular_object(raw)
    if regular is not None and (event := _flawless(attributes, regular, raw)):
        return event
    try:
        data = parse(raw)
    except QuintantError as error:
        return Refused(_text(attributes.get("source")), _text(attributes.get("id")), error)
    return _event(attributes, data, raw, where)


def _flawless(attributes: Mapping[str, Any], data: object, raw: bytes) -> Event | None:
    """What `_event` makes of a regular object beyond doubt. None: ask it, after the text was read again by the rule; a
    number that stands for a text is one there."""
    if not isinstance(data, dict):
        return None
    get = attributes.get
    kind, source, identity, text = get("type"), get("source"), get("id"), get("time")
    subject = data.get("id")
    if not (
        type(text) is type(kind) is type(source) is type(identity) is type(subject) is str
        and get("specversion") == "1.0"
        and len(raw) <= MAX_EVENT_BYTES
        and is_event_type(kind)
        and _is_uri_reference(source)
        and is_id(identity)
        and is_id(subject)
        and get("subject", subject) in (subject, None)
        and get("datacontenttype", "application/json") == "application/json"
    ):
        return None
    sequence, cause, trace = get("sequence"), get("cause"), get("traceparent")
    try:
        number = 0 if sequence is None else whole(sequence if type(sequence) is str else "")
        at = read_instant(text)
    except ValueError:
        return None
    if cause is not None and not (type(cause) is str and is_id(cause)):
        return None
    if trace is not None and not (type(trace) is str and _TRACEPARENT.fullmatch(trace)):
        trace = None
    return Event(kind, source, identity, subject, at, number, raw, cause, trace, data)


def _event(attributes: Mapping[str, Any], data: object, raw: bytes, where: str) -> Event | Refused:
    """By the rule, with everything that is wrong."""
    if len(raw) > MAX_EVENT_BYTES:
        large = TooLargeError(f"The data of one event are at most {MAX_EVENT_BYTES} bytes.")
        return Refused(_text(attributes.get("source")), _text(attributes.get("id")), large)
    reader = _Attributes(attributes, where)
    event = Event(
        type=reader.type(),
        source=reader.source(),
        id=reader.identifier("id"),
        subject=reader.subject(data),
        time=reader.time(),
        sequence=reader.sequence(),
        data=raw,
        cause=reader.identifier("cause") if attributes.get("cause") is not None else None,
        traceparent=reader.traceparent(),
        members=data if type(data) is dict else None,
    )
    reader.content_type()
    if reader.faults:
        source, event_id = _text(attributes.get("source")), _text(attributes.get("id"))
        error = InvalidInputError("This is no event that Quintant reads.", faults=reader.faults)
        return Refused(source, event_id, error)
    return event


@lru_cache(maxsize=1024)
def _is_uri_reference(text: str) -> bool:
    return _URI_REFERENCE.fullmatch(text) is not None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and not isinstance(value, Number) else None


class _Attributes:
    """Reads the context attributes of one event and gathers what is wrong with them; then what it returns is void."""

    def __init__(self, attributes: Mapping[str, Any], where: str) -> None:
        self._attributes = attributes
        self._where = where
        self.faults: list[Fault] = []
        if attributes.get("specversion") != "1.0":
            self._fault("specversion", 'must be "1.0"')

    def _fault(self, name: str, reason: str) -> None:
        self.faults.append(Fault(self._where.format(name), reason))

    def _required(self, name: str) -> str | None:
        text = _text(self._attributes.get(name))
        if text is None:
            self._fault(name, "must be a string" if self._attributes.get(name) is not None else "is required")
        return text

    def type(self) -> str:
        text = self._required("type")
        if text is not None:
            try:
                entity_of(text)
            except InvalidInputError as error:
                self._fault("type", error.faults[0].reason)
        return text or ""

    def source(self) -> str:
        text = self._required("source")
        if text is not None and not _is_uri_reference(text):
            self._fault("source", "must be a URI reference of 1 to 255 characters, such as /crm/emea")
        return text or ""

    def identifier(self, name: str) -> str:
        text = self._required(name)
        if text is not None and not is_id(text):
            self._fault(name, "must be 1 to 255 printable characters without a blank at either end")
        return text or ""

    def time(self) -> datetime:
        text = self._required("time")
        try:
            return _NEVER if text is None else read_instant(text)
        except ValueError as error:
            self._fault("time", str(error))
            return _NEVER

    def sequence(self) -> int:
        value = self._attributes.get("sequence")
        if value is None:
            return 0
        try:
            return whole(value if isinstance(value, str) else "")
        except ValueError as error:
            self._fault("sequence", str(error))
            return 0

    def subject(self, data: object) -> str:
        """The id in the data; a `subject` that is said must be the same."""
        if not isinstance(data, dict):
            base64 = "data_base64" in self._attributes
            self.faults.append(Fault("/data", "must be a JSON object in `data`" if base64 else "must be a JSON object"))
            return ""
        entity_id = _text(data.get("id"))
        if entity_id is None or not is_id(entity_id):
            self.faults.append(Fault("/data/id", "is required: the id of the entity, 1 to 255 printable characters"))
        elif self._attributes.get("subject") not in (None, entity_id):
            self._fault("subject", "must be the id of the data")
        return entity_id or ""

    def traceparent(self) -> str | None:
        """W3C Trace Context: what cannot be read is left out, never refused."""
        text = _text(self._attributes.get("traceparent"))
        return text if text is not None and _TRACEPARENT.fullmatch(text) else None

    def content_type(self) -> None:
        media = self._attributes.get("datacontenttype")
        if media is not None and str(media).partition(";")[0].strip().lower() != "application/json":
            self._fault("datacontenttype", "must be application/json")
