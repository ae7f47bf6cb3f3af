"""Transactions and refunds: what was paid, what was paid back, and which goods came back."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from services.ingest.sources.payload import day, decimal, instant, required, text
from services.ingest.sources.shopify.orders import context, discount_of, is_void, parties, taxes_included
from services.ingest.sources.shopify.voice import Voice, items, money, number, part, share, total
from shared.contracts.envelope import Event
from shared.contracts.strict_json import dumped
from shared.kernel.money import EXACT, plain

_KINDS = {"sale": "receipt", "capture": "receipt", "refund": "refund", "change": "refund"}
_OTHER_WAY = {"receipt": "refund", "refund": "receipt"}
_INSTRUMENTS = {
    "cash": "cash",
    "cash on delivery (cod)": "cash",
    "bank deposit": "transfer",
    "money order": "cheque",
    "shopify_payments": "card",
    "authorize_net": "card",
    "bogus": "card",
}
_CREDIT = ("gift_card", "shopify_store_credit")
"""Gateways that move no cash: the money came when the card was bought or the credit was granted."""
_NOTHING: Mapping[str, Any] = {}
Lines = dict[str, dict[str, object]]
Worth = Callable[[Mapping[str, Any], Mapping[str, Any], str], Decimal | None]


def payment_events(voice: Voice, transaction: Mapping[str, Any], order: Mapping[str, Any] = _NOTHING) -> list[Event]:
    """Money that moved: nothing for authorisations, for what failed or is pending, and for tests."""
    kind, amount = _KINDS.get(text(transaction.get("kind")) or ""), _amount(voice, transaction, order)
    settled = text(transaction.get("status")) == "success" and transaction.get("test") is not True
    if kind is None or amount is None or not settled or order.get("test") is True:
        return []
    document = voice.speaker.ref(transaction.get("order_id") or order.get("id"))
    said = _moved(transaction, kind, amount) | (parties(voice.speaker, order) if order else {})
    applied: dict[str, object] = {} if document is None else {document: amount}
    events = [_payment(voice, transaction, order, said | {"allocations": applied})]
    if text(transaction.get("gateway")) in _CREDIT:
        taken = {**_moved(transaction, _OTHER_WAY[kind], amount), "allocations": {}}
        events.append(_payment(voice, transaction, order, taken, suffix=":credit"))
    return events


def _moved(transaction: Mapping[str, Any], kind: str, amount: object) -> dict[str, object]:
    return {
        "kind": kind,
        "amount": amount,
        "instrument": _instrument(transaction),
        "received_on": day(transaction.get("processed_at")) or day(transaction.get("created_at")),
    }


def _payment(
    voice: Voice,
    transaction: Mapping[str, Any],
    order: Mapping[str, Any],
    fields: Mapping[str, object],
    suffix: str = "",
) -> Event:
    found = required(transaction.get("id"), "The id of a transaction") + suffix
    at = instant(transaction.get("processed_at") or transaction.get("created_at"))
    content = dumped(dict(transaction)), context(order) if order else b""
    return voice.say("payment", "transaction", found, fields, at=at, content=content)


def _amount(voice: Voice, transaction: Mapping[str, Any], order: Mapping[str, Any]) -> dict[str, str] | None:
    """In shop currency. None where a delivery tells only what the customer saw: reading the order settles that."""
    home, shop = text(order.get("currency")) or voice.home, part(part(transaction, "amount_set"), "shop_money")
    amount = number(transaction, "amount")
    currency = text(shop.get("currency_code") or shop.get("currency")) or text(transaction.get("currency")) or home
    foreign = voice.read_at is None and home is not None and currency != home
    return None if currency is None or foreign or amount <= 0 else money(amount, currency)


def _instrument(transaction: Mapping[str, Any]) -> str:
    if text(part(transaction, "payment_details").get("credit_card_company")):
        return "card"
    return _INSTRUMENTS.get((text(transaction.get("gateway")) or "").casefold(), "other")


def return_events(voice: Voice, refund: Mapping[str, Any], order: Mapping[str, Any] = _NOTHING) -> list[Event]:
    """The goods of a refund. A cancelled order or a test does not count: then its returns do not either."""
    if any(one.get("test") is True for one in items(refund, "transactions")) and not order:
        return []
    lines = _returned(voice, refund, order) | _given_back(voice, refund, order)
    if not lines:
        return []
    found, void = required(refund.get("id"), "The id of the refund"), is_void(order)
    fields: dict[str, object] = (parties(voice.speaker, order) if order else {}) | {
        "order_id": voice.speaker.ref(refund.get("order_id") or order.get("id")),
        "returned_on": day(refund.get("processed_at")) or day(refund.get("created_at")),
        "reason": _reason(refund),
        "lines": lines,
    }
    at = instant(order.get("updated_at") if void else refund.get("created_at"))
    content = dumped(dict(refund)), context(order, "total_tax") if order else b""
    ended = void if order else None
    return [voice.say("return", "refund", found, fields, at=at, content=content, rank=int(void), ended=ended)]


def _reason(refund: Mapping[str, Any]) -> str | None:
    """How the goods were put back, if all of them were in the same way; a note may name persons and stays here."""
    kinds = {text(item.get("restock_type")) for item in items(refund, "refund_line_items")}
    return kinds.pop() if len(kinds) == 1 else None


def _returned(voice: Voice, refund: Mapping[str, Any], order: Mapping[str, Any]) -> Lines:
    lines: Lines = {}
    for item in items(refund, "refund_line_items"):
        sold = part(item, "line_item")
        if sold.get("gift_card") is True:
            continue
        lines[required(item.get("id"), "The id of a refunded line")] = {
            "product_id": voice.speaker.ref(sold.get("product_id")),
            "quantity": plain(decimal(item.get("quantity")) or Decimal(0)),
            **_net(voice, item, order, _goods_back),
        }
    return lines


def _goods_back(item: Mapping[str, Any], order: Mapping[str, Any], currency: str) -> Decimal | None:
    sold, quantity = part(item, "line_item"), decimal(item.get("quantity")) or Decimal(0)
    of = decimal(sold.get("quantity")) or quantity
    gross = EXACT.multiply(number(sold, "price"), quantity) - share(discount_of(sold), quantity, of, currency)
    subtotal = number(item, "subtotal") if "subtotal" in item else gross
    tax = share(total(items(sold, "tax_lines"), "price"), quantity, of, currency)
    tax = number(item, "total_tax") if "total_tax" in item else tax
    if not tax or (order and not taxes_included(order)):
        return subtotal
    if not order:
        return None
    # Shopify does not document whether a subtotal contains the tax that the price contains: the nearer one holds.
    return subtotal - tax if abs(gross - subtotal) <= abs(gross - subtotal - tax) else subtotal


def _given_back(voice: Voice, refund: Mapping[str, Any], order: Mapping[str, Any]) -> Lines:
    """Shipping that was refunded, and what was given back beyond goods and shipping; neither has a product."""
    adjustments = items(refund, "order_adjustments")
    lines: Lines = {
        f"adjustment:{required(one.get('id'), 'The id of an adjustment')}": _net(voice, one, order, _adjusted)
        for one in adjustments
        if number(one, "amount") < 0
    }
    if not any(text(one.get("kind")) == "shipping_refund" for one in adjustments):
        for one in items(refund, "refund_shipping_lines"):
            key = f"shipping:{required(one.get('id'), 'The id of a refunded shipping line')}"
            lines[key] = _net(voice, one, order, _freight_back)
    return lines


def _adjusted(item: Mapping[str, Any], order: Mapping[str, Any], currency: str) -> Decimal:
    """Its tax is told beside it."""
    del order, currency
    return -number(item, "amount")


def _freight_back(item: Mapping[str, Any], order: Mapping[str, Any], currency: str) -> Decimal | None:
    sold, amount = part(item, "shipping_line"), number(item, "subtotal_amount")
    tax = total(items(sold, "tax_lines"), "price")
    if not tax or (order and not taxes_included(order)):
        return amount
    return amount - share(tax, amount, number(sold, "price"), currency) if order else None


def _net(voice: Voice, item: Mapping[str, Any], order: Mapping[str, Any], worth: Worth) -> dict[str, object]:
    """Net of tax. Unsaid where the refund alone does not tell whether its prices contain tax, or in which currency they
    are: the order tells."""
    sets = ("subtotal_set", "amount_set", "subtotal_amount_set")
    named = (text(part(part(item, name), "shop_money").get("currency_code")) for name in sets)
    currency = text(order.get("currency")) or next((code for code in named if code), voice.home)
    amount = None if currency is None else worth(item, order, currency)
    return {} if amount is None else {"net": money(amount, currency)}
