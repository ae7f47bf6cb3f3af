"""The ledger of the series that are forecast: won value and revenue, by business day."""

from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from shared.kernel.ledger import Ledger

WON_VALUE = "won-value"
REVENUE = "revenue"
SERIES = (WON_VALUE, REVENUE)


class SeriesDimensions(NamedTuple):
    """Where a figure of a series stands."""

    business_line: str | None
    related: bool
    """The customer is a related party: left out of the totals."""


class SeriesMeasures(NamedTuple):
    """What one fact adds, in base currency at the dated rate."""

    value: Decimal
    unconverted: int


POSTINGS = Ledger("series_postings", SeriesDimensions, SeriesMeasures)
LEDGERS = MappingProxyType({POSTINGS.name: POSTINGS})
