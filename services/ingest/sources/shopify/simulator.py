"""A made-up story as Shopify would send it: the order, its transactions and refunds, each in its own delivery."""

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from services.ingest.sources.adapter import Account
from services.ingest.sources.story import (
    Shown,
    Signed,
    SimulatedLine,
    SimulatedOrder,
    Step,
    Subject,
    Thing,
    customer_name,
)
from shared.kernel.ids import derived_id

_CUSTOMERS, _PRODUCTS = 7_000_000, 8_000_000


class ShopifySimulator:
    """Tells orders."""

    subject: Subject = "orders"

    def deliveries(self, step: Step, account: Account, sent_at: datetime) -> Sequence[Signed]:
        """What each topic is sent for."""
        order = _order_of(step.now)
        before = None if step.before is None else _order_of(step.before)
        shown = _order(order)
        sent: list[tuple[str, dict[str, Any]]] = []
        if before is None:
            sent.append(("orders/create", shown))
        if order.paid_at and not (before and before.paid_at):
            sent += [("order_transactions/create", _sale(order)), ("orders/paid", shown)]
        known = {refund["id"] for refund in (_refunds(before) if before else [])}
        sent += [("refunds/create", refund) for refund in _refunds(order) if refund["id"] not in known]
        if before:
            sent.append(("orders/cancelled" if order.cancelled else "orders/updated", shown))
        return [_signed(topic, body, account.secrets[0], sent_at) for topic, body in sent]

    def shown(self, thing: Thing) -> Sequence[Shown]:
        """The order as the REST API lists it, with its transactions."""
        order = _order_of(thing)
        moved = [_sale(order)] if order.paid_at else []
        moved += [one for refund in _refunds(order) for one in refund["transactions"]]
        return [Shown("orders", str(order.number), _order(order) | ({"transactions": moved} if moved else {}))]


def _signed(topic: str, body: dict[str, Any], secret: str, sent_at: datetime) -> Signed:
    content = msgspec.json.encode(body)
    headers = {
        "content-type": "application/json",
        "x-shopify-topic": topic,
        "x-shopify-hmac-sha256": base64.b64encode(hmac.digest(secret.encode(), content, "sha256")).decode(),
        "x-shopify-shop-domain": "simulated.myshopify.com",
        "x-shopify-api-version": "2026-01",
        "x-shopify-webhook-id": derived_id(topic, str(body["id"]), sent_at.isoformat()),
        "x-shopify-triggered-at": sent_at.isoformat(),
    }
    return Signed(headers, content)


def _order_of(thing: Thing) -> SimulatedOrder:
    assert isinstance(thing, SimulatedOrder)  # noqa: S101 - a story of orders holds nothing else
    return thing


def _order(order: SimulatedOrder) -> dict[str, Any]:
    net = _text(order.net)
    return {
        "id": order.number,
        "admin_graphql_api_id": f"gid://shopify/Order/{order.number}",
        "name": f"#SIM{order.number}",
        "order_number": order.number,
        "created_at": order.ordered_at.isoformat(),
        "processed_at": order.ordered_at.isoformat(),
        "updated_at": order.changed_at.isoformat(),
        "cancelled_at": order.changed_at.isoformat() if order.cancelled else None,
        "cancel_reason": "customer" if order.cancelled else None,
        "test": False,
        "currency": order.currency,
        "presentment_currency": order.currency,
        "financial_status": _financial(order),
        "fulfillment_status": None,
        "taxes_included": False,
        "subtotal_price": net,
        "total_discounts": "0.00",
        "total_tax": "0.00",
        "total_price": net,
        "source_name": "web",
        "user_id": None,
        "customer": {"id": _CUSTOMERS + order.customer, "first_name": customer_name(order.customer), "last_name": None},
        "line_items": [_line(order, line) for line in order.lines],
        "shipping_lines": [],
        "fulfillments": [],
        "refunds": _refunds(order),
    }


def _financial(order: SimulatedOrder) -> str:
    if not order.paid_at:
        return "voided" if order.cancelled else "pending"
    if order.refunded:
        return "refunded" if order.refunded == order.net else "partially_refunded"
    return "paid"


def _line(order: SimulatedOrder, line: SimulatedLine) -> dict[str, Any]:
    return {
        "id": order.number * 100 + line.number,
        "product_id": _PRODUCTS + int(line.product.partition("-")[2]),
        "variant_id": None,
        "sku": line.product,
        "title": line.product,
        "quantity": line.quantity,
        "price": _text(line.price),
        "total_discount": "0.00",
        "gift_card": False,
        "taxable": False,
        "discount_allocations": [],
        "tax_lines": [],
    }


def _sale(order: SimulatedOrder) -> dict[str, Any]:
    assert order.paid_at  # noqa: S101 - asked for only then
    return _transaction(order, 1, "sale", order.net, order.paid_at)


def _refunds(order: SimulatedOrder) -> list[dict[str, Any]]:
    """One piece of the first line."""
    if not order.refunded or not order.refunded_at:
        return []
    line = order.lines[0]
    pieces = int(order.refunded / line.price)
    identifier, at = order.number * 10 + 2, order.refunded_at
    back = {
        "id": (order.number * 100 + line.number) * 10,
        "line_item_id": order.number * 100 + line.number,
        "quantity": pieces,
        "restock_type": "return",
        "subtotal": _text(line.price * pieces),
        "total_tax": "0.00",
        "subtotal_set": _set(line.price * pieces, order.currency),
        "total_tax_set": _set(Decimal(0), order.currency),
        "line_item": _line(order, line),
    }
    refund = {
        "id": identifier,
        "admin_graphql_api_id": f"gid://shopify/Refund/{identifier}",
        "order_id": order.number,
        "created_at": at.isoformat(),
        "processed_at": at.isoformat(),
        "note": None,
        "refund_line_items": [back],
        "transactions": [_transaction(order, 3, "refund", order.refunded, at)],
        "order_adjustments": [],
    }
    return [refund]


def _transaction(order: SimulatedOrder, place: int, kind: str, amount: Decimal, at: datetime) -> dict[str, Any]:
    identifier = order.number * 10 + place
    return {
        "id": identifier,
        "admin_graphql_api_id": f"gid://shopify/OrderTransaction/{identifier}",
        "order_id": order.number,
        "kind": kind,
        "gateway": "shopify_payments",
        "status": "success",
        "amount": _text(amount),
        "currency": order.currency,
        "created_at": at.isoformat(),
        "processed_at": at.isoformat(),
        "test": False,
        "parent_id": None if kind == "sale" else order.number * 10 + 1,
        "payment_details": {"credit_card_company": "Visa"},
    }


def _set(amount: Decimal, currency: str) -> dict[str, Any]:
    money = {"amount": _text(amount), "currency_code": currency}
    return {"shop_money": money, "presentment_money": money}


def _text(amount: Decimal) -> str:
    return f"{amount:.2f}"


SIMULATOR = ShopifySimulator()
