"""Where numbers are read from: the summaries and the ledger's tail after them, or the ledger alone, in one FROM clause.

Which of them is an affair of this module. What it gives is always exact, up to the positions of the reader's snapshot.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from services.metrics.domain.slices import CLOSINGS, SLICES, Cut, Slices
from shared.kernel.ledger import Ledger
from shared.kernel.period import Grain

_DAY = timedelta(days=1)
_SHORT = (Grain.DAY, Grain.WEEK)
"""Buckets that months do not fit into."""

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
    """As known at the end of this business date; None is as known now."""
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
    slices, writing = SLICES[question.ledger.name], _Writing()
    cut = slices.cut_for({*question.by, *question.where}, question.facts)
    block = None if cut is None else _block(question, cut)
    if cut is None or block is None:
        return Source(f"({_ledger(question, writing)}) AS source", tuple(writing.values), summarised=False)
    ledger = writing.bind(question.ledger.name)
    parts = [*_summaries(question, slices, cut, block, writing), _tail(block.inside(question), writing)]
    parts += [_ledger(rest, writing, learned_from) for rest, learned_from in block.outside(question)]
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


@dataclass(frozen=True, slots=True)
class _Block:
    """The days and the knowledge for which a summary answers."""

    first: date | None
    """None is since ever."""
    last: date
    learned_before: date | None
    """None is whatever is known."""
    by_day: bool

    def inside(self, question: Question) -> Question:
        """The question within the block."""
        known_at = None if self.learned_before is None else self.learned_before - _DAY
        return replace(question, start=self.first, end=self.last, known_at=known_at)

    def outside(self, question: Question) -> Iterator[tuple[Question, date | None]]:
        """What is left of it: earlier days, later days, and what was learned of the block's own days since then."""
        if self.first is not None and self.first != question.start:
            yield replace(question, end=self.first - _DAY), None
        if self.last != question.end:
            yield replace(question, start=self.last + _DAY), None
        if (
            question.known_at is not None
            and self.learned_before is not None
            and self.learned_before <= question.known_at
        ):
            yield replace(question, start=self.first, end=self.last), self.learned_before


def _block(question: Question, cut: Cut) -> _Block | None:
    """All the days where they are summed singly, whole months otherwise; None if there are none."""
    start, end, known_at = question.start, question.end, question.known_at
    if known_at is None and cut.by_day:
        return _Block(start, end, None, by_day=True)
    first = None if start is None else _month(start - _DAY, 1)
    beyond = _month(end + _DAY, 0)
    if question.grain in _SHORT or (first is not None and first >= beyond) or (cut.of_now and known_at is not None):
        return None
    return _Block(first, beyond - _DAY, None if known_at is None else _month(known_at + _DAY, 0), by_day=False)


class _Writing:
    """Collects parameters while SQL is written."""

    def __init__(self) -> None:
        self.values: list[object] = []

    def bind(self, value: object) -> str:
        self.values.append(value)
        return f"${len(self.values)}"


def _ledger(question: Question, writing: _Writing, learned_from: date | None = None) -> str:
    lately = "" if learned_from is None else f" AND l.known_on >= {writing.bind(learned_from)}"
    if "days" in question.by and CLOSINGS.issuperset(question.facts):
        lately += " AND l.days IS NOT NULL"  # says nothing new, but these have an index of their own
    return f"""SELECT {_columns(question, "l")} FROM {question.ledger.name} l
               JOIN position p ON p.partition = l.partition
               WHERE l.number <= p.number AND {_filter(question, writing, "l")}{lately}"""  # noqa: S608


def _tail(question: Question, writing: _Writing) -> str:
    """What the ledger holds beyond the summaries, in one scan.

    The lowest number, and it alone, lets it skip blocks. A partition's own bounds would have it scan once for each
    partition; days would let the planner, which does not know that number, read all blocks of early days instead.
    """
    return f"""SELECT {_columns(question, "l")} FROM {question.ledger.name} l JOIN tail t ON t.partition = l.partition
               WHERE l.number >= (SELECT min(number) FROM tail) AND l.number + 0 BETWEEN t.number AND t.position
                 AND (l.number > t.number OR l.entity > t.entity) AND {_filter(question, writing, "l", " + 0")}"""  # noqa: S608


