"""Money that came in or went back: one payment for a payment intent and its charge, one for each refund.

A charge, its payment intent, its disputes and what it pays of invoices all name the intent; so its id is the payment's,
and the charge's own where there is none.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from services.ingest.sources.payload import decimal, text
from services.ingest.sources.stripe.voice import Money, Voice, id_of, items, money, named, part, whole
from shared.contracts.envelope import Event

_MOVED = ("payment_intent.succeeded", "charge.succeeded", "charge.captured")
"""Events that come when the money does; others show the charge at some later time."""
_INSTRUMENTS: Mapping[str, str] = dict.fromkeys(("card", "card_present", "interac_present"), "card") | dict.fromkeys(
    (
        "ach_credit_transfer", "ach_debit", "acss_debit", "au_becs_debit", "bacs_debit", "bancontact",
        "customer_balance", "eps", "fpx", "giropay", "ideal", "nz_bank_account", "p24", "pay_by_bank", "paynow", "pix",
        "promptpay", "sepa_credit_transfer", "sepa_debit", "sofort", "us_bank_account",
    ),
    "transfer",
)  # fmt: skip
_NOBODY: Mapping[str, Any] = {}


def payment_id(holder: Mapping[str, Any]) -> str | None:
    """Under which id a charge is known; `holder` is the charge, or names it."""
    own = named(holder) if holder.get("object") == "charge" else id_of(holder.get("charge"))
    return id_of(holder.get("payment_intent")) or own


def charge_events(voice: Voice, charge: Mapping[str, Any]) -> list[Event]:
    """A charge that was captured, and its refunds if it shows them. What is only authorised or failed is no payment."""
    found, minor = payment_id(charge), _captured(charge)
    if found is None or text(charge.get("status")) != "succeeded" or minor <= 0:
        return []
    amount = money(minor, charge.get("currency"))
    fields = {
        "kind": "receipt",
        "amount": amount,
        "customer_id": voice.ref(charge.get("customer")),
        "instrument": _instrument(charge),
        **_received(voice, charge),
        **_allocated(voice, charge, amount),
    }
    refunds = [event for refund in items(charge, "refunds") for event in refund_events(voice, refund, charge)]
    return [voice.say("payment", found, fields), *refunds]


def _captured(charge: Mapping[str, Any]) -> Decimal:
    if decimal(charge.get("amount_captured")) is not None:
        return whole(charge, "amount_captured")
    return whole(charge, "amount") if charge.get("captured") is True else Decimal(0)


def _received(voice: Voice, charge: Mapping[str, Any]) -> dict[str, object]:
    """The day on which the money moved: that of the balance transaction. A charge may be older than its capture, and
    than the success of a direct debit."""
    booked = voice.day(part(charge, "balance_transaction").get("created"))
    if booked or voice.is_read:
        return {"received_on": booked or voice.day(charge.get("created"))}
    return {"received_on": voice.local(voice.at)} if voice.type in _MOVED else {}


def _instrument(charge: Mapping[str, Any]) -> str:
    return _INSTRUMENTS.get(text(part(charge, "payment_method_details").get("type")) or "", "other")


def _allocated(voice: Voice, charge: Mapping[str, Any], amount: Money) -> dict[str, object]:
    """What a charge, or an amount that goes back on it, settles: invoices of this account, else the order in the
    metadata. Unsaid if none is named: since 2025 a charge does not name its invoice, `invoice_payment` events do."""
    paid = [one for one in items(charge, "invoice_payments") if text(one.get("status")) == "paid"]
    named_by = [voice.ref(one.get("invoice")) for one in paid] or [voice.ref(charge.get("invoice"))]
    if len(paid) > 1:
        return {
            "allocations": {document: _share(one) for document, one in zip(named_by, paid, strict=True) if document}
        }
    document = named_by[0] or voice.order(charge)
    return {} if document is None else {"allocations": {document: amount}}


def _share(paid: Mapping[str, Any]) -> Money:
    return money(whole(paid, "amount_paid"), paid.get("currency"))


def intent_events(voice: Voice, intent: Mapping[str, Any]) -> list[Event]:
    """The same payment as its charge; the instrument is left to that."""
    minor = whole(intent, "amount_received")
    if text(intent.get("status")) != "succeeded" or minor <= 0:
        return []
    amount = money(minor, intent.get("currency"))
    fields = {
        "kind": "receipt",
        "amount": amount,
        "customer_id": voice.ref(intent.get("customer")),
        **({"received_on": voice.local(voice.at)} if voice.type in _MOVED else {}),
        **_allocated(voice, intent, amount),
    }
    return [voice.say("payment", named(intent), fields)]


def refund_events(voice: Voice, refund: Mapping[str, Any], charge: Mapping[str, Any] = _NOBODY) -> list[Event]:
    """Money paid back. Whose it was and what it had settled, only the charge tells."""
    status, found = text(refund.get("status")) or "succeeded", named(refund)
    if status not in ("succeeded", "failed", "canceled"):
        return []
    of, amount = charge or part(refund, "charge"), money(whole(refund, "amount"), refund.get("currency"))
    fields: dict[str, object] = {
        "kind": "refund",
        "amount": amount,
        "received_on": voice.day(refund.get("created")),
        **_allocated(voice, refund, amount),
    }
    if of:
        fields |= {"customer_id": voice.ref(of.get("customer")), "instrument": _instrument(of)}
        fields |= _allocated(voice, of, amount)
    return [voice.say("payment", found, fields, part=found if charge else "", ended=status != "succeeded")]


def dispute_events(voice: Voice, dispute: Mapping[str, Any]) -> list[Event]:
    """A chargeback: the payment is reversed while the money is gone, and is not when it was won back. If only a part of
    the charge is disputed, that part is paid back instead."""
    found, of = payment_id(dispute), part(dispute, "charge")
    booked = items(dispute, "balance_transactions")
    gone = sum((whole(one, "amount") for one in booked), Decimal(0)) < 0 and text(dispute.get("status")) != "won"
    day = voice.day(booked[0].get("created")) if booked else None
    alike = of.get("currency") == dispute.get("currency")
    partial = alike and whole(dispute, "amount") != _captured(of)
    rank, reason = len(booked), text(dispute.get("reason"))
    if found is None:
        return []
    reversed_on = day if gone and not partial else None
    fields = {"reversed_on": reversed_on, "reversal_reason": reason if reversed_on else None}
    events = [voice.say("payment", found, fields, rank=rank)]
    if partial and day:
        amount = money(whole(dispute, "amount"), dispute.get("currency"))
        back = {
            "kind": "refund",
            "amount": amount,
            "received_on": day,
            "customer_id": voice.ref(of.get("customer")),
            "instrument": _instrument(of),
            **_allocated(voice, of, amount),
        }
        events.append(voice.say("payment", named(dispute), back, part=named(dispute), rank=rank, ended=not gone))
    return events


def allocation_events(voice: Voice, paid: Mapping[str, Any]) -> list[Event]:
    """An invoice payment: how much of a payment settles which invoice. One that was made outside Stripe has none."""
    found, invoice, status = payment_id(part(paid, "payment")), voice.ref(paid.get("invoice")), text(paid.get("status"))
    if found is None or invoice is None or status not in ("paid", "canceled"):
        return []
    share = _share(paid) if status == "paid" else None
    return [voice.say("payment", found, {"allocations": {invoice: share}}, rank=int(status == "canceled"))]
