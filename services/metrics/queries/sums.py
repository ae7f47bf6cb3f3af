"""Sums by bucket of time, by fact and by slice: all that additive KPIs, ratios and stocks are made of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from types import MappingProxyType

from services.metrics.domain.figures import Group
from services.metrics.domain.inquiry import Inquiry, Related
from services.metrics.queries_source import Question, source
from shared.kernel.errors import TooLargeError
from shared.kernel.ledger import Ledger, Number
from shared.kernel.period import Grain
from shared.storage.database import Reader

MOST_ROWS = 200_000
"""Sums that one question may bring into memory."""

_HISTOGRAM = "days"

Sums = dict[tuple[int, Group], dict[tuple[str, str], Number]]
"""(bucket, slice) → (fact, column) → sum. Buckets count the thresholds at or before the day: 0 is before the first."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to sum."""

    question: Question
    columns: frozenset[str]
    """Measure columns; `days` is days × count."""
    thresholds: Sequence[date]
    past_first_stage: bool = False
    stages: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """The open stages of each pipeline, in order."""


def question_of(
    inquiry: Inquiry, ledger: Ledger, facts: Sequence[str], *, start: date | None, end: date, by: Iterable[str] = ()
) -> Question:
    """The inquiry's slice, asked of one ledger; `by` are dimensions beside the inquiry's own."""
    asked = inquiry.asked
    where: dict[str, Sequence[str | int | None]] = dict(asked.where)
    if asked.related is Related.ONLY:
        where["related"] = (True,)
    return Question(
        ledger,
        list(facts),
        end=end,
        start=start,
        by=tuple(dict.fromkeys((*inquiry.by, *by))),
        where=where,
        grain=asked.grain,
        known_at=asked.known_at,
        with_related=asked.related is Related.INCLUDE,
    )


async def read_sums(reader: Reader, wanted: Wanted) -> Sums:
    """The sums; a slice whose sums are all zero is left out. Raises TooLargeError beyond `MOST_ROWS`."""
    dimensions = wanted.question.by
    asked = _with_inner_dimensions(wanted)
    origin = source(asked)
    values = list(origin.values)
    columns = sorted(wanted.columns)
    names = [f'"{name}"' for name in dimensions]
    where = _after_first(wanted, values)
    bucket, key = _bucket(asked, wanted.thresholds, values)
    rows = await reader.rows(
        f"""SELECT {bucket} AS bucket, {_list([*names, "fact"])},
                   {_list(_sum(asked.ledger, column) for column in columns)}
            FROM {origin.sql} {where}
            GROUP BY {_list([*key, *names, "fact"])} LIMIT {MOST_ROWS + 1}""",  # noqa: S608 - names are the ledger's own
        *values,
    )
    if len(rows) > MOST_ROWS:
        raise TooLargeError("Too many slices for one answer: ask for fewer dimensions, a coarser grain or a filter.")
    sums: Sums = {}
    width = len(dimensions)
    for bucket, *rest in rows:
        group, fact = tuple(rest[:width]), rest[width]
        numbers = [_number(asked.ledger, c, v) for c, v in zip(columns, rest[width + 1 :], strict=True)]
        if any(numbers):
            into = sums.setdefault((bucket, group), {})
            into.update({(fact, column): number for column, number in zip(columns, numbers, strict=True)})
    return sums


async def read_histograms(
    reader: Reader, question: Question, thresholds: Sequence[date]
) -> Mapping[tuple[int, Group], Mapping[int, int]]:
    """(bucket, slice) → days → how many. What was taken back again is not there."""
    with_days = replace(question, by=(*question.by, _HISTOGRAM))
    counts = await read_sums(reader, Wanted(with_days, frozenset({_counted(question.ledger)}), thresholds))
    histograms: dict[tuple[int, Group], dict[int, int]] = {}
    for (bucket, (*group, days)), sums in counts.items():
        if days is not None:
            histograms.setdefault((bucket, tuple(group)), {})[int(days)] = int(sum(sums.values()))
    return histograms


