"""The part of the Pub/Sub API's protocol that a subscriber speaks: messages by their field numbers, built here."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_PACKAGE = "eventbus.v1"
SERVICE = f"{_PACKAGE}.PubSub"

_TEXT, _BYTES, _INT32 = (
    FieldDescriptorProto.TYPE_STRING,
    FieldDescriptorProto.TYPE_BYTES,
    FieldDescriptorProto.TYPE_INT32,
)
_MESSAGES: Mapping[str, Mapping[str, tuple[int, Any]]] = {
    "ProducerEvent": {"id": (1, _TEXT), "schema_id": (2, _TEXT), "payload": (3, _BYTES)},
    "ConsumerEvent": {"event": (1, "ProducerEvent"), "replay_id": (2, _BYTES)},
    "FetchRequest": {
        "topic_name": (1, _TEXT),
        "replay_preset": (2, "enum ReplayPreset"),
        "replay_id": (3, _BYTES),
        "num_requested": (4, _INT32),
    },
    "FetchResponse": {
        "events": (1, "many ConsumerEvent"),
        "latest_replay_id": (2, _BYTES),
        "rpc_id": (3, _TEXT),
        "pending_num_requested": (4, _INT32),
    },
    "SchemaRequest": {"schema_id": (1, _TEXT)},
    "SchemaInfo": {"schema_json": (1, _TEXT), "schema_id": (2, _TEXT), "rpc_id": (3, _TEXT)},
}
LATEST, EARLIEST, CUSTOM = range(3)
"""ReplayPreset."""


def _file() -> FileDescriptorProto:
    file = FileDescriptorProto(name="quintant/salesforce_pubsub.proto", package=_PACKAGE, syntax="proto3")
    preset = file.enum_type.add(name="ReplayPreset")
    for number, name in enumerate(("LATEST", "EARLIEST", "CUSTOM")):
        preset.value.add(name=name, number=number)
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, (number, kind) in fields.items():
            _describe(described.field.add(name=name, number=number), kind)
    return file


def _describe(field: FieldDescriptorProto, kind: Any) -> None:
    field.label = FieldDescriptorProto.LABEL_OPTIONAL
    if not isinstance(kind, str):
        field.type = kind
        return
    how, _, name = kind.rpartition(" ")
    field.type = FieldDescriptorProto.TYPE_ENUM if how == "enum" else FieldDescriptorProto.TYPE_MESSAGE
    field.type_name = f".{_PACKAGE}.{name}"
    if how == "many":
        field.label = FieldDescriptorProto.LABEL_REPEATED


def _classes() -> Mapping[str, Any]:
    pool = DescriptorPool()  # of its own: the vendor's generated code may be loaded beside it
    pool.Add(_file())
    return {name: GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES}


_CLASSES = _classes()
ProducerEvent: Any = _CLASSES["ProducerEvent"]
ConsumerEvent: Any = _CLASSES["ConsumerEvent"]
FetchRequest: Any = _CLASSES["FetchRequest"]
FetchResponse: Any = _CLASSES["FetchResponse"]
SchemaRequest: Any = _CLASSES["SchemaRequest"]
SchemaInfo: Any = _CLASSES["SchemaInfo"]
