"""Totals and quotients: figures put together from the exact sums of their parts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from services.metrics.domain.balance import ZERO, balance
from services.metrics.domain.figures import (
    Facts,
    Figure,
    Group,
    counted_columns,
    counted_facts,
    counted_parts,
    divided,
    part_sum,
    quotient,
    total,
)
from services.metrics.domain.histogram import durations
from services.metrics.domain.inquiry import Inquiry
from services.metrics.domain.kpis.declaration import Balances, Beside, Distinct, Durations, Quotient, Total, Unit
from services.metrics.domain.spans import Span
from services.metrics.queries.parts import Pipelines, read_parts
from services.metrics.queries.sums import question_of, read_bounds
from shared.kernel.errors import Fault, InvalidInputError
from shared.kernel.ledger import Number
from shared.storage.database import Reader

_UNIT = "unit"
_Counting = Mapping[str, Sequence[tuple[str, tuple[str, str]]]]
"""What is counted beside the number → the parts, facts and columns that it is added up from."""
_NO_SUMS: Mapping[str, Facts] = {}


async def read_quotients(
    reader: Reader, inquiry: Inquiry, spans: Sequence[Span], pipelines: Pipelines
) -> dict[tuple[int, Group], Figure]:
    """A figure for each span and slice in which anything stands."""
    parts = (*inquiry.formula.parts, *(beside.part for beside in inquiry.kpi.beside))
    by_unit = inquiry.kpi.unit is Unit.UNITS and _UNIT not in inquiry.by
    series = await read_parts(reader, inquiry, parts, spans, pipelines, by=(_UNIT,) if by_unit else ())
    days = await _days(reader, inquiry, spans)
    counting = _counting(inquiry)
    figures = {
        (place, group): _figure(inquiry, sums, days.get(place), counting)
        for (place, group), sums in series.items()
        if any(any(facts.values()) for facts in sums.values())
    }
    return _one_unit(figures) if by_unit else figures


def nothing(inquiry: Inquiry) -> Figure:
    """The figure of a slice in which nothing stands."""
    match inquiry.formula:
        case Total() | Quotient():
            return _figure(inquiry, _NO_SUMS, None, _counting(inquiry))
        case Durations():
            return durations({}, inquiry.kpi.digits)
        case Distinct():
            return Figure(0, {})
        case Balances(side):
            return balance(side, (), ZERO, 0)


def _figure(inquiry: Inquiry, sums: Mapping[str, Facts], days: int | None, counting: _Counting) -> Figure:
    kpi, view, formula = inquiry.kpi, inquiry.asked.view, inquiry.formula
    assert isinstance(formula, Total | Quotient)  # noqa: S101 - the others are read elsewhere
    parts = {part.name: part_sum(part, sums.get(part.name, {}), view) for part in formula.parts}
    value = quotient(formula, parts, kpi.digits) if isinstance(formula, Quotient) else parts[formula.part.name]
    beside = {one.part.name: _beside(inquiry, one, sums, days) for one in kpi.beside}
    counts = {name: int(total(sums.get(p, {}).get(at, 0) for p, at in places)) for name, places in counting.items()}
    return Figure(value, parts, counts, beside=beside)


def _beside(inquiry: Inquiry, beside: Beside, sums: Mapping[str, Facts], days: int | None) -> Number | None:
    amount = part_sum(beside.part, sums.get(beside.part.name, {}), inquiry.asked.view)
    return divided(amount, days or 0, inquiry.kpi.digits) if beside.per_day_since else amount


def _counting(inquiry: Inquiry) -> _Counting:
    """Each fact once, however many parts it stands in. The same for all rows."""
    part_of = {fact: part for part in counted_parts(inquiry.formula) for fact in counted_facts(part)}
    counting: dict[str, list[tuple[str, tuple[str, str]]]] = {}
    for fact, part in part_of.items():
        columns = counted_columns(inquiry.kpi, part.ledger, inquiry.asked.view)
        for name, column in columns.items():
            counting.setdefault(name, []).append((part.name, (fact, column)))
    return counting


async def _days(reader: Reader, inquiry: Inquiry, spans: Sequence[Span]) -> dict[int, int]:
    """By how many days a number beside is divided; nothing for a span before all history."""
    beside = next((one for one in inquiry.kpi.beside if one.per_day_since), None)
    if beside is None:
        return {}
    if inquiry.asked.window is not None:
        return dict.fromkeys(range(len(spans)), inquiry.asked.window)
    facts = (beside.per_day_since, *beside.part.facts)
    question = question_of(inquiry, beside.part.ledger, facts, start=None, end=spans[-1].last)
    bounds = await read_bounds(reader, question)
    if bounds is None:
        return {}
    ends = [(span.end or bounds[1]) for span in spans]
    return {place: (end - bounds[0]).days + 1 for place, end in enumerate(ends) if end >= bounds[0]}


def _one_unit(figures: Mapping[tuple[int, Group], Figure]) -> dict[tuple[int, Group], Figure]:
    """Take the unit of measure out of the slices. Raises InvalidInputError where unlike ones would be summed."""
    told: dict[tuple[int, Group], Figure] = {}
    for (place, (*group, unit)), figure in figures.items():
        key = place, tuple(group)
        if key in told:
            units = ", ".join(sorted(str(one or "none") for one in (told[key].unit, unit)))
            raise InvalidInputError(
                f"Unlike units of measure cannot be summed ({units}, and maybe more).",
                faults=[Fault("by", "add unit, or filter=unit:<unit>")],
            )
        told[key] = replace(figure, unit=None if unit is None else str(unit))
    return told
