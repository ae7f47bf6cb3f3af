"""KPIs of orders, shipments, returns, invoices and credit notes: revenue, volume and gross profit."""

from collections.abc import Mapping
from types import MappingProxyType

from services.metrics.domain.kpis.declaration import (
    Better,
    Distinct,
    Formula,
    Kpi,
    Measure,
    Part,
    Quotient,
    Term,
    Title,
    Total,
    Unit,
)
from services.metrics.domain.ledgers import TRADE

_DOCUMENTS = (
    "member", "team", "manager", "region", "customer", "sector", "channel", "business_line", "currency",
)  # fmt: skip
_LINES = (*_DOCUMENTS, "product", "category", "unit")

_RETURNS = {"ordered": "returned", "shipped": "returned", "invoiced": "credited-return"}
"""By basis: the fact that takes goods back."""

_CREDITS = {
    "ordered": ("credited-allowance",),
    "shipped": ("credited-allowance",),
    "invoiced": ("credited-allowance", "credited-correction"),
}
"""By basis: what lowers the price and moves no goods."""

_BASES = (
    "`basis=ordered` (default): confirmed orders by order date; `shipped`: by shipping date; `invoiced`: by date of "
    "issue. Cancelled orders are out."
)
_AMOUNTS = (
    "0 where there is nothing. Lines without an amount are left out and counted as `unvalued`, those without an "
    "exchange rate as `unconverted`."
)


def _revenue(basis: str) -> tuple[Term, ...]:
    return (
        Term(1, basis, Measure.VALUE),
        Term(-1, _RETURNS[basis], Measure.VALUE),
        *(Term(-1, fact, Measure.VALUE) for fact in _CREDITS[basis]),
    )


def _gross_profit(basis: str) -> tuple[Term, ...]:
    costs = (Term(-1, basis, Measure.COST), Term(1, _RETURNS[basis], Measure.COST))
    return (*_revenue(basis), *costs)


def _volume(basis: str) -> tuple[Term, ...]:
    return Term(1, basis, Measure.QUANTITY), Term(-1, _RETURNS[basis], Measure.QUANTITY)


def _rate(basis: str) -> Formula:
    profit = Part("gross-profit", TRADE, _gross_profit(basis))
    return Quotient((profit,), (Part("revenue", TRADE, _revenue(basis)),))


def _total(name: str, terms: Mapping[str, tuple[Term, ...]]) -> Mapping[str, Formula]:
    return MappingProxyType({basis: Total(Part(name, TRADE, of)) for basis, of in terms.items()})


KPIS: tuple[Kpi, ...] = (
    Kpi(
        slug="order-count",
        title=Title("Orders", "订单数"),
        unit=Unit.COUNT,
        better=Better.UP,
        formulas=MappingProxyType(
            {"": Total(Part("orders", TRADE, (Term(1, "order", Measure.COUNT),)))},
        ),
        words="Confirmed orders by order date; cancelled ones are out.",
        null_rule="0 where there is nothing.",
        dimensions=_DOCUMENTS,
    ),
    Kpi(
        slug="active-customers",
        title=Title("Active customers", "活跃客户数"),
        unit=Unit.COUNT,
        better=Better.UP,
        formulas=MappingProxyType(
            {"": Distinct(Part("orders", TRADE, (Term(1, "order", Measure.COUNT),)), of="customer")},
        ),
        words="Customers with at least one confirmed order in the period, by order date, each counted once; merged "
        "customers are one. Neither periods nor slices add up.",
        null_rule="0 where there is nothing. Orders without a customer count nobody.",
        dimensions=tuple(name for name in _DOCUMENTS if name != "customer"),
    ),
    Kpi(
        slug="revenue",
        title=Title("Revenue", "销售额"),
        unit=Unit.MONEY,
        better=Better.UP,
        formulas=_total("revenue", {basis: _revenue(basis) for basis in _RETURNS}),
        words="Σ lines, net of tax and discounts, less returns and allowances, each by its own date, at the rate of "
        f"that day. {_BASES} On the basis `invoiced` all credit notes are taken off, on the others returns as they "
        "come back and credit notes for allowances.",
        null_rule=_AMOUNTS,
        dimensions=_LINES,
    ),
    Kpi(
        slug="volume",
        title=Title("Volume", "销售量"),
        unit=Unit.UNITS,
        better=Better.UP,
        formulas=_total("volume", {basis: _volume(basis) for basis in _RETURNS}),
        words=f"Σ units net of returns. {_BASES}",
        null_rule="0 where there is nothing. Unlike units are never summed: slice by `unit`, or filter to one.",
        dimensions=_LINES,
    ),
    Kpi(
        slug="gross-profit",
        title=Title("Gross profit", "毛利"),
        unit=Unit.MONEY,
        better=Better.UP,
        formulas=_total("gross-profit", {basis: _gross_profit(basis) for basis in _RETURNS}),
        words=f"Revenue − Σ units × dated unit cost, the cost of returned goods given back. {_BASES}",
        null_rule=f"{_AMOUNTS} Lines without a known cost count in full and are counted as `uncosted`.",
        dimensions=_LINES,
    ),
    Kpi(
        slug="gross-profit-rate",
        title=Title("Gross profit rate", "毛利率"),
        unit=Unit.RATIO,
        better=Better.UP,
        formulas=MappingProxyType({basis: _rate(basis) for basis in _RETURNS}),
        words=f"Gross profit ÷ revenue. {_BASES}",
        null_rule="No value where the revenue is 0. Counts as for the two.",
        dimensions=_LINES,
        digits=10,
    ),
)
