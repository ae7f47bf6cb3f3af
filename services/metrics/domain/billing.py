"""What a document is worth as a whole: its header and its lines brought together, currency by currency.

A document has one currency; but two events about it may contradict each other, and then nothing is added up.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from shared.kernel.journal import State
from shared.kernel.money import EXACT, Money
from shared.sales.document import Line
from shared.sales.lookup import money

Totals = Mapping[str, Decimal]
"""By currency."""


@dataclass(frozen=True, slots=True)
class Bill:
    """The totals of one document."""

    net: Totals
    gross: Totals
    beyond_lines: Totals
    """What the header's net says beyond the lines: freight, rounding, lines that were not sent."""
    complete: bool
    """False if something of the document has no amount."""


def bill(said: State, lines: Sequence[Line]) -> Bill:
    """A header that was said wins over the sum of the lines; a gross amount is net and tax unless it was said."""
    of_lines = _totals(one.net for one in lines)
    net, tax, gross = (money(said.fields.get(name)) for name in ("net", "tax", "gross"))
    if net is None and gross is not None and tax is not None and gross.currency == tax.currency:
        net = gross - tax
    nets = of_lines if net is None else {net.currency: net.amount}
    taxes = _totals(one.tax for one in lines) if tax is None else {tax.currency: tax.amount}
    return Bill(
        net=nets,
        gross=_plus(nets, taxes) if gross is None else {gross.currency: gross.amount},
        beyond_lines={} if net is None else _minus(nets, of_lines),
        complete=net is not None or (bool(lines) and all(one.net is not None for one in lines)),
    )


def _totals(amounts: Iterable[Money | None]) -> dict[str, Decimal]:
    totals: dict[str, Decimal] = {}
    for one in amounts:
        if one is not None:
            before = totals.get(one.currency)
            totals[one.currency] = one.amount if before is None else EXACT.add(before, one.amount)
    return totals


def _plus(left: Totals, right: Totals) -> Totals:
    return _totals(Money(amount, currency) for totals in (left, right) for currency, amount in totals.items())


def _minus(left: Totals, right: Totals) -> Totals:
    return _plus(left, {currency: amount.copy_negate() for currency, amount in right.items()})
