"""The AsyncAPI 3.1 document: every topic of the registry, its messages, who sends and who receives."""

from typing import Any

from shared.contracts.entities import ENTITIES, event_type
from shared.contracts.records import EPOCH_STARTED
from shared.contracts.topics import TOPICS, Topic

Node = dict[str, Any]

_SCHEMAS = "../../shared/contracts/schemas"
_BINDING = "0.5.0"
_WORDS = {
    "ce_specversion": "CloudEvents version",
    "ce_type": "CloudEvents type",
    "ce_source": "who said it (URI reference)",
    "ce_id": "id of the event within its source",
    "ce_time": "when it happened, RFC 3339 in UTC",
    "ce_subject": "id of what it is about",
}
EVENT_HEADERS = _WORDS | {
    "ce_sequence": "the source's own order among events of one instant",
    "ce_cause": "id of the event that led to this one; may be absent",
    "q_revision": "which reading of the raw bytes; the highest one known holds",
    "q_knownon": "business date on which it was learned",
    "q_accepted": "instant of the inbox commit, RFC 3339 in UTC",
    "q_recorded": "business date of the inbox commit, also where q_knownon is reconstructed",
    "q_reconstructed": "1 if it was declared as known when it happened; absent otherwise",
    "q_contract": "version of the contract under which it was written; a record without it is of version 1",
    "q_epoch": "epoch of the inbox",
    "q_number": "1, 2, 3, … within the partition",
    "traceparent": "W3C Trace Context; may be absent",
}
FACT_HEADERS = _WORDS | {
    "content-type": "application/json",
    "traceparent": "W3C Trace Context; may be absent",
}
EPOCH_HEADERS = {
    name: EVENT_HEADERS[name] for name in ("ce_specversion", "ce_type", "ce_source", "ce_id", "q_epoch")
} | {"q_number": "the last valid number of the epoch before"}
_OPTIONAL = {"ce_cause", "q_contract", "q_reconstructed", "traceparent"}


def asyncapi() -> Node:
    """The document."""
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Quintant",
            "version": "1",
            "description": "The Kafka topics of Quintant, generated from shared/contracts. Events are CloudEvents 1.0 "
            "in binary mode.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.slug: _channel(topic) for topic in TOPICS.values()},
        "operations": dict(pair for topic in TOPICS.values() for pair in _operations(topic)),
        "components": {"messages": _messages(), "schemas": _headers()},
    }


def _channel(topic: Topic) -> Node:
    name = "the name has the prefix of QUINTANT_TOPIC_PREFIX" + (
        " and from the second generation on ends in -<generation>" if topic.generational else ""
    )
    count = {} if topic.partitions is None else {"partitions": topic.partitions}
    return {
        "address": topic.slug,
        "title": topic.slug,
        "description": f"{topic.purpose} Key: {topic.key}. In the cluster {name}.",
        "messages": {
            schema: {"$ref": f"#/components/messages/{schema}"} for schema in topic.schemas or ("dead-letter",)
        },
        "bindings": {
            "kafka": {"topic": topic.slug, **count, "topicConfiguration": _config(topic), "bindingVersion": _BINDING}
        },
    }


def _config(topic: Topic) -> Node:
    return {
        key: [value] if key == "cleanup.policy" else int(value) if value.lstrip("-").isdigit() else value
        for key, value in topic.config.items()
    }


def _operations(topic: Topic) -> list[tuple[str, Node]]:
    channel = {"$ref": f"#/channels/{topic.slug}"}
    sends = [(f"{one}.send.{topic.slug}", {"action": "send", "channel": channel}) for one in topic.producers]
    receives = [(f"{one}.receive.{topic.slug}", {"action": "receive", "channel": channel}) for one in topic.consumers]
    return [*sends, *receives]


def _messages() -> Node:
    events = {slug: _message(slug, event_type(slug), "event-headers") for slug in ENTITIES}
    return events | {
        "epoch-started": _message("epoch-started", EPOCH_STARTED, "epoch-headers"),
        "progress": _message("progress", "progress", None),
        "fact": _message("fact", "a recorded fact", "fact-headers"),
        "dead-letter": {
            "name": "dead-letter",
            "title": "a refused record",
            "description": "Key, value and headers of the refused record as they were; headers that begin with q_dead_ "
            "add its origin and the reason.",
            "contentType": "application/octet-stream",
        },
    }


def _message(name: str, title: str, headers: str | None) -> Node:
    payload = {
        "schemaFormat": "application/schema+json;version=draft-2020-12",
        "schema": {"$ref": f"{_SCHEMAS}/{name}.json"},
    }
    said = {} if headers is None else {"headers": {"$ref": f"#/components/schemas/{headers}"}}
    return {"name": name, "title": title, "contentType": "application/json", **said, "payload": payload}


def _headers() -> Node:
    listed = {"event-headers": EVENT_HEADERS, "epoch-headers": EPOCH_HEADERS, "fact-headers": FACT_HEADERS}
    return {
        name: {
            "type": "object",
            "properties": {key: {"type": "string", "description": text} for key, text in words.items()},
            "required": [key for key in words if key not in _OPTIONAL],
        }
        for name, words in listed.items()
    }
