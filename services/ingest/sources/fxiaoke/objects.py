"""What the objects of Fxiaoke say: opportunities, accounts, sales orders, payments, refunds. Always whole objects."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from services.ingest.sources.fxiaoke.fields import (
    CUSTOMER,
    DEAL,
    ORDER,
    ORDER_LINE,
    PAYMENT,
    PAYMENT_LINE,
    REFUND,
)
from services.ingest.sources.fxiaoke.settings import FxiaokeSettings
from services.ingest.sources.payload import Speaker, decimal, epoch, exponent, label, money, required, text
from shared.kernel.money import EXACT, plain

Fields = dict[str, object]
Amount = dict[str, str]
_NOT_YET = ("ineffective", "under_review")
_VOID = "invalid"
_INSTRUMENTS = {
    "现金": "cash", "转账": "transfer", "银行转账": "transfer", "电汇": "transfer", "支票": "cheque", "汇票": "bill",
    "承兑汇票": "bill", "信用证": "letter_of_credit", "信用卡": "card", "刷卡": "card",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """One object, its fields called by our names."""

    kind: str
    record: Mapping[str, Any]
    speaker: Speaker

    @property
    def settings(self) -> FxiaokeSettings:
        settings: FxiaokeSettings = self.speaker.account.settings
        return settings

    def value(self, name: str) -> object:
        """As it is; of a list (employees come as one) its first. None if there is no such field or no value."""
        theirs = self.settings.names(self.kind)[name]
        found = self.record.get(theirs) if theirs else None
        return found[0] if isinstance(found, list) and found else found

    def label(self, name: str) -> str | None:
        """What people see of a choice if it comes along (`…__r`), else its value."""
        shown = self.record.get(f"{self.settings.names(self.kind)[name]}__r")
        return label(text(shown) or self.value(name))

    def ref(self, name: str) -> str | None:
        return self.speaker.ref(self.value(name))

    def instant(self, name: str) -> datetime | None:
        found = text(self.value(name))
        return None if found is None else epoch(found, per_second=1000)

    def day(self, name: str) -> str | None:
        """A date comes as the milliseconds of its midnight in the enterprise's time zone."""
        found = self.instant(name)
        return None if found is None else found.astimezone(ZoneInfo(self.settings.time_zone)).date().isoformat()

    @property
    def currency(self) -> str:
        named = text(self.value("currency")) if "currency" in self.settings.names(self.kind) else None
        return named or self.settings.currency

    def status(self) -> str:
        """`life_status`: ineffective, under_review, normal, in_change, invalid."""
        return text(self.value("life_status")) or "normal"

    def deleted(self) -> bool:
        return self.value("deleted") in (True, "true", "1")

    def parts(self, kind: str) -> Iterator[tuple[str, "Found"]]:
        """Its living details of one kind, by their id."""
        details = self.record.get("details")
        found = details.get(kind) if isinstance(details, dict) else None
        for item in found if isinstance(found, list) else []:
            if isinstance(item, dict):
                inside = item.get("containerDocument")
                part = Found(kind, inside if isinstance(inside, dict) else item, self.speaker)
                if not part.deleted() and item.get("deleted") is not True:
                    yield (
                        required(item.get("id") or item.get("_id") or part.record.get("_id"), "The id of a detail"),
                        part,
                    )


@dataclass(frozen=True, slots=True)
class Kind:
    """What one kind of object becomes."""

    entity: str
    say: Callable[[Found], Fields]
    ends_when_void: bool = True
    """作废 ends it; an order is cancelled instead."""
    waits_for_approval: bool = False
    """Money counts once its approval is through."""
    detailed: bool = False
    """Its details come with reading it alone."""

    def ended(self, found: Found) -> bool:
        """Whether it is gone, void, or not in force yet."""
        status = found.status()
        void = self.ends_when_void and status == _VOID
        return found.deleted() or void or (self.waits_for_approval and status in _NOT_YET)


def _deal(found: Found) -> Fields:
    outcomes = found.settings.outcomes
    shown = (text(found.value("status")), found.label("status"))
    closed = next((outcomes[one] for one in shown if one in outcomes), None)
    amount = money(found.value("amount"), found.currency)
    return {
        "title": found.label("title"),
        "customer_id": found.ref("customer_id"),
        "owner_id": found.ref("owner_id"),
        "pipeline_id": found.speaker.account.pipeline(text(found.value("pipeline"))),
        "stage": closed or text(found.value("stage")),
        "amount": None if amount is None else _without_tax(amount, found.settings)[0],
        "probability": _share(found.value("probability")),
        "expected_close_on": found.day("expected_close_on"),
        "loss_reason": found.label("loss_reason"),
        "created_on": found.day("created_at"),
    }


def _customer(found: Found) -> Fields:
    return {
        "kind": "company",
        "name": found.label("name"),
        "owner_id": found.ref("owner_id"),
        "parent_id": found.ref("parent_id"),
        **{name: found.label(name) for name in ("sector", "tier", "region", "country")},
    }


