"""Where numbers are read from: the summaries and the ledger's tail after them, or the ledger alone, in one FROM clause.

Which of them is an affair of this module. What it gives is always exact, up to the positions of the reader's snapshot.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from services.metrics.domain.slices import SLICES, Slices
from shared.kernel.ledger import Ledger
from shared.kernel.period import Grain

Members = Mapping[str, Sequence[str | int | None]]
"""Dimension → the values that are wanted; None among them means those without a value."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be summed.

    A flow over a period: `start` and `end`. A stock on the evening of a day: `start=None` and `end` (everything that
    ever entered less what has left). A series of stocks: the stock before the first bucket, and the flow by bucket.
    """

    ledger: Ledger
    facts: Sequence[str]
    end: date
    """Last business day, inclusive."""
    start: date | None = None
    """First business day, inclusive; None is since ever."""
    by: Sequence[str] = ()
    """Dimension columns wanted in the rows."""
    where: Members = field(default_factory=dict)
    grain: Grain | None = None
    """The buckets into which the reader cuts the rows by their `day`; None is one bucket for the whole range."""
    known_at: date | None = None
    """As known at the end of this business date; None is as known now. Ask with None whenever it may be: only present
    knowledge is summarised."""
    with_related: bool = False
    """Count related parties too (or slice by `related`)."""


@dataclass(frozen=True, slots=True)
class Source:
    """`SELECT …, sum(value) FROM {sql} GROUP BY …` with `values` as parameters $1, $2, … (the reader's own come after).

    Its rows have the columns `fact`, `day`, the dimensions asked for in `by`, and all measures of the ledger. They are
    parts of sums: add them up, never look at one. `day` is the first of a month where a month was summed before; it
    always lies in the right bucket. The snapshot must be that in which positions and completeness are read.
    """

    sql: str
    values: tuple[object, ...]
    summarised: bool


def source(question: Question) -> Source:
    """The FROM clause that answers the question; its alias is `source`."""
    slices = SLICES[question.ledger.name]
    dimension = slices.answers({*question.by, *question.where})
    if question.known_at is not None or dimension is None:
        writing = _Writing()
        return Source(f"({_ledger(question, writing)}) AS source", tuple(writing.values), summarised=False)
    writing = _Writing()
    ledger = writing.bind(question.ledger.name)
    parts = (_summary(question, slices, dimension, writing), _tail(question, writing))
    sql = f"(WITH tail AS ({_TAIL.format(ledger=ledger)}) {' UNION ALL '.join(parts)}) AS source"
    return Source(sql, tuple(writing.values), summarised=True)


def postings(question: Question) -> Source:
    """The single postings behind an answer, for lineage: all columns of the ledger, `number` and `entity` included."""
    writing = _Writing()
    sql = f"""(SELECT l.* FROM {question.ledger.name} l JOIN position p ON p.partition = l.partition
               WHERE l.number <= p.number AND {_filter(question, writing, "l")}) AS source"""  # noqa: S608 - declared names
    return Source(sql, tuple(writing.values), summarised=False)


_TAIL = """SELECT p.partition, coalesce(s.number, 1) AS number, coalesce(s.entity, '') AS entity, p.number AS position
           FROM position p LEFT JOIN seal s ON s.partition = p.partition AND s.ledger = {ledger}
           WHERE p.number >= coalesce(s.number, 1)"""
"""Of each partition, the postings that are applied but not summarised yet: from `number` on, after `entity` in it."""


class _Writing:
    """Collects parameters while SQL is written."""

    def __init__(self) -> None:
        self.values: list[object] = []

    def bind(self, value: object) -> str:
        self.values.append(value)
        return f"${len(self.values)}"


def _ledger(question: Question, writing: _Writing) -> str:
    return f"""SELECT {_columns(question, "l")} FROM {question.ledger.name} l
               JOIN position p ON p.partition = l.partition
               WHERE l.number <= p.number AND {_filter(question, writing, "l")}"""  # noqa: S608


def _tail(question: Question, writing: _Writing) -> str:
    """What the ledger holds beyond the summaries, in one scan.

    The lowest number lets it skip blocks; that a partition's own bounds cannot (`+ 0`) keeps the planner from scanning
    once for each partition.
    """
    return f"""SELECT {_columns(question, "l")} FROM {question.ledger.name} l JOIN tail t ON t.partition = l.partition
               WHERE l.number >= (SELECT min(number) FROM tail) AND l.number + 0 BETWEEN t.number AND t.position
                 AND (l.number > t.number OR l.entity > t.entity) AND {_filter(question, writing, "l")}"""  # noqa: S608


def _summary(question: Question, slices: Slices, dimension: str, writing: _Writing) -> str:
    given = {name: _in(f"s.{'dimension_id' if name == dimension else name}", wanted, writing)
             for name, wanted in question.where.items()}  # fmt: skip
    conditions = [f"s.dimension = {writing.bind(dimension)}", f"s.fact = ANY({writing.bind(list(question.facts))})"]
    conditions += [*given.values(), *_unrelated(question, "s"), _range(question, writing)]
    columns = ["s.fact", "s.start AS day"]
    columns += [f"s.dimension_id AS {name}" if name == dimension else f"s.{name}" for name in question.by]
    columns += [f"s.{name}" for name in question.ledger.measure_types]
    return f"SELECT {', '.join(columns)} FROM {slices.table} s WHERE {' AND '.join(conditions)}"  # noqa: S608


def _columns(question: Question, alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in ("fact", "day", *question.by, *question.ledger.measure_types))


def _filter(question: Question, writing: _Writing, alias: str) -> str:
    conditions = [f"{alias}.fact = ANY({writing.bind(list(question.facts))})"]
    conditions += [_in(f"{alias}.{name}", wanted, writing) for name, wanted in question.where.items()]
    conditions += _unrelated(question, alias)
    conditions.append(f"{alias}.day <= {writing.bind(question.end)}")
    if question.start is not None:
        conditions.append(f"{alias}.day >= {writing.bind(question.start)}")
    if question.known_at is not None:
        conditions.append(f"{alias}.known_on <= {writing.bind(question.known_at)}")
    return " AND ".join(conditions)


def _unrelated(question: Question, alias: str) -> list[str]:
    asked = question.with_related or "related" in {*question.by, *question.where}
    return [] if asked else [f"NOT {alias}.related"]


def _in(column: str, wanted: Sequence[str | int | None], writing: _Writing) -> str:
    said = [one for one in wanted if one is not None]
    among = f"{column} = ANY({writing.bind(said)})"
    return f"({among} OR {column} IS NULL)" if len(said) < len(wanted) else among


def _range(question: Question, writing: _Writing) -> str:
    """Whole months as months, the days before and after them as days; days only where a bucket is shorter."""
    start, end = question.start, question.end
    days = "s.grain = 'day'"
    if question.grain in (Grain.DAY, Grain.WEEK):
        since = "" if start is None else f" AND s.start >= {writing.bind(start)}"
        return f"{days}{since} AND s.start <= {writing.bind(end)}"
    first = None if start is None else _month(start - timedelta(days=1), 1)
    beyond = _month(end + timedelta(days=1), 0)
    if first is not None and first >= beyond:
        return f"{days} AND s.start BETWEEN {writing.bind(start)} AND {writing.bind(end)}"
    since = "" if first is None else f" AND s.start >= {writing.bind(first)}"
    months = f"s.grain = 'month'{since} AND s.start < {writing.bind(beyond)}"
    edges = f"s.start BETWEEN {writing.bind(beyond)} AND {writing.bind(end)}"
    if first is not None and first != start:
        edges = f"({edges} OR (s.start >= {writing.bind(start)} AND s.start < {writing.bind(first)}))"
    return f"(({months}) OR ({days} AND {edges}))"


def _month(day: date, offset: int) -> date:
    months = day.year * 12 + day.month - 1 + offset
    return date(months // 12, months % 12 + 1, 1)
