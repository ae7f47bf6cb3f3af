"""Change Data Capture through the Pub/Sub API: events as they are committed, from where we were."""

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any
from urllib.parse import urlsplit

import grpc
import grpc.aio
import msgspec

from services.ingest.sources.adapter import Delivery
from services.ingest.sources.api import Fed, PositionLostError
from services.ingest.sources.calling import ApiAnswerError, Calling, CredentialsError, TryLaterError
from services.ingest.sources.salesforce import messages
from services.ingest.sources.salesforce.avro import Schema, UndecodableError, decoded, read_schema
from services.ingest.sources.salesforce.changes import HEADER, OVERFLOW, UNDECODED
from services.ingest.sources.salesforce.objects import KINDS
from services.ingest.sources.salesforce.session import Session

_AT_ONCE = 100
"""The most that one request may ask for."""
_LARGEST_ANSWER = 16 * 1024 * 1024
_SILENCE_SECONDS = 330.0
"""Salesforce sends an empty answer within 270 seconds when nothing happens."""
_CALL_SECONDS = 30.0
_LOST = "sfdc.platform.eventbus.grpc.subscription.fetch.replayid."
_OURS_TO_MEND = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
_ODD = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
)
_encode = msgspec.json.Encoder().encode


async def follow(settings: Any, session: Session, calling: Calling, position: str | None) -> AsyncGenerator[Fed, None]:
    """Raises PositionLostError also when Salesforce says that it left out changes of objects that we read."""
    async with _channel(settings.pubsub_url) as channel:
        subscription = _Subscription(channel, settings.change_events, session, calling)
        while True:
            try:
                async with aclosing(subscription.messages(position)) as feed:
                    async for fed in feed:
                        yield fed
                        position = fed.position
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.UNAUTHENTICATED and session.refused():
                    continue
                raise _told(error) from None
            return


def _channel(url: str) -> grpc.aio.Channel:
    parts = urlsplit(url)
    options = [("grpc.max_receive_message_length", _LARGEST_ANSWER), ("grpc.enable_http_proxy", 0)]
    if parts.scheme == "http":
        return grpc.aio.insecure_channel(parts.netloc, options=options)
    return grpc.aio.secure_channel(parts.netloc, grpc.ssl_channel_credentials(), options=options)


class _Subscription:
    """One topic on one channel, and the schemas of its events."""

    def __init__(self, channel: grpc.aio.Channel, topic: str, session: Session, calling: Calling) -> None:
        self._topic = topic
        self._session = session
        self._calling = calling
        self._schemas: dict[str, Schema] = {}
        self._subscribe: Any = channel.stream_stream(
            f"/{messages.SERVICE}/Subscribe",
            request_serializer=messages.FetchRequest.SerializeToString,
            response_deserializer=messages.FetchResponse.FromString,
        )
        self._get_schema: Any = channel.unary_unary(
            f"/{messages.SERVICE}/GetSchema",
            request_serializer=messages.SchemaRequest.SerializeToString,
            response_deserializer=messages.SchemaInfo.FromString,
        )

    async def messages(self, position: str | None) -> AsyncGenerator[Fed, None]:
        """More is asked for only after what came was taken: the caller sets the pace."""
        call = self._subscribe(metadata=await self._session.metadata(self._calling))
        try:
            await _write(call, self._first(position))
            while (answer := await _read(call)) is not grpc.aio.EOF:
                self._session.used()
                fed, overflown = await self._fed(answer, position)
                if fed is not None:
                    yield fed
                    position = fed.position
                if overflown:
                    raise PositionLostError("Salesforce left out changes of a transaction too large for its feed.")
                if answer.pending_num_requested <= 0:
                    await _write(call, messages.FetchRequest(topic_name=self._topic, num_requested=_AT_ONCE))
        finally:
            call.cancel()

    def _first(self, position: str | None) -> Any:
        request = messages.FetchRequest(topic_name=self._topic, num_requested=_AT_ONCE)
        if position is not None:
            request.replay_preset, request.replay_id = messages.CUSTOM, _replay_id(position)
        return request

    async def _fed(self, answer: Any, position: str | None) -> tuple[Fed | None, bool]:
        """What came, and whether an overflow follows it: what comes before one is handed on first."""
        deliveries: list[Delivery] = []
        for event in answer.events:
            change = await self._decoded(event.event)
            if _is_overflow(change):
                return Fed(deliveries, position) if deliveries and position else None, True
            deliveries.append(self._delivery(change))
            position = _position(event.replay_id)
        if not answer.events and answer.latest_replay_id:
            position = _position(answer.latest_replay_id)
        return None if position is None else Fed(deliveries, position), False

    def _delivery(self, event: dict[str, Any]) -> Delivery:
        return Delivery(
            {"content-type": "application/json"}, _encode(event), self._calling.clock.now(), url=self._topic
        )

    async def _decoded(self, event: Any) -> dict[str, Any]:
        """What cannot be decoded is handed on as bytes, and waits in the quarantine: it must not stop the feed."""
        try:
            return decoded(await self._schema(event.schema_id), event.payload)
        except UndecodableError:
            return {UNDECODED: event.payload, "event": event.id, "schema": event.schema_id}

    async def _schema(self, schema_id: str) -> Schema:
        if schema_id not in self._schemas:
            request = messages.SchemaRequest(schema_id=schema_id)
            metadata = await self._session.metadata(self._calling)
            info = await self._get_schema(request, metadata=metadata, timeout=_CALL_SECONDS)
            self._schemas[schema_id] = read_schema(info.schema_json)
        return self._schemas[schema_id]


def _is_overflow(event: dict[str, Any]) -> bool:
    header = event.get(HEADER)
    return isinstance(header, dict) and header.get("changeType") == OVERFLOW and header.get("entityName") in KINDS


async def _write(call: Any, request: Any) -> None:
    with suppress(asyncio.InvalidStateError):  # the call has ended: reading tells how
        await call.write(request)


async def _read(call: Any) -> Any:
    try:
        async with asyncio.timeout(_SILENCE_SECONDS):
            return await call.read()
    except TimeoutError:
        raise TryLaterError("The Pub/Sub API has fallen silent.") from None


def _position(replay_id: bytes) -> str:
    return base64.b64encode(replay_id).decode()


def _replay_id(position: str) -> bytes:
    try:
        return base64.b64decode(position, validate=True)
    except (ValueError, binascii.Error):
        raise PositionLostError("The position is none of Salesforce's.") from None


def _told(error: grpc.aio.AioRpcError) -> Exception:
    """What the caller can act on; the details may hold more than a log should."""
    code, reason = error.code(), _reason(error)
    if code is grpc.StatusCode.INVALID_ARGUMENT and reason.startswith(_LOST):
        return PositionLostError("Salesforce does not keep what came after our position any more.")
    told = f"The Pub/Sub API answered {code.name}{f' ({reason})' if reason else ''}."
    if code in _OURS_TO_MEND:
        return CredentialsError(
            f"{told} The credentials are wrong, or the integration user may not see what the channel tells."
        )
    return ApiAnswerError(told) if code in _ODD else TryLaterError(told)


def _reason(error: grpc.aio.AioRpcError) -> str:
    for name, value in error.trailing_metadata() or ():
        if name == "error-code" and isinstance(value, str) and value.replace(".", "").replace("_", "").isalnum():
            return value[:200]
    return ""
