"""What a KPI is, as data. A number is made of parts, each a pure sum over postings; a formula says how they combine.

Nothing here is rounded: quotients are divided when read, from exact numerators and denominators.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from shared.kernel.ledger import Ledger


class Kind(StrEnum):
    """How a number rolls up over time and slices."""

    ADDITIVE = "additive"
    """A sum of what happened in the period."""
    RATIO = "ratio"
    """Products of sums, divided when read."""
    STOCK = "stock"
    """What is there on the evening of the period's last day."""
    DISTINCT = "distinct"
    """How many took part in the period, each once: neither periods nor slices add up."""
    DURATION = "duration"
    """Mean, median and p90 of a histogram."""
    BALANCE = "balance"
    """A stock netted for each customer before it is summed."""


class Unit(StrEnum):
    """What the value counts."""

    COUNT = "count"
    MONEY = "money"
    RATIO = "ratio"
    DAYS = "days"
    UNITS = "units"
    MONEY_PER_DAY = "money/day"


class Better(StrEnum):
    """Which direction is good news."""

    UP = "up"
    DOWN = "down"


class Measure(StrEnum):
    """What of a fact is summed."""

    COUNT = "count"
    """Deals, documents or payments."""
    VALUE = "value"
    """Money, in the currency view that was asked for."""
    VALUED = "valued"
    """Those of the count that have a value in that view: an unknown amount is not zero."""
    COST = "cost"
    """Cost of goods, base currency only."""
    QUANTITY = "quantity"
    DAYS = "days"
    """Whole days from created to closed, times deals."""


class Reach(StrEnum):
    """Which postings belong to a period."""

    WITHIN = "within"
    """Those of its days."""
    UNTIL = "until"
    """All up to its last day: a running sum."""
    WINDOW = "window"
    """Those of the `window` that ends with it; without a window all up to its last day."""


class Term(NamedTuple):
    """One fact's measure, added or taken away."""

    sign: int
    fact: str
    measure: Measure


@dataclass(frozen=True, slots=True)
class Part:
    """A pure sum over the postings of one ledger."""

    name: str
    ledger: Ledger
    terms: tuple[Term, ...]
    reach: Reach = Reach.WITHIN
    past_first_stage: bool = False
    """Only deals in a stage after the first one of their pipeline."""

    @property
    def facts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(term.fact for term in self.terms))

    @property
    def measures(self) -> frozenset[Measure]:
        return frozenset(term.measure for term in self.terms)


@dataclass(frozen=True, slots=True)
class Total:
    """The part itself."""

    part: Part

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self.part,)


@dataclass(frozen=True, slots=True)
class Quotient:
    """The product of some parts over the product of others; nothing where the divisor is zero."""

    numerator: tuple[Part, ...]
    denominator: tuple[Part, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        """Each part once, numerators first."""
        return tuple({part.name: part for part in (*self.numerator, *self.denominator)}.values())


@dataclass(frozen=True, slots=True)
class Durations:
    """The histogram of `days` of the closings of one fact."""

    deals: Part
    days: Part

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self.days, self.deals)


@dataclass(frozen=True, slots=True)
class Distinct:
    """How many members of a dimension have more than nothing of the part. What has no member counts nobody."""

    part: Part
    of: str
    """The dimension whose members are counted."""

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self.part,)


class Side(StrEnum):
    """Which customers of a balance count."""

    RECEIVABLE = "receivable"
    """Those who owe."""
    PREPAYMENT = "prepayment"
    """Those who paid ahead."""


@dataclass(frozen=True, slots=True)
class Balances:
    """What was billed less what was settled, netted for each customer and currency, one side of it.

    Who owes is decided in the currency of the documents: who has paid all owes nothing, whatever the rates did.
    """

    side: Side
    billed: Part
    settled: Part
    unclaimed: Part
    """Cash that no customer's account has taken up: always a prepayment."""

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self.billed, self.settled, self.unclaimed)


Formula = Total | Quotient | Durations | Distinct | Balances


@dataclass(frozen=True, slots=True)
class Beside:
    """A number that stands beside the value and is no part of it."""

    part: Part
    per_day_since: str = ""
    """Divided by the days of the window; without one by all days since this fact first happened."""


class Title(NamedTuple):
    """A short name for people."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kpi:
    """One business number, declared once."""

    slug: str
    title: Title
    unit: Unit
    better: Better
    formulas: Mapping[str, Formula]
    """By basis; a KPI without that parameter has one formula under "" ."""
    words: str
    """The formula for people."""
    null_rule: str
    """When there is no value, and what is left out."""
    dimensions: tuple[str, ...]
    revision: int = 1
    """Counts changes of the formula: a new one is built beside the old one."""
    beside: tuple[Beside, ...] = ()
    sliced_by: tuple[str, ...] = ()
    """Dimensions over which it must not be summed: always in the rows, or filtered to one value."""
    digits: int = 0
    """Decimal places to which a quotient is rounded, half-even, once, when it is told; sums are exact."""
    basis_setting: bool = False
    """The default basis is the company's own choice."""

    @property
    def kind(self) -> Kind:
        """As its formula is built."""
        match self.any_formula:
            case Total(part):
                return Kind.STOCK if part.reach is Reach.UNTIL else Kind.ADDITIVE
            case Quotient():
                return Kind.RATIO
            case Durations():
                return Kind.DURATION
            case Distinct():
                return Kind.DISTINCT
            case Balances():
                return Kind.BALANCE

    @property
    def any_formula(self) -> Formula:
        """The formula of the first basis; all bases are built alike."""
        return next(iter(self.formulas.values()))

    @property
    def bases(self) -> tuple[str, ...]:
        """What the parameter `basis` may be, the usual default first; empty if there is no such choice."""
        return tuple(basis for basis in self.formulas if basis)

    @property
    def measures(self) -> frozenset[Measure]:
        """Everything that its formulas sum."""
        return frozenset(m for f in self.formulas.values() for part in f.parts for m in part.measures)

    @property
    def in_money(self) -> bool:
        """Whether a currency view means anything for it."""
        return bool(self.measures & {Measure.VALUE, Measure.COST})

    @property
    def base_currency_only(self) -> bool:
        """Costs are kept in base currency only."""
        return Measure.COST in self.measures

    @property
    def has_window(self) -> bool:
        """Whether a part of it can be limited to a window before the period's end."""
        return any(part.reach is Reach.WINDOW for part in self.any_formula.parts)
