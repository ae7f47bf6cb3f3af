"""HubSpot's webhooks: arrays of small notices, most of one changed property, signed over URL, body and time."""

from collections.abc import Sequence
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
    ToRead,
)
from services.ingest.sources.hubspot import notices, records, signatures
from services.ingest.sources.hubspot.notices import Notice
from services.ingest.sources.hubspot.saying import event
from services.ingest.sources.payload import Speaker, currency_code, fingerprint, read_array, time_zone
from shared.contracts.envelope import Event, Refused
from shared.kernel.errors import QuintantError

_MOST_SHOWN = 5

CARD = Card(
    title="HubSpot",
    authentication="X-HubSpot-Signature-v3: HMAC-SHA256 (base64) over method, URL, body and time in milliseconds; five "
    "minutes of replay window. The signatures v1 and v2 only where they are switched on.",
    dedupe="object, kind of change, property, occurredAt and a fingerprint of what is said; HubSpot's eventId is not "
    "unique",
    order="occurredAt (milliseconds); of records the time of each value, else hs_lastmodifieddate",
    hydration="what is new, merged or restored; amounts without currency; deals whose company changes",
    reconcile="by `hs_lastmodifieddate`, archived ones too",
    keeper="with a developer key: target URL, missing and paused subscriptions",
    retries="Up to 10 times in 24 hours after a failed connection, 5 seconds without an answer, or a 4xx or 5xx",
    answer_seconds=5,
    rate=Rate(4, 1),
    limits="Search: 4 calls a second, 10,000 results a query; 100 to 190 calls in 10 seconds by plan; batches of 50 "
    "with history",
    unverified=(
        "Whether private apps and apps of the new platform sign with v3 too: v1 and v2 can be switched on.",
        "Whether the URL is signed as it is or with some characters decoded: both are accepted.",
        "How soon the search shows a change: the poll looks again at what it looked at before.",
    ),
    secret_title="Client secret of the app",  # noqa: S106 - a question
    steps=(
        "In the app (Settings → Integrations → Private apps or the developer account → Apps) → Webhooks",
        "Target URL: {url}",
        "Subscribe to deal and company: created, deleted, restored, merged, association changed, and property changed "
        "for dealname, dealstage, pipeline, amount, deal_currency_code, closedate, hubspot_owner_id and "
        "closed_lost_reason; of companies for name, industry, country, state, hubspot_owner_id and "
        "hs_parent_company_id",
        "Auth → Client secret: copy it here",
        "For reading: the access token of the app, with crm.objects.deals.read, crm.objects.companies.read and "
        "crm.objects.owners.read, as `access_token`",
    ),
    kinds=("deals", "companies", "owners"),
    stages={
        "appointmentscheduled": "prospecting",
        "qualifiedtobuy": "qualification",
        "presentationscheduled": "needs-analysis",
        "decisionmakerboughtin": "solution-presentation",
        "contractsent": "proposal-negotiation",
        "closedwon": "won",
        "closedlost": "lost",
    },
)


class HubspotSettings(SourceSettings, kw_only=True, frozen=True):
    """How to reach the account, and how to read what its notices leave open."""

    portal_id: Annotated[
        str, Meta(title="Number of the HubSpot account", description="Empty: of whichever account a notice is.")
    ] = ""
    currency: Annotated[
        str | None,
        Meta(
            title="The only currency of the deals",
            description="ISO 4217, such as EUR. Empty if there are several: each amount is then read with its deal.",
        ),
    ] = None
    time_zone: Annotated[str, Meta(title="Time zone in which closing dates are entered")] = "UTC"
    target_url: Annotated[
        str,
        Meta(
            title="Target URL as it stands in HubSpot",
            description="Signatures cover it. Empty: as a delivery is addressed, which is right unless a proxy "
            "changes it.",
        ),
    ] = ""
    accept_v1: Annotated[bool, Meta(title="Accept signatures of version 1", description="They sign no time.")] = False
    accept_v2: Annotated[bool, Meta(title="Accept signatures of version 2", description="They sign no time.")] = False
    api_url: Annotated[str, Meta(title="Address of the API")] = "https://api.hubapi.com"
    access_token: Annotated[
        Secret | None,
        Meta(title="Access token", description="Empty: what notices leave open stays open, and losses unnoticed."),
    ] = None
    client_id: Annotated[
        str, Meta(title="Client id", description="Of an app with OAuth, instead of an access token.")
    ] = ""
    refresh_token: Annotated[Secret | None, Meta(title="Refresh token", description="Of an app with OAuth.")] = None
    app_id: Annotated[
        str, Meta(title="Number of the app", description="With the developer key: its subscriptions are looked after.")
    ] = ""
    developer_key: Annotated[Secret | None, Meta(title="Developer API key")] = None

    def __post_init__(self) -> None:
        """Refuses a time zone or a currency that does not exist."""
        time_zone(self.time_zone)
        try:
            if self.currency is not None:
                currency_code(self.currency)
        except QuintantError as error:
            raise ValueError("currency must be an ISO 4217 code such as EUR") from error


class Hubspot:
    """The adapter."""

    name = "hubspot"
    card = CARD
    settings = HubspotSettings

    def verify(self, delivery: Delivery, account: Account) -> Refusal | None:
        """Looks at the newest signature that is there."""
        return signatures.verify(delivery, account)

    def adapt(self, delivery: Delivery, account: Account) -> Reading:
        """Entry after entry: one that cannot be read does not hold up the others."""
        entries = read_array(delivery.body)
        strange = dict.fromkeys(found for entry in entries if (found := notices.unknown(entry, account)))
        read: list[Notice | Refused] = []
        for entry in entries:
            if notices.unknown(entry, account):
                continue
            try:
                read.append(notices.read(entry))
            except QuintantError as error:
                read.append(Refused(account.source, None, error))
        identity = _identity(read) if read else fingerprint(delivery.body)
        events, reads = _told(read, Speaker(account, cause=identity))
        return Reading(identity, events, reads, unknown=", ".join([*strange][:_MOST_SHOWN]))

    def read(self, record: Record, account: Account) -> Sequence[Event]:
        """The object as it is now."""
        return records.events(record, Speaker(account, record.cause))

    def reply(self, delivery: Delivery, account: Account) -> Reply | None:
        """The usual answer."""
        del delivery, account
        return None


def _identity(read: Sequence[Notice | Refused]) -> str:
    """The same in every attempt that carries the same entries."""
    known = [one.identity for one in read if isinstance(one, Notice)]
    return f"{len(read)}:{fingerprint(*known)}"


def _told(read: Sequence[Notice | Refused], speaker: Speaker) -> tuple[list[Event | Refused], list[ToRead]]:
    """What twice the same entry says is said once."""
    events: dict[str, Event | Refused] = {}
    reads: dict[tuple[str, str], ToRead] = {}
    for place, notice in enumerate(read):
        if isinstance(notice, Refused):
            events[f"refused {place}"] = notice
            continue
        try:
            told = notices.told(notice, speaker)
        except QuintantError as error:
            events[f"refused {place}"] = Refused(speaker.account.source, notice.identity, error)
            continue
        for said in told.said:
            event_id = f"{said.entity}:{said.foreign_id}/{notice.identity}"
            events[event_id] = event(said, speaker, event_id=event_id, at=notice.at)
        reads |= {(one.kind, one.id): one for one in notices.to_read(told, speaker.cause or "")}
    return list(events.values()), list(reads.values())


ADAPTER = Hubspot()
