"""Change events out of Avro: the values, and the names of the fields that a header names by their places only."""

import re
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any

import msgspec
from fastavro import parse_schema, schemaless_reader

from services.ingest.sources.salesforce.changes import HEADER

_BITMAPS = ("changedFields", "nulledFields", "diffFields")
_WHOLE = re.compile("0x([0-9A-Fa-f]+)")
_NESTED = re.compile("([0-9]+)-0x([0-9A-Fa-f]+)")
Schema = Mapping[str, Any]


class UndecodableError(Exception):
    """The bytes are not what the schema says."""


def read_schema(text: str) -> Schema:
    """Raises UndecodableError."""
    try:
        parsed = parse_schema(msgspec.json.decode(text))
    except (msgspec.DecodeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UndecodableError("The schema of an event is no Avro schema.") from error
    if not isinstance(parsed, dict) or parsed.get("type") != "record" or not parsed.get("fields"):
        raise UndecodableError("The schema of an event is no record.")
    return parsed


def decoded(schema: Schema, payload: bytes) -> dict[str, Any]:
    """The event, with names instead of bitmaps in its header. Whole numbers stay whole. Raises UndecodableError."""
    stream = BytesIO(payload)
    try:
        event = schemaless_reader(stream, dict(schema), None)
    except (ValueError, IndexError, KeyError, TypeError, EOFError, OverflowError, MemoryError) as error:
        raise UndecodableError("The bytes of an event do not fit its schema.") from error
    if stream.read(1) or not isinstance(event, dict):
        raise UndecodableError("The bytes of an event do not fit its schema.")
    header = event.get(HEADER)
    if isinstance(header, dict):
        header |= {name: list(_names(schema, header.get(name) or ())) for name in _BITMAPS}
    return event


def _names(schema: Schema, bitmaps: Sequence[str]) -> Iterator[str]:
    """`0x…` for the record's own fields, `4-0x…` for the parts of the field at place 4; a name is left as it is."""
    for bitmap in bitmaps:
        if whole := _WHOLE.fullmatch(bitmap):
            yield from _marked(schema, whole[1])
        elif nested := _NESTED.fullmatch(bitmap):
            parent = _field(schema, int(nested[1]))
            part = _record_in(parent["type"])
            yield from (f"{parent['name']}.{name}" for name in _marked(part, nested[2]))
        else:
            yield bitmap


def _marked(schema: Schema, digits: str) -> Iterator[str]:
    """The lowest bit is the first field."""
    bits = int(digits, 16)
    for place in range(bits.bit_length()):
        if bits >> place & 1:
            yield str(_field(schema, place)["name"])


def _field(schema: Schema, place: int) -> Mapping[str, Any]:
    fields: Sequence[Mapping[str, Any]] = schema["fields"]
    if place >= len(fields):
        raise UndecodableError("A bitmap names a field that the schema does not have.")
    return fields[place]


def _record_in(kind: Any) -> Schema:
    """The record of a compound field, which stands in a union with null, or with null and text for names."""
    for one in kind if isinstance(kind, list) else [kind]:
        if isinstance(one, dict) and one.get("type") == "record":
            return one
    raise UndecodableError("A bitmap names parts of a field that has none.")
