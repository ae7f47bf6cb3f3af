"""Twenty: signed webhooks with the whole record, in the documented shape and in the one that the server sends."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from services.ingest.sources.adapter import (
    Account,
    Card,
    Delivery,
    Reading,
    Record,
    Refusal,
    Reply,
    Secret,
    SourceSettings,
)
from services.ingest.sources.payload import (
    Speaker,
    fingerprint,
    inner,
    instant,
    micros_since_1970,
    read_object,
    required,
    text,
    time_zone,
)
from services.ingest.sources.signing import from_hex, in_time, mac_fits, whole_number
from services.ingest.sources.twenty.objects import KINDS, Said, said_of
from shared.contracts.envelope import Event
from shared.contracts.strict_json import dumped
from shared.kernel.errors import MalformedError

_ACTIONS = ("created", "updated", "upserted", "deleted", "destroyed", "restored")
_LONGEST_SHOWN = 100

CARD = Card(
    title="Twenty",
    authentication="HMAC-SHA256 (hexadecimal) over time in milliseconds, a colon and the body; five minutes of replay "
    "window. The nonce is not signed and not looked at.",
    dedupe="object, id, time of change and a fingerprint of the record",
    order="updatedAt of the record (milliseconds), then the time of the event",
    hydration="no: records are whole",
    reconcile="by `updatedAt`, with an API key, those in the bin included",
    retries="None: a failed delivery is gone, and the poller finds what it said.",
    answer_seconds=5,
    limits="100 calls a minute, 60 records a call",
    unverified=(
        "Whether a delivery without a secret in the webhook's form is sent unsigned: it is refused here.",
        "What a merge of companies sends: the merged record's deletion is understood, its survivor is not told.",
    ),
    secret_origin="ours",  # noqa: S106 - says who makes it up
    steps=(
        "Settings → APIs & Webhooks → Webhooks → Create webhook",
        "Endpoint URL: {url}",
        "Events: opportunity, company, person and workspaceMember, each with every action",
        "Secret: {secret}",
        "For the poller: Settings → APIs & Webhooks → Create key, with read access to these objects; it is `api_key`",
    ),
    kinds=tuple(KINDS),
    stages={
        "NEW": "prospecting",
        "SCREENING": "qualification",
        "NEEDS_ANALYSIS": "needs-analysis",
        "MEETING": "solution-presentation",
        "PROPOSAL": "proposal-negotiation",
        "CUSTOMER": "won",
        "LOST": "lost",
    },
)


class TwentySettings(SourceSettings, kw_only=True, frozen=True):
    """How to reach the workspace, and how to read what it leaves open."""

    api_url: Annotated[
        str, Meta(title="Address of the API", description="Of a server of one's own: https://crm.example.com")
    ] = "https://api.twenty.com"
    api_key: Annotated[
        Secret | None, Meta(title="API key", description="Empty: what is lost on the way is not noticed.")
    ] = None
    currency: Annotated[
        str | None, Meta(title="Currency of amounts that name none", description="ISO 4217, such as EUR")
    ] = None
    time_zone: Annotated[str, Meta(title="Time zone in which closing dates are entered")] = "UTC"

    def __post_init__(self) -> None:
        """Refuses a time zone that does not exist."""
        time_zone(self.time_zone)


@dataclass(frozen=True, slots=True)
class _Notice:
    """A delivery of either shape."""

    kind: str
    action: str
    record: dict[str, Any]
    at: datetime


class Twenty:
    """The adapter."""

    name: ClassVar[str] = "twenty"
    card: ClassVar[Card] = CARD
    settings: ClassVar[type[SourceSettings]] = TwentySettings

    def verify(self, delivery: Delivery, account: Account) -> Refusal | None:
        """Looks at the signature, then at the time."""
        stamp = delivery.headers.get("x-twenty-webhook-timestamp", "")
        given = delivery.headers.get("x-twenty-webhook-signature", "")
        signature, millis = from_hex(given), whole_number(stamp)
        signed = stamp.encode("utf-8", "surrogateescape") + b":" + delivery.body
        genuine = mac_fits(account.secrets, signed, signature or b"")
        if not stamp or not given:
            return Refusal.MISSING
        if signature is None or millis is None:
            return Refusal.MALFORMED
        if not genuine:
            return Refusal.SIGNATURE
        return None if in_time(millis / 1000, delivery.received_at) else Refusal.TIMESTAMP

    def adapt(self, delivery: Delivery, account: Account) -> Reading:
        """The one event of a delivery."""
        notice = _notice(read_object(delivery.body))
        topic = f"{notice.kind}.{notice.action}"
        if notice.kind not in KINDS or notice.action not in _ACTIONS:
            return Reading(fingerprint(delivery.body), unknown=f"event {topic[:_LONGEST_SHOWN]!r}")
        found = required(notice.record.get("id"), "The id of the record")
        when = _changed_at(notice)
        mark = fingerprint(topic, notice.at.isoformat(), dumped(notice.record))
        identity = f"{topic}/{found}@{notice.at.isoformat()}:{mark}"
        speaker = Speaker(account, cause=identity)
        said = _said(notice.kind, notice.record, speaker, ended=_ended(notice))
        event_id = f"{notice.kind}:{found}@{when.isoformat()}:{mark}"
        sequence = micros_since_1970(notice.at)
        return Reading(identity, [_event(speaker, said, event_id, when, sequence)])

    def read(self, record: Record, account: Account) -> Sequence[Event]:
        """The whole record; deleted ones too, as long as the source keeps them."""
        speaker, sequence = Speaker(account, record.cause), micros_since_1970(record.read_at)
        if not record.body:
            return _gone(record, speaker, sequence)
        found = read_object(record.body)
        when = _latest(found) or record.read_at
        said = _said(record.kind, found, speaker, ended=record.gone or text(found.get("deletedAt")) is not None)
        event_id = f"read:{record.kind}:{record.id}@{when.isoformat()}/{sequence}"
        return [_event(speaker, said, event_id, when, sequence)]

    def reply(self, delivery: Delivery, account: Account) -> Reply | None:
        """The usual answer."""
        del delivery, account
        return None


def _notice(body: dict[str, Any]) -> _Notice:
    """What the server sends (`eventName`, `record`), or what the documentation shows (`event`, `data`)."""
    served = "eventName" in body
    topic = required(body.get("eventName" if served else "event"), "The name of the event")
    kind, _, action = topic.partition(".")
    record = inner(body.get("record" if served else "data"), "The record")
    return _Notice(kind, action, record, instant(body.get("eventDate" if served else "timestamp")))


def _latest(record: dict[str, Any]) -> datetime | None:
    """When the record last changed; its deletion is a change."""
    stamps = [instant(record[name]) for name in ("updatedAt", "deletedAt") if text(record.get(name))]
    return max(stamps, default=None)


def _changed_at(notice: _Notice) -> datetime:
    """By the record's own clock; by the event's, if the record does not show the change."""
    latest = _latest(notice.record)
    shown = notice.action != "destroyed" and (notice.action != "deleted" or text(notice.record.get("deletedAt")))
    return latest if latest and shown else max(notice.at, latest or notice.at)


def _ended(notice: _Notice) -> bool | None:
    """None: the notice is about something else."""
    if notice.action in ("deleted", "destroyed") or text(notice.record.get("deletedAt")):
        return True
    return False if notice.action == "restored" else None


def _said(kind: str, record: dict[str, Any], speaker: Speaker, *, ended: bool | None) -> Said:
    if kind not in KINDS:
        raise MalformedError("An object of this kind is not read.")
    return said_of(kind, record, speaker, ended=ended)


def _event(speaker: Speaker, said: Said, event_id: str, at: datetime, sequence: int) -> Event:
    return speaker.changed(
        said.entity, said.foreign_id, said.fields, event_id=event_id, at=at, sequence=sequence, ended=said.ended
    )


def _gone(record: Record, speaker: Speaker, sequence: int) -> Sequence[Event]:
    """A record that was destroyed. Of a person only its body would tell whose contact it was."""
    if record.kind == "person":
        return ()
    event_id = f"read:{record.kind}:{record.id}@{record.read_at.isoformat()}/{sequence}"
    said = _said(record.kind, {"id": record.id}, speaker, ended=True)
    return [_event(speaker, said, event_id, record.read_at, sequence)]


ADAPTER = Twenty()
