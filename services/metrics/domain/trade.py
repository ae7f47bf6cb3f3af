"""What the documents of an order post: what was ordered, shipped, returned, invoiced and credited, line by line.

Facts by line: ordered, shipped, returned, invoiced, credited-return, credited-allowance, credited-correction.
Facts by document: order (its total, net), billable-shipped, billable-returned, billable-invoiced, billable-credited
(with tax: what the customer owes). All are positive: a KPI subtracts what came back.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Literal, NamedTuple

from services.metrics.domain.billing import Totals, bill
from services.metrics.domain.ledgers import TRADE, TradeDimensions, TradeMeasures
from services.metrics.domain.placing import NOTHING, ZERO, Places, Worth
from shared.kernel.journal import Assertion, State, states
from shared.kernel.ledger import Balance, post
from shared.kernel.money import EXACT, Money
from shared.sales import lookup
from shared.sales.company import Company
from shared.sales.document import COLLECTIONS, Line, counts_as_ordered, line
from shared.sales.references import Key, View

DocumentKind = Literal["order", "shipment", "return", "invoice", "credit-note"]

_REASONS = {"return": "credited-return", "allowance": "credited-allowance"}


def order_cells(assertions: Sequence[Assertion], view: View, company: Company) -> Balance:
    """An order counts on the day it was ordered, else on the business day of its first event."""
    lived = states(assertions, COLLECTIONS)
    said = lived[-1]
    if said.ended or not counts_as_ordered(said):
        return {}
    day = lookup.day_of(said.fields.get("ordered_on")) or company.calendar.day(lived[0].since)
    document = _Document("order", said, day, Places(view, company))
    document.post_lines("ordered")
    total = bill(said, document.lines)
    document.post_total("order", total.net, complete=total.complete)
    return document.cells


def shipment_cells(assertions: Sequence[Assertion], view: View, company: Company) -> Balance:
    """Goods count when they left; a shipment without that day has not left yet."""
    return _movement("shipment", "shipped_on", "shipped", assertions, view, company)


def return_cells(assertions: Sequence[Assertion], view: View, company: Company) -> Balance:
    """Goods count as returned when they came back."""
    return _movement("return", "returned_on", "returned", assertions, view, company)


def invoice_cells(assertions: Sequence[Assertion], view: View, company: Company) -> Balance:
    """An invoice counts when it is issued; one without that day is a draft."""
    document = _dated("invoice", "issued_on", assertions, view, company)
    return {} if document is None else _billed(document, "invoiced", "billable-invoiced")


def credit_note_cells(assertions: Sequence[Assertion], view: View, company: Company) -> Balance:
    """A credit note counts when it is issued, under its reason; one that says none corrects.

    An allowance takes back money and no goods: it has neither quantity nor cost.
    """
    document = _dated("credit-note", "issued_on", assertions, view, company)
    if document is None:
        return {}
    fact = _REASONS.get(document.said.text("reason") or "", "credited-correction")
    return _billed(document, fact, "billable-credited", goods=fact != "credited-allowance")


def _billed(document: "_Document", fact: str, billable: str, *, goods: bool = True) -> Balance:
    total = bill(document.said, document.lines)
    document.post_lines(fact, goods=goods)
    document.post_beyond_lines(fact, total.beyond_lines)
    document.post_total(billable, total.gross, complete=total.complete)
    return document.cells


def _movement(
    kind: DocumentKind, dated_by: str, fact: str, assertions: Sequence[Assertion], view: View, company: Company
) -> Balance:
    document = _dated(kind, dated_by, assertions, view, company)
    if document is None:
        return {}
    total = bill(document.said, document.lines)
    document.post_lines(fact)
    document.post_total(f"billable-{fact}", total.gross, complete=total.complete)
    return document.cells


def _dated(
    kind: DocumentKind, dated_by: str, assertions: Sequence[Assertion], view: View, company: Company
) -> "_Document | None":
    said = states(assertions, COLLECTIONS)[-1]
    day = lookup.day_of(said.fields.get(dated_by))
    return None if said.ended or day is None else _Document(kind, said, day, Places(view, company))


class _Document:
    """One document as it stands now, and the cells that it posts on its business day."""

    def __init__(self, kind: DocumentKind, said: State, day: date, places: Places) -> None:
        self.said = said
        self.cells: Balance = {}
        self.lines: list[Line] = [line(entry) for entry in said.entries("lines").values()]
        self._day = day
        self._places = places
        buyer = places.buyer(said.text("customer_id"), day)
        seat = places.seat(places.responsible(said.text("owner_id"), buyer.customer, day), day)
        self._kind = kind
        self._seat = seat
        self._buyer = buyer
        self._channel = places.channel(said.text("channel_id"), buyer.customer, day)
        self._business_line = said.text("business_line")

    def _dimensions(
        self, currency: str | None, product: str | None = None, category: str | None = None, unit: str | None = None
    ) -> TradeDimensions:
        """Those of the document, and what one of its facts says beside them."""
        return TradeDimensions(
            self._kind,
            *self._seat,
            product,
            category,
            self._buyer.customer,
            self._buyer.sector,
            self._channel,
            self._business_line,
            currency,
            unit,
            self._buyer.related,
        )

    def post_lines(self, fact: str, *, goods: bool = True) -> None:
        """Each line: its goods, what those had cost, and its net amount."""
        for one in self.lines:
            moved = self._goods(one) if goods else _NO_GOODS
            worth = NOTHING if one.net is None else self._places.worth(one.net, self._day)
            category = self._places.category(one.product, self._day)
            currency = None if one.net is None else one.net.currency
            dimensions = self._dimensions(currency, one.product, category, moved.unit)
            self._post(fact, dimensions, worth, moved, unvalued=int(one.net is None))

    def post_beyond_lines(self, fact: str, amounts: Totals) -> None:
        """What only the header says, as a line without a product."""
        for currency, amount in amounts.items():
            worth = self._places.worth(Money(amount, currency), self._day)
            self._post(fact, self._dimensions(currency), worth)

    def post_total(self, fact: str, totals: Totals, *, complete: bool) -> None:
        """The document as one; if it contradicts itself in its currency, it is counted in the first of them."""
        documents, unvalued = 1, int(not complete)
        for currency, amount in sorted(totals.items()):
            worth = self._places.worth(Money(amount, currency), self._day)
            self._post(fact, self._dimensions(currency), worth, documents=documents, unvalued=unvalued)
            documents = unvalued = 0
        if documents:
            self._post(fact, self._dimensions(None), NOTHING, documents=documents, unvalued=unvalued)

    def _goods(self, one: Line) -> "_Goods":
        """Quantity in the product's own unit where a factor is known, and its cost at the unit cost of the day."""
        if one.product is None:
            return _Goods(one.quantity, one.unit, ZERO, uncosted=int(bool(one.quantity)))
        quantity, unit, in_own_unit = self._quantity(one, one.product)
        if not quantity:
            return _Goods(quantity, unit, ZERO, uncosted=0)
        cost = lookup.cost_of(self._places.view, one.product, self._day) if in_own_unit else None
        if cost is None:
            return _Goods(quantity, unit, ZERO, uncosted=1)
        worth = self._places.worth(cost.times(quantity), self._day)
        return _Goods(quantity, unit, worth.value, uncosted=worth.unconverted)

    def _quantity(self, one: Line, product: str) -> tuple[Decimal, str | None, bool]:
        """In the product's own unit if that is known or needs no factor, else as it was said."""
        view, day = self._places.view, self._day
        own = lookup.unit_of(view, product, day)
        if own is None or one.unit is None or one.unit == own:
            return one.quantity, one.unit or own, True
        factor = lookup.decimal(view.value(Key("product", product), f"conversions.{one.unit}.factor", day))
        return (one.quantity, one.unit, False) if factor is None else (EXACT.multiply(one.quantity, factor), own, True)

    def _post(
        self, fact: str, dimensions: TradeDimensions, worth: Worth, goods: "_Goods | None" = None, *,
        documents: int = 0, unvalued: int = 0,
    ) -> None:  # fmt: skip
        moved = goods or _NO_GOODS
        measures = TradeMeasures(
            documents,
            moved.quantity,
            worth.value,
            worth.constant,
            worth.original,
            moved.cost,
            unvalued,
            worth.unconverted,
            worth.unconverted_constant,
            moved.uncosted,
        )
        post(self.cells, (TRADE.name, self._day, fact, dimensions), measures)


class _Goods(NamedTuple):
    quantity: Decimal
    unit: str | None
    cost: Decimal
    """In base currency."""
    uncosted: int


_NO_GOODS = _Goods(ZERO, None, ZERO, 0)
