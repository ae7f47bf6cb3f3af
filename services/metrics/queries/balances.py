"""Balances: documents and cash of each customer and currency, netted before they are summed."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from services.metrics.domain.balance import ZERO, Account, balance
from services.metrics.domain.figures import Facts, Figure, Group, counted_columns, part_sum, total
from services.metrics.domain.inquiry import Inquiry, View
from services.metrics.domain.kpis.declaration import Balances, Part
from services.metrics.domain.spans import Span
from services.metrics.queries.parts import Series, read_parts
from shared.storage.database import Reader

_ACCOUNT = ("customer", "currency")

Accounts = Mapping[tuple[int, Group], Sequence[Account]]


async def read_balances(
    reader: Reader, inquiry: Inquiry, formula: Balances, spans: Sequence[Span]
) -> dict[tuple[int, Group], Figure]:
    """The balance of each slice on the evening of each span's last day."""
    series = await _series(reader, inquiry, formula, spans)
    accounts = _accounts(inquiry, formula, series)
    unclaimed = _unclaimed(inquiry, formula.unclaimed, series)
    figures = {
        key: balance(formula.side, accounts.get(key, ()), *unclaimed.get(key, (ZERO, 0)))
        for key in accounts.keys() | unclaimed.keys()
    }
    return {key: figure for key, figure in figures.items() if not inquiry.by or _stands(figure)}


def _stands(figure: Figure) -> bool:
    """Whether anything is on this side; a customer on the other one is no line here."""
    return bool(figure.value or any(figure.beside.values()) or any(figure.counts.values()))


async def _series(reader: Reader, inquiry: Inquiry, formula: Balances, spans: Sequence[Span]) -> Series:
    """In the original currency and in the view: the one decides who owes, the other is told."""
    return await read_parts(reader, inquiry, formula.parts, spans, {}, by=_ACCOUNT, columns={"original"})


def _accounts(inquiry: Inquiry, formula: Balances, series: Series) -> dict[tuple[int, Group], list[Account]]:
    """The accounts of each slice. Cash of nobody is on no account."""
    width, dimensions = len(inquiry.by), _dimensions(inquiry)
    accounts: dict[tuple[int, Group], list[Account]] = {}
    for (place, group), parts in series.items():
        sums = [(part, parts.get(part.name, {})) for part in (formula.billed, formula.settled)]
        original, told = (_sum(sums, view) for view in (View.ORIGINAL, inquiry.asked.view))
        customer = group[dimensions.index("customer")]
        account = Account(None if customer is None else str(customer), original, told, _unconverted(inquiry, sums))
        if original or told:
            accounts.setdefault((place, group[:width]), []).append(account)
    return accounts


def _unclaimed(inquiry: Inquiry, part: Part, series: Series) -> dict[tuple[int, Group], tuple[Decimal, int]]:
    width = len(inquiry.by)
    unclaimed: dict[tuple[int, Group], tuple[Decimal, int]] = {}
    for (place, group), parts in series.items():
        sums = [(part, parts.get(part.name, {}))]
        before, count = unclaimed.get((place, group[:width]), (ZERO, 0))
        amount = _sum(sums, inquiry.asked.view)
        unconverted = _unconverted(inquiry, sums)
        if amount or unconverted:
            unclaimed[place, group[:width]] = (Decimal(total((before, amount))), count + unconverted)
    return unclaimed


def _dimensions(inquiry: Inquiry) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*inquiry.by, *_ACCOUNT)))


def _sum(sums: Iterable[tuple[Part, Facts]], view: View) -> Decimal:
    return Decimal(total(part_sum(part, facts, view) for part, facts in sums))


def _unconverted(inquiry: Inquiry, sums: Iterable[tuple[Part, Facts]]) -> int:
    counted = [
        facts.get((fact, column), 0)
        for part, facts in sums
        for fact in part.facts
        for column in counted_columns(inquiry.kpi, part.ledger, inquiry.asked.view).values()
        if column.startswith("unconverted")
    ]
    return int(total(counted))
