"""Order to cash: Sales Order, Sales Invoice, Payment Entry. docstatus is 0 for drafts, 1 submitted, 2 cancelled."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from services.ingest.sources.frappe.values import (
    Doc,
    Fields,
    Said,
    anonymous_ref,
    currency_of,
    is_true,
    name_of,
    number,
    priced,
    quantity,
    size,
)
from services.ingest.sources.payload import Speaker, day, required, text

_DRAFT, _SUBMITTED, _CANCELLED = "0", "1", "2"
_DELIVERED = ("Completed", "To Bill")
_INSTRUMENTS = {
    "Cash": "cash",
    "Cheque": "cheque",
    "Wire Transfer": "transfer",
    "Bank Draft": "transfer",
    "Credit Card": "card",
}
_SETTLED = ("Sales Invoice", "Sales Order")


def sales_order(doc: Doc, speaker: Speaker) -> Iterator[Said]:
    """Lines are said from the submission on: those of a draft may be deleted, and nothing would tell of it."""
    fields = _document(doc, speaker)
    if "docstatus" in doc:
        fields["status"] = _status(doc)
    if "transaction_date" in doc:
        fields["ordered_on"] = day(doc["transaction_date"])
    if "items" in doc and text(doc.get("docstatus")) in (_SUBMITTED, _CANCELLED):
        fields["lines"] = _lines(doc, speaker)
    yield Said("order", name_of(doc), fields)


def _status(doc: Doc) -> str:
    if text(doc["docstatus"]) != _SUBMITTED:
        return "draft" if text(doc["docstatus"]) == _DRAFT else "cancelled"
    return "fulfilled" if text(doc.get("status")) in _DELIVERED else "confirmed"


def sales_invoice(doc: Doc, speaker: Speaker) -> Iterator[Said]:
    """A return is a credit note, whose negative amounts are positive here."""
    entity = "credit-note" if is_true(doc.get("is_return")) else "invoice"
    if text(doc.get("docstatus")) != _SUBMITTED:
        yield Said(entity, name_of(doc), {}, ended=True)
        return
    fields, code = _document(doc, speaker), currency_of(doc, speaker.account)
    if "posting_date" in doc:
        fields["issued_on"] = day(doc["posting_date"])
    if "due_date" in doc and entity == "invoice":
        fields["due_on"] = day(doc["due_date"])
    if "return_against" in doc and entity == "credit-note":
        fields["invoice_id"] = speaker.ref(doc["return_against"])
    amounts = (("net_total", "net"), ("total_taxes_and_charges", "tax"), ("grand_total", "gross"))
    fields |= {ours: priced(size(doc[theirs]), code) for theirs, ours in amounts if theirs in doc}
    if "items" in doc:
        fields["lines"] = _lines(doc, speaker)
        orders = {text(row.get("sales_order")) for row in _rows(doc, "items")}
        fields["order_id"] = speaker.ref(orders.pop()) if len(orders) == 1 else None
    yield Said(entity, name_of(doc), fields)


def payment_entry(doc: Doc, speaker: Speaker) -> Iterator[Said]:
    """Money from customers, and back to them; in the currency of the customer's account, as its allocations are."""
    direction = text(doc.get("payment_type"))
    if doc.get("party_type") != "Customer" or direction not in ("Receive", "Pay"):
        return
    if text(doc.get("docstatus")) != _SUBMITTED:
        yield Said("payment", name_of(doc), {}, ended=True)
        return
    received = direction == "Receive"
    code = currency_of(doc, speaker.account, "paid_from_account_currency" if received else "paid_to_account_currency")
    fields: Fields = {"kind": "receipt" if received else "refund"}
    amount = "paid_amount" if received else "received_amount"
    if amount in doc:
        fields["amount"] = priced(number(doc[amount]), code)
    if "party" in doc:
        fields["customer_id"] = anonymous_ref(speaker, doc["party"])
    if "posting_date" in doc:
        fields["received_on"] = day(doc["posting_date"])
    if "mode_of_payment" in doc:
        mode = text(doc["mode_of_payment"])
        fields["instrument"] = None if mode is None else _INSTRUMENTS.get(mode, "other")
    if "references" in doc and received:
        fields["allocations"] = _allocations(doc, speaker, code)
    yield Said("payment", name_of(doc), fields)


def _document(doc: Doc, speaker: Speaker) -> Fields:
    return {"customer_id": anonymous_ref(speaker, doc["customer"])} if "customer" in doc else {}


def _lines(doc: Doc, speaker: Speaker) -> Fields:
    code = currency_of(doc, speaker.account)
    return {speaker.account.entity_id(name_of(row)): _line(row, speaker, code) for row in _rows(doc, "items")}


def _line(row: Doc, speaker: Speaker, code: str | None) -> Fields:
    """`net_amount` is after discounts and without tax that the price includes; `amount` may not be."""
    return {
        "product_id": speaker.ref(row.get("item_code")),
        "quantity": quantity(size(row.get("qty"))),
        "unit": text(row.get("uom")),
        "net": priced(size(row.get("net_amount", row.get("amount"))), code),
    }


def _allocations(doc: Doc, speaker: Speaker, code: str | None) -> Fields:
    """By document: one may be referred to for each of its payment terms."""
    total: dict[str, Decimal] = {}
    for row in _rows(doc, "references"):
        amount = number(row.get("allocated_amount")) or Decimal(0)
        if row.get("reference_doctype") in _SETTLED and amount > 0:
            found = speaker.account.entity_id(required(row.get("reference_name"), "The document of a reference"))
            total[found] = total.get(found, Decimal(0)) + amount
    return {found: priced(amount, code) for found, amount in total.items()}


def _rows(doc: Doc, table: str) -> list[dict[str, Any]]:
    found = doc.get(table)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
