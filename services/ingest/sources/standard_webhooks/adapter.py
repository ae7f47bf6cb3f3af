"""Standard Webhooks 1.0: `{type, timestamp, data}`, where the type is one of Quintant's own event types.

The delivery's id is the event's id: it stays the same when a delivery is repeated.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache

import msgspec

from services.ingest.sources.adapter import (
    Account,
    CanonicalSettings,
    Card,
    Delivery,
    Reading,
    Record,
    Refusal,
    Reply,
)
from shared.contracts.entities import is_event_type
from shared.contracts.envelope import Event, event_of
from shared.http.standard_webhooks import NotGenuineError, message_id, secret_bytes, verify
from shared.kernel.errors import MalformedError

_LONGEST_SHOWN = 100


def _secret_fault(secret: str) -> str | None:
    try:
        secret_bytes(secret)
    except ValueError as error:
        return f"must be {error}".replace("a webhook secret is ", "")
    return None


CARD = Card(
    title="Standard Webhooks",
    authentication="HMAC-SHA256 over id, time and body (Standard Webhooks 1.0, scheme v1; also Svix's header names)",
    dedupe="webhook-id",
    order="timestamp",
    retries="As the sender likes; the standard's example is ten attempts within 76 hours.",
    answer_seconds=15,
    secret_title="Secret (whsec_…)",  # noqa: S106 - a question, no secret
    secret_origin="ours",  # noqa: S106
    secret_fault=_secret_fault,
    steps=(
        "In the sending system add a webhook endpoint with the address {url}",
        "Give it the secret {secret}",
        "Let it send Quintant's event types, such as io.quintant.deal.changed.v1 (docs/reference/events.md)",
    ),
    kept_headers=("webhook-id", "svix-id"),
    canonical=True,
)


@lru_cache(maxsize=64)
def _keys(secrets: tuple[str, ...]) -> tuple[bytes, ...]:
    keys = []
    for secret in secrets:
        with suppress(ValueError):
            keys.append(secret_bytes(secret))
    return tuple(keys)


class StandardWebhooks:
    """The adapter."""

    name = "standard-webhooks"
    card = CARD
    settings = CanonicalSettings

    def verify(self, delivery: Delivery, account: Account) -> Refusal | None:
        """Looks at the signature, then at the time. A secret that is none signs nothing."""
        try:
            verify(_keys(account.secrets), delivery.headers, delivery.body, delivery.received_at)
        except NotGenuineError as error:
            return Refusal(error.reason)
        return None

    def adapt(self, delivery: Delivery, account: Account) -> Reading:
        """The one event of a delivery, read by the same rules as an event that is posted directly."""
        said = _said(delivery.body)
        kind = str(said.type)
        identity = message_id(delivery.headers)
        if not is_event_type(kind):
            return Reading(identity, unknown=f"type {kind[:_LONGEST_SHOWN]!r}")
        event = {
            "specversion": "1.0",
            "type": kind,
            "source": account.source,
            "id": identity,
            "time": said.timestamp,
        }
        return Reading(identity, [event_of(event, bytes(said.data))])

    def read(self, record: Record, account: Account) -> Sequence[Event]:
        """Nothing: there is no API."""
        del record, account
        return ()

    def reply(self, delivery: Delivery, account: Account) -> Reply | None:
        """The usual answer."""
        del delivery, account
        return None


class _Said(msgspec.Struct, frozen=True):
    """The members of a delivery, the data as they were written."""

    type: object = None
    timestamp: object = None
    data: msgspec.Raw = msgspec.Raw(b"null")


_decode = msgspec.json.Decoder(_Said).decode


def _said(body: bytes) -> _Said:
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedError('The body is not a JSON object {"type", "timestamp", "data"}.') from error


ADAPTER = StandardWebhooks()