async def read_distinct(
    reader: Reader, question: Question, of: str, thresholds: Sequence[date]
) -> Mapping[tuple[int, Group], int]:
    """(bucket, slice) → how many members of a dimension have more than nothing there."""
    origin = source(replace(question, by=(*question.by, of)))
    values, names = list(origin.values), [f'"{name}"' for name in question.by]
    bucket, inner = _bucket(question, thresholds, values)
    key = _list(["bucket", *names])
    rows = await reader.rows(
        f"""SELECT {key}, count(*) FROM (
              SELECT {_list([f"{bucket} AS bucket", *names])}, "{of}" FROM {origin.sql}
              WHERE "{of}" IS NOT NULL GROUP BY {_list([*inner, *names, f'"{of}"'])}
              HAVING sum({_counted(question.ledger)}) > 0) AS present
            GROUP BY {key} LIMIT {MOST_ROWS}""",  # noqa: S608 - names are the ledger's own
        *values,
    )
    return {(bucket, tuple(group)): count for bucket, *group, count in rows}


async def read_bounds(reader: Reader, question: Question) -> tuple[date, date] | None:
    """The first and the last business day on which anything stands; None if nothing does.

    Days on which all was taken back again do not count: that they were ever posted to depends on who came first.
    """
    origin = source(replace(question, by=(), grain=Grain.DAY))
    nothing = " AND ".join(f"sum({name}) = 0" for name in question.ledger.measure_types)
    row = await reader.row(
        f"""SELECT min(day) AS first, max(day) AS last FROM (
              SELECT day FROM {origin.sql} GROUP BY day, fact HAVING NOT ({nothing})) AS days""",  # noqa: S608
        *origin.values,
    )
    return None if row is None or row["first"] is None else (row["first"], row["last"])


def _bucket(question: Question, thresholds: Sequence[date], values: list[object]) -> tuple[str, Sequence[str]]:
    """The bucket of a row, and what to group by for it: nothing where all are in one, for then the planner knows that
    there are few groups, and hashes instead of sorting every posting."""
    first = question.start or date.min
    if not any(first < edge <= question.end for edge in thresholds):
        return str(sum(edge <= first for edge in thresholds)), ()
    values.append(list(thresholds))
    return f"width_bucket(day, ${len(values)}::date[])", ("bucket",)


def _with_inner_dimensions(wanted: Wanted) -> Question:
    """What is needed to sum, but not told apart in the answer."""
    inner = [_HISTOGRAM] if _HISTOGRAM in wanted.columns else []
    inner += ["pipeline", "stage"] if wanted.past_first_stage else []
    return replace(wanted.question, by=tuple(dict.fromkeys((*wanted.question.by, *inner))))


def _after_first(wanted: Wanted, values: list[object]) -> str:
    """Stages that a pipeline knows to come after its first one. An unmapped stage is not known to."""
    if not wanted.past_first_stage:
        return ""
    later = [(pipeline, stage) for pipeline, stages in wanted.stages.items() for stage in stages[1:]]
    values += [[pipeline for pipeline, _ in later], [stage for _, stage in later]]
    pairs = f"unnest(${len(values) - 1}::text[], ${len(values)}::text[])"
    return f"WHERE (pipeline, stage) IN (SELECT * FROM {pairs})"  # noqa: S608


def _sum(ledger: Ledger, column: str) -> str:
    if column == _HISTOGRAM:
        return f"coalesce(sum({_HISTOGRAM} * {_counted(ledger)}), 0)"
    return f"sum({column})"


def _number(ledger: Ledger, column: str, value: Decimal) -> Number:
    return value if ledger.measure_types.get(column) is Decimal else int(value)


def _counted(ledger: Ledger) -> str:
    return next(iter(ledger.measure_types))


def _list(parts: Iterable[str]) -> str:
    return ", ".join(parts)
