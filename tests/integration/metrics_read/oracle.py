"""The KPIs once more, in the plainest Python, over postings by hand: nothing of the product's code."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from math import ceil
from statistics import median
from typing import Any

Posting = dict[str, Any]
"""Columns of a ledger by name, `ledger` and `applied` beside them."""

LATER_STAGES = ("qualification", "needs-analysis", "solution-presentation", "proposal-negotiation")


@dataclass(frozen=True)
class Slice:
    """What a caller says."""

    start: date | None = None
    end: date | None = None
    where: tuple[tuple[str, tuple[str | None, ...]], ...] = ()
    known_at: date | None = None
    related: str = "exclude"
    view: str = "base"
    basis: str = "ordered"
    window: int | None = None


def selected(postings: Iterable[Posting], asked: Slice) -> list[Posting]:
    return [one for one in postings if _counts(one, asked)]


def _counts(one: Posting, asked: Slice) -> bool:
    if not one["applied"] or (asked.known_at is not None and one["known_on"] > asked.known_at):
        return False
    if (asked.related == "exclude" and one["related"]) or (asked.related == "only" and not one["related"]):
        return False
    return all(one.get(name) in values for name, values in asked.where)


def within(postings: Iterable[Posting], asked: Slice) -> list[Posting]:
    return [
        one
        for one in postings
        if (asked.start is None or one["day"] >= asked.start) and (asked.end is None or one["day"] <= asked.end)
    ]


def until(postings: Iterable[Posting], asked: Slice) -> list[Posting]:
    return [one for one in postings if asked.end is None or one["day"] <= asked.end]


def window(postings: Iterable[Posting], asked: Slice) -> list[Posting]:
    if asked.window is None:
        return until(postings, asked)
    assert asked.end is not None
    first = asked.end - timedelta(days=asked.window - 1)
    return [one for one in postings if first <= one["day"] <= asked.end]


def add(postings: Iterable[Posting], fact: str, column: str) -> Any:
    return sum((one[column] for one in postings if one["fact"] == fact), start=Decimal(0))


def of_view(asked: Slice) -> str:
    return {"base": "value", "constant": "constant", "original": "original"}[asked.view]


def ratio(numerator: Any, denominator: Any, digits: int) -> Decimal | None:
    if not denominator:
        return None
    exact = Fraction(numerator) / Fraction(denominator)
    scaled = exact * 10**digits
    return Decimal(round(scaled)).scaleb(-digits).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)


def net(lines: Sequence[Posting], basis: str, column: str) -> Any:
    back = "credited-return" if basis == "invoiced" else "returned"
    total = add(lines, basis, column) - add(lines, back, column)
    if column == "quantity" or column == "cost":
        return total
    total -= add(lines, "credited-allowance", column)
    return total - (add(lines, "credited-correction", column) if basis == "invoiced" else 0)


def velocity(postings: Sequence[Posting], asked: Slice) -> Decimal | None:
    money, lately = of_view(asked), window(postings, asked)
    past = [
        one
        for one in until(postings, asked)
        if one["fact"] == "open" and one["pipeline"] == "default" and one["stage"] in LATER_STAGES
    ]
    opened, won, lost = add(past, "open", "deals"), add(lately, "won", "deals"), add(lately, "lost", "deals")
    unknown = add(lately, "won", "unvalued")
    if asked.view != "original":
        unknown += add(lately, "won", "unconverted" if asked.view == "base" else "unconverted_constant")
    days = sum(one["deals"] * one["days"] for one in lately if one["fact"] == "won" and one["days"] is not None)
    return ratio(opened * won * add(lately, "won", money) * won, (won + lost) * (won - unknown) * days, 6)


def cycle(postings: Sequence[Posting], asked: Slice, fact: str) -> tuple[Any, ...]:
    histogram: Counter[int] = Counter()
    for one in within(postings, asked):
        if one["fact"] == fact and one["days"] is not None:
            histogram[one["days"]] += one["deals"]
    days = sorted(histogram.elements())
    if not days:
        return None, None, None, 0
    p90 = days[ceil(Fraction(9, 10) * len(days)) - 1]
    return ratio(sum(days), len(days), 6), Decimal(str(median(days))), p90, len(days)


def balance(postings: Sequence[Posting], asked: Slice, *, owing: bool) -> Decimal:
    basis = asked.basis
    billed, back = {
        "invoiced": ("billable-invoiced", "billable-credited"),
        "shipped": ("billable-shipped", "billable-returned"),
    }[basis]
    signs = {billed: 1, back: -1, "applied": -1, "on-account": -1}
    accounts: dict[tuple[Any, Any], list[Decimal]] = {}
    ahead = Decimal(0)
    for one in until(postings, asked):
        told = one[of_view(asked)]
        if one["fact"] in signs:
            account = accounts.setdefault((one["customer"], one["currency"]), [Decimal(0), Decimal(0)])
            account[0] += signs[one["fact"]] * one["original"]
            account[1] += signs[one["fact"]] * told
        elif one["fact"] == "unallocated":
            ahead += told
    if owing:
        return sum((told for original, told in accounts.values() if original > 0), start=Decimal(0))
    return ahead - sum((told for original, told in accounts.values() if original < 0), start=Decimal(0))


def _present(found: Sequence[Posting]) -> list[Any]:
    orders: Counter[Any] = Counter()
    for one in found:
        if one["fact"] == "order":
            orders[one["customer"]] += one["documents"]
    return [customer for customer, count in orders.items() if customer is not None and count > 0]


def _flow(fact: str, column: str) -> Callable[[Sequence[Posting], Slice], Any]:
    return lambda found, asked: add(within(found, asked), fact, of_view(asked) if column == "money" else column)


def _stock(column: str) -> Callable[[Sequence[Posting], Slice], Any]:
    return lambda found, asked: add(until(found, asked), "open", of_view(asked) if column == "money" else column)


def _win_rate(found: Sequence[Posting], asked: Slice, column: str) -> Decimal | None:
    now = within(found, asked)
    won = add(now, "won", column)
    return ratio(won, won + add(now, "lost", column), 10)


def _average(found: Sequence[Posting], asked: Slice) -> Decimal | None:
    now = within(found, asked)
    valued = add(now, "won", "deals") - add(now, "won", "unvalued")
    if asked.view != "original":
        valued -= add(now, "won", "unconverted" if asked.view == "base" else "unconverted_constant")
    return ratio(add(now, "won", of_view(asked)), valued, 6)


def _conversion(found: Sequence[Posting], asked: Slice) -> Decimal | None:
    now = within(found, asked)
    advanced = add(now, "advanced", "deals")
    return ratio(advanced, advanced + add(now, "dropped", "deals"), 10)


def _gross_profit(found: Sequence[Posting], asked: Slice) -> Any:
    now = within(found, asked)
    return net(now, asked.basis, "value") - net(now, asked.basis, "cost")


KPIS: dict[str, Callable[[Sequence[Posting], Slice], Any]] = {
    "open-pipeline-count": _stock("deals"),
    "open-pipeline-value": _stock("money"),
    "deals-created-count": _flow("created", "deals"),
    "deals-created-value": _flow("created", "money"),
    "deals-won-count": _flow("won", "deals"),
    "deals-won-value": _flow("won", "money"),
    "deals-lost-count": _flow("lost", "deals"),
    "deals-lost-value": _flow("lost", "money"),
    "win-rate-all": lambda f, a: ratio(
        add(within(f, a), "created-won", "deals"), add(within(f, a), "created", "deals"), 10
    ),
    "win-rate-all-value": lambda f, a: ratio(
        add(within(f, a), "created-won", of_view(a)), add(within(f, a), "created", of_view(a)), 10
    ),
    "win-rate-closed": lambda f, a: _win_rate(f, a, "deals"),
    "win-rate-closed-value": lambda f, a: _win_rate(f, a, of_view(a)),
    "average-deal-size": _average,
    "stage-conversion": _conversion,
    "sales-cycle-won": lambda f, a: cycle(f, a, "won")[0],
    "sales-cycle-lost": lambda f, a: cycle(f, a, "lost")[0],
    "sales-velocity": velocity,
    "order-count": _flow("order", "documents"),
    "active-customers": lambda f, a: len(_present(within(f, a))),
    "revenue": lambda f, a: net(within(f, a), a.basis, of_view(a)),
    "volume": lambda f, a: net(within(f, a), a.basis, "quantity"),
    "gross-profit": _gross_profit,
    "gross-profit-rate": lambda f, a: ratio(_gross_profit(f, a), net(within(f, a), a.basis, "value"), 10),
    "collections": lambda f, a: _flow("received", "money")(f, a) - _flow("refunded", "money")(f, a),
    "receivables": lambda f, a: balance(f, a, owing=True),
    "prepayments": lambda f, a: balance(f, a, owing=False),
}
