"""The registry of webhook adapters: one folder a source, each a small pure module that verifies and adapts."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from services.ingest.sources import standard_webhooks
from shared.contracts.envelope import Event, Refused


class Adapter(Protocol):
    """How one kind of source signs and speaks. Pure: bytes, headers and a time in, events out."""

    def verify(self, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime) -> str:
        """The id of the delivery. Raises UnauthenticatedError, the same for every reason and for no secrets at all."""

    def adapt(self, source: str, delivery: str, body: bytes) -> list[Event | Refused]:
        """The events of a genuine body. Raises MalformedError, or UnknownTopicError for an unknown type."""


ADAPTERS: Mapping[str, Adapter] = {"standard-webhooks": standard_webhooks.ADAPTER}
