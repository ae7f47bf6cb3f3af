"""JSON Schemas (2020-12) of everything that travels, taken from the definitions that decode it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from shared.contracts.entities import ENTITIES, event_type
from shared.contracts.generate.docstrings import field_words, summary
from shared.contracts.records import EpochRecord, ProgressRecord

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_RECORDS: Mapping[str, type[msgspec.Struct]] = {"epoch-started": EpochRecord, "progress": ProgressRecord}


def schemas() -> dict[str, Schema]:
    """Every schema by name."""
    structs = {slug: entity.struct for slug, entity in ENTITIES.items()} | dict(_RECORDS)
    made = {name: _schema(name, struct) for name, struct in structs.items()}
    return made | {"fact": _head("fact", "A recorded fact") | {"type": "object"}, "cloud-event": _cloud_event()}


def _head(name: str, title: str) -> Schema:
    return {"$schema": _DIALECT, "$id": f"urn:quintant:schema:{name}", "title": title}


def _schema(name: str, struct: type[msgspec.Struct]) -> Schema:
    (root,), definitions = msgspec.json.schema_components([struct], ref_template="#/$defs/{name}")
    own = definitions.pop(root["$ref"].rpartition("/")[2])
    parts = {part.__name__: part for part in _structs_in(struct)}
    described = {key: _described(_plain(value), parts[key]) for key, value in sorted(definitions.items())}
    defs: Schema = {"$defs": described} if described else {}
    return _head(name, name) | _described(_plain(own), struct) | {"title": name} | defs


def _described(schema: Schema, struct: type[msgspec.Struct]) -> Schema:
    words = field_words(struct)
    for name, field in schema["properties"].items():
        if name in words:
            field["description"] = words[name]
    return schema | {"description": summary(struct)}


def _plain(node: Any) -> Any:
    """A decimal may also be written as a JSON number, which msgspec does not say by itself."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _plain(value) for key, value in node.items()}
    return plain | {"type": ["string", "number"]} if node.get("format") == "decimal" else plain


def _structs_in(struct: type[msgspec.Struct]) -> list[type[msgspec.Struct]]:
    found: list[type[msgspec.Struct]] = []

    def look(info: msgspec.inspect.Type) -> None:
        match info:
            case msgspec.inspect.StructType(cls=cls, fields=fields) if cls not in found:
                found.append(cls)
                for field in fields:
                    look(field.type)
            case msgspec.inspect.UnionType(types=types):
                for one in types:
                    look(one)
            case msgspec.inspect.DictType(value_type=value):
                look(value)
            case msgspec.inspect.Metadata(type=inner):
                look(inner)

    look(msgspec.inspect.type_info(struct))
    return found


def _cloud_event() -> Schema:
    text = {"type": "string", "minLength": 1, "maxLength": 255}
    properties = {
        "specversion": {"const": "1.0"},
        "type": {"enum": [event_type(slug) for slug in ENTITIES]},
        "source": text
        | {"format": "uri-reference", "description": "Who says it; `(source, id)` is the event's identity."},
        "id": text | {"description": "The same identity with other content is a conflict."},
        "subject": text | {"description": "The id of the entity; if it is said it equals the id of the data."},
        "time": {"type": "string", "format": "date-time", "description": "When it happened, with an offset from UTC."},
        "sequence": {
            "type": ["string", "integer"],
            "pattern": "^(0|[1-9][0-9]{0,18})$",
            "minimum": 0,
            "description": "The source's own order among events of one instant; absent: 0.",
        },
        "cause": text | {"description": "The id of the event that led to this one."},
        "traceparent": {"type": "string", "description": "W3C Trace Context."},
        "datacontenttype": {"const": "application/json"},
        "data": {"type": "object"},
    }
    matching = [
        {
            "if": {"properties": {"type": {"const": event_type(slug)}}, "required": ["type"]},
            "then": {"properties": {"data": {"$ref": f"urn:quintant:schema:{slug}"}}},
        }
        for slug in ENTITIES
    ]
    return _head("cloud-event", "An event in structured mode") | {
        "type": "object",
        "properties": properties,
        "required": ["specversion", "type", "source", "id", "time", "data"],
        "allOf": matching,
    }
