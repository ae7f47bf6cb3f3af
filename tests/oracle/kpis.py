"""The KPI reference in its own words: which facts are counted and summed, and what is divided by what."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

from tests.oracle import deals, documents
from tests.oracle.replay import FIRST, LAST, Company, Event, Fact, Number, Text

Group = tuple[Text, ...]
Sums = Mapping[tuple[str, str], Number]
"""By fact and measure; what is not there is nothing."""
Apart = Mapping[Group, Sums]
"""The sums of one slice by what must be told apart in it; most often nothing, `()`."""
Told = dict[str, Number | None]
"""What stands in a row of an answer, by name."""
Sum = Callable[[Sums, str], Number]
"""In a currency view: `value`, `constant` or `original`."""

TRADED = {
    "ordered": ("ordered", "-returned", "-credited-allowance"),
    "shipped": ("shipped", "-returned", "-credited-allowance"),
    "invoiced": ("invoiced", "-credited-return", "-credited-allowance", "-credited-correction"),
}
BILLED = {
    "invoiced": ("billable-invoiced", "-billable-credited", "-applied", "-on-account"),
    "shipped": ("billable-shipped", "-billable-returned", "-applied", "-on-account"),
}
WHO = ("member", "team", "manager", "region", "customer", "sector", "channel", "business_line", "currency")
DEAL = (*WHO, "pipeline", "product", "category")
EVER = -1


class Kpi(NamedTuple):
    """How one KPI is told of the sums of a slice."""

    tell: Callable[[Apart, str], Told]
    dimensions: tuple[str, ...]
    ledgers: tuple[str, ...]
    views: tuple[str, ...] = ("value",)
    apart: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    """Always told apart by these."""
    stock: bool = False
    """Something of it is what stands on the evening of the last day."""
    reach: int | None = None
    """How many days before the last one, that included, what happened counts; None: those of the period."""


def _columns(measure: str, view: str) -> list[tuple[int, str]]:
    without = {"value": "unconverted", "constant": "unconverted_constant"}.get(view, "none")
    match measure:
        case "value":
            return [(1, view)]
        case "unconverted":
            return [(1, without)]
        case "valued":
            return [(1, "count"), (-1, "unvalued"), (-1, without)]
    return [(1, measure)]


def _sum(measure: str, *facts: str) -> Sum:
    """Each fact added, or taken away if a minus stands before it."""

    def added(sums: Sums, view: str) -> Number:
        terms = [(-1 if fact[0] == "-" else 1, fact.removeprefix("-")) for fact in facts]
        columns = _columns(measure, view)
        return sum(sign * one * sums.get((fact, column), 0) for sign, fact in terms for one, column in columns)

    return added


def _tell(apart: Apart, view: str, *, told: Mapping[str, Sum], counts: Mapping[str, Sum]) -> Told:
    sums = apart.get((), {})
    return {name: of(sums, view) for name, of in {**told, **counts}.items()}


def _counts(*facts: str, names: Iterable[str] = ("estimated", "unvalued", "unconverted")) -> dict[str, Sum]:
    return {name: _sum(name, *(fact.removeprefix("-") for fact in facts)) for name in names}


def _total(value: Sum, counts: Mapping[str, Sum] | None = None, **beside: Sum) -> Callable[[Apart, str], Told]:
    return partial(_tell, told={"value": value, **beside}, counts=counts or {})


def _ratio(
    above: Sum, below: Sum, counts: Mapping[str, Sum] | None = None, digits: int = 10, **beside: Sum
) -> Callable[[Apart, str], Told]:
    def tell(apart: Apart, view: str) -> Told:
        told = _tell(apart, view, told={"numerator": above, "denominator": below, **beside}, counts=counts or {})
        return {"value": _quotient(told["numerator"], told["denominator"], digits), **told}

    return tell


def _quotient(above: Number | None, below: Number | None, digits: int) -> Fraction | None:
    return round(Fraction(above or 0) / below, digits) if below else None  # half-even


def _cycle(fact: str) -> Callable[[Apart, str], Told]:
    def tell(apart: Apart, _: str) -> Told:
        sums = apart.get((), {})
        named = [(int(measure[1:]), n) for (name, measure), n in sums.items() if name == fact and measure[0] == "="]
        days = sorted(day for day, times in named for _ in range(int(times)))
        n = len(days)
        middle = Fraction(days[(n + 1) // 2 - 1] + days[n // 2], 2) if days else None
        p90 = days[-(-n * 9 // 10) - 1] if days else None
        return {"value": _quotient(sum(days), n, 6), "n": n, "median": middle, "p90": p90}

    return tell


def _velocity(apart: Apart, view: str) -> Told:
    names = {"later": ("open",), "count": ("won",), "value": ("won",), "valued": ("won",), "days": ("won",)}
    later, won, value, valued, days = (_sum(of, *facts)(apart.get((), {}), view) for of, facts in names.items())
    closed = _sum("count", "won", "lost")(apart.get((), {}), view)
    counts = _tell(apart, view, told={}, counts=_counts("won"))
    told = {"value": _quotient(later * won * value * won, closed * valued * days, 6), "numerator.won-value": value}
    told |= {"numerator.open-deals": later, "denominator.won-with-value": valued, "won_value_per_day": Fraction(0)}
    return {**told, **counts}


def _present(apart: Apart, _: str) -> Told:
    """How many customers ordered, each once."""
    return {
        "value": sum(
            customer is not None and sums.get(("order", "count"), 0) > 0 for (customer,), sums in apart.items()
        )
    }


def _profit(basis: str) -> Sum:
    revenue, cost = _sum("value", *TRADED[basis]), _sum("cost", *TRADED[basis][:2])
    return lambda sums, view: revenue(sums, view) - cost(sums, view)


def _owed(basis: str, side: int) -> Callable[[Apart, str], Told]:
    """Netted for each customer and currency; the original amount decides on which side the account is."""

    def tell(apart: Apart, view: str) -> Told:
        names = BILLED[basis]
        accounts = {
            account: (_sum("value", *names)(sums, "original"), _sum("value", *names)(sums, view), sums)
            for account, sums in apart.items()
        }
        mine = {account: (told, sums) for account, (owed, told, sums) in accounts.items() if owed * side > 0}
        value = sum(side * told for told, _ in mine.values())
        unconverted = sum(_counts(*names)["unconverted"](sums, view) for _, sums in mine.values())
        for sums in apart.values() if side < 0 else ():
            value += _sum("value", "unallocated")(sums, view)
            unconverted += _counts("unallocated")["unconverted"](sums, view)
        difference = sum(told for owed, told, _ in accounts.values() if not owed)
        customers = len({customer for customer, _ in mine})
        return {"value": value, "unconverted": unconverted, "exchange_difference": difference, "customers": customers}

    return tell


_VIEWS = ("value", "constant", "original")
_deal = partial(Kpi, dimensions=DEAL, ledgers=("deal",))
_worth = partial(_deal, views=_VIEWS)
_trade = partial(Kpi, dimensions=(*WHO, "product", "category", "unit"), ledgers=("trade",))
_LINES = ("unvalued", "unconverted", "uncosted")

KPIS: dict[str, Kpi] = {
    "open-pipeline-count": _deal(_total(_sum("count", "open")), stock=True, dimensions=("stage", *DEAL)),
    "open-pipeline-value": _worth(
        _total(_sum("value", "open"), _counts("open")), stock=True, dimensions=("stage", *DEAL)
    ),
    **{f"deals-{name}-count": _deal(_total(_sum("count", name))) for name in ("created", "won", "lost")},
    **{f"deals-{n}-value": _worth(_total(_sum("value", n), _counts(n))) for n in ("created", "won", "lost")},
    "win-rate-all": _deal(_ratio(_sum("count", "created-won"), _sum("count", "created"))),
    "win-rate-all-value": _worth(_ratio(_sum("value", "created-won"), _sum("value", "created"), _counts("created"))),
    "win-rate-closed": _deal(_ratio(_sum("count", "won"), _sum("count", "won", "lost"))),
    "win-rate-closed-value": _worth(_ratio(_sum("value", "won"), _sum("value", "won", "lost"), _counts("won", "lost"))),
    "average-deal-size": _worth(_ratio(_sum("value", "won"), _sum("valued", "won"), _counts("won"), 6)),
    "stage-conversion": _deal(
        _ratio(
            _sum("count", "advanced"),
            _sum("count", "advanced", "dropped"),
            reached=_sum("count", "advanced", "dropped", "undecided"),
            undecided=_sum("count", "undecided"),
        ),
        by=("pipeline", "stage"),
    ),
    **{f"sales-cycle-{name}": _deal(_cycle(name)) for name in ("won", "lost")},
    "sales-velocity": _worth(_velocity, stock=True, reach=EVER),
    "sales-velocity:P45D": _worth(_velocity, stock=True, reach=45),
    "order-count": Kpi(_total(_sum("count", "order")), WHO, ("trade",)),
    "active-customers": Kpi(_present, tuple(n for n in WHO if n != "customer"), ("trade",), apart=("customer",)),
    **{
        f"revenue:{basis}": _trade(_total(_sum("value", *names), _counts(*names, names=_LINES[:2])), views=_VIEWS)
        for basis, names in TRADED.items()
    },
    **{f"volume:{b}": _trade(_total(_sum("quantity", *names[:2])), by=("unit",)) for b, names in TRADED.items()},
    **{
        f"gross-profit:{basis}": _trade(_total(_profit(basis), _counts(*names, names=_LINES)))
        for basis, names in TRADED.items()
    },
    **{
        f"gross-profit-rate:{b}": _trade(_ratio(_profit(b), _sum("value", *names), _counts(*names, names=_LINES)))
        for b, names in TRADED.items()
    },
    "collections": Kpi(
        _total(
            _sum("value", "received", "-refunded"),
            _counts("received", "refunded", names=["unconverted"]),
            bills_pending=_sum("value", "bill-pending"),
        ),
        ("instrument", *WHO),
        ("cash",),
        _VIEWS,
        stock=True,
    ),
    **{
        f"{name}:{basis}": Kpi(
            _owed(basis, side), ("customer", "business_line", "currency"), ("trade", "cash"), _VIEWS,
            apart=("customer", "currency"), reach=EVER,
        )
        for basis in BILLED
        for name, side in (("receivables", 1), ("prepayments", -1))
    },
}  # fmt: skip
"""By slug, and `:basis` or `:window`."""

_TELLERS = {
    "deal": deals.flows,
    "order": documents.order,
    "shipment": documents.shipment,
    "return": documents.returned,
    "invoice": documents.invoice,
    "credit-note": documents.credit_note,
    "payment": documents.payment,
}
_LEDGERS = {"deal": "deal", "payment": "cash"}


class Books:
    """All that happened by what was known on a day (None: by now), and all that stood on any evening."""

    def __init__(self, events: Iterable[Event], known_at: date | None = None, **settings: Any) -> None:
        """`settings` as of `Company`: `zone`, `base`, `constant_on`, `pipelines`."""
        self.known_at = known_at
        self.company = Company(events, known_at or date.max, **settings)
        told = [(kind, self.company.life(kind, key)) for kind, key in tuple(self.company.said) if kind in _TELLERS]
        self._payments = [life for kind, life in told if kind == "payment"]
        deal_lives = (life for kind, life in told if kind == "deal")
        self._standings = [one for life in deal_lives for one in deals.standings(self.company, life)]
        found = defaultdict[str, list[Fact]](list)
        for kind, life in told:
            if not life[-1].ended:
                found[_LEDGERS.get(kind, "trade")] += _TELLERS[kind](self.company, life)
        self.flows = {ledger: sorted(facts, key=lambda fact: fact.day) for ledger, facts in found.items()}
        self._evenings: dict[tuple[str, date], list[Fact]] = {}
        self._sums: dict[tuple[Any, ...], dict[Group, Sums]] = {}

    def days(self, kpi: str) -> tuple[date, date]:
        """The first and the last day on which anything happened of which the KPI may be made."""
        days = [
            self.flows[ledger][place].day for ledger in KPIS[kpi].ledgers if ledger in self.flows for place in (0, -1)
        ]
        return min(days), max(days)

    def standing(self, ledger: str, evening: date) -> list[Fact]:
        """What stood on an evening: open deals, pending bills."""
        if (ledger, evening) not in self._evenings:
            self._evenings[ledger, evening] = list(self._stood(ledger, evening))
        return self._evenings[ledger, evening]

    def _stood(self, ledger: str, evening: date) -> Iterator[Fact]:
        if ledger == "deal":
            open_then = (one for one in self._standings if one.state.day <= evening < one.end)
            yield from (deals.standing(self.company, one, evening) for one in open_then)
        if ledger == "cash":
            for life in self._payments:
                yield from documents.pending(self.company, life, evening)

    def answer(
        self, kpi: str, start: date, end: date, by: Sequence[str] = (), view: str = "value"
    ) -> dict[Group, Told]:
        """The KPI of a period by slice, without related parties."""
        of = KPIS[kpi]
        first = start if of.reach is None else FIRST if of.reach == EVER else end - timedelta(days=of.reach - 1)
        slices = defaultdict[Group, dict[Group, Sums]](dict)
        for group, sums in self._summed(of, (*by, *of.apart), first, end).items():
            slices[group[: len(by)]][group[len(by) :]] = sums
        told = {group: of.tell(apart, view) for group, apart in slices.items()}
        if "velocity" in kpi:
            days = of.reach if of.reach != EVER else self._days_until(end)
            for one in told.values():
                one["won_value_per_day"] = _quotient(one["numerator.won-value"], days, 6)
        return told

    def _days_until(self, end: date) -> int:
        """Since the first day on which any deal was created or won, that included."""
        days = [
            fact.day
            for fact in self.flows.get("deal", ())
            if fact.name in ("created", "won") and fact.day <= end and not fact.under["related"]
        ]
        return ((max(days) if end == LAST else end) - min(days)).days + 1 if days else 0

    def _summed(self, of: Kpi, by: tuple[str, ...], first: date, end: date) -> dict[Group, Sums]:
        key = (of.ledgers, of.stock, by, first, end)
        if key not in self._sums:
            sums = defaultdict[Group, dict[tuple[str, str], Number]](dict)
            for fact in self._facts(of, first, end):
                if not fact.under["related"]:
                    slot = sums[tuple(fact.under.get(name) for name in by)]
                    for measure, number in fact.sums.items():
                        slot[fact.name, measure] = slot.get((fact.name, measure), 0) + number
            self._sums[key] = dict(sums)
        return self._sums[key]

    def _facts(self, of: Kpi, first: date, end: date) -> Iterator[Fact]:
        for ledger in of.ledgers:
            flows = self.flows.get(ledger, [])
            yield from flows[bisect_left(flows, first, key=_day) : bisect_right(flows, end, key=_day)]
            if of.stock:
                yield from self.standing(ledger, min(end, LAST))


def _day(fact: Fact) -> date:
    return fact.day
