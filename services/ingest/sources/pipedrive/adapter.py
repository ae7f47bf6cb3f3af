"""Pipedrive's webhooks v2: whole objects in JSON, with HTTP Basic credentials and nothing else to know them by."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from msgspec import Meta

from services.ingest.sources.adapter import (
    Account,
    Card,
    Delivery,
    Rate,
    Reading,
    Record,
    Refusal,
    Reply,
    Secret,
    SourceSettings,
)
from services.ingest.sources.payload import Speaker, fingerprint, inner, micros_since_1970, read_object, time_zone
from services.ingest.sources.pipedrive import notices, persons
from services.ingest.sources.pipedrive.notices import KINDS
from services.ingest.sources.pipedrive.objects import OBJECTS, Object, Said, changed_at, is_gone, stage_since
from services.ingest.sources.signing import from_base64, token_fits
from shared.contracts.envelope import Event
from shared.kernel.errors import MalformedError

_USER = "quintant"

CARD = Card(
    title="Pipedrive",
    authentication="HTTP Basic: a user name and a password of our own. Pipedrive signs nothing, so whoever knows them "
    "can say anything: HTTPS only.",
    dedupe="object, id, time of the event and a fingerprint of the object",
    order="update_time of the object (seconds), then the time of the event (milliseconds)",
    hydration="done activities without a time of day",
    reconcile="by `updated_since`, new deals by `add_time`",
    keeper="missing, inactive and removed webhooks are made anew",
    retries="3, 30 and 150 seconds later. Ten deliveries that fail at first ban the webhook for 30 minutes, and what "
    "happens then is lost; three days without a success delete it.",
    answer_seconds=10,
    rate=Rate(20, 2),
    limits="20 to 120 calls in 2 seconds by plan (API token), and a daily budget of the company: a list costs 10 to 20 "
    "tokens, one object 1 or 2",
    unverified=(
        "Whether meta.id and meta.timestamp are the same in every attempt: an event is known by its content.",
        "What is sent when a deleted object is restored: every whole object says that it is there.",
        "Whether a deal that was never changed has an update_time in the API: the newest are listed by add_time too.",
    ),
    secret_title="User name and password of the webhook, with a colon between them",  # noqa: S106 - a question
    secret_origin="ours",  # noqa: S106
    steps=(
        "Settings → Personal preferences → API: copy the token of an admin into `api_token`; the webhooks are then "
        "made and kept alive from here, and the next steps are not needed",
        "Tools and apps → Webhooks → Create new webhook, once each for the objects deal, organization, person, "
        "activity and user: event action All, version 2",
        "Endpoint URL: {url}",
        f"HTTP Auth username and password: what stands before and after the colon of {{secret}} (without a colon: "
        f"username {_USER}, and all of it is the password)",
    ),
    kinds=tuple(KINDS.values()),
    stages={
        "1": "prospecting",
        "2": "qualification",
        "3": "needs-analysis",
        "4": "solution-presentation",
        "5": "proposal-negotiation",
        "won": "won",
        "lost": "lost",
    },
)


class PipedriveSettings(SourceSettings, kw_only=True, frozen=True):
    """How to reach the company, and where its days begin."""

    api_url: Annotated[
        str, Meta(title="Address of the API", description="Faster: the company's own, https://acme.pipedrive.com")
    ] = "https://api.pipedrive.com"
    api_token: Annotated[
        Secret | None,
        Meta(
            title="API token of an admin",
            description="Empty: webhooks are made by hand, and nobody notices what is lost on the way.",
        ),
    ] = None
    time_zone: Annotated[str, Meta(title="Time zone in which days are counted")] = "UTC"

    def __post_init__(self) -> None:
        """Refuses a time zone that does not exist."""
        time_zone(self.time_zone)


def credentials(secret: str) -> str:
    """User name and password of a secret."""
    return secret if ":" in secret else f"{_USER}:{secret}"


class Pipedrive:
    """The adapter."""

    name = "pipedrive"
    card = CARD
    settings = PipedriveSettings

    def verify(self, delivery: Delivery, account: Account) -> Refusal | None:
        """Looks at the `Authorization` header, the only thing that tells Pipedrive from anybody."""
        given = delivery.headers.get("authorization", "")
        scheme, _, encoded = given.partition(" ")
        decoded = from_base64(encoded)
        pairs = [credentials(secret) for secret in account.secrets]
        genuine = token_fits(pairs, (decoded or b"").decode("utf-8", "surrogateescape"))
        if not given:
            return Refusal.MISSING
        if scheme.lower() != "basic" or decoded is None:
            return Refusal.MALFORMED
        return None if genuine else Refusal.SIGNATURE

    def adapt(self, delivery: Delivery, account: Account) -> Reading:
        """The object of a delivery, and what its merge did to others."""
        body = read_object(delivery.body)
        meta = inner(body.get("meta"), "meta")
        if unknown := notices.unknown(meta):
            return Reading(fingerprint(delivery.body), unknown=unknown)
        notice = notices.read(meta, body)
        speaker = Speaker(account, cause=notice.identity)
        events = [notices.event(said, notice, speaker) for said in notices.said(notice, speaker)]
        return Reading(notice.identity, events, notices.to_read(notice))

    def read(self, record: Record, account: Account) -> Sequence[Event]:
        """The object as it is now. The stage of a deal is dated by itself where the deal tells since when it is so."""
        speaker = Speaker(account, record.cause)
        found = read_object(record.body) if record.body else {}
        at = changed_at(found) or record.read_at
        gone = record.gone or is_gone(record.kind, found)
        if record.kind == "persons":
            said = persons.recorded(record.id, found, speaker, gone=gone)
            return [_recorded(one, record, at, speaker) for one in said]
        if record.kind not in OBJECTS:
            raise MalformedError("An object of this kind is not read.")
        entity, fields_of = OBJECTS[record.kind]
        if gone:
            return [_recorded(Said(entity, record.id, {}, ended=True), record, at, speaker)]
        return [
            _recorded(one, record, when or at, speaker)
            for one, when in _dated(Said(entity, record.id, fields_of(found, speaker), ended=False), found, at)
        ]

    def reply(self, delivery: Delivery, account: Account) -> Reply | None:
        """The usual answer."""
        del delivery, account
        return None


def _dated(said: Said, found: Object, at: datetime) -> Sequence[tuple[Said, datetime | None]]:
    """The stage apart, if it is older than the last change of the deal."""
    since = stage_since(found) if said.entity == "deal" else None
    if since is None or since >= at:
        return [(said, None)]
    rest = {name: value for name, value in said.fields.items() if name != "stage"}
    stage = Said(said.entity, said.foreign_id, {"stage": said.fields["stage"]})
    return [(stage, since), (Said(said.entity, said.foreign_id, rest, said.ended), None)]


def _recorded(said: Said, record: Record, at: datetime, speaker: Speaker) -> Event:
    sequence = micros_since_1970(record.read_at)
    return speaker.changed(
        said.entity,
        said.foreign_id,
        said.fields,
        event_id=f"read:{record.kind}:{record.id}@{at.isoformat()}/{sequence}",
        at=at,
        sequence=sequence,
        ended=said.ended,
    )


ADAPTER = Pipedrive()
