"""What the documents of an order and its payments come to, line by line and as a whole."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from tests.oracle.replay import LAST, Company, Fact, State

PROMISES = ("bill", "letter_of_credit")


def _lines(company: Company, name: str, said: Mapping[str, Any], day: date, *, goods: bool = True) -> Iterator[Fact]:
    """Each line of a document: its net amount, its quantity in the product's own unit, and what that had cost."""
    for line in (said.get("lines") or {}).values():
        net, product = _net(line), line.get("product_id")
        quantity, unit, own = _number(line, "quantity"), line.get("unit"), company.ref("product", product, day, "unit")
        factor: Fraction | None = Fraction(1)
        if own and unit and unit != own:
            said_factor = company.ref("product", product, day, "conversions", unit, "factor")
            factor = Fraction(said_factor) if said_factor else None
        quantity, unit = (quantity, unit) if factor is None else (quantity * factor, own or unit)
        cost = None if factor is None else company.ref("product", product, day, "cost")
        under = company.under({**said, "product_id": product}, day, document=True)
        under |= {"currency": net["currency"] if net else None, "unit": unit if goods else None}
        spent = (company.worth(cost, day, quantity) or Fraction(0)) if goods else Fraction(0)
        yield Fact(name, day, under, company.worth(net, day), cost=spent, quantity=quantity if goods else Fraction(0))


def _whole(company: Company, name: str, said: Mapping[str, Any], day: date, money: Mapping[str, Any] | None) -> Fact:
    """A document, or what only its head says, as one amount."""
    under = company.under(said, day, document=True) | {"currency": money["currency"] if money else None}
    return Fact(name, day, under, company.worth(money, day), Fraction(money["amount"] if money else 0))


def order(company: Company, life: Sequence[State]) -> Iterator[Fact]:
    """A confirmed order, on its own date or the day of its first event."""
    said = life[-1].said
    if said.get("status") in ("confirmed", "fulfilled", None):
        day = date.fromisoformat(said.get("ordered_on") or life[0].day.isoformat())
        yield from _lines(company, "ordered", said, day)
        yield _whole(company, "order", said, day, _sum(_net(line) for line in (said.get("lines") or {}).values()))


def shipment(company: Company, life: Sequence[State]) -> Iterator[Fact]:
    """Goods that left."""
    yield from _moved(company, "shipped", life[-1].said)


def returned(company: Company, life: Sequence[State]) -> Iterator[Fact]:
    """Goods that came back."""
    yield from _moved(company, "returned", life[-1].said)


def _moved(company: Company, name: str, said: Mapping[str, Any]) -> Iterator[Fact]:
    if said.get(f"{name}_on"):
        day = _day(said, f"{name}_on")
        yield from _lines(company, name, said, day)
        yield _whole(company, f"billable-{name}", said, day, _sum(map(_net, (said.get("lines") or {}).values())))


def invoice(company: Company, life: Sequence[State]) -> Iterator[Fact]:
    """What the customer owes."""
    yield from _billed(company, "invoiced", life[-1].said)


def credit_note(company: Company, life: Sequence[State]) -> Iterator[Fact]:
    """What the customer no longer owes, under its reason."""
    said = life[-1].said
    yield from _billed(company, f"credited-{said.get('reason') or 'correction'}", said)


def _billed(company: Company, name: str, said: Mapping[str, Any]) -> Iterator[Fact]:
    """The lines, what the head says beyond them, and what is owed with tax."""
    if not said.get("issued_on"):
        return
    day = _day(said, "issued_on")
    yield from _lines(company, name, said, day, goods=name != "credited-allowance")
    net, tax, gross = (said.get(part) for part in ("net", "tax", "gross"))
    of_lines = _sum(map(_net, (said.get("lines") or {}).values()))
    net = net or (_sum([gross, tax], -1) if gross and tax else None)
    if net:
        yield _whole(company, name, said, day, _sum([net, of_lines], -1))
    yield _whole(company, "billable-" + name.partition("-")[0], said, day, gross or _sum([net or of_lines, tax]))


def payment(company: Company, life: Sequence[State]) -> Iterator[Fact]:
    """Cash and what it settles, on the day it counts; taken back on the day of its reversal."""
    said = life[-1].said
    if not said.get("amount") or not said.get("received_on"):
        return
    received, *later = (_day(said, name) for name in ("received_on", "cleared_on", "reversed_on"))
    promise, refund = said.get("instrument") in PROMISES, said.get("kind") == "refund"
    counts, back = (max(received, day) for day in later)
    counts = counts if promise else received
    if counts < LAST and counts <= back:
        yield from _cash(company, "refunded" if refund else "received", said, counts, back, said["amount"])
        rest = Fraction(said["amount"]["amount"])
        for money in (said.get("allocations") or {}).values():
            rest -= Fraction(money["amount"])
            yield from _cash(company, "applied", said, counts, back, money, -1 if refund else 1)
        name = "unallocated" if "allocations" in said else "on-account"
        yield from _cash(company, name, said, counts, back, said["amount"] | {"amount": rest}, -1 if refund else 1)


def _cash(
    company: Company, name: str, said: Mapping[str, Any], day: date, back: date, money: Mapping[str, Any], sign: int = 1
) -> Iterator[Fact]:
    fact = _whole(company, name, said, day, money)
    fact = fact._replace(under={**fact.under, "instrument": said.get("instrument") or "other"}, sign=sign)
    yield fact
    if back < LAST:
        yield fact._replace(day=back, sign=-sign)


def _day(said: Mapping[str, Any], name: str) -> date:
    return date.fromisoformat(said[name]) if said.get(name) else LAST


def _number(line: Mapping[str, Any], name: str) -> Fraction:
    return Fraction(line.get(name) or 0)


def _net(line: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a line says, else quantity × unit price − discount."""
    net, price = line.get("net"), line.get("unit_price")
    if net is None and price is not None and line.get("quantity") is not None:
        amount = Fraction(line["quantity"]) * Fraction(price["amount"])
        return {"currency": price["currency"], "amount": amount - _number(line.get("discount") or {}, "amount")}
    return dict(net) if net is not None else None


def _sum(amounts: Iterable[Mapping[str, Any] | None], sign: int = 1) -> dict[str, Any] | None:
    """The first amount and all others, or less all others."""
    known = [money for money in amounts if money is not None]
    rest = sum((Fraction(money["amount"]) for money in known[1:]), Fraction(0))
    return {**known[0], "amount": Fraction(known[0]["amount"]) + sign * rest} if known else None
