"""Order to cash: `sale.order`, `account.move`, `account.payment`."""

from collections.abc import Callable

from services.ingest.sources.odoo.deals import say_buyer
from services.ingest.sources.odoo.values import (
    Fields,
    Row,
    Said,
    day_of,
    linked,
    named,
    own_id,
    parts,
    priced,
    quantity,
    say_money,
)
from services.ingest.sources.payload import Speaker, required, text

ORDER_FIELDS = (
    "state", "delivery_status", "date_order", "partner_id", "commercial_partner_id", "user_id", "opportunity_id",
    "currency_id", "write_date",
)  # fmt: skip
ORDER_LINE_FIELDS = (
    "order_id", "display_type", "product_id", "product_uom_qty", "product_uom", "product_uom_id", "price_subtotal",
    "price_tax", "write_date",
)  # fmt: skip
MOVE_FIELDS = (
    "move_type", "state", "invoice_date", "invoice_date_due", "partner_id", "commercial_partner_id", "invoice_user_id",
    "currency_id", "amount_untaxed", "amount_tax", "amount_total", "reversed_entry_id", "write_date",
)  # fmt: skip
MOVE_LINE_FIELDS = (
    "move_id", "display_type", "product_id", "quantity", "product_uom_id", "price_subtotal", "write_date",
)  # fmt: skip
PAYMENT_FIELDS = (
    "payment_type", "partner_type", "state", "amount", "currency_id", "date", "partner_id", "commercial_partner_id",
    "payment_method_code", "write_date",
)  # fmt: skip
LINES, ALLOCATIONS = "_lines", "_allocations"
"""What `api.py` puts beside the fields of a document."""

_STATUS = {"draft": "draft", "sent": "draft", "sale": "confirmed", "done": "confirmed", "cancel": "cancelled"}
_FIRM = ("sale", "done", "cancel")
_DOCUMENTS = {"out_invoice": "invoice", "out_receipt": "invoice", "out_refund": "credit-note"}
_PAID = ("posted", "in_process", "paid")
_NO_GOODS = (
    "line_section",
    "line_subsection",
    "line_note",
    "tax",
    "payment_term",
    "rounding",
    "cogs",
    "discount",
    "epd",
)


def order(row: Row, speaker: Speaker) -> list[Said]:
    """A quotation is an order that is not confirmed yet. Its lines come from the API, and only from when they can no
    longer be deleted: nothing would tell of the deletion."""
    fields = _document(row, speaker, "user_id")
    if "state" in row:
        done = text(row.get("delivery_status")) == "full" and row["state"] in ("sale", "done")
        fields["status"] = "fulfilled" if done else _STATUS.get(str(row["state"]))
    if "date_order" in row:
        fields["ordered_on"] = day_of(row["date_order"], speaker.account)
    if "opportunity_id" in row:
        fields["deal_id"] = speaker.ref(linked(row["opportunity_id"]))
    if LINES in row and row.get("state") in _FIRM:
        fields["lines"] = _lines(row, speaker, _order_line)
    return [Said("order", own_id(row), fields)]


def says_document(row: Row) -> bool:
    """Whether the row says what kind of document it is."""
    return text(row.get("move_type")) is not None


def invoice_or_credit_note(row: Row, speaker: Speaker) -> list[Said]:
    """Documents for customers. A draft, or one that was taken back, is none."""
    entity = _DOCUMENTS.get(text(row.get("move_type")) or "")
    if entity is None:
        return []  # a supplier's bill, or an entry in the books
    if "state" in row and row["state"] != "posted":
        return [Said(entity, own_id(row), {}, ended=True)]
    fields = _document(row, speaker, "invoice_user_id")
    for theirs, ours in (("invoice_date", "issued_on"), ("invoice_date_due", "due_on")):
        if theirs in row:
            fields[ours] = text(row[theirs])
    for theirs, ours in (("amount_untaxed", "net"), ("amount_tax", "tax"), ("amount_total", "gross")):
        say_money(fields, ours, row, theirs, "currency_id", speaker.account)
    if entity == "credit-note" and "reversed_entry_id" in row:
        fields["invoice_id"] = speaker.ref(linked(row["reversed_entry_id"]))
    if LINES in row:
        fields["lines"] = _lines(row, speaker, _invoice_line)
    return [Said(entity, own_id(row), fields, False if "state" in row else None)]


def says_direction(row: Row) -> bool:
    """Whether the row says from whom to whom the money went."""
    return text(row.get("payment_type")) is not None and text(row.get("partner_type")) is not None


def payment(row: Row, speaker: Speaker) -> list[Said]:
    """Receipts from customers and refunds to them."""
    if row.get("partner_type") != "customer" or row.get("payment_type") not in ("inbound", "outbound"):
        return []
    if "state" in row and row["state"] not in _PAID:
        return [Said("payment", own_id(row), {}, ended=True)]
    fields: Fields = {"kind": "receipt" if row["payment_type"] == "inbound" else "refund"}
    say_buyer(fields, row, speaker)
    if "date" in row:
        fields["received_on"] = text(row["date"])
    if text(row.get("payment_method_code")) == "check_printing":
        fields["instrument"] = "cheque"
    say_money(fields, "amount", row, "amount", "currency_id", speaker.account)
    if ALLOCATIONS in row:
        fields["allocations"] = _allocations(row, speaker)
    return [Said("payment", own_id(row), fields, False if "state" in row else None)]


def _document(row: Row, speaker: Speaker, owner: str) -> Fields:
    fields: Fields = {}
    say_buyer(fields, row, speaker)
    if owner in row:
        fields["owner_id"] = speaker.ref(linked(row[owner]))
    return fields


def _lines(row: Row, speaker: Speaker, line: Callable[[Row, str | None, Speaker], Fields]) -> Fields:
    code = named(row.get("currency_id"))
    goods = [one for one in parts(row, LINES) if one.get("display_type") not in _NO_GOODS]
    return {speaker.account.entity_id(own_id(one)): line(one, code, speaker) for one in goods}


def _order_line(line: Row, code: str | None, speaker: Speaker) -> Fields:
    unit = line.get("product_uom_id", line.get("product_uom"))
    return _line(line, code, speaker, "product_uom_qty", unit) | {"tax": priced(line.get("price_tax"), code)}


def _invoice_line(line: Row, code: str | None, speaker: Speaker) -> Fields:
    return _line(line, code, speaker, "quantity", line.get("product_uom_id"))


def _line(line: Row, code: str | None, speaker: Speaker, count: str, unit: object) -> Fields:
    return {
        "product_id": speaker.ref(linked(line.get("product_id"))),
        "quantity": quantity(line.get(count)),
        "unit": named(unit),
        "net": priced(line.get("price_subtotal"), code),
    }


def _allocations(row: Row, speaker: Speaker) -> Fields:
    code = named(row.get("currency_id"))
    settled = [(required(one.get("move"), "A settled document"), one.get("amount")) for one in parts(row, ALLOCATIONS)]
    return {speaker.account.entity_id(move): priced(amount, code) for move, amount in settled}
