"""The answer to an inquiry: its spans, a figure for each span and slice, and what it is compared with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.metrics.domain.figures import Figure, Group
from services.metrics.domain.histogram import durations
from services.metrics.domain.inquiry import Inquiry
from services.metrics.domain.kpis.declaration import Balances, Distinct, Durations, Quotient, Total
from services.metrics.domain.spans import Edges, Span, compared, count, cut, whole
from services.metrics.queries.balances import read_balances
from services.metrics.queries.quotients import nothing, read_quotients
from services.metrics.queries.sums import question_of, read_bounds, read_distinct, read_histograms
from shared.kernel.errors import TooLargeError
from shared.kernel.period import Period
from shared.sales.company import Company
from shared.storage.database import Reader

MOST_ROWS = 20_000
"""Rows of one answer."""

_TOO_LARGE = f"The answer would have more than {MOST_ROWS} rows: ask for a shorter range, a coarser grain or a filter."

Figures = dict[tuple[int, Group], Figure]
"""(index of the span, slice) → figure."""


@dataclass(frozen=True, slots=True)
class Row:
    """One number of an answer."""

    span: Span
    group: Group
    figure: Figure
    beside: tuple[Span, Figure] | None = None
    """What it is compared with."""


async def read_answer(reader: Reader, inquiry: Inquiry, company: Company) -> list[Row]:
    """The rows by span, then by slice. Without dimensions there is one for each span; with them, slices in which
    nothing stands are left out. Raises InvalidInputError for a sum of unlike units, TooLargeError for too many rows.
    """
    spans = await _spans(reader, inquiry, company)
    if not spans:
        return []
    figures = await read_figures(reader, inquiry, spans, company)
    rows = [Row(spans[place], group, figure) for (place, group), figure in figures.items()]
    if inquiry.asked.compare is not None:
        rows = await _compared(reader, inquiry, company, spans, figures)
    if len(rows) > MOST_ROWS:
        raise TooLargeError(_TOO_LARGE)
    return sorted(rows, key=_order)


async def read_figure(reader: Reader, inquiry: Inquiry, company: Company) -> Figure:
    """The one number of an inquiry without dimensions, grain or comparison."""
    span = whole(inquiry.asked.start, inquiry.asked.end)
    return (await read_figures(reader, inquiry, [span], company))[0, ()]


async def read_figures(reader: Reader, inquiry: Inquiry, spans: Sequence[Span], company: Company) -> Figures:
    """A figure for each span and slice; the spans follow one another."""
    match inquiry.formula:
        case Total() | Quotient():
            figures = await read_quotients(reader, inquiry, spans, company.pipelines.stages)
        case Durations():
            figures = await _durations(reader, inquiry, inquiry.formula, spans)
        case Distinct():
            figures = await _distinct(reader, inquiry, inquiry.formula, spans)
        case Balances():
            figures = await read_balances(reader, inquiry, inquiry.formula, spans)
    if not inquiry.by:
        for place in range(len(spans)):
            figures.setdefault((place, ()), nothing(inquiry))
    return figures


async def _durations(reader: Reader, inquiry: Inquiry, formula: Durations, spans: Sequence[Span]) -> Figures:
    edges = Edges.of(spans)
    deals = formula.deals
    question = question_of(inquiry, deals.ledger, deals.facts, start=spans[0].start, end=spans[-1].last)
    histograms = await read_histograms(reader, question, edges.thresholds)
    return {
        (edges.place_of[bucket], group): durations(histogram, inquiry.kpi.digits)
        for (bucket, group), histogram in histograms.items()
        if bucket in edges.place_of
    }


async def _distinct(reader: Reader, inquiry: Inquiry, formula: Distinct, spans: Sequence[Span]) -> Figures:
    edges = Edges.of(spans)
    part = formula.part
    question = question_of(inquiry, part.ledger, part.facts, start=spans[0].start, end=spans[-1].last)
    counts = await read_distinct(reader, question, formula.of, edges.thresholds)
    return {
        (edges.place_of[bucket], group): Figure(count, {})
        for (bucket, group), count in counts.items()
        if bucket in edges.place_of
    }


async def _spans(reader: Reader, inquiry: Inquiry, company: Company) -> list[Span]:
    asked, calendar = inquiry.asked, company.calendar
    if asked.grain is None:
        return [whole(asked.start, asked.end)]
    start, end = asked.start, asked.end
    if start is None or end is None:
        bounds = await _bounds(reader, inquiry)
        if bounds is None:
            return []
        start, end = start or bounds.start, end or bounds.end
        if end < start:
            return []
    period = Period(start, end)
    if count(calendar, period, asked.grain) > MOST_ROWS:
        raise TooLargeError(_TOO_LARGE)
    return cut(calendar, period, asked.grain)


async def _bounds(reader: Reader, inquiry: Inquiry) -> Period | None:
    """From the first to the last day on which anything of the formula's parts stands."""
    found = []
    for part in inquiry.formula.parts:
        question = question_of(
            inquiry, part.ledger, part.facts, start=inquiry.asked.start, end=whole(None, inquiry.asked.end).last
        )
        found.append(await read_bounds(reader, question))
    days = [bounds for bounds in found if bounds is not None]
    return Period(min(first for first, _ in days), max(last for _, last in days)) if days else None


async def _compared(
    reader: Reader, inquiry: Inquiry, company: Company, spans: Sequence[Span], figures: Figures
) -> list[Row]:
    assert inquiry.asked.compare is not None  # noqa: S101
    beside = compared(company.calendar, spans, inquiry.asked.grain, inquiry.asked.compare)
    others = sorted({span.key: span for span in beside}.values(), key=lambda span: span.key)
    place_of = {span.key: place for place, span in enumerate(others)}
    theirs = await read_figures(reader, inquiry, others, company)
    rows = []
    for place, (span, other) in enumerate(zip(spans, beside, strict=True)):
        at = place_of[other.key]
        for group in _groups(figures, place) | _groups(theirs, at):
            mine, that = figures.get((place, group)), theirs.get((at, group))
            compared_with = (other, that or nothing(inquiry))
            rows.append(Row(span, group, mine or nothing(inquiry), compared_with))
    return rows


def _groups(figures: Iterable[tuple[int, Group]], place: int) -> set[Group]:
    return {group for at, group in figures if at == place}


def _order(row: Row) -> tuple[object, ...]:
    """By time, then by the names of the slice, those without a value last."""
    return row.span.key, [(value is None, str(value)) for value in row.group]
