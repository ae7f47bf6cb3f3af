"""Stripe: signed events with the whole object. Their order is not kept, and several tell of one payment."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

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
from services.ingest.sources.payload import Speaker, epoch, fingerprint, inner, read_object, required, text, time_zone
from services.ingest.sources.signing import from_hex, in_time, mac_fits, whole_number
from services.ingest.sources.stripe.billing import credit_note_events, invoice_events
from services.ingest.sources.stripe.cash import (
    allocation_events,
    charge_events,
    dispute_events,
    intent_events,
    payment_id,
    refund_events,
)
from services.ingest.sources.stripe.parties import customer_events, product_events
from services.ingest.sources.stripe.voice import Voice, part
from shared.contracts.envelope import Event
from shared.kernel.errors import InvalidInputError, MalformedError

KINDS: Mapping[str, Callable[[Voice, Mapping[str, Any]], list[Event]]] = {
    "charges": charge_events,
    "refunds": refund_events,
    "disputes": dispute_events,
    "invoices": invoice_events,
    "credit_notes": credit_note_events,
    "customers": customer_events,
    "products": product_events,
}
"""What the API reads."""
_OBJECTS = {kind.removesuffix("s"): says for kind, says in KINDS.items()} | {
    "payment_intent": intent_events,
    "invoice_payment": allocation_events,
}
_DIGEST_BYTES = 32
_LONGEST_SHOWN = 100

CARD = Card(
    title="Stripe",
    authentication="HMAC-SHA256 (hexadecimal) over time, a full stop and the body, with the endpoint's secret; any of "
    "several v1 may fit, v0 is not looked at; five minutes of replay window.",
    dedupe="Stripe's id of the event; charge and payment intent are one payment whatever tells of it",
    order="created of the event (whole seconds); within a second the state that is further along, then the API",
    hydration="the object of each event, with an API key",
    reconcile="what the list of events names (30 days)",
    keeper="a disabled endpoint is switched on again, a missing one reported",
    retries="For three days with growing pauses, in a sandbox three times in some hours.",
    limits="25 calls a second an endpoint of the API, 100 in all; 100 objects a page; events for 30 days",
    rate=Rate(20, 1),
    unverified=(
        "The pauses between repeats, and how long Stripe waits for an answer: it says to answer quickly.",
        "Whether the object in charge.dispute.created shows the withdrawal already: both orders end alike.",
        "An invoice that is paid by two intents, or an intent that pays two invoices, in a real account.",
    ),
    secret_title="Signing secret of the endpoint (whsec_…)",  # noqa: S106
    steps=(
        "dashboard.stripe.com → Workbench → Webhooks → Add destination, events of your account, endpoint URL {url}",
        "Events: payment_intent.succeeded, charge.*, refund.*, invoice.*, invoice_payment.paid, credit_note.*, "
        "customer.created, customer.updated, customer.deleted, product.*; others wait in the quarantine",
        "Reveal the signing secret of the destination and enter it here",
        "For the poller: Developers → API keys → Create restricted key, with read access to charges and refunds, "
        "payment intents, disputes, invoices, credit notes, customers, products and events, and write access to "
        "webhook endpoints; it is `api_key`",
    ),
    kinds=tuple(KINDS),
)


class StripeSettings(SourceSettings, kw_only=True, frozen=True):
    """How to reach the account, and what it leaves open."""

    api_key: Annotated[
        Secret | None, Meta(title="Restricted API key", description="Empty: what is lost on the way is not noticed.")
    ] = None
    order_prefix: Annotated[
        Annotated[str, Meta(max_length=60)] | None,
        Meta(
            title="Prefix of order ids",
            description="Of the source whose orders are paid here, such as shopify: and a colon. Empty: payments are "
            "not allocated to orders.",
        ),
    ] = None
    order_key: Annotated[str, Meta(title="Metadata key that holds the order's id")] = "order_id"
    customers: Annotated[
        Literal["persons", "companies"],
        Meta(title="Customers are", description="Names of persons stay in ingest, names of companies do not."),
    ] = "persons"
    time_zone: Annotated[str, Meta(title="Time zone of the account", description="Dates are cut in it.")] = "UTC"
    test_mode: Annotated[bool, Meta(title="Take test mode for real", description="For trying out only.")] = False
    api_url: Annotated[str, Meta(title="Address of the API")] = "https://api.stripe.com"
    api_version: Annotated[str, Meta(title="Version of the API that is asked for")] = "2025-09-30.clover"

    def __post_init__(self) -> None:
        """Refuses a time zone that does not exist."""
        time_zone(self.time_zone)


class Stripe:
    """The adapter."""

    name: ClassVar[str] = "stripe"
    card: ClassVar[Card] = CARD
    settings: ClassVar[type[SourceSettings]] = StripeSettings

    def verify(self, delivery: Delivery, account: Account) -> Refusal | None:
        """Looks at the signatures, then at the time."""
        header = delivery.headers.get("stripe-signature", "")
        said = _Signature.read(header)
        signed = said.stamp.encode("utf-8", "surrogateescape") + b"." + delivery.body
        genuine = False
        for given in said.given or (b"",):
            genuine |= mac_fits(account.secrets, signed, given)
        seconds = whole_number(said.stamp)
        if not header:
            return Refusal.MISSING
        if not said.fine or seconds is None:
            return Refusal.MALFORMED
        if not said.given:
            return Refusal.VERSION
        if not genuine:
            return Refusal.SIGNATURE
        return None if in_time(seconds, delivery.received_at) else Refusal.TIMESTAMP

    def adapt(self, delivery: Delivery, account: Account) -> Reading:
        """What one event says of its object; several events may say the same of one payment."""
        body = read_object(delivery.body)
        kind = (text(body.get("type")) or "")[:_LONGEST_SHOWN]
        found = text(body.get("id")) or fingerprint(delivery.body)
        if reason := _refused(body, account):
            return Reading(found, unknown=reason)
        subject = inner(part(body, "data").get("object"), "The object of the event")
        says = _OBJECTS.get(text(subject.get("object")) or "")
        if says is None:
            return Reading(found, unknown=f"event {kind!r}")
        voice = Voice(Speaker(account, cause=found), account.settings, epoch(body.get("created")), found, kind)
        if kind == "invoice.deleted":
            return Reading(found)  # only drafts can be deleted, and they were never said
        return Reading(found, says(voice, subject), _again(voice, subject) if account.settings.api_key else [])

    def read(self, record: Record, account: Account) -> Sequence[Event]:
        """The object as it is now; a charge with its refunds and with what it pays of invoices."""
        voice = Voice(Speaker(account, record.cause), account.settings, record.read_at, type=record.kind)
        if record.kind not in KINDS:
            raise MalformedError("An object of this kind is not read.")
        if not record.body:
            return []  # a deleted customer is shown as such; what is not found belongs to another account or mode
        found = read_object(record.body)
        if found.get("livemode") is False and not account.settings.test_mode:
            raise InvalidInputError("The API key is one of test mode: switch test_mode on, or give the live key.")
        return KINDS[record.kind](voice, found)

    def reply(self, delivery: Delivery, account: Account) -> Reply | None:
        """The usual answer."""
        del delivery, account
        return None


@dataclass(frozen=True, slots=True)
class _Signature:
    """`t=1492774577,v1=5257a869…,v1=…,v0=6ffbb59b…`"""

    stamp: str
    given: tuple[bytes, ...]
    fine: bool

    @classmethod
    def read(cls, header: str) -> "_Signature":
        """Strict: one time, lower-case hexadecimal of 32 bytes, no blanks. Other schemes are passed over."""
        pairs = [item.partition("=") for item in header.split(",")]
        stamps = [value for name, _, value in pairs if name == "t"]
        texts = [value for name, _, value in pairs if name == "v1"]
        given = [from_hex(value) or b"" for value in texts]
        shaped = all(len(one) == _DIGEST_BYTES and said == said.lower() for one, said in zip(given, texts, strict=True))
        plain = all(name and name == name.strip() and sign for name, sign, _ in pairs)
        return cls(stamps[0] if stamps else "", tuple(given), shaped and plain and len(stamps) == 1)


def _refused(body: Mapping[str, Any], account: Account) -> str:
    """Why an event waits in the quarantine instead of being counted; empty if it does not."""
    if body.get("object") != "event":
        return f"an object {(text(body.get('object')) or '')[:_LONGEST_SHOWN]!r} instead of an event"
    required(body.get("id"), "The id of the event")
    if body.get("livemode") is not True and not account.settings.test_mode:
        return "an event of test mode (setting test_mode is off)"
    if text(body.get("account")):
        return "an event of a connected account"
    return ""


def _again(voice: Voice, subject: Mapping[str, Any]) -> list[ToRead]:
    """What to read after an event: the second in which it was made does not tell it from the next."""
    kind = f"{text(subject.get('object'))}s"
    found: str | None
    if kind in ("charges", "payment_intents"):
        kind, found = "charges", payment_id(subject) or text(subject.get("id"))
    elif kind == "invoice_payments":
        kind, found = "charges", payment_id(part(subject, "payment"))
    else:
        found = None if voice.type.endswith(".deleted") else text(subject.get("id"))
    return [ToRead(kind, found, voice.event)] if found else []


ADAPTER = Stripe()
