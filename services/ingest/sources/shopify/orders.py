"""Orders and their fulfilments: lines net of discount and tax, in shop currency."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from services.ingest.sources.payload import Speaker, day, decimal, instant, required, text
from services.ingest.sources.shopify.voice import Money, Voice, items, money, number, part, share, total
from shared.contracts.envelope import Event
from shared.contracts.strict_json import dumped
from shared.kernel.errors import MalformedError
from shared.kernel.money import EXACT, plain

_PAID = ("pending", "authorized", "expired", "partially_paid", "paid", "partially_refunded", "refunded", "voided")
_SHIPPED = (None, "partial", "fulfilled", "restocked")
_CONTEXT = ("id", "user_id", "source_name", "currency", "taxes_included", "test", "cancelled_at")
Lines = dict[str, dict[str, object]]


def order_event(voice: Voice, order: Mapping[str, Any], content: bytes) -> Event:
    """What the order itself says. A test order is a draft: seen, and never counted."""
    fields = parties(voice.speaker, order) | {
        "status": _status(order),
        "ordered_on": day(order.get("processed_at")) or day(order.get("created_at")),
        "lines": goods(voice.speaker, order) | _freight(order),
    }
    found = required(order.get("id"), "The id of the order")
    at = instant(order.get("updated_at"))
    return voice.say("order", "order", found, fields, at=at, content=(content,), rank=_progress(order))


def parties(speaker: Speaker, order: Mapping[str, Any]) -> dict[str, object]:
    """Who bought, who sold, and through which channel: of the order and of everything that follows from it."""
    return {
        "customer_id": speaker.ref(part(order, "customer").get("id")),
        "owner_id": speaker.ref(order.get("user_id")),
        "channel_id": speaker.ref(order.get("source_name")),
    }


def is_void(order: Mapping[str, Any]) -> bool:
    """Whether nothing of it counts: cancelled, or placed to try the shop out."""
    return order.get("test") is True or text(order.get("cancelled_at")) is not None


def context(order: Mapping[str, Any], *names: str) -> bytes:
    """What the order adds to a statement about a part of it, as it was sent."""
    said = [part(order, "customer").get("id"), *(order.get(name) for name in (*_CONTEXT, *names))]
    return dumped(said)


def shipment_events(voice: Voice, order: Mapping[str, Any]) -> list[Event]:
    """Its fulfilments, as far as they left or were taken back."""
    return [
        _shipment(voice, order, fulfilment, ended=status == "cancelled")
        for fulfilment in items(order, "fulfillments")
        if (status := text(fulfilment.get("status"))) in ("success", "cancelled") and not is_void(order)
    ]


def _shipment(voice: Voice, order: Mapping[str, Any], fulfilment: Mapping[str, Any], *, ended: bool) -> Event:
    fields = parties(voice.speaker, order) | {
        "order_id": voice.speaker.ref(order.get("id")),
        "shipped_on": day(fulfilment.get("created_at")),
        "lines": _shipped(voice.speaker, order, fulfilment),
    }
    identifier = required(fulfilment.get("id"), "The id of a fulfilment")
    at = instant(fulfilment.get("updated_at") or fulfilment.get("created_at"))
    content = dumped(dict(fulfilment)), context(order, "line_items")
    return voice.say("shipment", "fulfillment", identifier, fields, at=at, content=content, ended=ended)


def goods(speaker: Speaker, order: Mapping[str, Any]) -> Lines:
    """Its lines as they were ordered: what is refunded later comes back as a return. A gift card that is sold is no
    revenue, but money for a later order: its line is left out."""
    return {
        required(item.get("id"), "The id of a line"): _line(speaker, order, item)
        for item in items(order, "line_items")
        if item.get("gift_card") is not True
    }


def _line(speaker: Speaker, order: Mapping[str, Any], item: Mapping[str, Any]) -> dict[str, object]:
    quantity = decimal(item.get("quantity")) or Decimal(0)
    price, discount = number(item, "price"), discount_of(item)
    worth = _worth(order, item, EXACT.multiply(price, quantity), discount)
    inclusive, currency = taxes_included(order), order.get("currency")
    return {
        "product_id": speaker.ref(item.get("product_id")),
        "quantity": plain(quantity),
        "unit_price": None if inclusive else money(price, currency),
        "discount": None if inclusive else money(discount, currency),
        **worth,
    }


def _freight(order: Mapping[str, Any]) -> Lines:
    """Shipping is revenue without a product and without a quantity."""
    lines: Lines = {}
    for place, item in enumerate(items(order, "shipping_lines"), 1):
        if item.get("is_removed") is True:
            continue
        worth = _worth(order, item, number(item, "price"), discount_of(item))
        lines[f"shipping:{text(item.get('id')) or place}"] = {"product_id": None, "quantity": None, **worth}
    return lines


def _worth(
    order: Mapping[str, Any], item: Mapping[str, Any], gross: Decimal, discount: Decimal
) -> dict[str, Money | None]:
    """`net` and `tax`. Where prices contain the tax, discounts do too, and both are taken out."""
    tax = total(items(item, "tax_lines"), "price") if isinstance(item.get("tax_lines"), list) else None
    net = gross - discount
    if taxes_included(order):
        if tax is None and number(order, "total_tax"):
            raise MalformedError("The prices contain tax, and a line does not say how much.")
        net -= tax or Decimal(0)
    currency = order.get("currency")
    return {"net": money(net, currency), "tax": None if tax is None else money(tax, currency)}


def discount_of(item: Mapping[str, Any]) -> Decimal:
    """All discounts of a line, its share of those on the whole order included; `total_discount` lacks the latter."""
    if isinstance(item.get("discount_allocations"), list):
        return total(items(item, "discount_allocations"), "amount")
    return number(item, "total_discount")


def taxes_included(order: Mapping[str, Any]) -> bool:
    """Whether its prices contain the tax."""
    return order.get("taxes_included") is True


def _status(order: Mapping[str, Any]) -> str:
    if order.get("test") is True:
        return "draft"
    if text(order.get("cancelled_at")):
        return "cancelled"
    return "fulfilled" if text(order.get("fulfillment_status")) == "fulfilled" else "confirmed"


def _progress(order: Mapping[str, Any]) -> int:
    """`updated_at` has whole seconds, and a new order changes several times in its first: the version that is further
    along is the later one."""
    paid, shipped = text(order.get("financial_status")), text(order.get("fulfillment_status"))
    steps = (
        int(text(order.get("cancelled_at")) is not None),
        min(len(items(order, "refunds")), 99),
        _SHIPPED.index(shipped) if shipped in _SHIPPED else 0,
        _PAID.index(paid) if paid in _PAID else 0,
    )
    return sum(step * 100**place for place, step in enumerate(reversed(steps)))


def _shipped(speaker: Speaker, order: Mapping[str, Any], fulfilment: Mapping[str, Any]) -> Lines:
    """Its share of each line of the order."""
    sold, currency = goods(speaker, order), order.get("currency")
    lines: Lines = {}
    ordered = {text(item.get("id")): decimal(item.get("quantity")) for item in items(order, "line_items")}
    for item in items(fulfilment, "line_items"):
        key, quantity = text(item.get("id")), decimal(item.get("quantity")) or Decimal(0)
        line = sold.get(key or "")
        if key is None or line is None:
            continue
        net = share(_amount(line["net"]), quantity, ordered.get(key) or Decimal(0), currency)
        lines[key] = {"product_id": line["product_id"], "quantity": plain(quantity), "net": money(net, currency)}
    return lines


def _amount(said: object) -> Decimal:
    return Decimal(said["amount"]) if isinstance(said, dict) else Decimal(0)
