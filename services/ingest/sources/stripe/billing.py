"""Invoices and credit notes: net, tax and gross, in the shapes of old and new API versions."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from services.ingest.sources.payload import decimal, text
from services.ingest.sources.stripe.voice import Voice, id_of, items, money, named, part, whole
from shared.contracts.envelope import Event
from shared.kernel.money import plain

_PROGRESS = ("draft", "open", "uncollectible", "paid", "void")
_REASONS = {
    "duplicate": "correction",
    "fraudulent": "correction",
    "order_change": "correction",
    "product_unsatisfactory": "allowance",
}
_TAXES = ("total_taxes", "total_tax_amounts", "tax_amounts")
"""What the list of taxes of a document is called, the newest version first."""


def invoice_events(voice: Voice, invoice: Mapping[str, Any]) -> list[Event]:
    """An invoice that was issued; a draft is none yet, a void one is none any more."""
    status, transitions = text(invoice.get("status")), part(invoice, "status_transitions")
    if status not in _PROGRESS[1:]:
        return []
    found, rank = named(invoice), _PROGRESS.index(status)
    issued = voice.day(invoice.get("effective_at")) or voice.day(transitions.get("finalized_at"))
    issued = issued or voice.day(invoice.get("created"))
    due = voice.day(invoice.get("due_date"))
    fields = {
        "customer_id": voice.ref(invoice.get("customer")),
        "order_id": voice.order(invoice),
        "issued_on": issued,
        "due_on": max(due, issued) if due and issued else due,
        **_totals(invoice),
        "lines": _lines(voice, invoice),
    }
    events = [voice.say("invoice", found, fields, rank=rank, ended=status == "void")]
    if written_off := voice.day(transitions.get("marked_uncollectible_at")):
        events.append(_written_off(voice, invoice, written_off, rank, ended=status != "uncollectible"))
    return events


def _written_off(voice: Voice, invoice: Mapping[str, Any], day: str, rank: int, *, ended: bool) -> Event:
    """What is given up of an uncollectible invoice is no longer owed. It stays revenue: so it is net nothing."""
    currency, found = invoice.get("currency"), f"{named(invoice)}:uncollectible"
    fields = {
        "customer_id": voice.ref(invoice.get("customer")),
        "invoice_id": voice.ref(invoice),
        "reason": "allowance",
        "issued_on": day,
        "net": money(Decimal(0), currency),
        "gross": money(whole(invoice, "amount_remaining"), currency),
    }
    return voice.say("credit-note", found, fields, part="uncollectible", rank=rank, ended=ended)


def credit_note_events(voice: Voice, note: Mapping[str, Any]) -> list[Event]:
    """What the customer no longer owes, or gets back."""
    fields = {
        "customer_id": voice.ref(note.get("customer")),
        "invoice_id": voice.ref(note.get("invoice")),
        "reason": _REASONS.get(text(note.get("reason")) or ""),
        "issued_on": voice.day(note.get("effective_at")) or voice.day(note.get("created")),
        **_totals(note),
        "lines": _lines(voice, note),
    }
    void = text(note.get("status")) == "void"
    return [voice.say("credit-note", named(note), fields, rank=int(void), ended=void)]


def _totals(document: Mapping[str, Any]) -> dict[str, object]:
    gross, currency = whole(document, "total"), document.get("currency")
    net = decimal(document.get("total_excluding_tax"))
    if net is None:
        listed = next((items(document, name) for name in _TAXES if items(document, name)), [])
        taxes = sum((whole(tax, "amount") for tax in listed), Decimal(0))
        net = gross - (taxes if listed else whole(document, "tax"))
    return {"net": money(net, currency), "tax": money(gross - net, currency), "gross": money(gross, currency)}


def _lines(voice: Voice, document: Mapping[str, Any]) -> dict[str, object]:
    """By line id, net of discount and of the tax that the amount contains. Of more than ten a webhook shows the first
    ten; the rest is read."""
    return {named(line): _line(voice, line, document.get("currency")) for line in items(document, "lines")}


def _line(voice: Voice, line: Mapping[str, Any], currency: object) -> dict[str, object]:
    discounts = sum((whole(one, "amount") for one in items(line, "discount_amounts")), Decimal(0))
    contained = sum((whole(tax, "amount") for tax in _taxes(line) if _is_contained(tax)), Decimal(0))
    quantity = decimal(line.get("quantity"))
    return {
        "product_id": _product(voice, line),
        "quantity": None if quantity is None else plain(quantity),
        "net": money(whole(line, "amount") - discounts - contained, currency),
    }


def _taxes(line: Mapping[str, Any]) -> list[dict[str, Any]]:
    return items(line, "taxes") or items(line, "tax_amounts")


def _is_contained(tax: Mapping[str, Any]) -> bool:
    return tax.get("inclusive") is True or text(tax.get("tax_behavior")) == "inclusive"


def _product(voice: Voice, line: Mapping[str, Any]) -> str | None:
    named_by = part(part(line, "pricing"), "price_details"), part(line, "price"), part(line, "plan")
    return voice.ref(next((found for found in (id_of(one.get("product")) for one in named_by) if found), None))
