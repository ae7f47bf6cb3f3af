"""The lines of orders, shipments, returns and invoices: what a line is worth before tax, and its tax."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from shared.kernel.journal import State, Value
from shared.kernel.money import Money
from shared.sales.lookup import decimal, money

COLLECTIONS = frozenset({"lines", "allocations"})


@dataclass(slots=True)
class Line:
    """One line of a document. `net` is after discount and before tax; None if its value was not said. Never changed;
    not frozen, as an amount."""

    product: str | None
    quantity: Decimal
    unit: str | None
    net: Money | None
    tax: Money | None


def line(said: Mapping[str, Value]) -> Line:
    """Read a line. A net amount that was said wins over quantity × unit price − discount; a price without a quantity
    is worth nothing that is known."""
    quantity = decimal(said.get("quantity"))
    net = money(said.get("net"))
    price = money(said.get("unit_price"))
    if net is None and price is not None and quantity is not None:
        discount = money(said.get("discount"))
        gross = price.times(quantity)
        net = gross if discount is None else _less(gross, discount)
    product, unit = _text(said.get("product_id")), _text(said.get("unit"))
    return Line(product, quantity or Decimal(0), unit, net, money(said.get("tax")))


def _less(gross: Money, discount: Money) -> Money | None:
    """Two events may name two currencies for one line: then its value is not known."""
    return gross - discount if discount.currency == gross.currency else None


def _text(value: Value) -> str | None:
    return value if isinstance(value, str) else None


_COUNTED = ("confirmed", "fulfilled", None)
"""The states of an order that count; a source that says none sends only orders that count."""


def counts_as_ordered(said: State) -> bool:
    """Whether an order counts: drafts and cancelled ones do not."""
    return said.fields.get("status") in _COUNTED


def net_amounts(said: State) -> list[Money]:
    """What a document is worth before tax: its header's net if that was said, else its lines' as far as they say it."""
    header = money(said.fields.get("net"))
    if header is not None:
        return [header]
    nets = (line(entry).net for entry in said.entries("lines").values())
    return [net for net in nets if net is not None]
