"""A company in miniature on the real rules: open deals by stage and team, and what was won.

A deal without an amount is worth its product's list price; foreign money is converted at the rate of the day on which a
state began; an owner who changes teams takes the stock along.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from itertools import takewhile
from typing import NamedTuple
from zoneinfo import ZoneInfo

from shared.kernel.journal import Assertion, Journal, State, states
from shared.kernel.ledger import Account, Balance, Ledger, negated, post
from shared.kernel.money import EXACT
from shared.kernel.period import Calendar
from shared.sales import lookup
from shared.sales.references import Key, References, View
from shared.sales.timeline import Folded, Since, timeline

CALENDAR = Calendar(ZoneInfo("Asia/Shanghai"))


class Dimensions(NamedTuple):
    stage: str | None
    team: str | None


class Sums(NamedTuple):
    deals: int
    value: Decimal
    unconverted: int


LEDGER = Ledger("mini", Dimensions, Sums)


def fold(journal: Journal, references: References, since: Since | None = None) -> Folded:
    """What a deal ought to have posted."""
    return timeline(journal, references, contribute, since)


def fold_counting_only(journal: Journal, references: References, since: Since | None = None) -> Folded:
    """Another formula for the same facts: values are left out."""
    return timeline(journal, references, _contribute_counts, since)


def _contribute_counts(assertions: Sequence[Assertion], view: View) -> Balance:
    cells: Balance = {}
    for cell, (deals, _value, _unconverted) in contribute(assertions, view).items():
        post(cells, cell, Sums(int(deals), Decimal(0), 0))
    return cells


def contribute(assertions: Sequence[Assertion], view: View) -> Balance:
    """A deal's life as known on the view's day, on cells."""
    cells: Balance = {}
    life = states(assertions)
    days = [CALENDAR.day(state.since) for state in life]
    for state, day, end in zip(life, days, [*days[1:], date.max], strict=True):
        if not state.ended and _stage(state) not in ("won", "lost"):
            _stand(cells, view, state, day, end)
    run = list(takewhile(lambda state: not state.ended and _stage(state) == "won", reversed(life)))
    if run:
        day = CALENDAR.day(run[-1].since)
        post(cells, _account("won", run[0], day, _team(view, run[0], day)), _sums(view, run[0], day))
    return cells


def _stand(cells: Balance, view: View, state: State, day: date, end: date) -> None:
    entered = _sums(view, state, day)
    for start, stop, team in view.stretches(lambda on: _team(view, state, on), day, end):
        post(cells, _account("open", state, start, team), entered)
        if stop < date.max:
            post(cells, _account("open", state, stop, team), negated(entered))


def _account(fact: str, state: State, day: date, team: str | None) -> Account:
    return LEDGER.name, day, fact, Dimensions(_stage(state), team)


def _stage(state: State) -> str:
    return state.text("stage") or "prospecting"


def _team(view: View, state: State, day: date) -> str | None:
    owner = state.text("owner_id")
    return view.text(Key("member", owner), "unit_id", day) if owner else None


def _sums(view: View, state: State, day: date) -> Sums:
    product = state.text("product_id")
    amount = lookup.money(state.fields.get("amount")) or (lookup.price_of(view, product, day) if product else None)
    if amount is None:
        return Sums(1, Decimal(0), 0)
    rate = lookup.rate_of(view, amount.currency, "EUR", day)
    return Sums(1, Decimal(0), 1) if rate is None else Sums(1, EXACT.multiply(amount.amount, rate), 0)
