"""From exact sums to the number that is told: parts, quotients, statistics. Rounding happens here, once, half-even."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from types import MappingProxyType

from services.metrics.domain.inquiry import View
from services.metrics.domain.kpis.declaration import Formula, Kpi, Measure, Part, Quotient
from shared.kernel.ledger import Ledger, Number
from shared.kernel.money import EXACT

Facts = Mapping[tuple[str, str], Number]
"""(fact, column) → its sum. A missing pair is zero."""

Parts = Mapping[str, Number]
"""Part name → its exact sum."""

Group = tuple[str | bool | None, ...]
"""The values of the dimensions of a row, in the order of the inquiry's `by`."""

_OF_VIEW = {View.BASE: "value", View.CONSTANT: "constant", View.ORIGINAL: "original"}
_UNCONVERTED = {View.BASE: ("unconverted",), View.CONSTANT: ("unconverted_constant",), View.ORIGINAL: ()}
_MONEY = frozenset({Measure.VALUE, Measure.VALUED, Measure.COST})


@dataclass(frozen=True, slots=True)
class Figure:
    """One number as it is told, with everything that makes it checkable."""

    value: Number | None
    """Rounded if it is a quotient; None where the KPI has no value."""
    parts: Parts
    """Exact."""
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """How much was estimated, unvalued, unconverted or uncosted; only what can be so for this KPI."""
    statistics: Mapping[str, Number | None] = field(default_factory=lambda: MappingProxyType({}))
    beside: Mapping[str, Number | None] = field(default_factory=lambda: MappingProxyType({}))
    unit: str | None = None
    """Unit of measure, where quantities are summed."""


def plus(left: Number, right: Number) -> Number:
    """The exact sum."""
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        return EXACT.add(Decimal(left), Decimal(right))
    return left + right


def times(left: Number, right: Number) -> Number:
    """The exact product."""
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        return EXACT.multiply(Decimal(left), Decimal(right))
    return left * right


def total(numbers: Iterable[Number]) -> Number:
    """The exact sum of any number of numbers."""
    result: Number = 0
    for number in numbers:
        result = plus(result, number)
    return result


def divided(numerator: Number, denominator: Number, digits: int) -> Decimal | None:
    """The quotient, rounded half-even to `digits` decimal places; None where it is not defined."""
    if not denominator:
        return None
    return rounded(EXACT.divide(Decimal(numerator), Decimal(denominator)), digits)


def rounded(number: Decimal, digits: int) -> Decimal:
    """Half-even to `digits` decimal places."""
    return number.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN, context=EXACT)


def columns_of(ledger: Ledger, measures: Iterable[Measure], view: View) -> frozenset[str]:
    """The columns of the ledger that these measures need, `days` for the histogram's own."""
    wanted: set[str] = set()
    for measure in measures:
        match measure:
            case Measure.COUNT:
                wanted.add(_count_of(ledger))
            case Measure.VALUE:
                wanted.add(_OF_VIEW[view])
            case Measure.VALUED:
                wanted |= {_count_of(ledger), "unvalued", *_UNCONVERTED[view]}
            case Measure.COST | Measure.QUANTITY | Measure.DAYS:
                wanted.add(measure.value)
    return frozenset(wanted)


def counted_columns(kpi: Kpi, ledger: Ledger, view: View) -> Mapping[str, str]:
    """What is told beside a number in money, by name: the column that counts it."""
    if not kpi.in_money:
        return {}
    counted = list[tuple[str, str]]()
    counted += [(name, name) for name in ("estimated", "unvalued") if name in ledger.measure_types]
    counted += [("unconverted", column) for column in _UNCONVERTED[view]]
    counted += [("uncosted", "uncosted")] if Measure.COST in kpi.measures else []
    return dict(counted)


def counted_parts(formula: Formula) -> tuple[Part, ...]:
    """Of a quotient the divisor: what stands in both is counted once."""
    return formula.denominator if isinstance(formula, Quotient) else formula.parts


def counted_facts(part: Part) -> frozenset[str]:
    """The facts of a part whose money could be missing."""
    return frozenset(term.fact for term in part.terms if term.measure in _MONEY)


def part_sum(part: Part, facts: Facts, view: View) -> Number:
    """The part: each of its facts added or taken away."""
    return total(times(term.sign, _measured(part.ledger, term.fact, term.measure, facts, view)) for term in part.terms)


def _measured(ledger: Ledger, fact: str, measure: Measure, facts: Facts, view: View) -> Number:
    if measure is Measure.VALUED:
        unknown = total(facts.get((fact, column), 0) for column in ("unvalued", *_UNCONVERTED[view]))
        return plus(facts.get((fact, _count_of(ledger)), 0), times(-1, unknown))
    (column,) = columns_of(ledger, (measure,), view)
    zero: Number = 0 if ledger.measure_types.get(column, int) is int else Decimal(0)
    return facts.get((fact, column), zero)


def _count_of(ledger: Ledger) -> str:
    """Every ledger's first measure counts."""
    return next(iter(ledger.measure_types))


def quotient(formula: Quotient, parts: Parts, digits: int) -> Decimal | None:
    """Both products exact, divided and rounded once."""
    return divided(_product(formula.numerator, parts), _product(formula.denominator, parts), digits)


def _product(factors: Iterable[Part], parts: Parts) -> Number:
    result: Number = 1
    for factor in factors:
        result = times(result, parts[factor.name])
    return result
