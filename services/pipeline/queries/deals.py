"""Lists of deals, one deal, the funnel and the digest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from services.pipeline.domain.facts import Facts
from services.pipeline.domain.selection import Moment, Selection, Sort
from services.pipeline.domain.slices import Slice
from services.pipeline.queries.where import FACTS, VISIBLE, Where, selected
from services.pipeline.wire import Sums, facts_of, slice_of
from shared.kernel.errors import NotFoundError
from shared.kernel.period import Calendar
from shared.sales.company import Company
from shared.storage.database import Reader
from shared.storage.digests import Rows, digest_of, sum_rows

_SORTED_BY: dict[str, tuple[str, type]] = {
    "amount": ("s.base_value", Decimal),
    "created_on": ("s.created_on", date),
    "entered_stage_at": ("s.entered_stage_at", datetime),
    "expected_close_on": ("s.expected_close_on", date),
}
_DECIMALS = ("amount", "base_value")


@dataclass(frozen=True, slots=True)
class Listed:
    """One deal of a list, and its place in the order."""

    deal: str
    facts: Facts
    key: tuple[object, ...]


async def list_deals(
    reader: Reader, moment: Moment, selection: Selection, sort: Sort, calendar: Calendar, *, start: Any, limit: int
) -> tuple[list[Listed], int]:
    """Up to `limit` deals after the key `start` (None: from the first), and how many there are in all."""
    where = selected(moment, selection, calendar)
    count = int(await reader.value(f"SELECT count(*) {VISIBLE} WHERE {where}", *where.values))
    if start is not None:
        _begin_after(where, sort, start)
    order = ", ".join(_order(sort))
    sql = f"SELECT s.deal, {FACTS} {VISIBLE} WHERE {where} ORDER BY {order} LIMIT {limit:d}"
    rows = await reader.rows(sql, *where.values)
    return [Listed(row["deal"], facts := facts_of(row), _key(row["deal"], facts, sort)) for row in rows], count


def key_kinds(sort: Sort) -> tuple[type, ...]:
    """The types of the parts of a sort key."""
    return (str,) if sort.field == "id" else (_SORTED_BY[sort.field][1], str)


def _order(sort: Sort) -> Iterator[str]:
    direction = "DESC" if sort.descending else "ASC"
    if sort.field == "id":
        yield f"s.deal {direction}"
    else:
        yield f"{_SORTED_BY[sort.field][0]} {direction} NULLS LAST"
        yield "s.deal"


def _key(deal: str, facts: Facts, sort: Sort) -> tuple[object, ...]:
    if sort.field == "id":
        return (deal,)
    return getattr(facts, _SORTED_BY[sort.field][0].removeprefix("s.")), deal


def _begin_after(where: Where, sort: Sort, start: tuple[Any, ...]) -> None:
    beyond = "<" if sort.descending else ">"
    if sort.field == "id":
        where.add(f"s.deal {beyond} {{}}", *start)
        return
    value, deal = start
    column = _SORTED_BY[sort.field][0]
    if value is None:
        where.add(f"{column} IS NULL AND s.deal > {{}}", deal)
    else:
        condition = f"({column} {beyond} {{}} OR ({column} = {{}} AND s.deal > {{}}) OR {column} IS NULL)"
        where.add(condition, value, value, deal)


async def unknown_pipelines(reader: Reader, company: Company, names: Sequence[str]) -> list[str]:
    """Names that are neither configured nor ever said by a deal."""
    asked = [name for name in names if name not in company.pipelines.stages]
    if not asked:
        return []
    rows = await reader.rows("SELECT DISTINCT pipeline FROM deal_state WHERE pipeline = ANY($1::text[])", asked)
    return sorted(set(asked) - {row["pipeline"] for row in rows})


async def read_deal(reader: Reader, deal: str, known_at: date | None) -> list[Slice]:
    """All slices of one deal. Raises NotFoundError for one that was not known."""
    where = Where()
    where.known(known_at)
    where.add("s.deal = {}", deal)
    sql = f"SELECT s.valid_from, s.valid_until, {FACTS} {VISIBLE} WHERE {where}"
    rows = await reader.rows(sql, *where.values)
    if not rows:
        raise NotFoundError("There is no such deal, or it was not known on that day.")
    return [slice_of(row) for row in rows]


async def sum_stages(reader: Reader, moment: Moment, selection: Selection, calendar: Calendar) -> list[Sums]:
    """Count and value by pipeline, stage and outcome."""
    where = selected(moment, selection, calendar)
    rows = await reader.rows(
        f"""SELECT s.pipeline, s.stage, s.outcome, count(*) AS count, coalesce(sum(s.base_value), 0) AS value,
                   count(*) FILTER (WHERE s.estimated) AS estimated,
                   count(*) FILTER (WHERE s.amount IS NOT NULL AND s.base_value IS NULL) AS unconverted,
                   count(*) FILTER (WHERE s.amount IS NULL) AS unvalued
            {VISIBLE} WHERE {where} GROUP BY s.pipeline, s.stage, s.outcome""",
        *where.values,
    )
    return [Sums(**row) for row in rows]


def states(known_at: date | None) -> Rows:
    """Every state of every deal. When something was learned is left out: it belongs to the import, not to the deals."""
    where = Where()
    where.known(known_at)
    told = ("deal", "valid_from", "valid_until", *(name for name in Facts._fields if name != "entered_known_on"))
    columns = tuple(f"trim_scale(s.{name})" if name in _DECIMALS else f"s.{name}" for name in told)
    return Rows("deal_state", columns, str(where), tuple(where.values))


async def digest(reader: Reader, known_at: date | None) -> tuple[str, int]:
    """SHA-256 of all states, whatever the order of arrival and the partitions; and how many there are."""
    found = await sum_rows(reader, states(known_at))
    return digest_of({"deal_state": found}), int(found[0])
