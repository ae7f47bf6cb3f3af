"""A made-up story as Stripe would send it: each order is an invoice, paid by a payment intent and its charge."""

import hmac
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from services.ingest.sources.adapter import Account
from services.ingest.sources.story import Shown, Signed, SimulatedLine, SimulatedOrder, Step, Subject, Thing
from shared.kernel.ids import derived_id


class StripeSimulator:
    """Tells orders."""

    subject: Subject = "orders"

    def deliveries(self, step: Step, account: Account, sent_at: datetime) -> Sequence[Signed]:
        """One event a request; the payment is told of three times, as Stripe does."""
        order, before = _order(step.now), None if step.before is None else _order(step.before)
        told: list[tuple[str, dict[str, Any]]] = []
        if before is None:
            told.append(("invoice.finalized", _invoice(order)))
        if order.paid_at and not (before and before.paid_at):
            told += [
                ("charge.succeeded", _charge(order)),
                ("payment_intent.succeeded", _intent(order)),
                ("invoice_payment.paid", _invoice_payment(order)),
                ("invoice.paid", _invoice(order)),
            ]
        if order.refunded and not (before and before.refunded):
            told += [("charge.refunded", _charge(order)), ("refund.created", _refund(order))]
        if order.cancelled:
            told.append(
                ("credit_note.created", _credit_note(order)) if order.paid_at else ("invoice.voided", _invoice(order))
            )
        return [_signed(kind, step.at, subject, account.secrets[0], sent_at) for kind, subject in told]

    def shown(self, thing: Thing) -> Sequence[Shown]:
        """The objects of the API."""
        order = _order(thing)
        found = [Shown("invoices", _name("in", order), _invoice(order))]
        if order.paid_at:
            refunds = [_refund(order)] if order.refunded else []
            booked = {"object": "balance_transaction", "created": _seconds(order.paid_at)}
            beside = {
                "balance_transaction": booked,
                "refunds": {"object": "list", "data": refunds, "has_more": False},
                "invoice_payments": {"data": [_invoice_payment(order)]},
            }
            found.append(Shown("charges", _name("pi", order), _charge(order) | beside))
            found += [Shown("refunds", one["id"], one | {"charge": _charge(order)}) for one in refunds]
        if order.cancelled and order.paid_at:
            found.append(Shown("credit_notes", _name("cn", order), _credit_note(order)))
        return found


def signed(secret: str, body: bytes, sent_at: datetime) -> dict[str, str]:
    """The headers of a delivery."""
    stamp = str(int(sent_at.timestamp()))
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, "sha256").hexdigest()
    return {"content-type": "application/json; charset=utf-8", "stripe-signature": f"t={stamp},v1={digest}"}


def _signed(kind: str, at: datetime, subject: dict[str, Any], secret: str, sent_at: datetime) -> Signed:
    body = msgspec.json.encode(
        {
            "id": f"evt_sim{derived_id(kind, subject['id'], at.isoformat())[:20]}",
            "object": "event",
            "api_version": "2025-09-30.clover",
            "created": _seconds(at),
            "type": kind,
            "livemode": True,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "data": {"object": subject},
        }
    )
    return Signed(signed(secret, body, sent_at), body)


def _order(thing: Thing) -> SimulatedOrder:
    assert isinstance(thing, SimulatedOrder)  # noqa: S101 - a story of orders holds nothing else
    return thing


def _name(prefix: str, order: SimulatedOrder) -> str:
    return f"{prefix}_sim{order.number}"


def _seconds(when: datetime) -> int:
    return int(when.timestamp())


def _cents(amount: Decimal) -> int:
    return int(amount * 100)


def _shared(kind: str, prefix: str, order: SimulatedOrder, created: datetime) -> dict[str, Any]:
    """What all of its objects say."""
    return {
        "id": _name(prefix, order),
        "object": kind,
        "created": _seconds(created),
        "currency": order.currency.lower(),
        "customer": f"cus_sim{order.customer}",
        "livemode": True,
        "metadata": {},
    }


