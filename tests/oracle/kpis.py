"""The KPI reference in its own words: which facts are counted and summed, and what is divided by what."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from fractions import Fraction

from tests.oracle import deals, documents
from tests.oracle.replay import FIRST, STAGES, Company, Fact, Text

Group = tuple[Text, ...]
Picked = Mapping[str, Sequence[Fact]]
"""The facts of one slice and period, by name."""
Told = Callable[[Picked], Fraction | None]

GOODS = {
    "ordered": ("ordered", "-returned"),
    "shipped": ("shipped", "-returned"),
    "invoiced": ("invoiced", "-credited-return"),
}
TRADED = {
    "ordered": (*GOODS["ordered"], "-credited-allowance"),
    "shipped": (*GOODS["shipped"], "-credited-allowance"),
    "invoiced": (*GOODS["invoiced"], "-credited-allowance", "-credited-correction"),
}
BILLED = {
    "invoiced": ("billable-invoiced", "-billable-credited"),
    "shipped": ("billable-shipped", "-billable-returned"),
}


def _count(fact: Fact) -> Fraction:
    return Fraction(fact.sign)


def _value(fact: Fact) -> Fraction:
    return (fact.value or 0) * Fraction(fact.sign)


def _valued(fact: Fact) -> Fraction:
    return Fraction(fact.value is not None)


def _days(fact: Fact) -> Fraction:
    return Fraction(fact.days)


def _sum(of: Callable[[Fact], Fraction], *names: str) -> Callable[[Picked], Fraction]:
    """Each named fact added, or taken away if a minus stands before it."""

    def added(picked: Picked) -> Fraction:
        parts = ((-1, name[1:]) if name[0] == "-" else (1, name) for name in names)
        return sum((sign * of(fact) for sign, name in parts for fact in picked.get(name, ())), Fraction(0))

    return added


def _ratio(above: Told, below: Told, digits: int = 10) -> Told:
    def divided(picked: Picked) -> Fraction | None:
        divisor = below(picked)
        return round((above(picked) or Fraction(0)) / divisor, digits) if divisor else None

    return divided


def _ranked(name: str, first: Callable[[int], int], second: Callable[[int], int]) -> Told:
    """The mean of two ranks, counted from one, of the sorted days."""

    def told(picked: Picked) -> Fraction | None:
        days = sorted(fact.days for fact in picked.get(name, ()))
        return Fraction(days[first(len(days)) - 1] + days[second(len(days)) - 1], 2) if days else None

    return told


def _velocity(picked: Picked) -> Fraction | None:
    later = sum(fact.under["stage"] != STAGES[0] for fact in picked.get("open", ()))
    won, value, days = (_sum(of, "won")(picked) for of in (_count, _value, _days))
    below = _sum(_count, "won", "lost")(picked) * _sum(_valued, "won")(picked) * days
    return round(later * won * value * won / below, 6) if below else None


def _profit(basis: str) -> Callable[[Picked], Fraction]:
    revenue, cost = _sum(_value, *TRADED[basis]), _sum(lambda fact: fact.cost, *GOODS[basis])
    return lambda picked: revenue(picked) - cost(picked)


def _owed(basis: str, side: int) -> Callable[[Picked], Fraction]:
    """Netted for each customer and currency; the original amount decides on which side the account is."""

    def told(picked: Picked) -> Fraction:
        accounts: dict[tuple[Text, Text], list[Fraction]] = defaultdict(lambda: [Fraction(0), Fraction(0)])
        for name in (*BILLED[basis], "-applied", "-on-account"):
            sign = -1 if name[0] == "-" else 1
            for fact in picked.get(name.removeprefix("-"), ()):
                account = accounts[fact.under["customer"], fact.under["currency"]]
                account[0] += sign * fact.sign * fact.original
                account[1] += sign * _value(fact)
        total = sum((side * told for original, told in accounts.values() if original * side > 0), Fraction(0))
        return total if side > 0 else total + _sum(_value, "unallocated")(picked)

    return told


KPIS: dict[str, Told] = {
    "open-pipeline-count": _sum(_count, "open"),
    "open-pipeline-value": _sum(_value, "open"),
    "win-rate-all": _ratio(_sum(_count, "created-won"), _sum(_count, "created")),
    "win-rate-all-value": _ratio(_sum(_value, "created-won"), _sum(_value, "created")),
    "win-rate-closed": _ratio(_sum(_count, "won"), _sum(_count, "won", "lost")),
    "win-rate-closed-value": _ratio(_sum(_value, "won"), _sum(_value, "won", "lost")),
    "average-deal-size": _ratio(_sum(_value, "won"), _sum(_valued, "won"), 6),
    "stage-conversion": _ratio(_sum(_count, "advanced"), _sum(_count, "reached", "-undecided")),
    "sales-velocity": _velocity,
    "order-count": _sum(_count, "order"),
    "collections": _sum(_value, "received", "-refunded"),
    **{f"deals-{name}-count": _sum(_count, name) for name in ("created", "won", "lost")},
    **{f"deals-{name}-value": _sum(_value, name) for name in ("created", "won", "lost")},
    **{f"sales-cycle-{name}": _ratio(_sum(_days, name), _sum(_count, name), 6) for name in ("won", "lost")},
    **{f"sales-cycle-{n}/median": _ranked(n, lambda n: (n + 1) // 2, lambda n: n // 2 + 1) for n in ("won", "lost")},
    **{f"sales-cycle-{n}/p90": _ranked(n, *[lambda n: -(-n * 9 // 10)] * 2) for n in ("won", "lost")},
    **{f"revenue:{basis}": _sum(_value, *names) for basis, names in TRADED.items()},
    **{f"volume:{basis}": _sum(lambda fact: fact.quantity, *names) for basis, names in GOODS.items()},
    **{f"gross-profit:{basis}": _profit(basis) for basis in TRADED},
    **{f"gross-profit-rate:{b}": _ratio(_profit(b), _sum(_value, *names)) for b, names in TRADED.items()},
    **{f"receivables:{basis}": _owed(basis, 1) for basis in BILLED},
    **{f"prepayments:{basis}": _owed(basis, -1) for basis in BILLED},
}
"""By slug, `:basis` and `/statistic`."""

_EVER = ("sales-velocity", "receivables", "prepayments")
_STOCKS = ("open-pipeline-count", "open-pipeline-value", "sales-velocity")


_TELLERS = {
    "deal": deals.flows,
    "order": documents.order,
    "shipment": documents.shipment,
    "return": documents.returned,
    "invoice": documents.invoice,
    "credit-note": documents.credit_note,
    "payment": documents.payment,
}


class Books:
    """All that happened by what is known, and all that stood on any evening."""

    def __init__(self, company: Company) -> None:
        self._company = company
        told = [(kind, company.life(kind, key)) for kind, key in company.said if kind in _TELLERS]
        self._deals = [life for kind, life in told if kind == "deal"]
        self._evenings: dict[date, list[Fact]] = {}
        self._flows: dict[bool, list[Fact]] = {True: [], False: []}
        for kind, life in told:
            if not life[-1].ended:
                self._flows[kind == "deal"] += _TELLERS[kind](company, life)

    def days(self, kpi: str) -> tuple[date, date]:
        """The first and the last day on which anything happened of which the KPI may be made."""
        days = [fact.day for fact in self._flows[_is_of_deals(kpi)]]
        return min(days), max(days)

    def answer(self, kpi: str, start: date, end: date, by: Sequence[str] = ()) -> dict[Group, Fraction]:
        """The KPI of a period by slice, without related parties; slices without a value or with nothing are out."""
        slices: dict[Group, dict[str, list[Fact]]] = defaultdict(lambda: defaultdict(list))
        for fact in self._within(kpi, start, end):
            if not fact.under["related"]:
                slices[tuple(fact.under.get(name) for name in by)][fact.name].append(fact)
        told = {group: KPIS[kpi](picked) for group, picked in slices.items()}
        is_sum = KPIS[kpi]({}) == 0
        return {group: value for group, value in told.items() if value is not None and (value or not is_sum)}

    def _within(self, kpi: str, start: date, end: date) -> Iterator[Fact]:
        slug = kpi.partition(":")[0]
        first = FIRST if slug in _EVER else start
        yield from (fact for fact in self._flows[_is_of_deals(kpi)] if first <= fact.day <= end)
        if slug in _STOCKS:
            if end not in self._evenings:
                self._evenings[end] = list(deals.standing(self._company, self._deals, end))
            yield from self._evenings[end]


def _is_of_deals(kpi: str) -> bool:
    return kpi in _STOCKS or kpi.startswith(("deals-", "win-rate", "average-deal", "sales-cycle", "stage-"))
