"""What a deal or a document adds to the series that are forecast; the same rules as the KPIs of the same names."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from services.forecast.domain.ledgers import POSTINGS, REVENUE, WON_VALUE, SeriesDimensions, SeriesMeasures
from shared.kernel.journal import Assertion, State, states
from shared.kernel.ledger import Balance, post
from shared.kernel.money import Money
from shared.sales import lookup
from shared.sales.company import Company
from shared.sales.deal import closing, deal_life, deal_value
from shared.sales.document import COLLECTIONS, counts_as_ordered, net_amounts
from shared.sales.references import View


def deal_cells(assertions: Sequence[Assertion], view: View, company: Company) -> Balance:
    """What a won deal says now, at the price and rate of the day on which its present win began."""
    life = deal_life(assertions, view, company)
    won = closing(life)
    cells: Balance = {}
    if won is not None and won.is_won:
        amount = deal_value(life[-1], view, won.day).amount
        _post(cells, WON_VALUE, won.day, life[-1].said, [] if amount is None else [amount], view, company)
    return cells


def order_cells(assertions: Sequence[Assertion], view: View, company: Company) -> Balance:
    """Net lines of an order that counts, on the day it was ordered."""
    lived = states(assertions, COLLECTIONS)
    said = lived[-1]
    cells: Balance = {}
    if not said.ended and counts_as_ordered(said):
        day = lookup.day_of(said.fields.get("ordered_on")) or company.calendar.day(lived[0].since)
        _post(cells, REVENUE, day, said, net_amounts(said), view, company)
    return cells


def return_cells(assertions: Sequence[Assertion], view: View, company: Company) -> Balance:
    """Returned goods take back revenue on the day on which they came back."""
    return _taken_back("returned_on", assertions, view, company)


def credit_note_cells(assertions: Sequence[Assertion], view: View, company: Company) -> Balance:
    """Only an allowance takes back revenue by itself: returned goods have a return, a correction has its order."""
    said = states(assertions, COLLECTIONS)[-1]
    return _taken_back("issued_on", assertions, view, company) if said.text("reason") == "allowance" else {}


def _taken_back(dated_by: str, assertions: Sequence[Assertion], view: View, company: Company) -> Balance:
    said = states(assertions, COLLECTIONS)[-1]
    day = lookup.day_of(said.fields.get(dated_by))
    cells: Balance = {}
    if not said.ended and day is not None:
        _post(cells, REVENUE, day, said, [-amount for amount in net_amounts(said)], view, company)
    return cells


def _post(
    cells: Balance, series: str, day: date, said: State, amounts: Iterable[Money], view: View, company: Company
) -> None:
    buyer = lookup.buyer_of(view, said.text("customer_id"), day)
    dimensions = SeriesDimensions(said.text("business_line"), buyer.related)
    for amount in amounts:
        base = lookup.converted(view, amount, company, day).base
        measures = SeriesMeasures(Decimal(0) if base is None else base, int(base is None))
        post(cells, (POSTINGS.name, day, series, dimensions), measures)
