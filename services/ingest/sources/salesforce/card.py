"""What Salesforce is, in words, and what a person says about one org."""

from typing import Annotated

from msgspec import Meta

from services.ingest.sources.adapter import Card, Rate, Secret, SourceSettings
from services.ingest.sources.salesforce.objects import KINDS

FieldName = Annotated[str, Meta(pattern="^[A-Za-z][A-Za-z0-9_]{0,79}$")]

CARD = Card(
    title="Salesforce",
    authentication="Change Data Capture is pulled over TLS with an OAuth token. Outbound messages carry no signature: "
    "a secret stands in their address, and their OrganizationId must be that of the org.",
    dedupe="Change events: transactionKey, sequenceNumber and record id. Outbound messages: Notification id and a "
    "fingerprint of the content, because a repeated notification carries the latest values.",
    order="LastModifiedDate, then the time of the commit and the place in the transaction",
    hydration="gap events, partly told names, outbound messages",
    reconcile="by `SystemModstamp`, deleted ones too",
    keeper="none to keep; the feed goes on from its place for 72 hours",
    retries="Change events are kept for 72 hours and replayed. Outbound messages: 24 hours, at most 2 hours apart, in "
    "any order.",
    answer_seconds=60,
    limits="Pub/Sub: 100 events a request. REST: calls a day as licensed (shown in Setup → Company Information), 2,000 "
    "records a page. Outbound messages: 100 notifications each.",
    rate=Rate(30, 60),
    unverified=(
        "How long Salesforce waits for the answer to an outbound message: we answer within a second.",
        "Whether a deleted record is told as an outbound message with IsDeleted true: understood if it is.",
        "Whether an UNDELETE event carries the record's fields: what it carries is said, and the record is read.",
        "How the API tells a record that was purged from one that the user may not see: both are not there.",
    ),
    secret_title="Secret in the address of outbound messages",  # noqa: S106 - a question, no secret
    secret_origin="ours",  # noqa: S106
    secret_in_url=True,
    steps=(
        "Setup → App Manager → New External Client App (or Connected App): enable OAuth with the scopes api and "
        "refresh_token, and the client credentials flow, run as an integration user",
        "Give that user API Enabled, View All Records for Opportunity and Account, View All Users, and read access to "
        "each field of the table on this page: what it may not see is not told, without a word",
        "Its consumer key and secret are `client_id` and `client_secret`; `login_url` is the address under Setup → My "
        "Domain",
        "Setup → Change Data Capture: select Opportunity, Account and User. Quintant follows them by itself",
        "Only for outbound messages: Setup → Outbound Messages → New, for Opportunity and for Account, to {url}, "
        "without session id, with Id, LastModifiedDate, SystemModstamp and the fields of the table on this page; send "
        "them from a record-triggered flow",
    ),
    kinds=tuple(KINDS),
    stages={
        "Prospecting": "prospecting",
        "Qualification": "qualification",
        "Needs Analysis": "needs-analysis",
        "Value Proposition": "solution-presentation",
        "Id. Decision Makers": "solution-presentation",
        "Perception Analysis": "solution-presentation",
        "Proposal/Price Quote": "proposal-negotiation",
        "Negotiation/Review": "proposal-negotiation",
        "Closed Won": "won",
        "Closed Lost": "lost",
    },
)


class SalesforceSettings(SourceSettings, kw_only=True, frozen=True):
    """Which org it is, what its amounts are in, and how it is reached."""

    organization_id: Annotated[
        str,
        Meta(
            title="Organization ID",
            description="Setup → Company Information: 15 or 18 characters that begin with 00D",
            pattern="^00D([A-Za-z0-9]{12}|[A-Za-z0-9]{15})$",
        ),
    ]
    currency: Annotated[
        str, Meta(title="Currency of amounts", description="Of the org, ISO 4217, such as EUR", pattern="^[A-Z]{3}$")
    ]
    several_currencies: Annotated[
        bool, Meta(title="Does the org have several currencies?", description="Then each amount's own is read.")
    ] = False
    person_accounts: Annotated[
        bool, Meta(title="Does the org have person accounts?", description="Accounts that are a person")
    ] = False
    loss_reason_field: Annotated[
        FieldName | None,
        Meta(
            title="Field with the reason of a loss",
            description="API name on Opportunity, such as Loss_Reason__c. Salesforce has none of its own.",
        ),
    ] = None
    login_url: Annotated[
        str,
        Meta(
            title="My Domain",
            description="https://example.my.salesforce.com; client credentials are taken only there",
            pattern="^https?://",
        ),
    ] = "https://login.salesforce.com"
    client_id: Annotated[
        str | None,
        Meta(
            title="Consumer key",
            description="Of the app. Empty: neither change events nor the API, only outbound messages.",
        ),
    ] = None
    client_secret: Annotated[Secret | None, Meta(title="Consumer secret")] = None
    refresh_token: Annotated[
        Secret | None,
        Meta(title="Refresh token", description="Only if the app does not use the client credentials flow."),
    ] = None
    change_events: Annotated[
        str,
        Meta(
            title="Channel of change events",
            description="/data/ChangeEvents follows every selected object, /data/Example__chn a channel of your own. "
            "Empty: not followed.",
            pattern="^(/data/[A-Za-z0-9_]+)?$",
        ),
    ] = "/data/ChangeEvents"
    api_version: Annotated[str, Meta(title="Version of the REST API", pattern=r"^v[0-9]{2,3}\.0$")] = "v62.0"
    pubsub_url: Annotated[str, Meta(title="Address of the Pub/Sub API", pattern="^https?://")] = (
        "https://api.pubsub.salesforce.com:7443"
    )
