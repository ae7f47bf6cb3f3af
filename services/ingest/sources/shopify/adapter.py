"""Shopify: signed webhooks with the whole object. Headers are not signed: the body alone says what it is about."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar

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
from services.ingest.sources.payload import Speaker, fingerprint, read_object, required, text
from services.ingest.sources.shopify.money_moved import payment_events, return_events
from services.ingest.sources.shopify.orders import order_event, shipment_events
from services.ingest.sources.shopify.parties import customer_event, product_event
from services.ingest.sources.shopify.voice import Voice, items
from services.ingest.sources.signing import from_base64, mac_fits
from shared.contracts.currencies import CODES
from shared.contracts.envelope import Event
from shared.kernel.errors import MalformedError

KINDS: Mapping[str, str] = {"orders": "Order", "customers": "Customer", "products": "Product"}
"""What the API reads, and its type."""
DELETIONS = "deletions"
"""An id whose object is said to be deleted. Only then does its absence say anything: an app may also be asked for an
order that is too old for its scopes, or be in another shop."""

_SHAPES: Mapping[str, Sequence[str]] = {
    "Order": ("line_items", "financial_status"),
    "Refund": ("refund_line_items", "order_id"),
    "OrderTransaction": ("kind", "gateway", "order_id", "amount"),
    "Customer": ("first_name", "last_name", "updated_at"),
    "Product": ("variants", "title", "updated_at"),
}
"""The members by which an object is known that does not name its type: all that say something of it."""
_READ_AGAIN = {"Order": "id", "Refund": "order_id", "OrderTransaction": "order_id", "Customer": "id", "Product": "id"}
_KIND_OF = {
    "Order": "orders",
    "Refund": "orders",
    "OrderTransaction": "orders",
    "Customer": "customers",
    "Product": "products",
}
"""What is read again after it, by the id in `_READ_AGAIN`."""
_DIGEST_BYTES = 32
_SHOP = re.compile(r"[a-z0-9][a-z0-9-]*\.myshopify\.com")
_LONGEST_SHOWN = 60

CARD = Card(
    title="Shopify",
    authentication="HMAC-SHA256 (base64) over the body with the app's client secret. No time and no header is signed: "
    "a repeated delivery is recognised by its content, and the topic is read off the body.",
    dedupe="type and id of the object, its own time of change and a fingerprint of what was sent",
    order="updated_at of the object (whole seconds); within a second the version that is further along, then the API",
    hydration="the order, customer or product of each delivery",
    reconcile="by `updated_at`",
    keeper="missing webhooks are made anew",
    retries="Eight times within four hours; then a subscription that was made through the API is deleted.",
    answer_seconds=5,
    limits="2 calls a second (leaky bucket of 40), 250 objects a page",
    rate=Rate(2, 1),
    unverified=(
        "Whether the subtotal of a refunded line contains tax where prices do: it is compared with the line's price.",
        "Whether a refund that pays back less than its goods will be paid back in full later: the goods count.",
    ),
    secret_title="Client secret of the app (or the signing secret under Settings → Notifications → Webhooks)",  # noqa: S106
    steps=(
        "dev.shopify.com → your app (Create app, if there is none) → Settings: copy the client secret",
        "Give its version the scopes read_orders, read_customers and read_products (read_all_orders for what is older "
        "than 60 days), and install it in the shop",
        "Enter its client id and the shop here: the webhooks to {url} are then made, and made again "
        "if Shopify deletes them",
        "Without an app: Settings → Notifications → Webhooks → Create webhook, format JSON, URL {url}, for order "
        "creation, update, payment, cancellation and deletion, refund create, order transaction create, "
        "customer and product create, update, delete",
    ),
    kinds=(*KINDS, DELETIONS),
)


class ShopifySettings(SourceSettings, kw_only=True, frozen=True):
    """Which shop, how to reach it, and what it leaves open."""

    shop: Annotated[
        str | None, Meta(title="Shop", description="example.myshopify.com, also if customers know it by another name")
    ] = None
    client_id: Annotated[str | None, Meta(title="Client id of the app")] = None
    client_secret: Annotated[
        Secret | None, Meta(title="Client secret of the app", description="Empty: what is lost is not noticed.")
    ] = None
    access_token: Annotated[
        Secret | None,
        Meta(title="Admin API access token", description="Instead of both, of a custom app made in 2025."),
    ] = None
    currency: Annotated[
        str | None, Meta(title="Currency of the shop", description="ISO 4217, such as EUR; for what names none.")
    ] = None
    payments: Annotated[
        bool, Meta(title="Count its payments", description="No, if Stripe or the bank already tells of the same cash.")
    ] = True
    api_url: Annotated[str, Meta(title="Address of the Admin API")] = "https://{shop}"
    api_version: Annotated[str, Meta(title="Version of the Admin API")] = "2026-01"

    def __post_init__(self) -> None:
        """Refuses what cannot be the shop's own name, and a currency that does not exist."""
        if self.shop is not None and not _SHOP.fullmatch(self.shop):
            raise ValueError("shop must be its own name, such as example.myshopify.com")
        if self.currency is not None and self.currency not in CODES:
            raise ValueError("currency must be an ISO 4217 code such as EUR")