def _invoice(order: SimulatedOrder) -> dict[str, Any]:
    total = _cents(order.net)
    status = "paid" if order.paid_at else "void" if order.cancelled else "open"
    transitions = {
        "finalized_at": _seconds(order.ordered_at),
        "marked_uncollectible_at": None,
        "paid_at": _seconds(order.paid_at) if order.paid_at else None,
        "voided_at": _seconds(order.changed_at) if status == "void" else None,
    }
    return _shared("invoice", "in", order, order.ordered_at) | {
        "number": f"SIM-{order.number}",
        "status": status,
        "collection_method": "charge_automatically",
        "due_date": None,
        "effective_at": _seconds(order.ordered_at),
        "status_transitions": transitions,
        "subtotal": total,
        "total": total,
        "total_excluding_tax": total,
        "total_taxes": [],
        "amount_due": total,
        "amount_paid": total if order.paid_at else 0,
        "amount_remaining": 0 if order.paid_at else total,
        "lines": {"object": "list", "data": [_line(order, line) for line in order.lines], "has_more": False},
    }


def _line(order: SimulatedOrder, line: SimulatedLine) -> dict[str, Any]:
    return {
        "id": f"il_sim{order.number}n{line.number}",
        "object": "line_item",
        "amount": _cents(line.net),
        "currency": order.currency.lower(),
        "quantity": line.quantity,
        "discount_amounts": [],
        "taxes": [],
        "pricing": {"type": "price_details", "price_details": {"product": f"prod_sim{line.product.partition('-')[2]}"}},
    }


def _charge(order: SimulatedOrder) -> dict[str, Any]:
    paid = _cents(order.net)
    return _shared("charge", "ch", order, order.paid_at or order.changed_at) | {
        "amount": paid,
        "amount_captured": paid,
        "amount_refunded": _cents(order.refunded),
        "captured": True,
        "paid": True,
        "refunded": order.refunded == order.net,
        "disputed": False,
        "status": "succeeded",
        "payment_intent": _name("pi", order),
        "balance_transaction": _name("txn", order),
        "payment_method_details": {"type": "card", "card": {"brand": "visa", "last4": "4242"}},
    }


def _intent(order: SimulatedOrder) -> dict[str, Any]:
    paid = _cents(order.net)
    said = {"amount": paid, "amount_received": paid, "status": "succeeded", "latest_charge": _name("ch", order)}
    return _shared("payment_intent", "pi", order, order.ordered_at) | said


def _invoice_payment(order: SimulatedOrder) -> dict[str, Any]:
    paid = _cents(order.net)
    return _shared("invoice_payment", "inpay", order, order.ordered_at) | {
        "amount_paid": paid,
        "amount_requested": paid,
        "invoice": _name("in", order),
        "is_default": True,
        "payment": {"type": "payment_intent", "payment_intent": _name("pi", order)},
        "status": "paid",
    }


def _refund(order: SimulatedOrder) -> dict[str, Any]:
    shared = _shared("refund", "re", order, order.refunded_at or order.changed_at)
    said = {"amount": _cents(order.refunded), "status": "succeeded", "reason": "requested_by_customer"}
    named = {"charge": _name("ch", order), "payment_intent": _name("pi", order)}
    return {name: value for name, value in shared.items() if name not in ("customer", "livemode")} | said | named


def _credit_note(order: SimulatedOrder) -> dict[str, Any]:
    total = _cents(order.net)
    return _shared("credit_note", "cn", order, order.changed_at) | {
        "number": f"SIM-{order.number}-CN-01",
        "status": "issued",
        "type": "post_payment",
        "reason": "order_change",
        "invoice": _name("in", order),
        "effective_at": _seconds(order.changed_at),
        "total": total,
        "total_excluding_tax": total,
        "lines": {"object": "list", "data": [], "has_more": False},
    }


SIMULATOR = StripeSimulator()
