"""The postings of one ledger that a number is made of, with what each adds to the number's parts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from services.metrics.domain.evidence import Stretch
from services.metrics.domain.figures import columns_of
from services.metrics.domain.inquiry import Inquiry, View
from services.metrics.domain.kpis.declaration import Measure, Part
from services.metrics.queries.sums import question_of
from services.metrics.queries_source import postings
from shared.kernel.ledger import Ledger, Number
from shared.storage.database import Reader

Pinned = Mapping[int, int]
"""Partition → the number up to which its postings count."""

Account = tuple[str | None, str | None]
"""Customer and currency."""

_Bind = Callable[[object], str]


@dataclass(frozen=True, slots=True)
class Posting:
    """One row of a ledger and what it adds to each part."""

    ledger: str
    partition: int
    number: int
    known_on: date
    day: date
    fact: str
    dimensions: Mapping[str, object]
    measures: Mapping[str, Number]
    contributions: Mapping[str, Number]


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose postings count."""

    inquiry: Inquiry
    pinned: Pinned
    stages: Mapping[str, tuple[str, ...]]
    accounts: Sequence[Account]
    """Those that count; of balances only."""


@dataclass(frozen=True, slots=True)
class Contributions:
    """A selection of postings, with one column `c<i>` for each part."""

    ledger: Ledger
    names: Sequence[str]
    measures: Sequence[type]
    sql: str
    values: tuple[object, ...]

    async def totals(self, reader: Reader) -> dict[str, Number]:
        """Each part over all postings."""
        sums = ", ".join(f"coalesce(sum(c{place}), 0)" for place in range(len(self.names)))
        row = await reader.row(f"SELECT {sums} FROM ({self.sql}) AS counted", *self.values)  # noqa: S608
        assert row is not None  # noqa: S101 - an aggregate always answers
        return self._numbers(list(row))

    async def entities(self, reader: Reader, after: str, limit: int) -> list[str]:
        """The next entities (`<type>/<id>`) in the order of code points."""
        at = len(self.values)
        rows = await reader.rows(
            f"""SELECT entity FROM ({self.sql}) AS counted WHERE entity COLLATE "C" > ${at + 1}
                GROUP BY entity ORDER BY entity COLLATE "C" LIMIT ${at + 2}""",  # noqa: S608
            *self.values,
            after,
            limit,
        )
        return [row["entity"] for row in rows]

    async def rows(self, reader: Reader, entities: Sequence[str]) -> list[tuple[str, Posting]]:
        """The postings of these entities."""
        rows = await reader.rows(
            f"""SELECT * FROM ({self.sql}) AS counted WHERE entity = ANY(${len(self.values) + 1}::text[])
                ORDER BY entity, number, known_on, day, fact, counted::text""",  # noqa: S608
            *self.values,
            list(entities),
        )
        return [(row["entity"], self._posting(row)) for row in rows]

    async def distinct(self, reader: Reader, of: str) -> int:
        """How many members of a dimension the first part has more than nothing of."""
        counted: int = await reader.value(
            f"""SELECT count(*) FROM (SELECT FROM ({self.sql}) AS counted WHERE "{of}" IS NOT NULL
                GROUP BY "{of}" HAVING sum(c0) > 0) AS present""",  # noqa: S608
            *self.values,
        )
        return counted

    async def accounts(self, reader: Reader) -> dict[Account, Number]:
        """The first part by customer and currency."""
        rows = await reader.rows(
            f"""SELECT customer, currency, sum(c0) AS amount FROM ({self.sql}) AS counted
                GROUP BY customer, currency""",  # noqa: S608
            *self.values,
        )
        return {(row["customer"], row["currency"]): row["amount"] for row in rows}

    def _posting(self, row: Mapping[str, object]) -> Posting:
        return Posting(
            self.ledger.name,
            row["partition"],  # type: ignore[arg-type]
            row["number"],  # type: ignore[arg-type]
            row["known_on"],  # type: ignore[arg-type]
            row["day"],  # type: ignore[arg-type]
            row["fact"],  # type: ignore[arg-type]
            {name: row[name] for name in self.ledger.dimension_types},
            {name: row[name] for name in self.ledger.measure_types},  # type: ignore[misc]
            self._numbers([row[f"c{place}"] for place in range(len(self.names))]),
        )

    def _numbers(self, values: Sequence[object]) -> dict[str, Number]:
        told = zip(self.names, self.measures, values, strict=True)
        return {name: kind(value) for name, kind, value in told}


