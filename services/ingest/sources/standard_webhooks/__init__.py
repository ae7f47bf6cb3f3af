"""Standard Webhooks 1.0: `{type, timestamp, data}`, where the type is one of Quintant's own event types.

The delivery's `webhook-id` is the event's id: it stays the same when a delivery is repeated.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from services.ingest.sources.topics import UnknownTopicError
from shared.contracts.entities import entity_of
from shared.contracts.envelope import Event, Refused, parse_events
from shared.http.standard_webhooks import secret_bytes, verify
from shared.kernel.errors import InvalidInputError, MalformedError


class StandardWebhooks:
    """The adapter."""

    def verify(self, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime) -> str:
        """The `webhook-id`, if one of the secrets signed it within five minutes of `now`."""
        return verify([secret_bytes(secret) for secret in secrets], headers, body, now)

    def adapt(self, source: str, delivery: str, body: bytes) -> list[Event | Refused]:
        """The one event of a delivery, read by the same rules as an event that is posted directly."""
        try:
            said = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
            kind = msgspec.json.decode(said.get("type", msgspec.Raw(b"null")))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MalformedError('The body is not a JSON object {"type", "timestamp", "data"}.') from error
        try:
            entity_of(str(kind))
        except InvalidInputError as error:
            raise UnknownTopicError("No adapter knows this type of event.") from error
        event = {
            "specversion": "1.0",
            "type": kind,
            "source": f"/webhooks/{source}",
            "id": delivery,
            "time": said.get("timestamp", msgspec.Raw(b"null")),
            "data": said.get("data", msgspec.Raw(b"null")),
        }
        headers = {"content-type": "application/cloudevents+json"}
        return list(parse_events(headers, msgspec.json.encode(event)))


ADAPTER = StandardWebhooks()
