"""Holds what Quintant answers over HTTP, and what its ledgers sum to, against the books of the oracle."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple, Protocol

from tests.oracle.kpis import KPIS, Books, Told
from tests.oracle.replay import FIRST, LAST, Event, Number

Ask = Callable[[str, Mapping[str, str]], Awaitable[Mapping[str, Any]]]
"""A successful answer of the metrics service to a GET."""
Rows = dict[tuple[Any, ...], Told]
"""By the first day of the period (None: of all time) and the slice."""
_VIEWS = {"value": "base"}
_MOST_DAYS = 400
_EVENINGS_BY_DAY = 4
_EVENINGS = 40
_STOCKS = ("open", "bill-pending")
_WORTH = {name: name for name in ("value", "constant", "original", "unconverted", "unconverted_constant")}
_LEDGERS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "deal": (
        "deal_postings",
        {**_WORTH, "count": "deals", "days": "days * deals", "estimated": "estimated", "unvalued": "unvalued"},
    ),
    "trade": (
        "trade_postings",
        {**_WORTH, "count": "documents", **{n: n for n in ("quantity", "cost", "unvalued", "uncosted")}},
    ),
    "cash": ("cash_postings", {**_WORTH, "count": "payments"}),
}
"""By ledger its table, and where its measures stand."""


class Connection(Protocol):
    """What is needed of an asyncpg connection."""

    async def fetch(self, query: str, *args: Any) -> Sequence[Mapping[str, Any]]: ...


class Found(NamedTuple):
    """How many numbers were compared, and each difference in words."""

    checked: int
    wrong: list[str]


class _Question(NamedTuple):
    """Asked of one KPI: slices, periods and a currency view."""

    by: tuple[str, ...] = ()
    grain: str = ""
    spans: Sequence[tuple[date, date]] = ((FIRST, LAST),)
    view: str = "value"

    @property
    def parameters(self) -> dict[str, str]:
        asked = {"by": ",".join(self.by), "grain": self.grain, "currency-view": _VIEWS.get(self.view, self.view)}
        if self.grain:
            asked |= {"from": str(self.spans[0][0]), "to": str(self.spans[-1][1])}
        return {name: value for name, value in asked.items() if value not in ("", "base")}


async def accepted(connection: Connection) -> list[Event]:
    """The accepted events as ingest keeps them, every revision, in the order of acceptance."""
    return [
        Event(
            row["entity"], row["subject"], row["occurred_at"], row["sequence"], row["source"], row["event_id"],
            row["revision"], row["known_on"], json.loads(row["public"]),
        )
        for row in await connection.fetch("SELECT * FROM ingest.event ORDER BY seq")
    ]  # fmt: skip


async def over_http(
    ask: Ask, books: Books, kpis: Sequence[str] = tuple(KPIS), by: Sequence[str] | None = None
) -> Found:
    """Every KPI with all that stands beside it: of all time by each dimension (or those of `by`) and in every currency
    view, by month, and by day: each one of a flow, some of a stock."""
    checked, wrong = 0, list[str]()
    for kpi in kpis:
        questions = list(_questions(books, kpi, by))
        answers = await asyncio.gather(*(_told(ask, books, kpi, question) for question in questions))
        for question, told in zip(questions, answers, strict=True):
            expected = await asyncio.to_thread(_expected, books, kpi, question)  # others may be watching meanwhile
            checked += sum(map(len, expected.values()))
            for key in sorted(expected.keys() | told.keys(), key=str):
                where = f"{kpi} {question.parameters} {key} known {books.known_at}"
                wrong += _differences(where, told.get(key, {}), expected.get(key, {}))
    return Found(checked, wrong)


def _questions(books: Books, kpi: str, by: Sequence[str] | None) -> Iterator[_Question]:
    of = KPIS[kpi]
    asked = [name for name in of.dimensions if by is None or name in by]
    slices = [tuple(dict.fromkeys((*one, *of.by))) for one in ((), *((name,) for name in asked))]
    yield from (_Question(one) for one in slices)
    yield from (_Question(("currency",), view=view) for view in of.views[1:])
    first, last = books.days(kpi)
    months = list(_months(first, last))
    days = [(first + timedelta(n),) * 2 for n in range(min(_MOST_DAYS, (last - first).days + 1))]
    if of.stock or of.reach is not None:
        days = days[len(days) // 2 :][:_EVENINGS_BY_DAY]
    currency = tuple(dict.fromkeys(("currency", *of.by)))
    for one in dict.fromkeys((slices[0], currency, slices[len(kpi) % len(slices)])):
        yield _Question(one, "month", months)
        yield _Question(one, "day", days)


def _months(first: date, last: date) -> Iterator[tuple[date, date]]:
    start = first.replace(day=1)
    while start <= last:
        following = (start + timedelta(days=31)).replace(day=1)
        yield start, following - timedelta(days=1)
        start = following


async def _told(ask: Ask, books: Books, kpi: str, question: _Question) -> Rows:
    slug, _, choice = kpi.partition(":")
    chosen = {"window" if choice.startswith("P") else "basis": choice} if choice else {}
    known = {"known_at": str(books.known_at)} if books.known_at else {}
    body = await ask(f"/v1/kpis/{slug}", {**question.parameters, **chosen, **known})
    return {
        (row["period"]["start"], *(row[name] for name in question.by)): _kept(kpi, partial(_number, row))
        for row in body["rows"]
    }


def _expected(books: Books, kpi: str, question: _Question) -> Rows:
    return {
        (start.isoformat() if question.grain else None, *group): _kept(kpi, told.get)
        for start, end in question.spans
        for group, told in books.answer(kpi, start, end, question.by, question.view).items()
    }


def _number(row: Any, name: str) -> Fraction | None:
    """A number of a row, also one within `numerator` or `denominator`."""
    for step in name.split("."):
        row = row.get(step)  # in original amounts nothing is `unconverted`
    return None if row is None else Fraction(row["amount"] if isinstance(row, Mapping) else row)


def _kept(kpi: str, number: Callable[[str], Number | None]) -> Told:
    """What is worth comparing: no quotients of nothing, and no sums that come to nothing."""
    empty = KPIS[kpi].tell({}, "value")
    told = {name: number(name) for name in empty}
    return {name: it for name, it in told.items() if it is not None and (it or empty[name] is None)}


def _differences(where: str, told: Told, expected: Told) -> Iterator[str]:
    for name in sorted(told.keys() | expected.keys()):
        if told.get(name) != expected.get(name):
            yield f"{where} {name}: told {_text(told.get(name))}, oracle {_text(expected.get(name))}"


def _text(number: Number | None) -> str:
    return "nothing" if number is None else f"{float(number):.12g} ({number})"


async def in_ledgers(connection: Connection, books: Books, schema: str = "metrics") -> Found:
    """The postings as known then: flows by fact, day and currency; stocks as they stood on evenings."""
    checked, wrong = 0, list[str]()
    for ledger, (table, columns) in _LEDGERS.items():
        sums = ", ".join(f"sum({column}) AS {name}" for name, column in columns.items())
        postings = f"SELECT fact, day, currency, {sums} FROM {schema}.{table} WHERE known_on <= $1"  # noqa: S608 - fixed names
        rows = await connection.fetch(f"{postings} GROUP BY 1, 2, 3 ORDER BY day", books.known_at or LAST)
        told, due = (defaultdict[tuple[Any, ...], dict[str, Number]](dict) for _ in range(2))
        evenings = sorted({row["day"] for row in rows if row["fact"] in _STOCKS})
        evenings = evenings[:: len(evenings) // _EVENINGS + 1]
        for row in rows:
            numbers = {name: Fraction(row[name] or 0) for name in columns}
            for day in (row["day"],) if row["fact"] not in _STOCKS else (on for on in evenings if on >= row["day"]):
                _add(told[row["fact"], day, row["currency"]], numbers)
        for fact in (*books.flows.get(ledger, ()), *(fact for on in evenings for fact in books.standing(ledger, on))):
            _add(due[fact.name, fact.day, fact.under["currency"]], {name: fact.sums.get(name, 0) for name in columns})
        checked += len(due)
        for key in sorted(told.keys() | due.keys(), key=str):
            wrong += _differences(f"{table} {key} known {books.known_at}", _something(told[key]), _something(due[key]))
    return Found(checked, wrong)


def _add(sums: dict[str, Number], numbers: Mapping[str, Number]) -> None:
    for name, number in numbers.items():
        sums[name] = sums.get(name, 0) + number


def _something(sums: dict[str, Number]) -> Told:
    return {name: number for name, number in sums.items() if number}