def contributions(scope: Scope, grouped: Sequence[Stretch], view: View | None = None) -> Contributions:
    """Of stretches of one ledger; money in the inquiry's view unless another is given."""
    ledger = grouped[0].part.ledger
    starts = [stretch.start for stretch in grouped]
    first = None if None in starts else min(start for start in starts if start is not None)
    facts = tuple(dict.fromkeys(fact for stretch in grouped for fact in stretch.part.facts))
    question = question_of(scope.inquiry, ledger, facts, start=first, end=max(stretch.end for stretch in grouped))
    origin = postings(question)
    values = list(origin.values)

    def bind(value: object) -> str:
        values.append(value)
        return f"${len(values)}"

    conditions = [_counts(scope, stretch, bind) for stretch in grouped]
    shown = ", ".join(
        f"CASE WHEN {condition} THEN {_amount(stretch.part, view or scope.inquiry.asked.view)} ELSE 0 END AS c{place}"
        for place, (stretch, condition) in enumerate(zip(grouped, conditions, strict=True))
    )
    pinned = f"unnest({bind(list(scope.pinned))}::int[], {bind(list(scope.pinned.values()))}::bigint[])"
    sql = f"""SELECT source.*, {shown} FROM {origin.sql}
              JOIN {pinned} AS pinned (of_partition, until) ON of_partition = partition AND number <= until
              WHERE {" OR ".join(f"({condition})" for condition in conditions)}"""  # noqa: S608
    return Contributions(
        ledger,
        [stretch.part.name for stretch in grouped],
        [_type(stretch.part) for stretch in grouped],
        sql,
        tuple(values),
    )


def _counts(scope: Scope, stretch: Stretch, bind: _Bind) -> str:
    """Whether a posting belongs to a stretch."""
    conditions = [f"fact = ANY({bind(list(stretch.part.facts))})", f"day <= {bind(stretch.end)}"]
    if stretch.start is not None:
        conditions.append(f"day >= {bind(stretch.start)}")
    if stretch.part.past_first_stage:
        later = [(pipeline, stage) for pipeline, stages in scope.stages.items() for stage in stages[1:]]
        conditions.append(f"(pipeline, stage) IN (SELECT * FROM {_pairs(later, bind)})")  # noqa: S608
    if stretch.of_accounts:
        known = [(customer or "", currency or "") for customer, currency in scope.accounts]
        account = "(coalesce(customer, ''), coalesce(currency, ''))"
        conditions.append(f"{account} IN (SELECT * FROM {_pairs(known, bind)})")  # noqa: S608
    return " AND ".join(conditions)


def _pairs(pairs: Sequence[tuple[str, str]], bind: _Bind) -> str:
    return f"unnest({bind([one for one, _ in pairs])}::text[], {bind([other for _, other in pairs])}::text[])"


def _amount(part: Part, view: View) -> str:
    """The part's signed measure of one posting; the facts are the declaration's own words."""
    cases: dict[str, list[str]] = {}
    for term in part.terms:
        sign = "+" if term.sign > 0 else "-"
        cases.setdefault(term.fact, []).append(f"{sign} {_measure(part.ledger, term.measure, view)}")
    whens = " ".join(f"WHEN '{fact}' THEN 0 {' '.join(amounts)}" for fact, amounts in cases.items())
    return f"CASE fact {whens} ELSE 0 END"


def _measure(ledger: Ledger, measure: Measure, view: View) -> str:
    match measure:
        case Measure.DAYS:
            (count,) = columns_of(ledger, (Measure.COUNT,), view)
            return f"coalesce(days * {count}, 0)"
        case Measure.VALUED:
            (count,) = columns_of(ledger, (Measure.COUNT,), view)
            unknown = sorted(columns_of(ledger, (measure,), view) - {count})
            return f"({' - '.join([count, *unknown])})"
        case _:
            (column,) = columns_of(ledger, (measure,), view)
            return column


def _type(part: Part) -> type:
    """Whole numbers where only whole numbers are added."""
    decimals = {Measure.VALUE, Measure.COST, Measure.QUANTITY}
    return Decimal if part.measures & decimals else int