def _summaries(question: Question, slices: Slices, cut: Cut, block: _Block, writing: _Writing) -> Iterator[str]:
    """The rows of the block. What was known then is what is known now less what was learned later; of months that
    had not begun then, it is what was learned before."""
    inside = block.inside(question)

    def rows(range_: str, sign: str = "") -> str:
        return _summary(inside, slices, cut, range_, writing, sign)

    if block.by_day:
        yield rows(_days_and_months(inside, writing))
    elif block.learned_before is None:
        yield rows(_months("month", inside, writing))
    else:
        then = f"{writing.bind(block.learned_before)}::date"
        yield rows(f"{_months('month', inside, writing)} AND s.start < {then}")
        yield rows(f"{_months('known', inside, writing)} AND s.start < {then} AND s.known >= {then}", "-")
        yield rows(f"{_months('known', inside, writing)} AND s.start >= {then} AND s.known < {then}")


def _summary(question: Question, slices: Slices, cut: Cut, range_: str, writing: _Writing, sign: str = "") -> str:
    held = dict(zip(cut.dimensions, ("s.dimension_id", "s.other_id"), strict=False))
    conditions = [f"s.cut = {writing.bind(cut.name)}", f"s.fact = ANY({writing.bind(list(question.facts))})", range_]
    conditions += [_in(held.get(name, f"s.{name}"), wanted, writing) for name, wanted in question.where.items()]
    conditions += _unrelated(question, "s")
    columns = ["s.fact", "s.start AS day"]
    columns += [_read(question.ledger, name, held) for name in question.by]
    columns += [f"{sign}s.{name} AS {name}" for name in question.ledger.measure_types]
    return f"SELECT {', '.join(columns)} FROM {slices.table} s WHERE {' AND '.join(conditions)}"  # noqa: S608


def _read(ledger: Ledger, name: str, held: Mapping[str, str]) -> str:
    """A dimension out of a summary, which holds the members of a cut as texts."""
    if name not in held:
        return f"s.{name}"
    cast = "::int" if ledger.dimension_types[name] is int else ""
    return f"{held[name]}{cast} AS {name}"


def _columns(question: Question, alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in ("fact", "day", *question.by, *question.ledger.measure_types))


def _filter(question: Question, writing: _Writing, alias: str, unindexed: str = "") -> str:
    """What a posting has to be; `unindexed` is what is done to its days so that no index is used for them."""
    conditions = [f"{alias}.fact = ANY({writing.bind(list(question.facts))})"]
    conditions += [_in(f"{alias}.{name}", wanted, writing) for name, wanted in question.where.items()]
    conditions += _unrelated(question, alias)
    conditions.append(f"{alias}.day{unindexed} <= {writing.bind(question.end)}")
    if question.start is not None:
        conditions.append(f"{alias}.day{unindexed} >= {writing.bind(question.start)}")
    if question.known_at is not None:
        conditions.append(f"{alias}.known_on{unindexed} <= {writing.bind(question.known_at)}")
    return " AND ".join(conditions)


def _unrelated(question: Question, alias: str) -> list[str]:
    asked = question.with_related or "related" in {*question.by, *question.where}
    return [] if asked else [f"NOT {alias}.related"]


def _in(column: str, wanted: Sequence[str | int | None], writing: _Writing) -> str:
    said = [one for one in wanted if one is not None]
    among = f"{column} = ANY({writing.bind(said)})"
    return f"({among} OR {column} IS NULL)" if len(said) < len(wanted) else among


def _months(grain: str, inside: Question, writing: _Writing) -> str:
    since = "" if inside.start is None else f" AND s.start >= {writing.bind(inside.start)}"
    return f"s.grain = '{grain}'{since} AND s.start <= {writing.bind(inside.end)}"


def _days_and_months(inside: Question, writing: _Writing) -> str:
    """Whole months as months, the days before and after them as days; days only where a bucket is shorter."""
    start, end = inside.start, inside.end
    days = "s.grain = 'day'"
    first = None if start is None else _month(start - _DAY, 1)
    beyond = _month(end + _DAY, 0)
    if inside.grain in _SHORT or (first is not None and first >= beyond):
        since = "" if start is None else f" AND s.start >= {writing.bind(start)}"
        return f"{days}{since} AND s.start <= {writing.bind(end)}"
    since = "" if first is None else f" AND s.start >= {writing.bind(first)}"
    months = f"s.grain = 'month'{since} AND s.start < {writing.bind(beyond)}"
    edges = f"s.start BETWEEN {writing.bind(beyond)} AND {writing.bind(end)}"
    if first is not None and first != start:
        edges = f"({edges} OR (s.start >= {writing.bind(start)} AND s.start < {writing.bind(first)}))"
    return f"(({months}) OR ({days} AND {edges}))"


def _month(day: date, offset: int) -> date:
    months = day.year * 12 + day.month - 1 + offset
    return date(months // 12, months % 12 + 1, 1)