class Shopify:
    """The adapter."""

    name: ClassVar[str] = "shopify"
    card: ClassVar[Card] = CARD
    settings: ClassVar[type[SourceSettings]] = ShopifySettings

    def verify(self, delivery: Delivery, account: Account) -> Refusal | None:
        """The signature covers the body and nothing else."""
        given = delivery.headers.get("x-shopify-hmac-sha256", "")
        signature = from_base64(given)
        genuine = mac_fits(account.secrets, delivery.body, signature or b"")
        if not given:
            return Refusal.MISSING
        if signature is None or len(signature) != _DIGEST_BYTES:
            return Refusal.MALFORMED
        return None if genuine else Refusal.SIGNATURE

    def adapt(self, delivery: Delivery, account: Account) -> Reading:
        """The object that was sent, and what follows from it."""
        body = read_object(delivery.body)
        kind, mark = _type(body), fingerprint(delivery.body)
        identity = f"{kind or 'object'}:{text(body.get('id')) or ''}:{mark}"
        if not _whole(kind, body):
            return _bare(identity, kind, body)
        voice = Voice(Speaker(account, cause=identity), account.settings.currency)
        again = text(body.get(_READ_AGAIN[kind])) if is_reachable(account) else None
        reads = [ToRead(_KIND_OF[kind], again, identity)] if again else []
        return Reading(identity, _said(kind, voice, body, delivery.body, account), reads)

    def read(self, record: Record, account: Account) -> Sequence[Event]:
        """An order with its refunds, fulfilments and `transactions`; a customer; a product."""
        if record.kind not in (*KINDS, DELETIONS):
            raise MalformedError("An object of this kind is not read.")
        voice = Voice(Speaker(account, record.cause), account.settings.currency, record.read_at)
        if record.kind == DELETIONS and record.gone:
            return [_end(voice, kind.lower(), record.id, record.read_at) for kind in KINDS.values()]
        if not record.body:
            return []
        return _said(KINDS[record.kind], voice, read_object(record.body), record.body, account)

    def reply(self, delivery: Delivery, account: Account) -> Reply | None:
        """The usual answer."""
        del delivery, account
        return None


def is_reachable(account: Account) -> bool:
    """Whether there are credentials for the API: a token, or a client id beside the secret."""
    settings = account.settings
    return bool(settings.shop and (settings.access_token or (settings.client_id and account.secrets)))


def _type(body: Mapping[str, Any]) -> str:
    """What the object calls itself; otherwise what its members show. Empty if neither tells."""
    named = (text(body.get("admin_graphql_api_id")) or "").split("/")
    if len(named) > 3 and named[:3] == ["gid:", "", "shopify"]:
        return named[3]
    return next((kind for kind, shape in _SHAPES.items() if all(name in body for name in shape)), "")


def _whole(kind: str, body: Mapping[str, Any]) -> bool:
    """Whether the object is there, and not only its id."""
    return kind in _SHAPES and all(name in body for name in _SHAPES[kind])


def _bare(identity: str, kind: str, body: Mapping[str, Any]) -> Reading:
    """Nothing but an id: the notice of a deletion. Of which kind of object, no signed byte tells."""
    empty = all(not value for name, value in body.items() if name not in ("id", "admin_graphql_api_id"))
    found = text(body.get("id"))
    if found and empty and kind in ("", *KINDS.values()):
        return Reading(identity, reads=[ToRead(DELETIONS, found, identity)])
    return Reading(identity, unknown=f"an object of type {kind[:_LONGEST_SHOWN]!r}" if kind else "an unknown object")


def _end(voice: Voice, entity: str, foreign_id: str, at: datetime) -> Event:
    """Said of each kind of object: what was never there does not end."""
    return voice.say(entity, entity, foreign_id, {}, at=at, content=(b"",), ended=True)


def _said(kind: str, voice: Voice, body: dict[str, Any], content: bytes, account: Account) -> list[Event]:
    events: list[Event]
    if kind == "Order":
        return _order(voice, body, content, pays=account.settings.payments)
    if kind == "Refund":
        events = return_events(voice, body)
        return events + (_payments(voice, items(body, "transactions")) if account.settings.payments else [])
    if kind == "OrderTransaction":
        return _payments(voice, [body]) if account.settings.payments else []
    return [customer_event(voice, body, content) if kind == "Customer" else product_event(voice, body, content)]


def _order(voice: Voice, order: dict[str, Any], content: bytes, *, pays: bool) -> list[Event]:
    """The transactions of an order that was read are all there are, in shop currency; a delivery has but refunds'."""
    required(order.get("id"), "The id of the order")
    refunds = items(order, "refunds")
    events = [order_event(voice, order, content), *shipment_events(voice, order)]
    events += [event for refund in refunds for event in return_events(voice, refund, order)]
    if pays:
        of_refunds = [one for refund in refunds for one in items(refund, "transactions")]
        moved = items(order, "transactions") if "transactions" in order else of_refunds
        events += [event for one in moved for event in payment_events(voice, one, order)]
    return events


def _payments(voice: Voice, transactions: list[dict[str, Any]]) -> list[Event]:
    return [event for one in transactions for event in payment_events(voice, one)]


ADAPTER = Shopify()