def _order(found: Found) -> Fields:
    status = {_VOID: "cancelled", **dict.fromkeys(_NOT_YET, "draft")}.get(found.status(), "confirmed")
    lines = {identifier: _line(part, found.currency) for identifier, part in found.parts(ORDER_LINE)}
    total = money(found.value("amount"), found.currency)
    return {
        "customer_id": found.ref("customer_id"),
        "owner_id": found.ref("owner_id"),
        "deal_id": found.ref("deal_id"),
        "status": status,
        "ordered_on": found.day("ordered_on"),
        "lines": lines | _rest(total, found, [part for _, part in found.parts(ORDER_LINE)]),
    }


def _line(part: Found, currency: str) -> Fields:
    amount = money(part.value("amount"), currency)
    net, tax = (None, None) if amount is None else _without_tax(amount, part.settings)
    quantity = decimal(part.value("quantity"))
    price = money(part.value("unit_price"), currency)
    return {
        "product_id": part.ref("product_id"),
        "quantity": None if quantity is None else plain(quantity),
        "unit_price": None if price is None else _without_tax(price, part.settings)[0],
        "net": net,
        "tax": tax,
    }


def _rest(total: Amount | None, found: Found, parts: list[Found]) -> Fields:
    """By what the order's amount differs from its lines: the discount on the whole (整单折扣), or all of it."""
    if total is None:
        return {}
    listed = sum((decimal(part.value("amount")) or Decimal(0) for part in parts), Decimal(0))
    rest = EXACT.subtract(Decimal(total["amount"]), listed)
    if not rest:
        return {}
    net, tax = _without_tax({**total, "amount": plain(rest)}, found.settings)
    return {"rest": {"product_id": None, "quantity": None, "unit_price": None, "net": net, "tax": tax}}


def _payment(found: Found) -> Fields:
    return _money_moved(found, "receipt", "refund")


def _refund(found: Found) -> Fields:
    return _money_moved(found, "refund", "receipt")


def _money_moved(found: Found, usual: str, if_negative: str) -> Fields:
    """A negative amount (红冲) goes the other way."""
    amount = money(found.value("amount"), found.currency)
    negative = amount is not None and amount["amount"].startswith("-")
    return {
        "kind": if_negative if negative else usual,
        "customer_id": found.ref("customer_id"),
        "owner_id": found.ref("owner_id"),
        "amount": None if amount is None or amount["amount"] == "0" else _positive(amount),
        "instrument": _instrument(found.label("instrument")),
        "received_on": found.day("received_on"),
        "allocations": _allocations(found, amount),
    }


def _allocations(found: Found, amount: Amount | None) -> Fields:
    """By order: from the payment's details (回款明细), else the one order that it names."""
    sums: dict[str, Decimal] = {}
    for _, part in found.parts(PAYMENT_LINE) if found.kind == PAYMENT else ():
        order, settled = part.ref("order_id"), decimal(part.value("amount"))
        if order and settled:
            sums[order] = EXACT.add(sums.get(order, Decimal(0)), abs(settled))
    if sums:
        return {order: {"amount": plain(settled), "currency": found.currency} for order, settled in sums.items()}
    named = found.ref("order_id")
    return {named: _positive(amount)} if named and amount else {}


def _positive(amount: Amount) -> Amount:
    return {**amount, "amount": amount["amount"].removeprefix("-")}


def _instrument(label: str | None) -> str | None:
    return None if label is None else _INSTRUMENTS.get(label, "other")


def _share(percent: object) -> str | None:
    found = decimal(percent)
    return None if found is None or not 0 <= found <= 100 else plain(found.scaleb(-2))


def _without_tax(amount: Amount, settings: FxiaokeSettings) -> tuple[Amount, Amount | None]:
    """Net and tax of an amount that contains it; rounded once, half-even, to the currency's minor unit."""
    percent = Decimal(settings.tax_percent)
    if not percent:
        return amount, None
    gross, unit = Decimal(amount["amount"]), Decimal(1).scaleb(-exponent(amount["currency"]))
    exact = EXACT.divide(EXACT.multiply(gross, Decimal(100)), Decimal(100) + percent)
    net = exact.quantize(unit, rounding=ROUND_HALF_EVEN, context=EXACT)
    return {**amount, "amount": plain(net)}, {**amount, "amount": plain(EXACT.subtract(gross, net))}


KINDS: Mapping[str, Kind] = {
    CUSTOMER: Kind("customer", _customer),
    DEAL: Kind("deal", _deal),
    ORDER: Kind("order", _order, ends_when_void=False, detailed=True),
    PAYMENT: Kind("payment", _payment, waits_for_approval=True, detailed=True),
    REFUND: Kind("payment", _refund, waits_for_approval=True),
}
"""By the object's API name."""
