"""Any JSON webhook: signed as its settings say, read by the mapping in its settings."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import Meta

from services.ingest.sources.adapter import (
    Account,
    Card,
    Delivery,
    Reading,
    Record,
    Refusal,
    Reply,
    SourceSettings,
)
from services.ingest.sources.json_webhook.configuration import RuleSaid, Scheme
from services.ingest.sources.json_webhook.fields import MappingError
from services.ingest.sources.json_webhook.mapping import JsonMapping, mapping
from services.ingest.sources.json_webhook.schemes import check_scheme, refusal
from services.ingest.sources.json_webhook.values import zone_of
from services.ingest.sources.payload import Speaker, fingerprint
from shared.contracts.currencies import CODES
from shared.contracts.envelope import Event
from shared.contracts.strict_json import parse
from shared.kernel.errors import MalformedError

CARD = Card(
    title="JSON webhook",
    authentication="as configured: HMAC of the body (and a time), a token in a header, HTTP Basic, or a secret in the "
    "address",
    dedupe="event_id of the mapping, else a fingerprint of the content",
    order="time and sequence of the mapping",
    hydration="no: events are as mapped",
    retries="As the sender does.",
    secret_title="Signing secret, token, or user:password",  # noqa: S106 - a question, no secret
    secret_origin="ours",  # noqa: S106
    steps=(
        "In the sending system add a webhook with the address {url}; if it can only keep a secret in the address, "
        "{url}/{secret}",
        "Give it the secret {secret}, to be used as the setting `verification` says",
        "Let it send its body as JSON",
        "Look at what waits in the quarantine, and write a rule for each kind of notice",
    ),
)


class JsonSettings(SourceSettings, kw_only=True, frozen=True, eq=False):
    """One JSON webhook. Two of them are never equal: what is compiled from one is kept for it."""

    verification: Annotated[
        Scheme,
        Meta(
            title="How it is signed",
            description='{"scheme": "hmac", "header": …}, {"scheme": "token", "header": …}, {"scheme": "basic"} or '
            '{"scheme": "url"}',
        ),
    ]
    events: Annotated[
        list[RuleSaid],
        Meta(title="Rules", description="How notices are read. Without rules everything waits.", max_length=50),
    ] = msgspec.field(default_factory=list)
    currency: Annotated[str | None, Meta(title="Currency", description="Of amounts that name none.")] = None
    time_zone: Annotated[str, Meta(title="Time zone", description="Of times without an offset: an IANA name.")] = "UTC"

    def __post_init__(self) -> None:
        """Raises ValueError, which names rules and fields but no value."""
        check_scheme(self.verification)
        try:
            zone_of(self.time_zone)
        except ValueError as error:
            raise MappingError(f"time_zone {error}") from None
        if self.currency is not None and self.currency not in CODES:
            raise MappingError("currency must be an ISO 4217 code such as EUR")
        _mapping(self)


class JsonWebhook:
    """The adapter."""

    name = "json-webhook"
    card = CARD
    settings = JsonSettings

    def verify(self, delivery: Delivery, account: Account) -> Refusal | None:
        """As the settings say."""
        settings: JsonSettings = account.settings
        return refusal(settings.verification, delivery, account)

    def adapt(self, delivery: Delivery, account: Account) -> Reading:
        """What the rules say. Nothing but the body is looked at."""
        body = parse(delivery.body)
        if not isinstance(body, dict | list):
            raise MalformedError("The body is neither a JSON object nor a list.")
        identity = f"delivery:{fingerprint(delivery.body)}"
        told = _mapping(account.settings).told(body, Speaker(account, identity))
        return Reading(identity, told.events, unknown=told.unknown)

    def read(self, record: Record, account: Account) -> Sequence[Event]:
        """Nothing: there is no API."""
        del record, account
        return ()

    def reply(self, delivery: Delivery, account: Account) -> Reply | None:
        """The usual answer."""
        del delivery, account
        return None


@lru_cache(maxsize=256)
def _mapping(settings: JsonSettings) -> JsonMapping:
    return mapping(settings.events, settings.currency, settings.time_zone)


ADAPTER = JsonWebhook()
