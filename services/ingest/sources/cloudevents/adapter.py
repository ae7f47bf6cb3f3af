"""CloudEvents 1.0 over HTTP (binary, structured, batch) with a bearer token, as its webhook specification says.

Whoever holds the token could name any `source`. So the events are said as this account's, and the sender's own source
becomes the first part of their ids: one sender never speaks, or is taken, for another.
"""

from collections.abc import Sequence

from msgspec.structs import replace

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
from services.ingest.sources.payload import fingerprint
from services.ingest.sources.signing import token_fits
from shared.contracts.envelope import Event, Refused, parse_events
from shared.kernel.ids import derived_id, is_id

_ATTRIBUTES = (
    *("specversion", "type", "source", "id", "time", "subject", "datacontenttype"),
    *("sequence", "cause", "traceparent"),
)
_UNREADABLE_TYPE = frozenset({"is required", "must be a string"})

CARD = Card(
    title="CloudEvents",
    authentication="bearer token in the Authorization header (CloudEvents HTTP webhook specification 1.0)",
    dedupe="the event's source and id",
    order="time, sequence",
    retries="As the sender likes.",
    secret_title="Token",  # noqa: S106 - a question, no secret
    secret_origin="ours",  # noqa: S106
    steps=(
        "In the sending system add a subscription with the address {url}",
        "Let it send the header Authorization: Bearer {secret}",
        "Let it send Quintant's event types, such as io.quintant.deal.changed.v1 (docs/reference/events.md)",
    ),
    kept_headers=("traceparent", *(f"ce-{name}" for name in _ATTRIBUTES)),
    canonical=True,
)


class CloudEvents:
    """The adapter."""

    name = "cloudevents"
    card = CARD
    settings = CanonicalSettings

    def verify(self, delivery: Delivery, account: Account) -> Refusal | None:
        """Compares the token; it vouches for the whole request, of which nothing is signed."""
        authorization = delivery.headers.get("authorization", "")
        scheme, _, token = authorization.partition(" ")
        fits = token_fits(account.secrets, token)
        if not authorization:
            return Refusal.MISSING
        if scheme.lower() != "bearer" or not token:
            return Refusal.MALFORMED
        return None if fits else Refusal.SIGNATURE

    def adapt(self, delivery: Delivery, account: Account) -> Reading:
        """The events in their order; those of somebody else's types are told, not refused."""
        parsed = parse_events(delivery.headers, delivery.body)
        said = [_ours(event, account) for event in parsed if not _is_foreign(event)]
        foreign = len(parsed) - len(said)
        unknown = f"{foreign} of {len(parsed)} events: not of Quintant's types" if foreign else ""
        return Reading(_identity(parsed, delivery), said, unknown=unknown)

    def read(self, record: Record, account: Account) -> Sequence[Event]:
        """Nothing: there is no API."""
        del record, account
        return ()

    def reply(self, delivery: Delivery, account: Account) -> Reply | None:
        """The usual answer."""
        del delivery, account
        return None


def _ours(event: Event | Refused, account: Account) -> Event | Refused:
    """Said by this account. A cause is an id of the same sender."""
    if isinstance(event, Refused):
        own_id = _own_id(event.source, event.id) if event.source and event.id else None
        return Refused(account.source, own_id, event.error)
    cause = None if event.cause is None else _own_id(event.source, event.cause)
    return replace(event, source=account.source, id=_own_id(event.source, event.id), cause=cause)


def _own_id(source: str, event_id: str) -> str:
    """One to one: a source is a URI reference, which holds no blank."""
    joined = f"{source} {event_id}"
    return joined if is_id(joined) else derived_id(source, event_id)


def _is_foreign(event: Event | Refused) -> bool:
    """Whether it is refused because its type is somebody else's."""
    if isinstance(event, Event):
        return False
    types = [fault.reason for fault in event.error.faults if fault.where in ("/type", "ce-type")]
    return bool(types) and not _UNREADABLE_TYPE.intersection(types)


def _identity(parsed: Sequence[Event | Refused], delivery: Delivery) -> str:
    """A single event names the delivery; else it is its bytes."""
    source, event_id = (parsed[0].source, parsed[0].id) if len(parsed) == 1 else (None, None)
    return _own_id(source, event_id) if source and event_id else f"batch:{fingerprint(delivery.body)}"


ADAPTER = CloudEvents()
