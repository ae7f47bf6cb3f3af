"""Salesforce's Pub/Sub API as documented, over real gRPC: Avro events, replay ids, flow control, errors in trailers."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import fastavro
import grpc
import grpc.aio

from services.ingest.sources.salesforce import messages

TOPIC = "/data/ChangeEvents"
_GONE = "sfdc.platform.eventbus.grpc.subscription.fetch.replayid.corrupted"
_UNAUTHENTICATED = "sfdc.platform.eventbus.grpc.service.auth.error"
_DONE = ["CREATE", "UPDATE", "DELETE", "UNDELETE"]
_TYPES = [*_DONE, *(f"GAP_{done}" for done in _DONE), "GAP_OVERFLOW"]
_NAMES: dict[str, Any] = {"type": "array", "items": "string"}
_HEADER = {
    "type": "record",
    "name": "ChangeEventHeader",
    "fields": [
        {"name": "entityName", "type": "string"},
        {"name": "recordIds", "type": _NAMES},
        {"name": "changeType", "type": {"type": "enum", "name": "ChangeType", "symbols": _TYPES}},
        {"name": "changeOrigin", "type": "string"},
        {"name": "transactionKey", "type": "string"},
        {"name": "sequenceNumber", "type": "int"},
        {"name": "commitTimestamp", "type": "long"},
        {"name": "commitNumber", "type": "long"},
        {"name": "commitUser", "type": "string"},
        *({"name": name, "type": _NAMES} for name in ("nulledFields", "diffFields", "changedFields")),
    ],
}
_PERSON = {
    "type": "record",
    "name": "Switchable_PersonName",
    "fields": [{"name": name, "type": ["null", "string"]} for name in ("Salutation", "FirstName", "LastName")],
}
_ADDRESS = {
    "type": "record",
    "name": "Address",
    "fields": [{"name": name, "type": ["null", "string"]} for name in ("Street", "City", "PostalCode", "Country")],
}
_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "Opportunity": {
        **dict.fromkeys(("AccountId", "Name", "StageName"), "string"),
        **dict.fromkeys(("Amount", "Probability"), "double"),
        "CloseDate": "long",
        **dict.fromkeys(("LeadSource", "OwnerId"), "string"),
        **dict.fromkeys(("CreatedDate", "LastModifiedDate"), "long"),
    },
    "Account": {
        "Name": ["string", _PERSON],
        "BillingAddress": _ADDRESS,
        **dict.fromkeys(("Industry", "OwnerId", "ParentId"), "string"),
        "LastModifiedDate": "long",
    },
    "Contact": {"Department": "string"},
}


def schema_of(kind: str) -> dict[str, Any]:
    """The header, then every field as a union with null."""
    fields = [
        {"name": name, "type": ["null", *(kind if isinstance(kind, list) else [kind])], "default": None}
        for name, kind in _FIELDS[kind].items()
    ]
    return {
        "type": "record",
        "name": f"{kind}ChangeEvent",
        "namespace": "com.sforce.eventbus",
        "fields": [{"name": "ChangeEventHeader", "type": _HEADER}, *fields],
    }


def bitmaps(kind: str, names: Sequence[str]) -> list[str]:
    """Fields by their places, parts of compound fields beside them; written without the code under test."""
    places = ["ChangeEventHeader", *_FIELDS[kind]]
    whole = "".join("1" if name in names else "0" for name in reversed(places))
    found = [f"0x{int(whole, 2):X}"] if "1" in whole else []
    for place, name in enumerate(places[1:], 1):
        parts = [part for part in names if part.startswith(f"{name}.")]
        if parts:
            known = [part["name"] for part in (_PERSON if name == "Name" else _ADDRESS)["fields"]]  # type: ignore[index]
            bits = "".join("1" if f"{name}.{part}" in parts else "0" for part in reversed(known))
            found.append(f"{place}-0x{int(bits, 2):02X}")
    return found


@dataclass(slots=True)
class FakeBus:
    """One topic. Replay ids are opaque, not contiguous, and end when they are dropped."""

    live: Callable[[], Sequence[str]]
    """The tokens that are good now."""
    instance: Callable[[], str]
    organization: str
    batch: int = 3
    events: list[tuple[bytes, Any]] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)
    schemas_asked: list[str] = field(default_factory=list)
    subscribed: asyncio.Event = field(default_factory=asyncio.Event)
    breaking: tuple[grpc.StatusCode, str] | None = None
    """How the next subscription ends, at once."""
    _number: int = 0
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _beats: int = 0
    _cut: bool = False

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Its address, while it serves."""
        server = grpc.aio.server()
        handlers = {
            "Subscribe": grpc.stream_stream_rpc_method_handler(
                self._subscribe, messages.FetchRequest.FromString, messages.FetchResponse.SerializeToString
            ),
            "GetSchema": grpc.unary_unary_rpc_method_handler(
                self._schema, messages.SchemaRequest.FromString, messages.SchemaInfo.SerializeToString
            ),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("eventbus.v1.PubSub", handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            await server.stop(None)

    async def publish(self, kind: str, change: str, ids: Sequence[str], **fields: Any) -> None:
        """A change event as Salesforce encodes it; for updates the fields given are those that changed."""
        self._number += 1
        committed_at = fields.pop("committed_at", 1652977933000 + 1000 * self._number)
        changed = fields.pop("changed", list(fields) if change == "UPDATE" else [])
        header = {
            "entityName": kind,
            "recordIds": list(ids),
            "changeType": change,
            "changeOrigin": "com/salesforce/api/soap/62.0;client=SfdcInternalAPI/",
            "transactionKey": f"00000466-3d4f-bbe3-9c2b-{self._number:012x}",
            "sequenceNumber": 1,
            "commitTimestamp": committed_at,
            "commitNumber": 1652977933433528300 + self._number,
            "commitUser": "005SM000000146PYAQ",
            "nulledFields": bitmaps(kind, [name for name in changed if "." not in name and fields.get(name) is None]),
            "diffFields": [],
            "changedFields": bitmaps(kind, changed),
        }
        stream = BytesIO()
        fastavro.schemaless_writer(
            stream, fastavro.parse_schema(schema_of(kind)), {"ChangeEventHeader": header, **fields}
        )
        await self.publish_bytes(kind, stream.getvalue())

    async def publish_bytes(self, schema: str, payload: bytes) -> None:
        """Whatever bytes, under the schema of this name."""
        event = messages.ProducerEvent(id=f"event-{len(self.events)}", schema_id=schema, payload=payload)
        async with self._news:
            replay_id = b"\x00\xff" + (len(self.events) * 7 + 3).to_bytes(6, "big")
            self.events.append((replay_id, event))
            self._news.notify_all()

    async def beat(self) -> None:
        """The empty answer with the latest replay id, which Salesforce sends within 270 seconds of silence."""
        async with self._news:
            self._beats += 1
            self._news.notify_all()

    async def cut(self) -> None:
        """End every stream as an ended session does."""
        async with self._news:
            self._cut = True
            self._news.notify_all()

    async def _schema(self, request: Any, context: Any) -> Any:
        await self._admit(context)
        self.schemas_asked.append(request.schema_id)
        text = json.dumps(schema_of(request.schema_id)) if request.schema_id in _FIELDS else "{}"
        return messages.SchemaInfo(schema_json=text, schema_id=request.schema_id)

    async def _admit(self, context: Any) -> None:
        given = dict(context.invocation_metadata())
        wanted = {"instanceurl": self.instance(), "tenantid": self.organization}
        if given.get("accesstoken") not in self.live() or not wanted.items() <= given.items():
            await self._end(context, grpc.StatusCode.UNAUTHENTICATED, _UNAUTHENTICATED)

    async def _end(self, context: Any, code: grpc.StatusCode, reason: str) -> None:
        await context.abort(code, f"{reason} canary rpcId: 1", trailing_metadata=(("error-code", reason),))

    async def _subscribe(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        await self._admit(context)
        if self.breaking is not None:
            (code, reason), self.breaking = self.breaking, None
            await self._end(context, code, reason)
        first = await anext(requests)
        self.requests.append(first)
        place = await self._place(first, context)
        credit, beats = [first.num_requested], self._beats
        reader = asyncio.create_task(self._credit(requests, credit))
        self.subscribed.set()
        try:
            while not self._cut:
                count = min(credit[0], self.batch, len(self.events) - place)
                if count <= 0 and self._beats == beats:
                    async with self._news:
                        await self._news.wait()
                    continue
                beats = self._beats
                shown = self.events[place : place + count]
                place, credit[0] = place + count, credit[0] - count
                yield self._answer(shown, place, credit[0])
        finally:
            reader.cancel()
        self._cut = False
        await self._end(context, grpc.StatusCode.UNAUTHENTICATED, _UNAUTHENTICATED)

    async def _place(self, first: Any, context: Any) -> int:
        if first.topic_name != TOPIC or not 0 < first.num_requested <= 100:
            await self._end(context, grpc.StatusCode.INVALID_ARGUMENT, "sfdc.platform.eventbus.grpc.topic.invalid")
        if first.replay_preset == messages.LATEST:
            return len(self.events)
        known = [replay_id for replay_id, _ in self.events]
        if first.replay_id not in known:
            await self._end(context, grpc.StatusCode.INVALID_ARGUMENT, _GONE)
        return known.index(first.replay_id) + 1

    async def _credit(self, requests: AsyncIterator[Any], credit: list[int]) -> None:
        async for request in requests:
            self.requests.append(request)
            async with self._news:
                credit[0] += request.num_requested
                self._news.notify_all()

    def _answer(self, shown: Sequence[tuple[bytes, Any]], place: int, pending: int) -> Any:
        events = [messages.ConsumerEvent(event=event, replay_id=replay_id) for replay_id, event in shown]
        latest = self.events[place - 1][0] if place else b""
        return messages.FetchResponse(events=events, latest_replay_id=latest, pending_num_requested=pending)
