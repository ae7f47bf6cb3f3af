"""What the documents of an order and its payments come to, line by line and as a whole."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import NamedTuple

from tests.oracle.replay import NEVER, Company, Fact, Money, Number, Said, State, day_of, money

PROMISES = ("bill", "letter_of_credit")
Totals = Mapping[str, Fraction]
"""By currency: events may contradict each other."""


def _totals(*amounts: Money | None) -> dict[str, Fraction]:
    totals: dict[str, Fraction] = {}
    for one in amounts:
        if one is not None:
            totals[one.currency] = totals.get(one.currency, Fraction(0)) + one.amount
    return totals


def _plus(left: Totals, right: Totals, sign: int = 1) -> dict[str, Fraction]:
    return {key: left.get(key, Fraction(0)) + sign * right.get(key, Fraction(0)) for key in {**left, **right}}


def _net(line: Said) -> Money | None:
    """What a line says, else quantity × unit price − discount."""
    net, price, discount = (money(line.get(name)) for name in ("net", "unit_price", "discount"))
    if net or price is None or line.get("quantity") is None:
        return net
    gross = price._replace(amount=price.amount * Fraction(line["quantity"]))
    if discount and discount.currency != gross.currency:
        return None
    return gross._replace(amount=gross.amount - discount.amount) if discount else gross


def _goods(company: Company, line: Said, day: date) -> tuple[str | None, dict[str, Number]]:
    """A line's quantity in the product's own unit, and what that had cost in base currency."""
    product, quantity, unit = line.get("product_id"), Fraction(line.get("quantity") or 0), line.get("unit")
    own = company.ref("product", product, day, "unit")
    known = product is not None
    if own and unit and unit != own:
        factor = company.ref("product", product, day, "conversions", unit, "factor")
        known = factor is not None
        quantity, unit = (quantity * Fraction(factor), own) if known else (quantity, unit)
    cost = money(company.ref("product", product, day, "cost")) if known else None
    spent = company.worth(cost and cost._replace(amount=cost.amount * quantity), day)
    uncosted = int("value" not in spent) if quantity else 0
    return unit or own, {"quantity": quantity, "cost": spent.get("value", 0), "uncosted": uncosted}


class _Document(NamedTuple):
    company: Company
    said: Said
    day: date

    @property
    def lines(self) -> list[Said]:
        return list((self.said.get("lines") or {}).values())

    def each(self, name: str, *, goods: bool = True) -> Iterator[Fact]:
        """Each line."""
        for line in self.lines:
            net, (unit, moved) = _net(line), _goods(self.company, line, self.day) if goods else (None, {})
            yield self._fact(name, net, unit, line.get("product_id"), **moved)

    def whole(self, name: str, totals: Totals, *, complete: bool) -> Iterator[Fact]:
        """The document as one, counted in the first of its currencies."""
        for place, currency in enumerate(sorted(totals) or [None]):
            amount = Money(totals[currency], currency) if currency else Money(Fraction(0), "")
            fact = self._fact(name, amount, count=int(not place), unvalued=int(not place and not complete))
            yield fact if currency else fact._replace(under={**fact.under, "currency": None})

    def beyond(self, name: str, totals: Totals) -> Iterator[Fact]:
        """What only the head says, as lines without a product."""
        yield from (self._fact(name, Money(amount, currency)) for currency, amount in totals.items())

    def _fact(
        self, name: str, net: Money | None, unit: str | None = None, product: str | None = None, **sums: Number
    ) -> Fact:
        under = self.company.under({**self.said, "product_id": product}, self.day, document=True)
        under |= {"currency": net.currency if net else None, "unit": unit}
        return Fact(name, self.day, under, {**self.company.worth(net, self.day), **sums})


def order(company: Company, life: Sequence[State]) -> Iterator[Fact]:
    """A confirmed order, on its own date or the day of its first event."""
    said = life[-1].said
    if said.get("status") in ("confirmed", "fulfilled", None):
        document = _Document(company, said, day_of(said, "ordered_on") or life[0].day)
        nets = [_net(line) for line in document.lines]
        yield from document.each("ordered")
        yield from document.whole("order", _totals(*nets), complete=bool(nets) and None not in nets)


def shipment(company: Company, life: Sequence[State]) -> Iterator[Fact]:
    """Goods that left."""
    yield from _billed(company, "shipped", "billable-shipped", life[-1].said, "shipped_on")


def returned(company: Company, life: Sequence[State]) -> Iterator[Fact]:
    """Goods that came back."""
    yield from _billed(company, "returned", "billable-returned", life[-1].said, "returned_on")


def invoice(company: Company, life: Sequence[State]) -> Iterator[Fact]:
    """What the customer owes."""
    yield from _billed(company, "invoiced", "billable-invoiced", life[-1].said, "issued_on")


def credit_note(company: Company, life: Sequence[State]) -> Iterator[Fact]:
    """What the customer no longer owes, under its reason."""
    said = life[-1].said
    name = f"credited-{said.get('reason') or 'correction'}"
    yield from _billed(company, name, "billable-credited", said, "issued_on")


def _billed(company: Company, name: str, billable: str, said: Said, dated_by: str) -> Iterator[Fact]:
    """The lines, what the head says beyond them, and what is owed with tax; nothing without a date."""
    day = day_of(said, dated_by)
    if day is None:
        return
    document = _Document(company, said, day)
    net, tax, gross = (money(said.get(part)) for part in ("net", "tax", "gross"))
    if net is None and gross and tax and gross.currency == tax.currency:
        net = gross._replace(amount=gross.amount - tax.amount)
    nets = [_net(line) for line in document.lines]
    of_lines = _totals(*nets)
    yield from document.each(name, goods=name != "credited-allowance")
    if net:
        yield from document.beyond(name, _plus(_totals(net), of_lines, -1))
    owed = _totals(gross) or _plus(_totals(net) or of_lines, _totals(tax))
    yield from document.whole(billable, owed, complete=bool(net) or (bool(nets) and None not in nets))


class _Cash(NamedTuple):
    """A payment and its days."""

    said: Said
    amount: Money
    received: date
    counts: date
    back: date

    @property
    def pending_until(self) -> date:
        """A bill or letter of credit is in hand until it clears or is taken back."""
        promise = self.said.get("instrument") in PROMISES and self.said.get("kind") != "refund"
        return min(self.counts, self.back) if promise else self.received


def _cash(said: Said) -> _Cash | None:
    amount, received = money(said.get("amount")), day_of(said, "received_on")
    if amount is None or received is None:
        return None
    cleared, back = (max(received, day_of(said, name) or NEVER) for name in ("cleared_on", "reversed_on"))
    return _Cash(said, amount, received, cleared if said.get("instrument") in PROMISES else received, back)


def payment(company: Company, life: Sequence[State]) -> Iterator[Fact]:
    """Cash and what it settles, on the day it counts; taken back on the day of its reversal, as it was."""
    cash = _cash(life[-1].said)
    if cash and cash.counts < NEVER and cash.counts <= cash.back:
        sign = -1 if cash.said.get("kind") == "refund" else 1
        rest = cash.amount
        told = [("received" if sign > 0 else "refunded", cash.amount, 1, 1)]
        for settled in map(money, (cash.said.get("allocations") or {}).values()):
            if settled and settled.currency == rest.currency:
                rest = rest._replace(amount=rest.amount - settled.amount)
                told.append(("applied", settled, sign, 0))
        told.append(("unallocated" if "allocations" in cash.said else "on-account", rest, sign, 0))
        for name, amount, signed, count in told:
            fact = _paid(company, cash, name, cash.counts, cash.counts, amount._replace(amount=signed * amount.amount))
            sums = {**fact.sums, "count": count}
            yield fact._replace(sums=sums)
            if cash.back < NEVER:
                yield fact._replace(day=cash.back, sums={key: -number for key, number in sums.items()})


def pending(company: Company, life: Sequence[State], evening: date) -> Iterator[Fact]:
    """A bill in hand on an evening, worth what it was when it was received."""
    cash = None if life[-1].ended else _cash(life[-1].said)
    if cash and cash.received <= evening < cash.pending_until:
        fact = _paid(company, cash, "bill-pending", evening, cash.received, cash.amount)
        yield fact._replace(sums={**fact.sums, "count": 1})


def _paid(company: Company, cash: _Cash, name: str, day: date, valued_on: date, amount: Money) -> Fact:
    under = company.under(cash.said, day, document=True)
    under |= {"currency": cash.amount.currency, "instrument": cash.said.get("instrument") or "other"}
    return Fact(name, day, under, company.worth(amount, valued_on))
