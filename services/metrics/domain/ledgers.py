"""The ledgers of the metrics service: one per family of facts, its dimensions and measures as typed columns.

Amounts stand three times: in base currency at the dated rate (`value`), at the constant rate (`constant`), and as the
source said them (`original`, a sum only within one `currency`). What has no rate yet is counted, never zero.
"""

from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from shared.kernel.ledger import Ledger


class DealDimensions(NamedTuple):
    """Where a deal's fact stands."""

    pipeline: str
    stage: str
    member: str | None
    team: str | None
    manager: str | None
    region: str | None
    product: str | None
    category: str | None
    customer: str | None
    sector: str | None
    channel: str | None
    business_line: str | None
    currency: str | None
    related: bool
    """The customer is a related party: left out of totals unless asked for."""
    days: int | None
    """Whole days from created to closed; facts `won` and `lost` only, so that medians are exact."""


class DealMeasures(NamedTuple):
    """What a deal's fact adds."""

    deals: int
    value: Decimal
    constant: Decimal
    original: Decimal
    estimated: int
    """Valued from the price list, because the source said no amount."""
    unvalued: int
    """Neither the source nor a price list says an amount."""
    unconverted: int
    """No exchange rate on the day of the fact."""
    unconverted_constant: int
    """No exchange rate on the day of the constant rate."""


class TradeDimensions(NamedTuple):
    """Where a fact of an order, shipment, return, invoice or credit note stands."""

    document: str
    """The kind of document that said it: order, shipment, return, invoice, credit-note."""
    member: str | None
    team: str | None
    manager: str | None
    region: str | None
    product: str | None
    category: str | None
    customer: str | None
    sector: str | None
    channel: str | None
    business_line: str | None
    currency: str | None
    unit: str | None
    """Unit of measure of `quantity`: unlike units are never summed."""
    related: bool


class TradeMeasures(NamedTuple):
    """What a document, or one of its lines, adds."""

    documents: int
    quantity: Decimal
    value: Decimal
    constant: Decimal
    original: Decimal
    cost: Decimal
    """Cost of goods in base currency, at the dated unit cost."""
    unvalued: int
    unconverted: int
    unconverted_constant: int
    uncosted: int
    """Lines without a known cost."""


class CashDimensions(NamedTuple):
    """Where a payment's fact stands."""

    instrument: str
    member: str | None
    team: str | None
    manager: str | None
    region: str | None
    customer: str | None
    sector: str | None
    channel: str | None
    business_line: str | None
    currency: str | None
    document: str | None
    """The invoice or order that the cash is allocated to; None is on account."""
    related: bool


class CashMeasures(NamedTuple):
    """What a payment adds."""

    payments: int
    value: Decimal
    constant: Decimal
    original: Decimal
    unconverted: int
    unconverted_constant: int


DEALS = Ledger("deal_postings", DealDimensions, DealMeasures)
TRADE = Ledger("trade_postings", TradeDimensions, TradeMeasures)
CASH = Ledger("cash_postings", CashDimensions, CashMeasures)
LEDGERS = MappingProxyType({ledger.name: ledger for ledger in (DEALS, TRADE, CASH)})
