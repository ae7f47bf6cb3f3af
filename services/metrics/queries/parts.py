"""The parts of a KPI for a row of spans: which postings belong to each, by the reach of the part."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise

from services.metrics.domain.figures import Facts, Group, columns_of, counted_columns, plus
from services.metrics.domain.inquiry import Inquiry
from services.metrics.domain.kpis.declaration import Measure, Part, Reach
from services.metrics.domain.spans import Edges, Span
from services.metrics.queries.sums import Wanted, question_of, read_sums
from shared.kernel.ledger import Ledger, Number
from shared.kernel.period import Grain
from shared.storage.database import Reader

Pipelines = Mapping[str, tuple[str, ...]]
"""The open stages of each pipeline, in order."""

Series = dict[tuple[int, Group], dict[str, Facts]]
"""(index of the span, slice) → part → its sums by fact."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Parts that one question answers."""

    ledger: Ledger
    reach: Reach
    past_first_stage: bool
    by_days: bool
    """Cycles are told apart by their days, which summaries do not keep: asked alone, all others stay fast."""


async def read_parts(
    reader: Reader, inquiry: Inquiry, parts: Sequence[Part], spans: Sequence[Span], pipelines: Pipelines,
    by: Iterable[str] = (), columns: Iterable[str] = (),
) -> Series:  # fmt: skip
    """Every part for every span; the spans follow one another.

    `by` and `columns` are dimensions and measures beside those that the inquiry and its KPI need.
    """
    series: Series = {}
    for batch, members in _batches(inquiry, parts).items():
        wanted = _wanted(inquiry, batch, members, tuple(by))
        wanted = replace(wanted, columns=wanted.columns | set(columns), stages=pipelines)
        for key, facts in (await _read(reader, wanted, batch.reach, inquiry.asked.window, spans)).items():
            series.setdefault(key, {}).update({part.name: facts for part in members})
    return series


def _batches(inquiry: Inquiry, parts: Sequence[Part]) -> Mapping[_Batch, list[Part]]:
    batches: dict[_Batch, list[Part]] = {}
    for part in parts:
        endless = part.reach is Reach.WINDOW and inquiry.asked.window is None
        reach = Reach.UNTIL if endless else part.reach
        batch = _Batch(part.ledger, reach, part.past_first_stage, Measure.DAYS in part.measures)
        batches.setdefault(batch, []).append(part)
    return batches


def _wanted(inquiry: Inquiry, batch: _Batch, parts: Sequence[Part], by: tuple[str, ...]) -> Wanted:
    view = inquiry.asked.view
    measures = {measure for part in parts for measure in part.measures}
    needed = columns_of(batch.ledger, measures, view) | set(counted_columns(inquiry.kpi, batch.ledger, view).values())
    facts = tuple(dict.fromkeys(fact for part in parts for fact in part.facts))
    question = question_of(inquiry, batch.ledger, facts, start=None, end=date.max, by=by)
    return Wanted(question, needed, (), batch.past_first_stage)


async def _read(
    reader: Reader, wanted: Wanted, reach: Reach, window: int | None, spans: Sequence[Span]
) -> dict[tuple[int, Group], Facts]:
    match reach:
        case Reach.WITHIN:
            return await _within(reader, wanted, spans)
        case Reach.UNTIL:
            return await _until(reader, wanted, spans)
        case Reach.WINDOW:
            assert window is not None  # noqa: S101 - without one it is UNTIL
            return await _windows(reader, wanted, timedelta(days=window), spans)


async def _within(reader: Reader, wanted: Wanted, spans: Sequence[Span]) -> dict[tuple[int, Group], Facts]:
    """The flow of each span."""
    edges = Edges.of(spans)
    asked = replace(wanted.question, start=spans[0].start, end=spans[-1].last)
    sums = await read_sums(reader, replace(wanted, question=asked, thresholds=edges.thresholds))
    place_of = edges.place_of
    return {(place_of[bucket], group): facts for (bucket, group), facts in sums.items() if bucket in place_of}


async def _until(reader: Reader, wanted: Wanted, spans: Sequence[Span]) -> dict[tuple[int, Group], Facts]:
    """What stood before the first span, and after it whatever flowed until the end of each."""
    first, ends = spans[0], [span.last for span in spans]
    opening = await read_sums(reader, replace(wanted, question=replace(wanted.question, end=first.last, grain=None)))
    flows: Mapping[tuple[int, Group], Facts] = {}
    if len(spans) > 1:
        asked = replace(wanted.question, start=first.last + _DAY, end=ends[-1])
        thresholds = [end + _DAY for end in ends[:-1]]
        flows = await read_sums(reader, replace(wanted, question=asked, thresholds=thresholds))
    running: dict[Group, Facts] = {group: facts for (_, group), facts in opening.items()}
    return dict(_cumulated(running, flows, len(spans)))


def _cumulated(
    running: dict[Group, Facts], flows: Mapping[tuple[int, Group], Facts], spans: int
) -> Iterable[tuple[tuple[int, Group], Facts]]:
    by_bucket: dict[int, dict[Group, Facts]] = {}
    for (bucket, group), facts in flows.items():
        by_bucket.setdefault(bucket, {})[group] = facts
    for place in range(spans):
        for group, facts in by_bucket.get(place, {}).items():
            running[group] = _together((running.get(group, {}), facts))
        yield from (((place, group), facts) for group, facts in running.items() if any(facts.values()))


async def _windows(
    reader: Reader, wanted: Wanted, length: timedelta, spans: Sequence[Span]
) -> dict[tuple[int, Group], Facts]:
    """The flow of the days before each span's end. Windows overlap: each is put together from the pieces between all
    their edges."""
    windows = [(span.last - length + _DAY, span.last + _DAY) for span in spans]
    thresholds = sorted({edge for window in windows for edge in window})
    grain = Grain.DAY if len(spans) > 1 else None
    asked = replace(wanted.question, start=thresholds[0], end=thresholds[-1] - _DAY, grain=grain)
    sums = await read_sums(reader, replace(wanted, question=asked, thresholds=thresholds))
    pieces = list(pairwise(thresholds))
    covered = [
        [place + 1 for place, (start, stop) in enumerate(pieces) if begin <= start and stop <= end]
        for begin, end in windows
    ]
    groups = {group for _, group in sums}
    return {
        (place, group): _together(sums.get((bucket, group), {}) for bucket in buckets)
        for place, buckets in enumerate(covered)
        for group in groups
    }


def _together(several: Iterable[Facts]) -> Facts:
    result: dict[tuple[str, str], Number] = {}
    for facts in several:
        for key, number in facts.items():
            before = result.get(key)
            result[key] = number if before is None else plus(before, number)
    return result
